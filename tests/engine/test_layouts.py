"""Section 7: the layouts of discovery, and moving from one to another without losing anything."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.engine.announcing import SETTLE
from uhome2mqtt.engine.house import REPEAT_AFTER
from uhome2mqtt.events import BrokerDisconnected, Started
from uhome2mqtt.model import Announced, Device, Discovery
from uhome2mqtt.topics import Topics

from .driver import BACK, BASE, FRONT, LAMP, TOPICS, Driver, running

MIGRATE = '{"migrate_discovery":true}'
NODE = "uhome2mqtt_0c7fed100001"
WHOLE = TOPICS.discovery(NODE)
LOCK = TOPICS.entity_discovery("lock", NODE, "lock")
REPORTED = TOPICS.entity_discovery("sensor", NODE, "last_reported")
BRIDGE = TOPICS.discovery(f"{BASE}_bridge")


def laid_out(layout: Discovery, topics: Topics = TOPICS) -> EngineConfig:
    """Configure a layout."""
    return EngineConfig(topics=topics, discovery=layout)


def earlier_run(layout: Discovery, *devices: Device, topics: Topics = TOPICS) -> Driver:
    """Give a run that has told everything in a layout, and stopped."""
    house = running(*devices, config=laid_out(layout, topics))
    house.broker[topics.bridge_state] = "offline"
    return house


def next_run(config: EngineConfig, earlier: Driver, *devices: Device, retained: dict[str, str] | None = None) -> Driver:
    """Start again with other settings, up to the first device list."""
    house = Driver(config=config, pins=earlier.pins, announced=earlier.announced)
    house.take(Started())
    house.connect(earlier.broker if retained is None else retained)
    house.listed(*devices)
    house.end_queries()
    return house


def configs(house: Driver) -> dict[str, str]:
    """Give what the broker holds on config topics."""
    return {topic: payload for topic, payload in house.broker.items() if topic.endswith("/config")}


def told(house: Driver, topic: str) -> list[str]:
    """Give everything that was published on a topic."""
    return [publish.payload for publish in house.published if publish.topic == topic]


def components(payload: str) -> set[str]:
    """Name the components of a device's config."""
    described: dict[str, Any] = json.loads(payload)
    return {*described["components"]}


def test_one_topic_for_each_entity() -> None:
    """In the layout `entity` each entity, of the bridge too, has a topic of its own, and the device has none."""
    house = running(FRONT, config=laid_out(Discovery.ENTITY))
    assert {LOCK, REPORTED, TOPICS.entity_discovery("sensor", f"{BASE}_bridge", "cloud")} <= configs(house).keys()
    assert not [topic for topic in configs(house) if topic.startswith("homeassistant/device/")]
    assert json.loads(house.broker[LOCK])["unique_id"] == f"{NODE}_lock"


def test_what_is_kept() -> None:
    """Where everything was told, and how, is kept once the first list is in, and not again."""
    house = running(FRONT, config=laid_out(Discovery.BOTH))
    assert house.announced == Announced(base=BASE, prefix="homeassistant", layout=Discovery.BOTH)
    again = next_run(laid_out(Discovery.BOTH), house, FRONT)
    assert again.announced is house.announced


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Discovery.DEVICE, Discovery.ENTITY),
        (Discovery.ENTITY, Discovery.DEVICE),
        (Discovery.BOTH, Discovery.DEVICE),
        (Discovery.BOTH, Discovery.ENTITY),
    ],
)
@pytest.mark.parametrize("forgetful", [False, True], ids=["retained", "lost"])
def test_moves(before: Discovery, after: Discovery, *, forgetful: bool) -> None:
    """A move says farewell to no entity: keep, describe, clear, two seconds each; also if the broker has forgotten."""
    earlier = earlier_run(before, FRONT, LAMP)
    fresh = running(FRONT, LAMP, config=laid_out(after))
    leaving = configs(earlier).keys() - configs(fresh).keys()
    house = next_run(laid_out(after), earlier, FRONT, LAMP, retained={} if forgetful else None)
    assert {topic for topic, payload in configs(house).items() if payload == MIGRATE} == leaving
    assert not [topic for topic in configs(fresh) if told(house, topic)]
    assert house.announced == earlier.announced
    house.advance(SETTLE)
    described = configs(house)
    assert {topic for topic, payload in described.items() if payload == MIGRATE} == leaving
    assert described.keys() >= leaving
    house.advance(SETTLE)
    assert configs(house) == configs(fresh)
    assert all(told(house, topic) == [MIGRATE, ""] for topic in leaving)
    assert house.announced.layout is after
    again = next_run(laid_out(after), house, FRONT, LAMP)
    again.advance(3 * SETTLE)
    assert not [publish for publish in again.published if publish.payload in {MIGRATE, ""}]


