from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING

import pytest

from uhome2mqtt.simulator.vocabulary import PushShape

from .support import BACK, FRONT, HALL, Client, Receiver, eventually

if TYPE_CHECKING:
    from .support import Delivery

UNLOCKED = {"st.lock.lockState": "Unlocked"}


def lock_state(delivery: Delivery) -> str:
    """Give the lock state that a notification reports."""
    states = delivery.json()["payload"]["devices"][0]["states"]
    return next(str(state["value"]) for state in states if state["name"] == "lockState")


async def test_a_change_by_hand(client: Client, receiver: Receiver) -> None:
    """A change by hand is pushed with the full set of states, in the envelope that was captured."""
    await client.register(receiver.url, access_token="secret")
    await client.by_hand(FRONT, states=UNLOCKED, cause="keypad")
    [delivery] = await receiver.received(1)
    body = delivery.json()
    assert delivery.headers["authorization"] == "Bearer secret"
    assert delivery.headers["content-type"] == "application/json"
    assert delivery.path == "/hook"
    assert body["header"].pop("messageId")
    assert body["header"] == {
        "namespace": "Uhome.Notification",
        "name": "DeviceState",
        "playloadVersion": "1",
    }
    assert body["payload"]["devices"][0]["id"] == FRONT
    names = [state["name"] for state in body["payload"]["devices"][0]["states"]]
    assert names == ["status", "lockState", "lockMode", "level"]
    assert lock_state(delivery) == "Unlocked"


async def test_a_command(client: Client, receiver: Receiver) -> None:
    """A command's result is pushed when it has happened; a command that changes nothing is not."""
    await client.register(receiver.url)
    await client.command(FRONT, "st.lock.lock")
    await client.command(FRONT, "st.lock.unlock")
    [delivery] = await receiver.received(1)
    assert lock_state(delivery) == "Unlocked"
    await asyncio.sleep(0.1)
    assert len(receiver.deliveries) == 1


async def test_health(client: Client, receiver: Receiver) -> None:
    """Going offline and coming back are pushed; being told the same again is not."""
    await client.register(receiver.url)
    for online in (False, False, True):
        await client.by_hand(FRONT, online=online)
    first, second = await receiver.received(2)
    health = [delivery.json()["payload"]["devices"][0]["states"][0]["value"] for delivery in (first, second)]
    assert health == ["Offline", "Online"]


async def test_devices_that_come_go_and_change_their_name(client: Client, receiver: Receiver) -> None:
    """DeviceSync carries the records of new and renamed devices, DeviceDelete the ids of removed ones."""
    await client.register(receiver.url)
    await client.control("PUT", "devices/AA:BB", {"name": "New", "states": {"st.switch.switch": "on"}})
    await client.by_hand("AA:BB", name="Newer")
    await client.by_hand("AA:BB", name="Newer")
    await client.control("DELETE", "devices/AA:BB")
    deliveries = await receiver.received(3)
    assert [delivery.json()["header"]["name"] for delivery in deliveries] == [
        "DeviceSync",
        "DeviceSync",
        "DeviceDelete",
    ]
    assert [delivery.json()["payload"]["devices"][0].get("name") for delivery in deliveries] == [
        "New",
        "Newer",
        None,
    ]


async def test_a_removed_device_is_silent(client: Client, receiver: Receiver) -> None:
    """What a removed device still does is not pushed."""
    await client.register(receiver.url)
    await client.command(FRONT, "st.lock.unlock")
    await client.control("DELETE", f"devices/{FRONT}")
    await receiver.received(1)
    await asyncio.sleep(0.15)
    assert [delivery.json()["header"]["name"] for delivery in receiver.deliveries] == ["DeviceDelete"]


@pytest.mark.parametrize(
    ("quirk", "header", "query"), [("header", True, False), ("query", False, True), ("both", True, True)]
)
async def test_token_placement(client: Client, receiver: Receiver, *, quirk: str, header: bool, query: bool) -> None:
    """The token travels in the header, the query or both; the registered query stays as it is."""
    client.quirks(push_token=quirk)
    await client.register(f"{receiver.url}?mine=1", access_token="secret")
    await client.by_hand(FRONT, states=UNLOCKED)
    [delivery] = await receiver.received(1)
    assert ("authorization" in delivery.headers) is header
    assert ("access_token=secret" in delivery.path) is query
    assert "mine=1" in delivery.path


