"""Section 6, 7: what is retained is asserted when it may have been lost, and else said once."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from uhome2mqtt.effects import Effect, Note, Publish
from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.events import BrokerDisconnected, HomeAssistantStarted

from .driver import BACK, BASE, FRONT, LAMP, TOPICS, Driver, running

EVERYTHING = {f"{BASE}/bridge/{name}" for name in ("state", "cloud", "info", "devices")}
CONFIG = TOPICS.discovery("uhome2mqtt_7cdfa1200005")


def retained(effects: list[Effect]) -> dict[str, str]:
    """Give what is retained of some effects, by topic."""
    return {effect.topic: effect.payload for effect in effects if isinstance(effect, Publish) and effect.retain}


def components(publish: Publish) -> Any:
    """Read the components of a config payload."""
    return json.loads(publish.payload)["components"]


def test_everything_after_a_connection() -> None:
    """After every connection everything that should be retained is published again, config topics first."""
    house = running(FRONT, BACK)
    house.report("front", lock="Locked")
    house.take(BrokerDisconnected())
    before = dict(house.broker)
    house.broker.clear()
    effects = house.connect()
    assert house.broker == before
    assert before.keys() >= EVERYTHING
    topics = [topic.endswith("/config") for topic in retained(effects)]
    assert topics == sorted(topics, reverse=True)


def test_online_comes_last() -> None:
    """The bridge says that it is online after everything else, so that nobody sees old states as current."""
    house = running(FRONT)
    house.take(BrokerDisconnected())
    last = [effect for effect in house.connect() if not isinstance(effect, Note)][-1]
    assert last == Publish(topic=f"{BASE}/bridge/state", content="online", qos=1)


def test_what_happened_in_between() -> None:
    """What changed while the broker was away is there after the connection, and what left is cleared first."""
    house = running(FRONT, BACK)
    house.report("front", lock="Locked")
    house.take(BrokerDisconnected())
    house.report("front", lock="Unlocked")
    house.listed(FRONT)
    house.listed(FRONT)
    assert house["front/lock"] == "LOCKED"
    effects = house.connect()
    assert house["front/lock"] == "UNLOCKED"
    assert house.below("back") == set()
    clears = [payload == "" for payload in retained(effects).values()]
    assert clears == sorted(clears, reverse=True)


def test_a_device_that_left_and_came_back_in_between() -> None:
    """A device that left and returned while the broker was away is not cleared."""
    house = running(FRONT)
    before = house.below("front")
    house.take(BrokerDisconnected())
    house.listed()
    house.listed()
    house.listed(FRONT)
    effects = house.connect()
    assert not [effect for effect in effects if isinstance(effect, Publish) and not effect.payload]
    assert house.below("front") == before


@pytest.mark.parametrize(("chance", "delay"), [(0.0, 0.5), (1.0, 5.0)])
def test_home_assistants_birth(chance: float, delay: float) -> None:
    """After Home Assistant's birth message everything is published again, 0.5 to 5 s later by chance."""
    house = Driver(chance=chance)
    house.connect({})
    house.listed(FRONT)
    house.report("front", lock="Locked")
    before = dict(house.broker)
    house.take(HomeAssistantStarted())
    house.broker.clear()
    house.advance(delay - 0.01)
    assert house.broker == {}
    house.advance(0.01)
    assert house.broker == before


def test_one_answer_to_several_births() -> None:
    """Several birth messages in a row have one answer."""
    house = running(FRONT)
    for _ in range(3):
        house.take(HomeAssistantStarted())
    before = len(house.history("front/lock"))
    house.advance(10)
    assert len(house.history("front/lock")) == before + 1


def test_a_birth_says_nothing_old() -> None:
    """When a device goes out of date in the moment of the answer to a birth message, its old state is not said."""
    house = running(FRONT)
    house.report("front", lock="Locked", health="Online")
    house.advance(120 - 2.75)
    house.take(HomeAssistantStarted())
    house.monotonic += 5
    house.advance(0)
    assert house["front/lock"] == "None"
    assert house.history("front/lock")[-1] == "None"


def test_a_birth_while_the_broker_is_away() -> None:
    """An answer to a birth message that finds the broker gone is left to the next connection."""
    house = running(FRONT)
    house.take(HomeAssistantStarted())
    house.take(BrokerDisconnected())
    before = len(house.published)
    house.advance(10)
    assert len(house.published) == before


def test_nothing_unchanged_twice() -> None:
    """Lists, polls and reports that bring nothing new publish nothing but what they change."""
    house = running(FRONT, LAMP)
    house.report("front", lock="Locked", health="Online")
    before = dict(house.broker)
    assert retained(house.listed(FRONT, LAMP)) == {}
    assert retained(house.report("front", lock="Locked", health="Online")) == {}
    house.advance(1)
    assert retained(house.report("front", lock="Locked", health="Online")).keys() == {
        f"{BASE}/front",
        f"{BASE}/front/last_reported",
    }
    house.reconnect()
    assert house.broker.keys() == before.keys()