def test_the_bridge_goes_ahead() -> None:
    """The bridge itself is moved though no list comes, since its entities say why; that is not kept as the whole."""
    earlier = earlier_run(Discovery.ENTITY, FRONT)
    house = Driver(config=laid_out(Discovery.DEVICE), pins=earlier.pins, announced=earlier.announced)
    house.take(Started())
    house.connect({})
    house.list_failed()
    house.advance(2 * SETTLE)
    assert configs(house).keys() == {BRIDGE}
    assert house.announced == earlier.announced
    house.listed(FRONT)
    assert house.broker[LOCK] == MIGRATE
    house.advance(2 * SETTLE)
    assert configs(house) == configs(running(FRONT))


def test_both_leaves_nothing() -> None:
    """Whoever asks for both layouts leaves no topic: there is nothing to move."""
    house = next_run(laid_out(Discovery.BOTH), earlier_run(Discovery.DEVICE, FRONT), FRONT)
    assert {WHOLE, LOCK} <= configs(house).keys()
    assert MIGRATE not in configs(house).values()
    assert house.announced.layout is Discovery.BOTH


def test_a_move_without_a_record() -> None:
    """What the broker holds is enough to see that there is something to move: of an earlier version, say."""
    earlier = earlier_run(Discovery.ENTITY, FRONT)
    house = Driver(config=laid_out(Discovery.DEVICE))
    house.connect(earlier.broker)
    house.listed(FRONT)
    house.advance(2 * SETTLE)
    assert configs(house) == configs(running(FRONT))
    assert told(house, LOCK) == [MIGRATE, ""]


def test_killed_in_the_middle() -> None:
    """A move that was interrupted is begun again by the next run, and what it left is cleared."""
    earlier = earlier_run(Discovery.ENTITY, FRONT)
    for seconds in (0, SETTLE, SETTLE + 1):
        broken = next_run(laid_out(Discovery.DEVICE), earlier, FRONT)
        broken.advance(seconds)
        house = next_run(laid_out(Discovery.DEVICE), broken, FRONT)
        house.advance(2 * SETTLE)
        assert configs(house) == configs(running(FRONT))
        assert house.announced.layout is Discovery.DEVICE


def test_back_in_the_middle() -> None:
    """Who changes his mind in the middle of a move is moved back."""
    earlier = earlier_run(Discovery.ENTITY, FRONT)
    broken = next_run(laid_out(Discovery.DEVICE), earlier, FRONT)
    broken.advance(SETTLE)
    house = next_run(laid_out(Discovery.ENTITY), broken, FRONT)
    house.advance(2 * SETTLE)
    assert configs(house) == configs(earlier)


def test_the_broker_leaves_in_the_middle() -> None:
    """A move waits for the broker and goes on where it was."""
    earlier = earlier_run(Discovery.ENTITY, FRONT)
    house = next_run(laid_out(Discovery.DEVICE), earlier, FRONT)
    house.take(BrokerDisconnected())
    house.advance(10 * SETTLE)
    assert told(house, WHOLE) == []
    house.connect()
    assert house.broker[LOCK] == MIGRATE
    house.advance(SETTLE)
    assert WHOLE in house.broker
    house.take(BrokerDisconnected())
    house.advance(10 * SETTLE)
    house.connect()
    assert house.broker[LOCK] == MIGRATE
    house.advance(SETTLE)
    assert configs(house) == configs(running(FRONT))


def test_the_list_comes_while_the_broker_is_away() -> None:
    """A move that becomes known while the broker is away begins when it is back."""
    earlier = earlier_run(Discovery.ENTITY, FRONT)
    house = Driver(config=laid_out(Discovery.DEVICE), pins=earlier.pins, announced=earlier.announced)
    house.take(Started())
    house.connect(earlier.broker)
    house.take(BrokerDisconnected())
    house.listed(FRONT)
    house.advance(5 * SETTLE)
    assert (told(house, LOCK), told(house, WHOLE)) == ([], [])
    house.connect()
    assert house.broker[LOCK] == MIGRATE
    house.advance(2 * SETTLE)
    assert configs(house) == configs(running(FRONT))


