"""Section 7: what somebody deletes in Home Assistant is not described again until it is asked for."""

from __future__ import annotations

import json

import pytest

from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.events import BrokerDisconnected, ConfigCleared, HomeAssistantStarted
from uhome2mqtt.model import EVERYTHING, Discovery

from .driver import BACK, BASE, FRONT, TOPICS, Driver, running

NODE = "uhome2mqtt_0c7fed100001"
WHOLE = TOPICS.discovery(NODE)
BRIDGE = TOPICS.discovery(f"{BASE}_bridge")
MODES = [Discovery.DEVICE, Discovery.BOTH]


def entity(platform: str, key: str) -> str:
    """Give the config topic of one entity of the front door."""
    return TOPICS.entity_discovery(platform, NODE, key)


def delete(house: Driver, topic: str) -> None:
    """Empty a config topic, as Home Assistant does when somebody deletes a device there."""
    house.take(ConfigCleared(topic=topic))


def configs(house: Driver) -> set[str]:
    """Name the config topics of the front door that the broker holds."""
    return {topic for topic in house.broker if topic.endswith("/config") and NODE in topic}


def listed(house: Driver) -> dict[str, object]:
    """Read what `bridge/devices` says of the devices' exclusion within a second, by topic level."""
    house.advance(1)
    return {entry["topic"]: entry["excluded"] for entry in json.loads(house["bridge/devices"])}


@pytest.mark.parametrize("layout", MODES)
def test_a_device_that_was_deleted(layout: Discovery) -> None:
    """A deleted device stays on MQTT and is described no more, whatever happens; its topic is not cleared again."""
    house = running(FRONT, BACK, config=EngineConfig(topics=TOPICS, discovery=layout))
    before = len(house.published)
    delete(house, WHOLE)
    assert configs(house) == set()
    assert [publish.topic for publish in house.published[before:]].count(WHOLE) == 0
    house.report("front", lock="Locked", door="open")
    house.take(HomeAssistantStarted())
    house.advance(10)
    house.reconnect()
    house.listed(FRONT, BACK)
    assert (configs(house), house["front/lock"]) == (set(), "LOCKED")
    assert listed(house) == {"front": [EVERYTHING], "back": None}
    [event] = [event for event in house.bridge_events() if event["event_type"] == "device_excluded"]
    assert (event["id"], event["topic"], event["name"], event["key"]) == (FRONT.id, "front", "Front", None)
    assert house.announced.excluded == {FRONT.id: frozenset({EVERYTHING})}


def test_it_stays_deleted() -> None:
    """A deleted device is not described by the next run either, nor in another layout."""
    earlier = running(FRONT)
    delete(earlier, WHOLE)
    for layout in Discovery:
        config = EngineConfig(topics=TOPICS, discovery=layout)
        house = Driver(config=config, pins=earlier.pins, announced=earlier.announced)
        house.connect(dict(earlier.broker))
        house.listed(FRONT)
        house.advance(10)
        assert configs(house) == set()
        assert house.announced.excluded == earlier.announced.excluded


def test_restored() -> None:
    """On request a deleted device is described again, by id, topic or name, and all is as it was."""
    house = running(FRONT)
    described = house.broker[WHOLE]
    for name in (FRONT.id, "front", "Front"):
        delete(house, WHOLE)
        house.say("bridge/request/device/restore", {"device": name})
        assert house.broker[WHOLE] == described
        data = {"id": FRONT.id, "topic": "front", "name": "Front", "restored": [EVERYTHING]}
        assert house.responses("device/restore")[-1]["data"] == data
    assert listed(house) == {"front": None}
    assert house.announced.excluded == {}
    assert house.bridge_events()[-1]["event_type"] == "device_restored"


def test_nothing_to_restore() -> None:
    """A device that is described already needs no restoring, and a stranger cannot be."""
    house = running(FRONT)
    before = len(house.bridge_events())
    for device in ("front", "nobody", None):
        house.say("bridge/request/device/restore", {"device": device})
    answers = house.responses("device/restore")
    assert answers[0]["data"]["restored"] == []
    assert [answer["status"] for answer in answers] == ["ok", "error", "error"]
    assert len(house.bridge_events()) == before


def test_one_entity() -> None:
    """Where each entity has a topic, one that is deleted is left out alone, in that layout and in others."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, discovery=Discovery.ENTITY))
    every = configs(house)
    delete(house, entity("sensor", "battery"))
    assert configs(house) == every - {entity("sensor", "battery")}
    assert listed(house) == {"front": ["battery"]}
    whole = Driver(config=EngineConfig(topics=TOPICS), announced=house.announced)
    whole.connect({})
    whole.listed(FRONT)
    whole.advance(10)
    assert "battery" not in whole.config_of(FRONT)["components"]
    house.say("bridge/request/device/restore", {"device": "front"})
    assert configs(house) == every


def test_all_entities_one_by_one() -> None:
    """When the last entity of a device is deleted, the device is: what it gains later is not described either."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, discovery=Discovery.ENTITY))
    for topic in sorted(configs(house)):
        delete(house, topic)
    assert listed(house) == {"front": [EVERYTHING]}
    house.report("front", door="open")
    assert configs(house) == set()


