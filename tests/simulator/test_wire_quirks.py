from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from uhome2mqtt.simulator import ManualClock, Quirks
from uhome2mqtt.simulator.rate import RateLimit

from .support import DINING, FRONT, HALL, Client, eventually, message

if TYPE_CHECKING:
    from .support import Json


async def first_record(client: Client) -> Json:
    """Give the first device as Discovery has it."""
    record: Json = (await client.payload("Uhome.Device/Discovery", {}))["devices"][0]
    return record


async def test_opaque_ids(client: Client) -> None:
    """Opaque ids take the MAC's place in records, queries and replies."""
    client.quirks(device_ids="opaque")
    device_id = (await first_record(client))["id"]
    assert len(device_id) == 32
    assert ":" not in device_id
    assert (await client.query(device_id))["id"] == device_id
    assert "states" in (await client.command(device_id, "st.lock.lock"))["devices"][0]


async def test_custom_data(client: Client) -> None:
    """Present customData stands in records; requests need not echo it."""
    client.quirks(custom_data="present")
    assert set((await first_record(client))["customData"]) == {"userId", "otherData"}
    assert "states" in await client.query(FRONT)


async def test_custom_data_required(client: Client) -> None:
    """Required customData must be echoed by queries and commands."""
    client.quirks(custom_data="required")
    custom = (await first_record(client))["customData"]
    for operation in ("Query", "Command"):
        entry: Json = {"id": FRONT, "command": {"capability": "st.lock", "name": "lock"}}
        without = await client.payload(f"Uhome.Device/{operation}", {"devices": [entry]})
        assert without["error"]["code"] == "BAD-REQUEST"
        echoed = await client.payload(f"Uhome.Device/{operation}", {"devices": [entry | {"customData": custom}]})
        assert "states" in echoed["devices"][0]


@pytest.mark.parametrize(
    ("casing", "states"),
    [
        ("live", {("st.healthCheck", "status", "Online"), ("st.lock", "lockState", "Locked")}),
        ("doc_lower", {("st.healthCheck", "status", "online"), ("st.lock", "lockState", "locked")}),
        ("doc_capital", {("st.HealthCheck", "status", "Online"), ("st.Lock", "lockState", "Locked")}),
    ],
)
async def test_casing(client: Client, casing: str, states: set[tuple[str, str, str]]) -> None:
    """States are spelt as the casing says."""
    client.quirks(casing=casing)
    entry = await client.query(FRONT)
    assert states <= {tuple(state.values()) for state in entry["states"]}


async def test_mixed_casing(client: Client) -> None:
    """Mixed casing spells the same state in different ways, but never loses it."""
    client.quirks(casing="mixed")
    spellings = [tuple(state.values()) for _ in range(20) for state in (await client.query(FRONT))["states"][1:2]]
    assert len(set(spellings)) > 2
    assert {str(spelling).casefold() for spelling in spellings} == {"('st.lock', 'lockstate', 'locked')"}


@pytest.mark.parametrize(("quirk", "payload"), [("list", []), ("object", {})])
async def test_empty_payload(client: Client, quirk: str, payload: Any) -> None:
    """Success without content is a list, or an object."""
    client.quirks(empty_payload=quirk)
    assert await client.register("http://127.0.0.1:9/") == payload


async def test_message_id(client: Client) -> None:
    """The message id may be missing or another."""
    client.quirks(message_id="missing")
    assert "messageId" not in (await client.act("Uhome.User/Get", {}))["header"]
    client.quirks(message_id="wrong")
    assert (await client.act("Uhome.User/Get", {}))["header"]["messageId"] != "the-id"


async def test_header_missing(client: Client) -> None:
    """The reply may come without its header."""
    client.quirks(header_missing=True)
    assert set(await client.act("Uhome.User/Get", {})) == {"payload"}


async def test_unknown_id_in_query(client: Client) -> None:
    """An unknown id is left out of the reply, or an error of its own."""
    asked = {"devices": [{"id": "FF:FF"}, {"id": FRONT}]}
    reply = await client.payload("Uhome.Device/Query", asked)
    assert [entry["id"] for entry in reply["devices"]] == [FRONT]
    client.quirks(unknown_id_in_query="error")
    reply = await client.payload("Uhome.Device/Query", asked)
    assert reply["devices"][0] == {
        "id": "FF:FF",
        "error": {"code": "DEVICE-DELETED", "message": "Device does not exist"},
    }


