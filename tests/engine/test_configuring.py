"""The configuration is read again while the bridge runs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from uhome2mqtt.engine import ConfigChanged, EngineConfig, Override
from uhome2mqtt.model import FailureKind, Source

from .driver import BACK, FRONT, LAMP, TOPICS, Driver, running


def configured(**settings: Any) -> Driver:
    """Run a bridge with two locks whose states are known."""
    house = running(FRONT, BACK, config=EngineConfig(topics=TOPICS, **settings))
    house.report("front", lock="Locked", health="Online")
    house.report("back", lock="Unlocked", health="Online")
    house.mark()
    return house


def test_told() -> None:
    """What was applied, what waits for a connection and what for a restart is told, and the last is warned of."""
    house = configured()
    house.configure(max_age=60.0)
    [event] = [each for each in house.bridge_events() if each["event_type"] == "config_reloaded"]
    assert (event["applied"], event["at_next_connection"], event["needs_restart"]) == (["max_age"], [], [])
    assert house.noted("config_needs_restart") == []


def test_poll_interval() -> None:
    """A shorter interval holds at once; a longer one from the next poll on."""
    house = configured(poll_interval=300.0)
    house.advance(5)
    house.configure(poll_interval=20.0)
    house.advance(21)
    assert len(house.looks(Source.QUERY)) == 1
    house.end_queries()
    house.configure(poll_interval=600.0)
    house.mark()
    house.advance(590)
    house.end_queries()
    assert len(house.looks(Source.QUERY)) == 1
    house.advance(590)
    assert len(house.looks(Source.QUERY)) == 1
    assert json.loads(house["bridge/info"])["poll_interval"] == 600.0


def test_believed_for_as_long_as_polls_are_apart() -> None:
    """With a shorter interval states are believed for less long, from the first poll at the new pace on."""
    house = configured(poll_interval=300.0)
    house.configure(poll_interval=20.0)
    house.advance(125)
    assert house["front/lock"] == "LOCKED"
    house.end_queries()
    house.advance(0)
    assert house["front/lock"] == "None"


def test_a_strained_budget() -> None:
    """What the cloud has refused is not forgotten for another interval, and none shorter than asked is used."""
    house = configured(poll_interval=30.0)
    house.advance(30)
    house.end_queries(FailureKind.RATE_LIMITED)
    assert json.loads(house["bridge/info"])["poll_interval"] == 60.0
    house.configure(poll_interval=20.0)
    assert json.loads(house["bridge/info"])["poll_interval"] == 60.0
    house.configure(poll_interval=90.0)
    assert json.loads(house["bridge/info"])["poll_interval"] == 90.0


def test_stale_after() -> None:
    """Another age at which states become unknown is applied to what is known already."""
    house = configured(stale_after=3600.0)
    house.advance(100)
    house.end_queries()
    assert house["front/lock"] == "LOCKED"
    house.configure(stale_after=60.0)
    assert house["front/lock"] == "None"
    assert house["front/stale"] == "ON"
    house.configure(stale_after=3600.0)
    assert house["front/lock"] == "None"
    house.report("front", lock="Locked", health="Online")
    assert house["front/lock"] == "LOCKED"


def test_list_interval() -> None:
    """The device list does not wait longer than the new interval says, and is not asked for before."""
    house = configured(list_interval=86400.0, poll_interval=3600.0, stale_after=86400.0)
    house.configure(list_interval=600.0)
    house.advance(599)
    assert house.lists == []
    house.advance(2)
    assert len(house.lists) == 1


def test_rules() -> None:
    """What may be commanded changes at once, and a rule that names nobody is warned of."""
    house = configured()
    house.configure(allow={"lock": ("LOCK",), "nobody": ()})
    house.say("front/lock/set", "UNLOCK")
    assert house.outcomes("front") == ["refused NOT_ALLOWED"]
    assert [note.fields["about"] for note in house.noted("rule_for_nobody")] == ["nobody"]
    house.configure(allow={})
    house.say("front/lock/set", "UNLOCK")
    assert house.commands() == ["Front unlock"]


def test_no_longer_allowed() -> None:
    """A command that waits behind another one is not sent if it is not allowed by then; what was sent is followed."""
    house = configured()
    house.say("front/lock/set", "LOCK")
    house.say("front/lock/set", "UNLOCK")
    house.say("back/lock/set", "LOCK")
    house.configure(allow={"lock": ("LOCK",)})
    house.accept()
    house.report("front", lock="Locked", health="Online")
    assert house.commands() == ["Front lock", "Back lock"]
    assert house.outcomes("front") == ["failed NOT_ALLOWED", "accepted", "confirmed push"]


def test_topics_change_places() -> None:
    """Two devices that are given each other's topics show their own states there, and take their own commands."""
    house = configured()
    house.configure(overrides={FRONT.id: Override(topic="back"), BACK.id: Override(topic="front")})
    assert (house["front/lock"], house["back/lock"]) == ("UNLOCKED", "LOCKED")
    house.say("front/lock/set", "LOCK")
    assert house.commands() == ["Back lock"]
    assert [each["event_type"] for each in house.bridge_events()[-3:]] == [
        "device_renamed",
        "device_renamed",
        "config_reloaded",
    ]
    house.advance(130)
    house.end_queries()
    assert house.config_of(FRONT)["components"]["lock"]["command_topic"] == "uhome2mqtt/back/lock/set"


