"""What a real broker holds on topics that were cleared, and the connection after a fault of our own."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.conftest import Logged
from tests.support.ear import Ear, client
from tests.support.mosquitto import Mosquitto, refusing
from tests.support.patience import eventually
from tests.support.relay import Cut, relay
from tests.test_broker import BOTH, Bridge, at_work, link
from uhome2mqtt import broker_retained
from uhome2mqtt.broker import Broker
from uhome2mqtt.effects import Publish
from uhome2mqtt.events import BrokerConnected, BrokerDisconnected, Event, MessageReceived, StillHeld
from uhome2mqtt.tasks import cancelled


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look again at once."""
    monkeypatch.setattr(broker_retained, "FIRST_PAUSE", 0.1)


@BOTH
async def test_looked_for(mosquitto: Mosquitto, listener: Ear, protocol: str) -> None:
    """Of many topics those are told that hold something, and nothing where none does; commands go on meanwhile."""
    await listener.say("front_door/lock", "LOCKED", retain=True)
    gone = tuple(listener.topic(f"gone/{number}") for number in range(50))
    async with at_work(link(mosquitto.port, listener.base, protocols=(protocol,))) as bridge:
        await bridge.until(BrokerConnected)
        bridge.broker.look_for(gone)
        bridge.broker.look_for((*gone, listener.topic("front_door/lock")))
        await listener.say("front_door/lock/set", "LOCK")
        await bridge.until(MessageReceived)
        assert await bridge.until(StillHeld) == StillHeld(held={listener.topic("front_door/lock"): b"LOCKED"})
        assert len(bridge.all(StillHeld)) == 1
    await listener.say("front_door/lock", "", retain=True)


@pytest.mark.usefixtures("impatient")
async def test_looked_for_in_vain(mosquitto: Mosquitto, listener: Ear, logged: Logged) -> None:
    """A connection that breaks while the broker is looked at is replaced; the bridge's own stands."""
    await listener.say("front_door/lock", "LOCKED", retain=True)

    def cut(number: int, chunk: bytes) -> bytes | Cut:
        # The first is the main one, the second reads back; three and four look.
        return Cut() if number in {3, 4} else chunk

    async with relay(mosquitto.port, cut) as line, at_work(link(line.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        bridge.broker.look_for((listener.topic("front_door/lock"),))
        assert listener.topic("front_door/lock") in (await bridge.until(StillHeld)).held
        await eventually(lambda: logged("read_back_done"))
        assert bridge.all(BrokerDisconnected) == []
    assert [line["level"] for line in logged("read_back_failed")] == ["warning", "debug"]
    await listener.say("front_door/lock", "", retain=True)


@pytest.mark.usefixtures("impatient")
async def test_looked_for_where_it_is_refused(tmp_path: Path) -> None:
    """A topic of which the broker says nothing at first is looked at again, and alone."""
    attempts: list[bytes] = []

    def another_at_first(_number: int, chunk: bytes) -> bytes:
        if b"home/cellar/lock" not in chunk or chunk[0] != 0x82:
            return chunk
        attempts.append(chunk)
        return chunk.replace(b"home/cellar/lock", b"deny/cellar/lock") if len(attempts) == 1 else chunk

    with Mosquitto(tmp_path, *refusing(tmp_path, "deny/cellar/lock")) as broker:
        async with client(broker) as somebody:
            for device in ("cellar", "garage"):
                await somebody.publish(f"home/{device}/lock", "LOCKED", qos=1, retain=True)
        described = link(broker.port, "home", read_back_filters=())
        async with relay(broker.port, another_at_first) as line, at_work(described) as bridge:
            bridge.broker.relink(link(line.port, "home", read_back_filters=()))
            await bridge.until(BrokerConnected)
            bridge.broker.look_for(("home/cellar/lock", "home/garage/lock"))
            await bridge.until(StillHeld, 2)
            held = [event.held for event in bridge.all(StillHeld)]
            assert held == [{"home/garage/lock": b"LOCKED"}, {"home/cellar/lock": b"LOCKED"}]


async def test_not_looked_for_over_the_next(mosquitto: Mosquitto, listener: Ear, logged: Logged) -> None:
    """What was to be looked for is forgotten with the connection: it is asked for anew over the next one."""

    def cut(number: int, chunk: bytes) -> bytes | Cut:
        # The first is the main one, the second reads back, the third looks.
        return Cut() if number == 3 else chunk

    async with relay(mosquitto.port, cut) as line, at_work(link(line.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        bridge.broker.look_for((listener.topic("front_door/lock"),))
        await eventually(lambda: logged("read_back_failed"))
        line.cut()
        await bridge.until(BrokerConnected, 2)
        await asyncio.sleep(0.3)
        assert line.connections == 4


async def test_fault_of_our_own(mosquitto: Mosquitto, listener: Ear) -> None:
    """After a fault that is not the broker's the connection is told to be lost, and what was under way is told once."""
    bridge = Bridge(link(mosquitto.port, listener.base))
    known: dict[type[Event], bool] = {BrokerConnected: True, BrokerDisconnected: True}

    def tell(event: Event) -> None:
        bridge.told.append(event)
        assert known[type(event)]

    held_up = [True]

    def swallow(_number: int, chunk: bytes) -> bytes:
        return b"" if held_up[0] and b"x/event" in chunk and chunk[0] >> 4 == 3 else chunk

    async with relay(mosquitto.port, swallow) as line:
        bridge.broker = Broker(link(line.port, listener.base), tell)
        task = asyncio.create_task(bridge.broker.run())
        await bridge.until(BrokerConnected)
        bridge.broker.publish(Publish(topic=listener.topic("x/event"), content="once", retain=False))
        await listener.say("front_door/get", "")
        await asyncio.wait([task])
        with pytest.RaisesGroup(KeyError, allow_unwrapped=True, flatten_subgroups=True):
            task.result()
        await bridge.until(BrokerDisconnected)
        bridge.broker.publish(Publish(topic=listener.topic("x/state"), content="old"))
        held_up[0] = False
        task = asyncio.create_task(bridge.broker.run())
        await bridge.until(BrokerConnected, 2)
        await bridge.broker.flushed()
        await listener.until("x/event", "once")
        line.cut()
        await bridge.until(BrokerConnected, 3)
        await bridge.broker.flushed()
        await cancelled([task])
    assert listener.payloads("x/event") == ["once"]
    assert listener.payloads("x/state") == []
