from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from uhome2mqtt.simulator import SimDevice

from .support import BACK, DINING, FRONT, GARAGE, HALL, Client, eventually, message

if TYPE_CHECKING:
    from .support import Json


async def test_user_get(client: Client) -> None:
    """The account has an id of 32 hex digits and a name in snake case."""
    user = (await client.payload("Uhome.User/Get", {}))["user"]
    assert set(user) == {"id", "first_name", "last_name"}
    assert len(user["id"]) == 32
    int(user["id"], 16)


async def test_discovery(client: Client) -> None:
    """Discovery lists every device with the fields of real captures, without states and customData."""
    devices = (await client.payload("Uhome.Device/Discovery", {}))["devices"]
    assert [device["name"] for device in devices] == [
        "Front Door",
        "Back Door",
        "Garage",
        "Hall Light",
        "Dining Room",
        "Bedside Lamp",
        "Coffee Machine",
    ]
    assert devices[4] == {
        "id": DINING,
        "name": "Dining Room",
        "category": "SmartSwitch",
        "handleType": "utec-dimmer",
        "deviceInfo": {"manufacturer": "U-tec", "model": "US01", "hwVersion": "01.01.0330"},
        "attributes": {"switchLevelRange": {"min": 1, "max": 100, "step": 1}},
    }


async def test_query_reports_in_the_captured_order(client: Client) -> None:
    """A lock's states come as health, lock state, lock mode, battery; the garage adds its door."""
    assert await client.states(FRONT) == {
        "st.healthCheck.status": "Online",
        "st.lock.lockState": "Locked",
        "st.lock.lockMode": 0,
        "st.batteryLevel.level": 5,
    }
    assert list(await client.states(FRONT)) == [
        "st.healthCheck.status",
        "st.lock.lockState",
        "st.lock.lockMode",
        "st.batteryLevel.level",
    ]
    garage = await client.states(GARAGE)
    assert garage["st.doorSensor.sensorState"] == "Closed"
    assert "st.lock.lockMode" not in garage


async def test_header_is_echoed(client: Client) -> None:
    """A reply carries the request's namespace, name, message id and payload version."""
    reply = await client.act("Uhome.Device/Query", {"devices": []})
    assert reply == message("Uhome.Device/Query", {"devices": []})


async def test_message_id_with_a_capital_d(client: Client) -> None:
    """A client that spells it messageID is answered with messageId."""
    request = {"header": {"namespace": "Uhome.User", "name": "Get", "messageID": "x"}, "payload": {}}
    assert (await client.post(request)).json()["header"]["messageId"] == "x"


@pytest.mark.parametrize(
    ("device_id", "command", "arguments", "seconds"),
    [
        (FRONT, "st.lock.unlock", {}, 20),
        (FRONT, "st.lock.lock", {}, 20),
        (FRONT, "st.lock.setMode", {"mode": 1}, 5),
        (HALL, "st.switch.on", {}, 5),
        (HALL, "st.switch.off", {}, 5),
        (DINING, "st.switchLevel.setLevel", {"level": 40}, 10),
        (DINING, "st.switch.setLevel", {"level": 40}, 10),
    ],
)
async def test_command_is_acknowledged(
    client: Client, device_id: str, command: str, arguments: Json, seconds: int
) -> None:
    """A command is answered with a deferred response, never with a result."""
    assert await client.command(device_id, command, **arguments) == {
        "devices": [
            {
                "id": device_id,
                "states": [{"capability": "st.deferredResponse", "name": "seconds", "value": seconds}],
            }
        ]
    }


async def test_command_takes_effect_after_its_time(client: Client) -> None:
    """A query right after a command still returns the old state; a little later it is the new one."""
    await client.command(FRONT, "st.lock.unlock")
    assert (await client.states(FRONT))["st.lock.lockState"] == "Locked"

    async def unlocked() -> bool:
        return bool((await client.states(FRONT))["st.lock.lockState"] == "Unlocked")

    await eventually(unlocked)