async def test_registration_without_token(client: Client, receiver: Receiver) -> None:
    """A URL may be registered without a token, and is then called without."""
    client.quirks(push_token="both")
    await client.payload("Uhome.Configure/Set", {"configure": {"notification": {"url": receiver.url}}})
    await client.by_hand(FRONT, states=UNLOCKED)
    [delivery] = await receiver.received(1)
    assert "authorization" not in delivery.headers
    assert delivery.path == "/hook"


async def test_the_last_registration_wins(client: Client, receiver: Receiver) -> None:
    """A second registration takes the place of the first."""
    await client.register("http://127.0.0.1:9/", access_token="old")
    await client.register(receiver.url, access_token="new")
    await client.by_hand(FRONT, states=UNLOCKED)
    [delivery] = await receiver.received(1)
    assert delivery.headers["authorization"] == "Bearer new"


async def test_dead_push(client: Client, receiver: Receiver) -> None:
    """While push is dead the registration succeeds and nothing arrives."""
    client.quirks(push_mode="dead")
    assert await client.register(receiver.url) == []
    await client.by_hand(FRONT, states=UNLOCKED)
    await asyncio.sleep(0.1)
    assert receiver.deliveries == []


async def test_push_off(client: Client, receiver: Receiver) -> None:
    """While push is off the registration is refused, and an older one is not used."""
    await client.register(receiver.url)
    client.quirks(push_mode="off")
    assert (await client.register(receiver.url))["error"]["code"] == "BAD-REQUEST"
    await client.by_hand(FRONT, states=UNLOCKED)
    await asyncio.sleep(0.1)
    assert receiver.deliveries == []


async def test_late_push(client: Client, receiver: Receiver) -> None:
    """Late pushes arrive after their delay."""
    client.quirks(push_mode="late", push_late=[0.2, 0.25])
    await client.register(receiver.url)
    started = time.monotonic()
    await client.by_hand(FRONT, states=UNLOCKED)
    await receiver.received(1)
    assert time.monotonic() - started >= 0.2


async def test_duplicates(client: Client, receiver: Receiver) -> None:
    """A duplicated notification is the same twice, message id included."""
    client.quirks(push_duplicate=1)
    await client.register(receiver.url)
    await client.by_hand(FRONT, states=UNLOCKED)
    first, second = await receiver.received(2)
    assert first.body == second.body


async def test_order(client: Client, receiver: Receiver) -> None:
    """Notifications arrive in the order of the changes."""
    await client.register(receiver.url)
    for number in range(20):
        await client.by_hand(FRONT, states={"st.lock.lockState": "Locked" if number % 2 else "Unlocked"})
    deliveries = await receiver.received(20)
    assert [lock_state(delivery) for delivery in deliveries] == ["Unlocked", "Locked"] * 10


async def test_reordering(client: Client, receiver: Receiver) -> None:
    """A reordered notification is overtaken by a later one."""
    await client.register(receiver.url)
    client.quirks(push_reorder=1)
    await client.by_hand(FRONT, states=UNLOCKED)
    client.quirks(push_reorder=0)
    await client.by_hand(BACK, states=UNLOCKED)
    deliveries = await receiver.received(2)
    assert [delivery.json()["payload"]["devices"][0]["id"] for delivery in deliveries] == [BACK, FRONT]


async def test_no_retry(client: Client, receiver: Receiver) -> None:
    """A refused notification is not sent again; the journal has the answer."""
    receiver.status = 500
    await client.register(f"{receiver.url}?token=hidden")
    await client.by_hand(FRONT, states=UNLOCKED)
    await receiver.received(1)
    await eventually(lambda: client.cloud.pusher.journal.since()[0]["answer"] == 500)
    [push] = await client.pushes()
    assert push["url"] == receiver.url
    assert (push["name"], push["shape"], push["attempt"]) == ("DeviceState", "envelope", 1)
    assert json.loads(push["body"]) == receiver.deliveries[0].json()
    await client.control("DELETE", "pushes")
    assert await client.pushes() == []


