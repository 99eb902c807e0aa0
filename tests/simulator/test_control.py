from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from uhome2mqtt.simulator.journal import Journal

from .support import BACK, FRONT, GARAGE, Client, eventually, message

if TYPE_CHECKING:
    from .support import Json


async def test_true_and_visible_states(client: Client) -> None:
    """The control interface tells the true state beside the one that the cloud shows."""
    client.quirks(read_back_lag=60)
    changed = await client.by_hand(FRONT, states={"st.lock.lockState": "Unlocked"}, cause="keypad")
    assert changed["states"]["st.lock.lockState"] == "Unlocked"
    assert changed["visible"]["st.lock.lockState"] == "Locked"
    assert (await client.states(FRONT))["st.lock.lockState"] == "Locked"
    listed = (await client.control("GET", "devices"))["devices"]
    assert listed[0] == changed == await client.control("GET", f"devices/{FRONT}")
    assert len(listed) == 7


async def test_everything_that_a_hand_can_do(client: Client) -> None:
    """Health, name, jam and auto-lock change together, and the occurrence is written down with its cause."""
    device = await client.by_hand(FRONT, online=False, name="Porch", jam=True, autoLock=5, cause="storm")
    assert device["online"] is False
    assert (device["name"], device["jam"], device["autoLock"]) == ("Porch", "stuck", 5.0)
    assert (await client.by_hand(FRONT, jam=False))["jam"] == "free"
    [storm, freed] = (await client.control("GET", "occurrences"))["occurrences"]
    assert (storm["device"], storm["cause"], storm["name"]) == (FRONT, "storm", "Porch")
    assert freed["jam"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"state": {}},
        {"states": {"st.lock.lockState": ["Locked"]}},
        {"online": "yes"},
        {"jam": "later"},
        {"autoLock": -1},
        {"name": 5},
    ],
)
async def test_wrong_changes(client: Client, change: Any) -> None:
    """A change with unknown fields or wrong types is refused."""
    response = await client.http.post(f"/control/devices/{FRONT}", json=change)
    assert response.status_code == 422
    assert next(iter(change)) in response.json()["error"]


@pytest.mark.parametrize(("content", "status"), [(b"{", 400), (b"[]", 400), (b"\xff", 400), (b"", 200)])
async def test_bodies(client: Client, content: bytes, status: int) -> None:
    """A body must be a JSON object; none at all is an empty one."""
    response = await client.http.post(f"/control/devices/{FRONT}", content=content)
    assert response.status_code == status


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_unknown_device(client: Client, method: str) -> None:
    """A device that does not exist is 404."""
    response = await client.http.request(method, "/control/devices/FF:FF")
    assert (response.status_code, response.json()) == (404, {"error": "no device 'FF:FF'"})


async def test_devices_come_and_go(client: Client) -> None:
    """A device can be added with its record, replaced, and removed."""
    record: Json = {
        "name": "Strip",
        "category": "LIGHT",
        "handleType": "utec-light-rgbaw-br",
        "deviceInfo": {"model": "STRIP", "hwVersion": "9"},
        "attributes": {"colorModel": "RGB"},
        "states": {"st.switch.switch": "on", "st.color.hue": 40, "st.color.note": None},
        "online": False,
    }
    response = await client.http.put("/control/devices/AA:01", json=record)
    assert response.status_code == 201
    states = await client.states("AA:01")
    assert states == record["states"] | {"st.healthCheck.status": "Offline"}
    listed = (await client.payload("Uhome.Device/Discovery", {}))["devices"][-1]
    assert (listed["id"], listed["deviceInfo"]["manufacturer"]) == ("AA:01", "U-tec")
    replaced = await client.http.put("/control/devices/AA:01", json={"name": "Lock"})
    assert (replaced.status_code, replaced.json()["states"]) == (200, {})
    assert (await client.http.delete("/control/devices/AA:01")).status_code == 204
    assert (await client.payload("Uhome.Device/Query", {"devices": [{"id": "AA:01"}]})) == {"devices": []}


async def test_a_new_lock_relocks(client: Client) -> None:
    """A device that is added unlocked with auto-lock locks in its time."""
    states = {"st.lock.lockState": "Unlocked"}
    await client.control("PUT", "devices/AA:02", {"name": "L", "states": states, "autoLock": 0.05})

    async def locked() -> bool:
        return bool((await client.states("AA:02"))["st.lock.lockState"] == "Locked")

    await eventually(locked)


async def test_quirks(client: Client) -> None:
    """Quirks can be read and changed while the cloud runs."""
    before = await client.control("GET", "quirks")
    after = await client.control("PATCH", "quirks", {"push_mode": "late", "read_back_lag": [1, 2]})
    assert after == before | {"push_mode": "late", "read_back_lag": [1.0, 2.0]}
    assert await client.control("GET", "quirks") == after