@pytest.mark.parametrize("override", [Override(topic="entrance"), Override(name="Main"), Override(enabled=False)])
def test_nothing_is_asked_for_a_name(override: Override) -> None:
    """A device that has another name or topic, or is disabled, is not asked for its states because of that."""
    house = configured()
    house.configure(overrides={FRONT.id: override})
    assert house.asked == []


def test_lamps_change_places() -> None:
    """Of two lamps that are given each other's topics none loses its state when old topics are cleared."""
    other = replace(LAMP, id="7C:DF:A1:20:00:06", name="Other")
    house = running(LAMP, other)
    house.report("lamp", switch="on", level=40, health="Online")
    house.report("other", switch="off", level=60, health="Online")
    house.configure(overrides={LAMP.id: Override(topic="other"), other.id: Override(topic="lamp")})
    house.advance(20)
    assert house.document("lamp/light") == {"state": "OFF", "brightness": 60, "color_mode": "brightness"}
    assert house.document("other/light") == {"state": "ON", "brightness": 40, "color_mode": "brightness"}


def test_a_taken_topic() -> None:
    """A device whose topic the configuration gives to another one has a topic of its own afterwards."""
    house = configured()
    house.configure(overrides={FRONT.id: Override(topic="back", name="Main")})
    assert house["back/lock"] == "LOCKED"
    assert house.config_of(FRONT)["device"]["name"] == "Main"
    assert house["back_2/lock"] == "UNLOCKED"
    assert house.below("front") == set()
    assert house.pins[BACK.id].topic == "back_2"


def test_an_override_is_removed() -> None:
    """A device keeps its topic when the configuration no longer gives it one, and has the app's name again."""
    house = configured(overrides={FRONT.id: Override(topic="entrance", name="Main")})
    house.configure(overrides={})
    assert house["entrance/lock"] == "LOCKED"
    assert house.config_of(FRONT)["device"]["name"] == "Front"


def test_disabled() -> None:
    """A device that is disabled leaves but for its availability, and its commands end; enabled again it is asked."""
    house = configured()
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    house.say("front/lock/set", "LOCK")
    house.configure(overrides={FRONT.id: Override(enabled=False)})
    assert house.outcomes("front")[1:] == ["superseded", "unconfirmed DISABLED"]
    assert house.below("front") == {"uhome2mqtt/front/availability"}
    assert house["front/availability"] == "offline"
    house.say("front/lock/set", "LOCK")
    assert house.outcomes("front")[-1] == "refused NOT_ALLOWED"
    house.end_queries()
    house.mark()
    house.configure(overrides={})
    assert house.looks(Source.QUERY) == [0.0]
    assert house["front/availability"] == "online"
    assert house["front/lock"] == "LOCKED"


def test_json_state() -> None:
    """The JSON document of each device comes and goes."""
    house = running(LAMP)
    house.report("lamp", switch="On", health="Online")
    house.configure(json_state=False)
    assert "uhome2mqtt/lamp" not in house.broker
    house.configure(json_state=True)
    assert json.loads(house["lamp"])["light"] is not None


def test_quality_of_service() -> None:
    """Another quality of service is told to Home Assistant, too."""
    house = configured()
    assert house.config_of(FRONT)["qos"] == 1
    house.configure(qos=0)
    assert "qos" not in house.config_of(FRONT) or house.config_of(FRONT)["qos"] == 0


def test_before_the_first_list() -> None:
    """A configuration that comes before the devices is used for them."""
    house = Driver()
    house.connect({})
    house.configure(overrides={FRONT.id: Override(topic="entrance")})
    house.listed(FRONT)
    assert house["entrance/availability"] == "online"


def test_displaced_together() -> None:
    """Two devices of one name whose topics are given to others get two different ones."""
    doors = [replace(FRONT, name="Door"), replace(BACK, name="Door")]
    others = [replace(FRONT, id=f"0C:7F:ED:10:00:0{number}", name=f"Other {number}") for number in (7, 8)]
    house = running(*doors, *others)
    house.configure(overrides={others[0].id: Override(topic="door"), others[1].id: Override(topic="door_2")})
    levels = {entry["id"]: entry["topic"] for entry in json.loads(house["bridge/devices"])}
    assert (levels[others[0].id], levels[others[1].id]) == ("door", "door_2")
    assert len(set(levels.values())) == 4


def test_a_restart_is_needed() -> None:
    """What waits for a restart is warned of, by name."""
    house = configured()
    house.take(ConfigChanged(config=house.config, needs_restart=("mqtt.url",)))
    [warning] = house.noted("config_needs_restart")
    assert warning.fields == {"keys": ["mqtt.url"]}
