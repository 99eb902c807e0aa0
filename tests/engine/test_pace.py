"""Section 3: a bridge of many devices floods neither the broker nor who listens there."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from uhome2mqtt.effects import Publish
from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.engine.house import SLICE_PAUSE
from uhome2mqtt.events import BrokerDisconnected, HomeAssistantStarted, Started, StopRequested
from uhome2mqtt.model import Device, Discovery

from .driver import BASE, TOPICS, Driver, running
from .reports import report_of

SLICE = 10
HOME = tuple(Device(id=f"lock-{n:03}", name=f"Door {n:03}", handle_type="utec-lock") for n in range(200))
STATE = f"{BASE}/bridge/state"


def devices(published: list[Publish]) -> set[str]:
    """Name the devices that something was published of."""
    levels = {publish.topic.split("/")[1] for publish in published if publish.topic.startswith(f"{BASE}/door_")}
    return {level for level in levels if level != "bridge"}


def slices(house: Driver, seconds: float) -> list[int]:
    """Let time pass in steps between two slices; how many devices were published in each."""
    counts = []
    for _ in range(round(seconds / SLICE_PAUSE)):
        before = len(house.published)
        house.advance(SLICE_PAUSE)
        counts.append(len(devices(house.published[before:])))
    return counts


@pytest.mark.parametrize("layout", [Discovery.DEVICE, Discovery.ENTITY])
def test_first_list(layout: Discovery) -> None:
    """Two hundred devices, and the bridge, are published ten at a time, ten times a second, each with its config."""
    house = Driver(config=EngineConfig(topics=TOPICS, discovery=layout))
    house.take(Started())
    house.connect({})
    before = len(house.published)
    house.listed(*HOME)
    assert len(devices(house.published[before:])) == SLICE - 1
    assert slices(house, 2.5) == [SLICE] * 19 + [1] + [0] * 5
    configs = [topic for topic in house.broker if topic.endswith("/config") and "lock-" in topic]
    assert len(configs) == 200 * (1 if layout is Discovery.DEVICE else 8)


@pytest.mark.parametrize("how", ["connection", "birth"])
def test_asserted_again(how: str) -> None:
    """After a connection or a birth of Home Assistant all is said once more at that pace, `online` at the end."""
    house = running(*HOME)
    house.advance(5)
    if how == "connection":
        house.take(BrokerDisconnected())
        house.broker.clear()
        before = len(house.published)
        house.connect()
        assert STATE not in house.broker
    else:
        house.take(HomeAssistantStarted())
        before = len(house.published)
        house.advance(2.75)
    first = len(devices(house.published[before:]))
    assert first == SLICE - 1
    assert slices(house, 1.9) == [SLICE] * 19
    assert STATE not in {publish.topic for publish in house.published[before:]}
    house.advance(0.2)
    assert house.published[-1].topic == STATE
    assert len(devices(house.published[before:])) == 200


def test_news_does_not_wait() -> None:
    """What happens to a device meanwhile is published at once, and it is not said again in its turn."""
    house = running(*HOME)
    house.advance(5)
    house.reconnect()
    before = len(house.published)
    house.report("door 150", lock="Unlocked", health="Online")
    assert house["door_150/lock"] == "UNLOCKED"
    assert devices(house.published[before:]) == {"door_150"}
    house.advance(5)
    told = [publish.payload for publish in house.published[before:] if publish.topic == f"{BASE}/door_150/lock"]
    assert told == ["UNLOCKED"]


def test_a_device_leaves_meanwhile() -> None:
    """A device that leaves before its turn is cleared, and never published."""
    house = running(*HOME)
    house.listed(*HOME[:-1])
    house.advance(5)
    house.reconnect()
    before = len(house.published)
    house.listed(*HOME[:-1])
    house.advance(5)
    last = [publish.payload for publish in house.published[before:] if publish.topic.startswith(f"{BASE}/door_199")]
    assert last
    assert set(last) == {""}


def test_the_broker_leaves_meanwhile() -> None:
    """A connection that is lost meanwhile ends the slices, and the next one begins anew."""
    house = running(*HOME)
    house.advance(5)
    house.reconnect()
    house.take(BrokerDisconnected())
    before = len(house.published)
    house.advance(1)
    assert house.published[before:] == []
    house.connect()
    house.advance(5)
    assert len(devices(house.published[before:])) == 200
    assert house["bridge/state"] == "online"


def test_very_many_devices() -> None:
    """Ten thousand devices are published in fifty slices: it takes five seconds."""
    home = tuple(Device(id=f"lock-{n}", name=f"Door {n}", handle_type="utec-lock") for n in range(10_000))
    house = running(*home, config=EngineConfig(topics=TOPICS, discovery=Discovery.OFF, json_state=False))
    house.advance(5.2)
    assert len(devices(house.published)) == 10_000
    assert len(json.loads(house["bridge/devices"])) == 10_000


def test_a_list_while_the_broker_is_away() -> None:
    """Many devices that are listed while the broker is away are published when it is back, and not before."""
    house = Driver()
    house.take(Started())
    house.connect({})
    house.take(BrokerDisconnected())
    house.listed(*HOME)
    house.advance(5)
    assert devices(house.published) == set()
    house.connect()
    house.advance(5)
    assert len(devices(house.published)) == 200


@pytest.mark.parametrize(
    ("before", "after"), [(Discovery.ENTITY, Discovery.DEVICE), (Discovery.DEVICE, Discovery.ENTITY)]
)
def test_a_move_of_many_devices(before: Discovery, after: Discovery) -> None:
    """A move clears no old topic before every new one has been published, however long that takes."""
    home = tuple(replace(device, id=f"{device.id}-{n}") for n in range(3) for device in HOME)
    earlier = running(*home, config=EngineConfig(topics=TOPICS, discovery=before))
    earlier.advance(10)
    house = Driver(config=EngineConfig(topics=TOPICS, discovery=after), pins=earlier.pins, announced=earlier.announced)
    house.connect(earlier.broker)
    house.listed(*home)
    house.end_queries()
    house.advance(40)
    old = {topic for topic in earlier.broker if topic.endswith("/config")}
    new = {topic for topic in house.broker if topic.endswith("/config")}
    assert min(len(old), len(new)) == 601
    assert not old & new
    told = [(publish.topic, publish.payload) for publish in house.published]
    first_clear = next(place for place, (topic, payload) in enumerate(told) if topic in old and not payload)
    assert {topic for topic, payload in told[:first_clear] if topic in new and payload} == new


STATES = {"lock": "Locked", "health": "Online"}


def test_a_report_of_many_devices() -> None:
    """What many devices report at once is published at once, before the outcomes of commands that it confirms."""
    house = running(*HOME)
    house.advance(5)
    for number in range(12):
        house.say(f"door_{number:03}/lock/set", "LOCK")
        house.accept()
    before = len(house.published)
    house.notified(*(report_of(device, **STATES) for device in HOME[:12]))
    said = [publish.topic.removeprefix(f"{BASE}/") for publish in house.published[before:]]
    for number in range(12):
        assert house[f"door_{number:03}/lock"] == "LOCKED"
        assert said.index(f"door_{number:03}/lock") < said.index(f"door_{number:03}/result")


def test_stopped_meanwhile() -> None:
    """Nothing follows the `offline` of a bridge that stops in the middle, whatever its commands come to."""
    house = running(*HOME[:12])
    house.advance(5)
    for number in (9, 10, 11):
        house.say(f"door_{number:03}/lock/set", "LOCK")
    house.reconnect()
    house.take(StopRequested())
    assert house["bridge/state"] == "offline"
    assert house.published[-1] == Publish(topic=STATE, content="offline", qos=1)