def test_a_device_that_comes_late() -> None:
    """A device that the first list lacks is moved when it is listed, and its topics are not cleared before."""
    house = next_run(laid_out(Discovery.DEVICE), earlier_run(Discovery.ENTITY, FRONT, BACK), BACK)
    house.advance(2 * SETTLE)
    assert LOCK in house.broker
    assert WHOLE not in house.broker
    house.listed(FRONT, BACK)
    assert house.broker[LOCK] == MIGRATE
    house.advance(2 * SETTLE)
    assert configs(house) == configs(running(FRONT, BACK))


def test_a_device_that_has_left() -> None:
    """A device that is no longer in the account is not moved, but cleared after the second list."""
    house = next_run(laid_out(Discovery.DEVICE), earlier_run(Discovery.ENTITY, FRONT, BACK), BACK)
    house.listed(BACK)
    house.advance(2 * SETTLE)
    assert told(house, LOCK) == [""]
    assert configs(house) == configs(running(BACK))


def test_a_key_that_has_left() -> None:
    """An entity that there is no more is not moved: it is cleared."""
    light = TOPICS.entity_discovery("light", "uhome2mqtt_7cdfa1200005", "light")
    earlier = earlier_run(Discovery.ENTITY, LAMP)
    house = next_run(laid_out(Discovery.DEVICE), earlier, replace(LAMP, handle_type="utec-switch"))
    house.advance(2 * SETTLE)
    assert told(house, light) == [""]


def test_a_disabled_device() -> None:
    """A device that is disabled meanwhile is not moved, but cleared."""
    config = replace(laid_out(Discovery.DEVICE), overrides={FRONT.id: Override(enabled=False)})
    house = next_run(config, earlier_run(Discovery.ENTITY, FRONT), FRONT)
    house.advance(2 * SETTLE)
    assert told(house, LOCK) == [""]
    assert configs(house).keys() == {BRIDGE}


@pytest.mark.parametrize("forgetful", [False, True], ids=["retained", "lost"])
@pytest.mark.parametrize("layout", [Discovery.DEVICE, Discovery.ENTITY])
def test_discovery_turned_off(layout: Discovery, *, forgetful: bool) -> None:
    """With discovery off all configs are cleared, the bridge's too, also for a Home Assistant that remembers them."""
    earlier = earlier_run(layout, FRONT)
    house = next_run(laid_out(Discovery.OFF), earlier, FRONT, retained={} if forgetful else None)
    assert configs(house) == {}
    assert {publish.topic for publish in house.published if not publish.payload} == configs(earlier).keys()
    assert house.announced.layout is Discovery.OFF
    back = next_run(laid_out(layout), house, FRONT)
    assert configs(back) == configs(earlier)
    assert MIGRATE not in [publish.payload for publish in back.published]


@pytest.mark.parametrize("layout", [Discovery.DEVICE, Discovery.ENTITY])
def test_another_base_topic(layout: Discovery) -> None:
    """With another base topic nothing is left on the old one, and Home Assistant's entities are the same."""
    old = Topics(base="old", discovery_prefix="homeassistant")
    earlier = earlier_run(layout, FRONT, BACK, topics=old)
    earlier.broker |= {"old/notes": "mine", "old/bridge/response/x": "kept"}
    house = next_run(laid_out(layout), earlier, FRONT)
    house.advance(2 * SETTLE)
    house.listed(FRONT)
    house.advance(2 * SETTLE)
    assert {topic for topic in house.broker if topic.startswith("old/")} == {"old/notes", "old/bridge/response/x"}
    assert configs(house) == configs(running(FRONT, config=laid_out(layout)))
    assert house.announced == Announced(base=BASE, prefix="homeassistant", layout=layout)


def test_another_bridge_on_the_old_base_topic() -> None:
    """Where another bridge is at work on the old base topic, everything is left to it."""
    old = Topics(base="old", discovery_prefix="homeassistant")
    earlier = earlier_run(Discovery.DEVICE, FRONT, topics=old)
    earlier.broker["old/bridge/state"] = "online"
    standing = {topic: payload for topic, payload in earlier.broker.items() if topic.startswith("old/")}
    house = next_run(laid_out(Discovery.DEVICE), earlier, FRONT)
    house.listed(FRONT)
    assert {topic: house.broker[topic] for topic in standing} == standing
    assert len(house.noted("earlier_base_topic_in_use")) == 1


