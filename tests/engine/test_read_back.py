"""Section 6, 8: what the broker still holds of an earlier run."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.events import BrokerConnected, BrokerDisconnected, Started
from uhome2mqtt.model import Device, Discovery, FailureKind, Json, Pin
from uhome2mqtt.topics import Topics

from .driver import BACK, BASE, FRONT, LAMP, TOPICS, Driver, running

CONFIG = TOPICS.discovery("uhome2mqtt_0c7fed100001")
STALE_AFTER = 120


def earlier_run(*devices: Device, topics: Topics = TOPICS) -> dict[str, str]:
    """Give what a run that ended without a word left on the broker: everything on, open or unlocked."""
    house = running(*devices, config=EngineConfig(topics=topics))
    for device in devices:
        states: dict[str, Json] = {"lock": "Unlocked", "door": "open", "mode": 1, "battery": 5}
        if device is LAMP:
            states = {"switch": "on", "level": 30}
        house.report(device.name.casefold(), None, **states, health="Online")
    return house.broker


def restarted(retained: dict[str, str], config: EngineConfig | None = None) -> Driver:
    """Give a bridge without a state directory that has connected and has no device list yet."""
    house = Driver(config=config)
    house.take(Started())
    house.connect(retained)
    return house


def test_pins_are_adopted() -> None:
    """Without its state directory the bridge takes the topic levels from the device list on the broker."""
    left = earlier_run(FRONT)
    house = restarted(left)
    house.listed(replace(FRONT, name="Main entrance"), Device(id="new", name="Front"))
    assert [entry["topic"] for entry in json.loads(house["bridge/devices"])] == ["front", "front_2"]


def test_keys_survive_a_restart() -> None:
    """After a restart what was retained stands, `door` and `mode` too, until there is news or it is out of date."""
    left = earlier_run(FRONT)
    house = restarted(left)
    house.listed(FRONT)
    shown = ("front", "front/door", "front/mode", "front/lock", "front/battery")
    assert [house[topic] for topic in shown] == [left[f"{BASE}/{topic}"] for topic in shown]
    assert {"door", "mode"} <= house.config_of(FRONT)["components"].keys()
    house.end_queries(FailureKind.UNCERTAIN)
    house.advance(STALE_AFTER)
    assert (house["front/door"], house["front/lock"], house["front/stale"]) == ("None", "None", "ON")


def test_news_ends_what_stood() -> None:
    """The first report after a restart replaces all that was retained, also one that says `Offline`."""
    house = restarted(earlier_run(FRONT))
    house.listed(FRONT)
    house.answer("front", health="Offline", lock="Unlocked")
    assert (house["front/lock"], house["front/connectivity"]) == ("None", "offline")


def test_a_command_before_the_first_list() -> None:
    """A command for a device that an earlier run knew fails where its outcome is looked for, and says why."""
    house = restarted(earlier_run(FRONT))
    house.say("front/lock/set", "LOCK")
    [end] = house.results("front")
    assert (end["event_type"], end["reason"], end["payload"]) == ("failed", "NO_DEVICE_LIST", "LOCK")
    assert house.commands() == []


def test_keys_survive_with_the_state_directory() -> None:
    """The pins of the state directory do the same where the broker has forgotten everything."""
    first = running(FRONT)
    first.report("front", door="open")
    house = running(FRONT, pins=first.pins)
    assert house["front/door"] == "None"


def test_what_is_known_goes_before_what_the_broker_remembers() -> None:
    """The state directory's pins go before the broker's, and no two devices ever get one topic."""
    house = Driver(pins={BACK.id: Pin(topic="front")})
    entries = [{"id": FRONT.id, "topic": "front"}, {"id": BACK.id, "topic": "back"}, {"id": "x", "topic": "y"}]
    house.connect({f"{BASE}/bridge/devices": json.dumps([*entries, {"id": "z", "topic": "y"}])})
    house.listed(FRONT, BACK, Device(id="z", name="Z"), Device(id="x", name="X"))
    assert {entry["id"]: entry["topic"] for entry in json.loads(house["bridge/devices"])} == {
        FRONT.id: "front_2",
        BACK.id: "front",
        "z": "z",
        "x": "y",
    }


@pytest.mark.parametrize(
    "devices",
    [
        "",
        "{",
        "{}",
        "null",
        "[1]",
        '[{"id":1,"topic":"a"}]',
        '[{"id":"0C:7F:ED:10:00:01"}]',
        '[{"id":"","topic":"a"}]',
        '[{"id":"0C:7F:ED:10:00:01","topic":""}]',
        '[{"id":"0C:7F:ED:10:00:01","topic":"bridge"}]',
        '[{"id":"0C:7F:ED:10:00:01","topic":"a/b"}]',
        '[{"id":"0C:7F:ED:10:00:01","topic":"+"}]',
        '[{"id":"0C:7F:ED:10:00:01","topic":"front","name":1,"observed":1}]',
        '[{"id":"0C:7F:ED:10:00:01","topic":"front","observed":[1]}]',
    ],
)
def test_a_spoilt_device_list(devices: str) -> None:
    """What is no device list, or names a level that no device can have, is not believed."""
    house = restarted({f"{BASE}/bridge/devices": devices})
    house.listed(FRONT)
    assert json.loads(house["bridge/devices"])[0]["topic"] == "front"


def test_left_over_of_a_known_device() -> None:
    """Topics that a listed device no longer has are cleared with the first list: an old level, an old document."""
    left = earlier_run(FRONT)
    config = EngineConfig(topics=TOPICS, json_state=False, overrides={FRONT.id: Override(topic="door")})
    house = restarted(left, config)
    house.listed(FRONT)
    assert house.below("front") == set()
    assert CONFIG in house.broker
    assert f"{BASE}/door" not in house.broker


def test_left_over_of_a_disabled_device() -> None:
    """Of a device that is disabled now, all but its availability is cleared, its config topic first."""
    house = restarted(earlier_run(FRONT), EngineConfig(topics=TOPICS, overrides={FRONT.id: Override(enabled=False)}))
    house.listed(FRONT)
    assert house.below("front") == {f"{BASE}/front/availability"}
    assert next(publish.topic for publish in house.published if not publish.payload) == CONFIG


def test_left_over_of_an_unlisted_device() -> None:
    """What is left of a device that is not in the account is cleared after a second list, which comes soon."""
    house = restarted(earlier_run(FRONT, BACK))
    house.listed(BACK)
    assert (CONFIG in house.broker, f"{BASE}/front/lock" in house.broker) == (True, True)
    house.mark()
    house.advance(60)
    assert len(house.lists) == 1
    house.listed(BACK)
    assert (CONFIG in house.broker, house.below("front")) == (False, set())
    house.mark()
    house.advance(6 * 3600 - 1)
    assert house.lists == []


def test_an_unlisted_device_that_comes_back() -> None:
    """A device that the first list lacks and the second has keeps everything."""
    house = restarted(earlier_run(FRONT))
    house.listed()
    house.listed(FRONT)
    assert not [publish for publish in house.published if not publish.payload]
    assert house["front/availability"] == "online"


def test_discovery_that_was_turned_off() -> None:
    """With discovery off, the config topics of an earlier run are cleared: the device's, then the bridge's."""
    house = restarted(earlier_run(FRONT), EngineConfig(topics=TOPICS, discovery=Discovery.OFF))
    house.listed(FRONT)
    assert CONFIG not in house.broker
    house.listed(FRONT)
    assert all(topic.startswith(f"{BASE}/") for topic in house.broker)


def test_foreign_topics_are_left_alone() -> None:
    """What somebody else keeps, below the base topic or in Home Assistant's, is not touched."""
    foreign = {
        f"{BASE}/notes": "hello",
        f"{BASE}/notes/today": "{}",
        f"{BASE}/other": '{"some":"document"}',
        f"{BASE}/list": "[]",
        f"{BASE}/a/b/c": "1",
        f"{BASE}/front/lock/set": "UNLOCK",
        TOPICS.discovery("zigbee"): '{"origin":{"name":"zigbee2mqtt"}}',
        TOPICS.discovery("spoilt"): "{",
        TOPICS.discovery("strange"): "[]",
        TOPICS.discovery("odd"): '{"origin":1,"availability":1}',
        "homeassistant/lock/x/config": "{}",
        "elsewhere": "1",
    }
    house = restarted(foreign)
    house.advance(STALE_AFTER)
    for _ in range(3):
        house.listed(FRONT)
    assert {topic: house.broker.get(topic) for topic in foreign} == foreign