async def test_commands_for_several_devices(client: Client) -> None:
    """One request may command several devices and query several more."""
    on = {"capability": "st.switch", "name": "on"}
    unlock = {"capability": "st.lock", "name": "unlock"}
    orders = [{"id": HALL, "command": on}, {"id": BACK, "command": unlock}]
    reply = await client.payload("Uhome.Device/Command", {"devices": orders})
    assert [entry["id"] for entry in reply["devices"]] == [HALL, BACK]
    both = await client.payload("Uhome.Device/Query", {"devices": [{"id": BACK}, {"id": HALL}]})
    assert [entry["id"] for entry in both["devices"]] == [BACK, HALL]


async def test_many_requests_at_once(client: Client) -> None:
    """Fifty clients at once are all answered with their own message id."""

    async def one(number: int) -> bool:
        request = message("Uhome.Device/Query", {"devices": [{"id": FRONT}]}, messageId=str(number))
        return bool((await client.post(request)).json()["header"]["messageId"] == str(number))

    assert all(await asyncio.gather(*(one(number) for number in range(50))))


async def test_configure_query_crashes_the_service(client: Client) -> None:
    """There is no way to read the registration back: HTTP 500 with the gateway's body."""
    response = await client.post(message("Uhome.Configure/Query", {}))
    assert (response.status_code, response.json()) == (500, {"message": "Internal server error"})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"null", b"\xff\xfe"])
async def test_malformed_json(client: Client, content: bytes) -> None:
    """A body that is no JSON object is answered with HTTP 400 and nothing else."""
    response = await client.http.post("/action", content=content)
    assert (response.status_code, response.content) == (400, b"")


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}, {"X-Nothing": "1"}]
)
async def test_invalid_token(client: Client, headers: dict[str, str]) -> None:
    """A missing, wrong or unreadable token is an envelope with INVALID_TOKEN and HTTP 200."""
    response = await client.post(message("Uhome.Device/Discovery", {}), **headers)
    assert response.status_code == 200
    assert response.json()["payload"]["error"]["code"] == "INVALID_TOKEN"
    assert response.json()["header"]["messageId"] == "the-id"


async def test_token_in_the_body(client: Client) -> None:
    """The token may ride in the body; the header wins when both are there."""
    request = message("Uhome.User/Get", {})
    request["authentication"] = {"type": "Bearer", "token": client.token}
    assert "user" in (await client.post(request, **{"X-Nothing": "1"})).json()["payload"]
    both = await client.post(request, Authorization="Bearer wrong")
    assert both.json()["payload"]["error"]["code"] == "INVALID_TOKEN"


UNLOCK = {"capability": "st.lock", "name": "unlock"}


@pytest.mark.parametrize(
    ("operation", "payload"),
    [
        ("Uhome.Device/Dance", {}),
        ("Nothing/Query", {}),
        ("Uhome.Device/Query", []),
        ("Uhome.Device/Query", {"devices": "all"}),
        ("Uhome.Device/Query", {"devices": ["id"]}),
        ("Uhome.Device/Query", {"devices": [{"id": 5}]}),
        ("Uhome.Device/Command", {"devices": [{"id": FRONT}]}),
        ("Uhome.Device/Command", {"devices": [{"id": FRONT, "command": {"capability": "st.lock"}}]}),
        ("Uhome.Device/Command", {"devices": [{"id": FRONT, "command": UNLOCK | {"arguments": [1]}}]}),
        ("Uhome.Device/Command", {"devices": [{"id": HALL, "command": UNLOCK}]}),
        ("Uhome.Configure/Set", {}),
        ("Uhome.Configure/Set", {"configure": {"notification": {"url": "ftp://x/y"}}}),
        ("Uhome.Configure/Set", {"configure": {"notification": {"url": "http://[", "access_token": "t"}}}),
        ("Uhome.Configure/Set", {"configure": {"notification": {"url": 5}}}),
        ("Uhome.Configure/Set", {"configure": {"notification": {"url": "http://x/", "access_token": 5}}}),
    ],
)
async def test_bad_request(client: Client, operation: str, payload: Any) -> None:
    """What the cloud does not understand is refused as a whole with BAD-REQUEST."""
    reply = await client.payload(operation, payload)
    assert reply["error"]["code"] == "BAD-REQUEST"