async def test_unknown_quirk(client: Client) -> None:
    """An unknown quirk is 422 and names the nearest right one; nothing is changed."""
    response = await client.http.patch("/control/quirks", json={"bolt_seconds": 9, "psh_mode": "on"})
    assert response.status_code == 422
    assert response.json() == {
        "error": "unknown quirk 'psh_mode'; did you mean 'push_mode'?",
        "unknown": "psh_mode",
        "nearest": "push_mode",
    }
    assert client.cloud.quirks.bolt_seconds == 0.05


@pytest.mark.parametrize(
    "change", [{"push_mode": "sometimes"}, {"bolt_seconds": "soon"}, {"read_back_lag": [5, 1]}, {"expires_in": None}]
)
async def test_wrong_quirk_values(client: Client, change: Json) -> None:
    """A quirk of the wrong type is 422 and names the quirk."""
    response = await client.http.patch("/control/quirks", json=change)
    assert response.status_code == 422
    assert next(iter(change)) in response.json()["error"]


async def test_journal_of_requests(client: Client) -> None:
    """Every request is journalled with what it was about and what became of it."""
    await client.query(FRONT)
    await client.command(GARAGE, "st.lock.setMode", mode=1)
    await client.post(message("Uhome.Device/Query", {}), Authorization="Bearer wrong")
    await client.http.post("/action", content=b"{")
    await client.http.post("/token", data={"grant_type": "refresh_token"})
    await client.post(message("Uhome.Configure/Query", {}))
    await client.by_hand(BACK, online=False)
    await client.command(BACK, "st.lock.lock")
    client.quirks(token_errors="wrapped")
    await client.http.post("/token", data={"client_id": "x"})
    journal = (await client.control("GET", "requests"))["requests"]
    assert [entry["outcome"] for entry in journal] == [
        "ok",
        "ok",
        "INVALID_TOKEN",
        "http 400",
        "invalid_client",
        "http 500",
        "DEVICE_OFFLINE",
        "unsupported_grant_type",
    ]
    query, command, _, malformed, token, *_ = journal
    assert (query["namespace"], query["name"], query["devices"]) == ("Uhome.Device", "Query", [FRONT])
    assert command["commands"] == [{"capability": "st.lock", "name": "setMode", "arguments": {"mode": 1}}]
    assert malformed["name"] is None
    assert (token["name"], token["grant_type"], token["method"]) == ("token", "refresh_token", "POST")
    later = (await client.control("GET", f"requests?since={command['sequence']}"))["requests"]
    assert later == journal[2:]
    assert (await client.control("GET", "requests?since=x"))["requests"] == journal
    await client.control("DELETE", "requests")
    assert (await client.control("GET", "requests"))["requests"] == []
    await client.query(FRONT)
    [again] = (await client.control("GET", "requests"))["requests"]
    assert again["sequence"] == journal[-1]["sequence"] + 1


async def test_journals_know_no_secrets(client: Client) -> None:
    """Neither tokens nor codes nor keypad codes get into a journal."""
    minted = await client.control("POST", "token")
    body = message("Uhome.Device/Query", {"devices": [5]})
    body["authentication"] = {"type": "Bearer", "token": minted["access_token"]}
    await client.post(body)
    await client.http.post("/token", data={"grant_type": "refresh_token", "refresh_token": minted["refresh_token"]})
    await client.http.get("/token", params={"client_secret": "hush", "code": "hush"})
    await client.command(FRONT, "st.lockUser.add", name="A", type=0, password=271828)
    await client.register("http://127.0.0.1:9/?k=hush", access_token="hush")
    await client.by_hand(FRONT, states={"st.lock.lockState": "Unlocked"})
    journals = [await client.control("GET", name) for name in ("requests", "pushes", "occurrences")]
    text = json.dumps(journals)
    for secret in (client.token, minted["access_token"], minted["refresh_token"], "hush", "271828"):
        assert secret not in text


async def test_minting_and_revoking(client: Client) -> None:
    """A grant can be minted without a login, and all grants revoked at once."""
    minted = await client.control("POST", "token", {"client_id": "me"})
    assert {"access_token", "refresh_token", "expires_in"} <= set(minted)
    refresh = {"grant_type": "refresh_token", "client_id": "me", "refresh_token": minted["refresh_token"]}
    assert "data" in (await client.http.post("/token", data=refresh)).json()
    assert await client.control("POST", "revoke") == {"revoked": 2}
    assert (await client.payload("Uhome.User/Get", {}))["error"]["code"] == "INVALID_TOKEN"


def test_journals_are_bounded() -> None:
    """A journal keeps the latest entries and goes on counting."""
    journal = Journal(limit=3)
    for number in range(5):
        journal.add(number=number)
    assert [entry["sequence"] for entry in journal.since()] == [3, 4, 5]