def test_the_bridge_itself() -> None:
    """The bridge can be deleted and restored like its devices."""
    house = running(FRONT)
    delete(house, BRIDGE)
    house.reconnect()
    assert BRIDGE not in house.broker
    assert house.announced.excluded == {"": frozenset({EVERYTHING})}
    house.say("bridge/request/device/restore", {"device": "bridge"})
    assert BRIDGE in house.broker
    data = {"id": None, "topic": "bridge", "restored": [EVERYTHING]}
    assert house.responses("device/restore")[-1]["data"] == data


@pytest.mark.parametrize(
    "topic",
    [
        TOPICS.discovery("zigbee2mqtt_1"),
        TOPICS.discovery("uhome2mqtt_stranger"),
        entity("lock", "lock"),
        f"homeassistant/lock/{NODE}/config",
        "homeassistant/status",
    ],
)
def test_what_is_not_ours(topic: str) -> None:
    """Topics that the bridge describes nothing on may be emptied by anybody."""
    house = running(FRONT)
    before = house.announced
    delete(house, topic)
    assert house.announced is before
    assert configs(house) == {WHOLE}


def test_our_own_clears() -> None:
    """What the bridge clears itself, as for a device that has left, comes back as an echo and means nothing."""
    house = running(FRONT, BACK)
    house.listed(BACK)
    house.listed(BACK)
    house.take(ConfigCleared(topic=WHOLE))
    house.listed(FRONT, BACK)
    assert configs(house) == {WHOLE}
    house.take(BrokerDisconnected())
    house.listed(BACK)
    house.listed(BACK)
    house.connect()
    house.take(ConfigCleared(topic=WHOLE))
    assert house.announced.excluded == {}


def test_deleted_in_the_middle_of_a_move() -> None:
    """Topics that are being left mean nothing any more, whoever empties them."""
    earlier = running(FRONT, config=EngineConfig(topics=TOPICS, discovery=Discovery.ENTITY))
    house = Driver(announced=earlier.announced)
    house.connect(earlier.broker)
    house.listed(FRONT)
    delete(house, entity("lock", "lock"))
    house.advance(10)
    assert "lock" in house.config_of(FRONT)["components"]
    assert house.announced.excluded == {}


def test_a_device_that_is_not_listed() -> None:
    """A device of an earlier run that is not in the list, perhaps for a while, can be deleted too."""
    for topic, excluded in ((WHOLE, EVERYTHING), (entity("lock", "lock"), "lock")):
        layout = Discovery.DEVICE if topic == WHOLE else Discovery.ENTITY
        config = EngineConfig(topics=TOPICS, discovery=layout)
        earlier = running(FRONT, config=config)
        house = Driver(config=config, pins=earlier.pins, announced=earlier.announced)
        house.connect(earlier.broker)
        house.listed(BACK)
        delete(house, topic)
        assert house.announced.excluded == {FRONT.id: frozenset({excluded})}
        assert house.bridge_events()[-1]["topic"] == "front"
        house.listed(FRONT, BACK)
        assert topic not in house.broker


def test_a_device_that_nobody_knows() -> None:
    """What an unknown device of an earlier run was described on may be emptied: it is to be cleared anyway."""
    earlier = running(FRONT)
    house = Driver()
    house.connect({topic: text for topic, text in earlier.broker.items() if topic == WHOLE})
    house.listed(BACK)
    delete(house, WHOLE)
    assert house.announced.excluded == {}


def test_all_at_once() -> None:
    """When somebody empties everything the list of devices is told once, and all is restored with one request."""
    house = running(FRONT, BACK, config=EngineConfig(topics=TOPICS, discovery=Discovery.ENTITY))
    house.advance(20)
    before = {topic: text for topic, text in house.broker.items() if topic.endswith("/config")}
    lists = len(house.history("bridge/devices"))
    for topic in before:
        delete(house, topic)
    house.advance(1)
    assert not [topic for topic in house.broker if topic.endswith("/config")]
    assert len(house.history("bridge/devices")) == lists + 1
    assert len(house.noted("deleted_in_home_assistant")) == len(before)
    house.say("bridge/request/device/restore", {"device": "*"})
    assert {topic: text for topic, text in house.broker.items() if topic.endswith("/config")} == before
    assert house.announced.excluded == {}
    data = {"id": None, "topic": None, "restored": ["back", "bridge", "front"]}
    assert house.responses("device/restore")[-1]["data"] == data


def test_one_entity_of_the_bridge() -> None:
    """Where the bridge is described in both layouts, one of its entities that is deleted leaves the device, too."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, discovery=Discovery.BOTH))
    house.advance(20)
    delete(house, TOPICS.entity_discovery("sensor", f"{BASE}_bridge", "push"))
    assert "push" not in json.loads(house.broker[BRIDGE])["components"]
    told = [publish.topic for publish in house.published].count(BRIDGE)
    house.advance(10)
    assert [publish.topic for publish in house.published].count(BRIDGE) == told + 1