@pytest.mark.parametrize(
    ("device_id", "command", "arguments"),
    [
        (FRONT, "st.lock.setMode", {"mode": 3}),
        (FRONT, "st.lock.setMode", {"mode": True}),
        (FRONT, "st.lock.explode", {}),
        (DINING, "st.switchLevel.setLevel", {"level": 101}),
        (DINING, "st.switchLevel.setLevel", {"level": "50"}),
        (HALL, "st.switchLevel.setLevel", {"level": 50}),
        (FRONT, "st.switch.on", {}),
    ],
)
async def test_unsupported_command(client: Client, device_id: str, command: str, arguments: Json) -> None:
    """Commands that a device does not have, and arguments out of range, are BAD-REQUEST."""
    assert (await client.command(device_id, command, **arguments))["error"]["code"] == "BAD-REQUEST"


async def test_header_may_be_anything(client: Client) -> None:
    """A request without a usable header is refused, not crashed on."""
    headers: list[Any] = [None, [], "x", {"namespace": ["a"], "name": {}}]
    for header in headers:
        response = await client.post({"header": header, "payload": {}, "authentication": "none"})
        assert response.json()["payload"]["error"]["code"] == "BAD-REQUEST"


async def test_command_for_an_unknown_device(client: Client) -> None:
    """A command for an id that the account does not have is that device's error."""
    reply = await client.command("FF:FF", "st.lock.lock")
    assert reply["devices"][0]["error"]["code"] == "DEVICE-DELETED"


async def test_one_bad_entry_refuses_all(client: Client) -> None:
    """When one entry of a command request is malformed, nothing happens to the others."""
    orders = [{"id": FRONT, "command": UNLOCK}, {"id": HALL, "command": UNLOCK}]
    assert "error" in await client.payload("Uhome.Device/Command", {"devices": orders})
    await asyncio.sleep(0.1)
    assert (await client.states(FRONT))["st.lock.lockState"] == "Locked"


async def test_offline_device(client: Client) -> None:
    """An offline device answers Query with its cached states and Command with DEVICE_OFFLINE."""
    await client.by_hand(FRONT, online=False)
    states = await client.states(FRONT)
    assert states["st.healthCheck.status"] == "Offline"
    assert states["st.lock.lockState"] == "Locked"
    reply = await client.command(FRONT, "st.lock.unlock")
    assert reply == {
        "devices": [
            {
                "id": FRONT,
                "error": {"code": "DEVICE_OFFLINE", "message": "Device is offline and cannot accept commands"},
            }
        ]
    }


async def test_logout(client: Client) -> None:
    """Logging out is answered with an empty list and ends the access token."""
    assert await client.payload("Uhome.User/Logout", {}) == []
    assert (await client.payload("Uhome.User/Get", {}))["error"]["code"] == "INVALID_TOKEN"


async def test_ten_thousand_devices(client: Client) -> None:
    """An account of ten thousand devices is listed and queried in one request each, opaque ids or not."""
    for number in range(10_000):
        device = SimDevice(id=f"D{number}", name="N", category="SmartPlug", handle_type="utec-switch", model="M")
        client.cloud.put(device)
    client.quirks(device_ids="opaque")
    records = (await client.payload("Uhome.Device/Discovery", {}))["devices"]
    asked = {"devices": [{"id": record["id"]} for record in records]}
    assert len((await client.payload("Uhome.Device/Query", asked))["devices"]) == 10_007