async def test_retries(client: Client, receiver: Receiver) -> None:
    """With retries a refused notification comes again until it is taken."""
    receiver.status = 500
    client.quirks(push_retries=5, push_retry_delay=0.05)
    await client.register(receiver.url)
    await client.by_hand(FRONT, states=UNLOCKED)
    await receiver.received(2)
    receiver.status = 200
    await receiver.received(3)
    await asyncio.sleep(0.1)
    assert len({delivery.body for delivery in receiver.deliveries}) == 1
    assert [push["answer"] for push in await client.pushes()] in ([500, 500, 200], [500, 500, 500, 200])


async def test_a_receiver_that_hangs(client: Client, receiver: Receiver) -> None:
    """A receiver that never answers does not hold the cloud up, and times out in the journal."""
    receiver.hangs = True
    client.quirks(push_timeout=2)
    await client.register(receiver.url)
    await client.by_hand(FRONT, states=UNLOCKED)
    await receiver.received(1)
    await client.states(FRONT)
    assert client.cloud.pusher.journal.since()[0]["answer"] != "timeout"
    await eventually(lambda: client.cloud.pusher.journal.since()[0]["answer"] == "timeout")
    receiver.hangs = False
    await client.by_hand(BACK, states=UNLOCKED)
    await eventually(lambda: client.cloud.pusher.journal.since()[-1]["answer"] == 200)


async def test_nobody_listens(client: Client) -> None:
    """An unreachable receiver is an entry in the journal, nothing more."""
    await client.register("http://127.0.0.1:9/")
    await client.by_hand(FRONT, states=UNLOCKED)
    await eventually(lambda: bool(client.cloud.pusher.journal.since()))
    await eventually(lambda: client.cloud.pusher.journal.since()[0]["answer"] == "ConnectError")


async def test_forgotten_registration(client: Client, receiver: Receiver) -> None:
    """A notification under way when the registration vanishes is dropped."""
    client.quirks(push_delay=0.1)
    await client.register(receiver.url)
    await client.by_hand(FRONT, states=UNLOCKED)
    client.cloud.pusher.registration = None
    await asyncio.sleep(0.2)
    assert receiver.deliveries == []


async def test_closing_with_a_delivery_under_way(client: Client, receiver: Receiver) -> None:
    """Closing the cloud gives up what waits and what hangs."""
    receiver.hangs = True
    await client.register(receiver.url)
    await client.by_hand(FRONT, states=UNLOCKED)
    await receiver.received(1)
    client.quirks(push_delay=60)
    await client.by_hand(FRONT, states={"st.lock.lockState": "Locked"})
    async with asyncio.timeout(1):
        await client.cloud.aclose()
    assert len(receiver.deliveries) == 1


@pytest.mark.parametrize("shape", list(PushShape))
async def test_every_shape_by_quirk(client: Client, receiver: Receiver, shape: PushShape) -> None:
    """Every shape can be pushed on a change, and the journal says which it was."""
    client.quirks(push_shape=shape)
    await client.register(receiver.url)
    await client.by_hand(HALL, states={"st.switch.switch": "on"})
    [delivery] = await receiver.received(1)
    [push] = await client.pushes()
    assert push["body"] == delivery.body
    assert push["shape"] == shape or shape == "random"


async def test_push_on_request(client: Client, receiver: Receiver) -> None:
    """The control interface sends a shape of chosen devices, a body or any text, whatever the push mode is."""
    await client.register(receiver.url)
    client.quirks(push_mode="dead")
    await client.control("POST", "push", {"shape": "bare_list", "devices": [FRONT]})
    await client.control("POST", "push", {"body": None})
    await client.control("POST", "push", {"text": "{"})
    await client.control("POST", "push", {"name": "DeviceSync", "devices": [FRONT]})
    await client.control("POST", "push", {"name": "DeviceDelete"})
    deliveries = await receiver.received(5)
    assert deliveries[0].json()[0]["id"] == FRONT
    assert [delivery.body for delivery in deliveries[1:3]] == ["null", "{"]
    assert deliveries[3].json()["payload"]["devices"][0]["name"] == "Front Door"
    assert len(deliveries[4].json()["payload"]["devices"]) == 7


async def test_push_on_request_without_registration(client: Client) -> None:
    """Without a registration there is nowhere to push to."""
    response = await client.http.post("/control/push", json={})
    assert (response.status_code, response.json()) == (409, {"error": "no notification URL is registered"})