async def test_offline_query_as_an_error(client: Client) -> None:
    """Query of an offline device may be DEVICE_OFFLINE."""
    client.quirks(offline_query="error")
    await client.by_hand(FRONT, online=False)
    assert (await client.query(FRONT))["error"]["code"] == "DEVICE_OFFLINE"


async def test_offline_blip(client: Client) -> None:
    """A blip calls an online device Offline in one reply, and it still takes commands."""
    client.quirks(offline_blip_probability=1)
    assert (await client.states(FRONT))["st.healthCheck.status"] == "Offline"
    assert "states" in (await client.command(FRONT, "st.lock.lock"))["devices"][0]


@pytest.mark.parametrize(
    ("quirk", "entry"), [("id_only", {"id": FRONT}), ("empty_states", {"id": FRONT, "states": []})]
)
async def test_reply_that_says_nothing(client: Client, quirk: str, entry: Json) -> None:
    """A command may be answered with neither a deferred response nor an error."""
    client.quirks(command_reply=quirk)
    assert await client.command(FRONT, "st.lock.unlock") == {"devices": [entry]}


async def test_immediate_reply(client: Client) -> None:
    """An immediate reply carries the new states, and they are true."""
    client.quirks(command_reply="immediate", bolt_seconds=60, switch_seconds=60)
    reply = await client.command(DINING, "st.switchLevel.setLevel", level=30)
    assert {"capability": "st.switchLevel", "name": "level", "value": 30} in reply["devices"][0]["states"]

    async def on() -> bool:
        return bool((await client.states(DINING))["st.switch.switch"] == "on")

    await eventually(on)


async def test_accepted_not_executed(client: Client) -> None:
    """A command may be accepted and never happen."""
    client.quirks(accepted_not_executed=1)
    reply = await client.command(HALL, "st.switch.on")
    assert "states" in reply["devices"][0]
    await asyncio.sleep(0.1)
    assert (await client.states(HALL))["st.switch.switch"] == "off"


async def test_latency(client: Client) -> None:
    """Every answer takes the time of the line."""
    client.quirks(latency=[0.1, 0.12])
    started = time.monotonic()
    await client.states(FRONT)
    assert time.monotonic() - started >= 0.1


async def test_random_failures(client: Client) -> None:
    """Gateway errors and empty 400s come at random when asked for."""
    client.quirks(server_error_probability=1)
    response = await client.post(message("Uhome.User/Get", {}))
    assert (response.status_code, response.json()) == (500, {"message": "Internal server error"})
    client.quirks(server_error_probability=0, empty_400_probability=1)
    response = await client.post(message("Uhome.User/Get", {}))
    assert (response.status_code, response.content) == (400, b"")


@pytest.mark.parametrize(
    ("quirk", "status", "waits"),
    [("429", 429, set()), ("429_retry_after", 429, {"60"}), ("500", 500, set())],
)
async def test_rate_limit(client: Client, quirk: str, status: int, waits: set[str]) -> None:
    """The request that is one too many in a minute is refused."""
    client.quirks(rate_limit=2, rate_limit_reply=quirk)
    for _ in range(2):
        await client.states(FRONT)
    response = await client.post(message("Uhome.User/Get", {}))
    assert response.status_code == status
    assert set(response.headers.get_list("retry-after")) == waits
    assert (await client.control("GET", "requests"))["requests"][-1]["outcome"] == "rate limited"


def test_the_minute_slides() -> None:
    """A request is admitted again when the oldest one is a minute ago, and Retry-After says when that is."""
    clock = ManualClock()
    limit = RateLimit(quirks=Quirks.parse(["rate_limit=2"]), clock=clock)
    assert limit.wait() == 0
    clock.advance(30)
    assert (limit.wait(), limit.wait()) == (0, 30)
    clock.advance(30)
    assert (limit.wait(), limit.wait()) == (0, 30)