def test_another_base_topic_is_left_alone() -> None:
    """What a bridge on another base topic describes to Home Assistant is not ours."""
    others = earlier_run(BACK, topics=Topics(base="other", discovery_prefix="homeassistant"))
    configs = {topic: payload for topic, payload in others.items() if topic.endswith("/config")}
    assert len(configs) == 2
    house = restarted(configs)
    house.listed(FRONT)
    house.listed(FRONT)
    assert {topic: house.broker[topic] for topic in configs} == configs


def test_earlier_states_are_withdrawn() -> None:
    """When no list comes within `stale_after`, locks, doors and lights of the earlier run become unknown."""
    left = earlier_run(FRONT, LAMP)
    house = restarted(left)
    house.list_failed()
    house.advance(STALE_AFTER - 0.001)
    assert (house["front/lock"], house["front/door"], house["front/stale"]) == ("UNLOCKED", "open", "OFF")
    house.advance(0.001)
    assert (house["front/lock"], house["front/door"], house["front/stale"]) == ("None", "None", "ON")
    assert house["lamp/light"] == '{"state":null}'
    assert (house["front/battery"], house["front/mode"]) == ("100", "passage")
    document = house.document("front")
    assert (document["lock"], document["door"], document["battery"], document["stale"]) == (None, None, 100, "ON")
    assert document["last_known"] == {"lock": "UNLOCKED", "door": "open"}
    assert len(house.noted("earlier_states_withdrawn")) == 1
    house.listed(FRONT, LAMP)
    house.report("front", lock="Unlocked")
    assert house["front/lock"] == "UNLOCKED"