def test_an_event_publishes_nothing_of_others() -> None:
    """What happens to one device is projected for that device alone."""
    house = running(FRONT, BACK)
    topics = retained(house.report("front", lock="Locked", health="Online"))
    assert all(not topic.startswith(f"{BASE}/back") for topic in topics)


def test_a_component_leaves() -> None:
    """A key that leaves a device that stays is sent once as its platform alone, then without it."""
    house = running(LAMP)
    before = len(house.published)
    house.listed(replace(LAMP, handle_type="utec-switch"))
    goodbye, config = (publish for publish in house.published[before:] if publish.topic == CONFIG)
    assert components(goodbye)["light"] == {"platform": "light"}
    assert "switch" in components(goodbye)
    assert "light" not in components(config)
    house.advance(5)
    assert f"{BASE}/lamp/light" not in house.broker
    published = [publish.topic for publish in house.published[before:]]
    assert published.index(f"{BASE}/lamp/light") > published.index(CONFIG, published.index(CONFIG) + 1)


def test_a_component_leaves_while_the_broker_is_away() -> None:
    """A key that left while the broker was away is taken leave of at the next connection, before the new config."""
    house = running(LAMP)
    house.take(BrokerDisconnected())
    house.listed(replace(LAMP, handle_type="utec-switch"))
    configs = [effect for effect in house.connect() if isinstance(effect, Publish) and effect.topic == CONFIG]
    assert [components(config).get("light") for config in configs] == [{"platform": "light"}, None]
    assert len([effect for effect in house.reconnect() if isinstance(effect, Publish) and effect.topic == CONFIG]) == 1


def test_a_component_left_between_two_runs() -> None:
    """A key that an earlier run described and this one does not know is taken leave of as well."""
    left = running(LAMP).broker
    house = Driver()
    house.connect(left)
    house.listed(replace(LAMP, handle_type="utec-switch"))
    configs = [publish for publish in house.published if publish.topic == CONFIG]
    assert [components(config).get("light") for config in configs] == [{"platform": "light"}, None]


def test_a_device_that_was_removed_needs_no_farewell() -> None:
    """A device that was removed and returns with fewer keys is simply there: there is nothing to take leave of."""
    house = running(LAMP)
    house.listed()
    house.listed()
    before = len(house.published)
    house.listed(replace(LAMP, handle_type="utec-switch"))
    assert [publish.topic for publish in house.published[before:]].count(CONFIG) == 1


def test_a_new_component_needs_no_farewell() -> None:
    """A key that joins is simply there."""
    house = running(FRONT)
    effects = house.report("front", door="open")
    topic = TOPICS.discovery("uhome2mqtt_0c7fed100001")
    assert len([effect for effect in effects if isinstance(effect, Publish) and effect.topic == topic]) == 1


def test_asked_to_reassert() -> None:
    """The request `reassert` has everything published again and is answered, ten seconds apart at least."""
    house = running(FRONT)
    house.report("front", lock="Locked")
    before = dict(house.broker)
    house.broker.clear()
    house.say("bridge/request/reassert", json.dumps({"transaction": "t-1"}))
    assert house.broker == before
    house.say("bridge/request/reassert", "")
    first, second = house.responses("reassert")
    assert first == {"status": "ok", "data": {"devices": 1}, "error": None, "transaction": "t-1"}
    assert second["error"] == "TOO_SOON: asked for less than 10 s ago; again in 10.0 s"
    house.advance(10)
    house.say("bridge/request/reassert", "")
    assert house.responses("reassert")[2]["status"] == "ok"


def test_reassertion_without_being_asked() -> None:
    """With `mqtt.reassert_every` everything is published again each time so long after the connection."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, reassert_every=60, stale_after=3600, poll_interval=3600))
    house.report("front", lock="Locked")
    for _ in range(2):
        house.broker.clear()
        house.advance(60)
        assert house["front/lock"] == "LOCKED"
        assert house.broker.keys() >= EVERYTHING


def test_reassertion_while_the_broker_is_away() -> None:
    """While the broker is away nothing is asserted, and from the next connection on the time runs anew."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, reassert_every=60, stale_after=3600, poll_interval=3600))
    house.take(BrokerDisconnected())
    before = len(house.published)
    house.advance(90)
    assert len(house.published) == before
    house.connect()
    house.broker.clear()
    house.advance(59)
    assert f"{BASE}/bridge/devices" not in house.broker
    house.advance(1)
    assert house.broker.keys() >= EVERYTHING