@pytest.mark.parametrize("layout", [Discovery.DEVICE, Discovery.ENTITY])
def test_another_prefix(layout: Discovery) -> None:
    """With another discovery prefix nothing is left below the old one, nor kept by who listens there."""
    earlier = earlier_run(layout, FRONT, topics=Topics(base=BASE, discovery_prefix="old"))
    house = next_run(laid_out(layout), earlier, FRONT)
    house.advance(2 * SETTLE)
    assert not [topic for topic in house.broker if topic.startswith("old/")]
    assert configs(house) == configs(running(FRONT, config=laid_out(layout)))
    assert house.announced.prefix == "homeassistant"
    assert MIGRATE not in [publish.payload for publish in house.published]


def test_a_config_that_replaces_another_is_repeated() -> None:
    """A config with a new entity is sent once more, as Home Assistant may still have been busy with the one before."""
    house = running(FRONT)
    before = len(told(house, WHOLE))
    house.report("front", lock="Locked", door="open")
    assert len(told(house, WHOLE)) == before + 1
    house.advance(REPEAT_AFTER)
    assert told(house, WHOLE)[before:] == [house.broker[WHOLE]] * 2
    house.advance(100)
    assert len(told(house, WHOLE)) == before + 2


def test_nothing_is_repeated_without_a_connection() -> None:
    """A connection that is lost before the repetition makes up for it: the next one asserts everything."""
    house = running(FRONT)
    house.report("front", lock="Locked", door="open")
    house.take(BrokerDisconnected())
    count = len(told(house, WHOLE))
    house.advance(REPEAT_AFTER)
    assert len(told(house, WHOLE)) == count
    house.reconnect()
    house.advance(REPEAT_AFTER)
    assert len(told(house, WHOLE)) == count + 1


@pytest.mark.parametrize("seconds", [0.5, SETTLE + 0.5])
def test_renamed_in_the_middle(seconds: float) -> None:
    """A device that is renamed in the middle of a move keeps its old topics until the new ones are known."""
    house = next_run(laid_out(Discovery.DEVICE), earlier_run(Discovery.ENTITY, FRONT), FRONT)
    house.advance(seconds)
    house.say("bridge/request/device/rename", {"device": "front", "topic": "door", "name": "Door"})
    assert house.broker[LOCK] == MIGRATE
    house.advance(2 * SETTLE)
    assert LOCK not in house.broker
    assert json.loads(house.broker[WHOLE])["device"]["name"] == "Door"


def test_another_bridge_describes_the_device() -> None:
    """What another bridge on the same account describes is not cleared, whatever the record says."""
    other = Topics(base="other", discovery_prefix="homeassistant")
    theirs = earlier_run(Discovery.DEVICE, FRONT, topics=other)
    mine = earlier_run(Discovery.DEVICE, FRONT)
    house = next_run(laid_out(Discovery.OFF), mine, FRONT, retained=theirs.broker)
    house.listed(FRONT)
    assert house.broker[WHOLE] == theirs.broker[WHOLE]


def test_the_old_base_topic_is_in_use_for_a_while() -> None:
    """What was left on an old base topic because a bridge seemed to be there is cleared once it is gone."""
    old = Topics(base="old", discovery_prefix="homeassistant")
    earlier = earlier_run(Discovery.DEVICE, FRONT, topics=old)
    earlier.broker["old/bridge/state"] = "online"
    house = next_run(laid_out(Discovery.DEVICE), earlier, FRONT)
    house.broker["old/bridge/state"] = "offline"
    again = next_run(laid_out(Discovery.DEVICE), house, FRONT)
    again.listed(FRONT)
    again.advance(5)
    assert not [topic for topic in again.broker if topic.startswith("old/")]


def test_the_bridge_is_moved_once() -> None:
    """Whatever the device list takes, the bridge's own topics are moved and cleared once in a run."""
    earlier = earlier_run(Discovery.ENTITY, FRONT)
    house = Driver(config=laid_out(Discovery.DEVICE), pins=earlier.pins, announced=earlier.announced)
    house.take(Started())
    house.connect(earlier.broker)
    house.advance(3 * SETTLE)
    house.listed(FRONT)
    house.advance(3 * SETTLE)
    assert told(house, TOPICS.entity_discovery("sensor", f"{BASE}_bridge", "cloud")) == [MIGRATE, ""]