def test_what_was_unknown_is_not_said_again() -> None:
    """What an earlier run had withdrawn itself is left as it is, with what it knew last."""
    left = earlier_run(FRONT)
    house = restarted(left)
    house.advance(STALE_AFTER)
    again = restarted(dict(house.broker))
    before = len(again.published)
    again.advance(STALE_AFTER)
    assert [publish.topic for publish in again.published[before:]] == []
    assert again.document("front")["last_known"] == {"lock": "UNLOCKED", "door": "open"}


def test_a_list_in_time_withdraws_nothing() -> None:
    """With a list in time nothing is withdrawn: the devices speak for themselves."""
    house = restarted(earlier_run(FRONT))
    house.listed(FRONT)
    house.report("front", lock="Unlocked", health="Online")
    house.advance(STALE_AFTER - 1)
    house.report("front", lock="Unlocked", health="Online")
    house.advance(1)
    assert house["front/lock"] == "UNLOCKED"
    assert house.noted("earlier_states_withdrawn") == []


def test_an_unlisted_device_is_withdrawn_too() -> None:
    """When the first list lacks a device and no second one comes, its earlier states become unknown as well."""
    house = restarted(earlier_run(FRONT, BACK))
    house.listed(BACK)
    house.report("back", lock="Unlocked")
    house.advance(60)
    house.list_failed()
    house.advance(60)
    house.report("back", lock="Unlocked")
    assert (house["front/lock"], house["back/lock"]) == ("None", "UNLOCKED")


def test_withdrawn_when_the_broker_is_back() -> None:
    """What should have been withdrawn while the broker was away is withdrawn when it is back."""
    house = restarted(earlier_run(FRONT))
    house.take(BrokerDisconnected())
    house.advance(STALE_AFTER + 100)
    assert house["front/lock"] == "UNLOCKED"
    house.take(BrokerConnected(protocol="5"))
    house.advance(0.001)
    assert house["front/lock"] == "None"


def test_a_short_absence_does_not_hurry_it() -> None:
    """A connection that is lost and found again before the time leaves the earlier states standing until then."""
    house = restarted(earlier_run(FRONT))
    house.advance(STALE_AFTER - 5)
    house.reconnect()
    house.advance(4)
    assert house["front/lock"] == "UNLOCKED"
    house.advance(1)
    assert house["front/lock"] == "None"


def test_a_failure_does_not_hurry_it() -> None:
    """Whatever the cloud fails with, earlier states stand until their time."""
    house = restarted(earlier_run(FRONT))
    for kind in FailureKind:
        house.list_failed(kind)
    assert house["front/lock"] == "UNLOCKED"


def test_levels_that_the_configuration_swaps() -> None:
    """Devices that the configuration gives each other's topics never show each other's state."""
    left = earlier_run(FRONT, BACK) | {f"{BASE}/front/lock": "LOCKED"}
    overrides = {FRONT.id: Override(topic="back"), BACK.id: Override(topic="front")}
    house = restarted(left, EngineConfig(topics=TOPICS, overrides=overrides))
    house.listed(FRONT, BACK)
    assert (house["front/lock"], house["back/lock"]) == ("None", "None")
    house.report("back", lock="Locked", health="Online")
    assert (house["front/lock"], house["back/lock"]) == ("LOCKED", "None")


def test_a_level_that_the_configuration_takes() -> None:
    """A device that is given the topic of another one does not show that one's state, and that one gets a new one."""
    config = EngineConfig(topics=TOPICS, overrides={FRONT.id: Override(topic="back")})
    house = restarted(earlier_run(FRONT, BACK), config)
    house.listed(FRONT, BACK)
    assert (house["back/lock"], house["back_2/lock"]) == ("None", "None")
    assert house.below("front") == set()
