"""A broker that was killed comes back with what it had saved: what was cleared since is cleared again."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from uhome2mqtt.effects import LookFor
from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.engine.house import SWEEP_AFTER
from uhome2mqtt.engine.retained import MOST_GONE, Retained
from uhome2mqtt.events import BrokerDisconnected, ConfigCleared
from uhome2mqtt.model import Discovery
from uhome2mqtt.topics import Topics

from .driver import BASE, FRONT, LAMP, TOPICS, Driver, running
from .test_company import LEFT, NOON, Bridge
from .test_layouts import WHOLE as CONFIG
from .test_layouts import earlier_run, next_run

STALE_AFTER = 120
OLD = Topics(base="old", discovery_prefix="homeassistant")
STARTED = "2026-01-31T12:00:00Z"


def renamed(house: Driver, topic: str = "entrance") -> None:
    """Give the lock another topic."""
    house.say("bridge/request/device/rename", {"device": FRONT.id, "topic": topic})


def removed(house: Driver) -> None:
    """Let only the lamp be in the account."""
    house.listed(LAMP)
    house.listed(LAMP)


def without_documents(house: Driver) -> None:
    """Let the configuration want no document for each device."""
    house.configure(json_state=False)


def deleted(house: Driver) -> None:
    """Let somebody delete the lock in Home Assistant."""
    house.take(ConfigCleared(topic=CONFIG))


def known() -> Driver:
    """Give a bridge with a locked door and a lamp."""
    house = running(FRONT, LAMP)
    house.report("front", lock="Locked", door="closed")
    house.report("lamp", switch="on", level=30)
    return house


@pytest.mark.parametrize("change", [renamed, removed, without_documents, deleted])
def test_cleared_again(change: Callable[[Driver], None]) -> None:
    """When a broker comes back with what it had saved, all that has left since then is cleared again."""
    house = known()
    saved = dict(house.broker)
    change(house)
    house.advance(SWEEP_AFTER)
    after = set(house.broker)
    assert after != set(saved)
    house.restored(saved)
    house.advance(SWEEP_AFTER)
    assert set(house.broker) == after
    assert [note.fields["topics"] for note in house.noted("cleared_again")] == [len(saved.keys() - after)]
    house.reconnect()
    assert len(house.noted("cleared_again")) == 1


def test_nothing_is_cleared_unseen() -> None:
    """Topics that the broker does not hold are not cleared: whoever listens would hear an empty message."""
    house = known()
    renamed(house)
    house.restored(house.broker)
    before = len(house.published)
    house.look()
    assert not [publish for publish in house.published[before:] if not publish.payload]
    assert house.noted("cleared_again") == []


def test_nothing_is_looked_for() -> None:
    """A bridge that has cleared nothing does not ask the broker for anything."""
    house = known()
    assert not [effect for effect in house.reconnect() if isinstance(effect, LookFor)]


def test_a_topic_that_is_used_again() -> None:
    """What was cleared and is used again by now is left as it is."""
    house = known()
    saved = dict(house.broker)
    renamed(house)
    renamed(house, "front")
    house.restored(saved)
    assert house["front/lock"] == "LOCKED"
    assert house.below("entrance") == set()


def test_used_again_while_it_is_looked_for() -> None:
    """What is used again before the broker has answered is left as it is, too."""
    house = known()
    saved = dict(house.broker)
    renamed(house)
    house.take(BrokerDisconnected())
    house.broker = dict(saved)
    house.connect()
    renamed(house, "front")
    house.look()
    assert house["front/lock"] == "LOCKED"


def test_cleared_while_the_broker_was_away() -> None:
    """What was to be cleared during the outage is cleared once, at the connection, and not looked for."""
    house = known()
    saved = dict(house.broker)
    house.take(BrokerDisconnected())
    renamed(house)
    house.broker = dict(saved)
    house.connect()
    assert house.below("front") == set()
    assert house.sought == ()


def test_others_on_the_same_topics() -> None:
    """What somebody else has written on a topic that was cleared is not touched."""
    house = running(FRONT)
    before = dict(house.broker)
    removed(house)
    theirs = {f"{BASE}/front": "my own", CONFIG: before[CONFIG].replace(BASE, "theirs")}
    house.restored({**house.broker, **theirs})
    assert {topic: house.broker.get(topic) for topic in theirs} == theirs


@pytest.mark.parametrize("info", [None, "{}", "spoilt", json.dumps({"started": "2026-01-31T11:59:59Z"})])
def test_another_base_topic(info: str | None) -> None:
    """What was cleared on the base topic of before is cleared again, its claim to be online included."""
    earlier = earlier_run(Discovery.DEVICE, FRONT, topics=OLD)
    old = {topic: payload for topic, payload in earlier.broker.items() if topic.startswith("old/")}
    house = next_run(EngineConfig(topics=TOPICS, about={"started": STARTED}), earlier, FRONT)
    house.listed(FRONT)
    house.advance(SWEEP_AFTER)
    assert not [topic for topic in house.broker if topic.startswith("old/")]
    saved = {**old, OLD.bridge_state: "online"} | ({} if info is None else {OLD.bridge_info: info})
    house.restored({**house.broker, **saved})
    house.advance(SWEEP_AFTER)
    assert not [topic for topic in house.broker if topic.startswith("old/")]


def test_another_bridge_on_the_base_topic_of_before() -> None:
    """Where another bridge has begun on the base topic of before, everything is left to it."""
    earlier = earlier_run(Discovery.DEVICE, FRONT, topics=OLD)
    theirs = {topic: payload for topic, payload in earlier.broker.items() if topic.startswith("old/")}
    theirs[OLD.bridge_info] = json.dumps({"started": "2026-01-31T12:00:01Z"})
    house = next_run(EngineConfig(topics=TOPICS, about={"started": STARTED}), earlier, FRONT)
    house.listed(FRONT)
    house.advance(SWEEP_AFTER)
    house.restored({**house.broker, **theirs})
    assert {topic: house.broker.get(topic) for topic in theirs} == theirs


def test_one_that_stands_by() -> None:
    """A bridge that does not work, or has lost the broker again, clears nothing; it looks when it takes over."""
    bridge = Bridge(NOON).begin()
    saved = dict(bridge.broker)
    renamed(bridge)
    bridge.meet("standing_by")
    bridge.restored(saved)
    assert (bridge.role, bridge.sought, f"{BASE}/front/lock" in bridge.broker) == ("asking", (), True)
    bridge.sought = (f"{BASE}/front/lock",)
    bridge.look()
    assert f"{BASE}/front/lock" in bridge.broker
    bridge.advance(2)
    assert bridge.role == "active"
    bridge.look()
    assert bridge.below("front") == set()
    assert LEFT.keys() <= bridge.broker.keys()


def test_too_late() -> None:
    """What is told of a connection that is lost by then clears nothing; the next one is looked at anew."""
    house = known()
    saved = dict(house.broker)
    renamed(house)
    house.take(BrokerDisconnected())
    house.broker = dict(saved)
    house.connect()
    house.take(BrokerDisconnected())
    before = len(house.published)
    house.look()
    assert len(house.published) == before
    house.connect()
    house.look()
    assert house.below("front") == set()


def test_claims_that_nobody_renews() -> None:
    """Claims of an earlier run that were withdrawn are withdrawn again where the broker has brought them back."""
    left = running(FRONT)
    left.report("front", lock="Unlocked", door="open")
    house = Driver()
    house.connect(left.broker)
    house.advance(STALE_AFTER)
    assert house["front/lock"] == "None"
    house.restored(left.broker)
    house.advance(0.001)
    assert (house["front/lock"], house["front/door"]) == ("None", "None")


def test_the_newest_are_remembered() -> None:
    """So many topics are remembered that it matters to nobody, and no more."""
    retained = Retained()
    retained.leave(f"gone/{number}" for number in range(MOST_GONE + 5))
    retained.assert_all()
    assert retained.gone == tuple(f"gone/{number}" for number in range(5, MOST_GONE + 5))
    retained.update("owner", {f"gone/{MOST_GONE}": "back"})
    assert f"gone/{MOST_GONE}" not in retained.gone
