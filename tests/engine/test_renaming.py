"""Another topic or name for a device, on request."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.model import Json, Pin

from .driver import BACK, BASE, FRONT, LAMP, TOPICS, Driver, running


def rename(house: Driver, **members: Json) -> dict[str, Any]:
    """Ask for a new name, and give the answer."""
    house.say("bridge/request/device/rename", members)
    return house.responses("device/rename")[-1]


def test_topic() -> None:
    """A new topic carries everything on, the old one is cleared, and Home Assistant's identity stays."""
    house = running(FRONT, BACK)
    house.report("front", lock="Locked", health="Online")
    before = house.config_of(FRONT)
    answer = rename(house, device="front", topic="main-entrance")
    assert answer["data"] == {"id": FRONT.id, "topic": "main-entrance", "name": "Front", "from": "front"}
    assert house.below("front") == set()
    assert house["main-entrance/lock"] == "LOCKED"
    assert house["main-entrance/availability"] == "online"
    after = house.config_of(FRONT)
    assert after["device"]["identifiers"] == before["device"]["identifiers"]
    assert after["components"]["lock"]["unique_id"] == before["components"]["lock"]["unique_id"]
    assert after["components"]["lock"]["command_topic"] == f"{BASE}/main-entrance/lock/set"
    assert [entry["topic"] for entry in json.loads(house["bridge/devices"])] == ["main-entrance", "back"]
    told = house.bridge_events()[-1]
    assert {name: told[name] for name in ("event_type", "from", "topic", "name", "kind")} == {
        "event_type": "device_renamed",
        "from": "front",
        "topic": "main-entrance",
        "name": "Front",
        "kind": "lock",
    }


def test_commands_follow() -> None:
    """Commands go to the new topic, the old one is nobody's; one under way is told of on the new one."""
    house = running(FRONT)
    house.say("front/lock/set", "LOCK")
    rename(house, device="front", topic="entrance")
    house.accept()
    assert house.outcomes("entrance") == ["accepted"]
    house.say("front/lock/set", "UNLOCK")
    house.say("entrance/mode/set", "normal")
    assert house.bridge_events()[-1]["reason"] == "UNKNOWN_DEVICE"


def test_kept() -> None:
    """A new topic and name are kept: across restarts, device lists, and a lost state directory."""
    house = running(FRONT)
    rename(house, device="front", topic="entrance", name="Haupteingang")
    again = running(replace(FRONT, name="App name"), pins=house.pins)
    assert json.loads(again["bridge/devices"])[0]["name"] == "Haupteingang"
    assert again["entrance/availability"] == "online"
    remembered = Driver()
    remembered.connect({f"{BASE}/bridge/devices": house["bridge/devices"]})
    remembered.listed(FRONT)
    [entry] = json.loads(remembered["bridge/devices"])
    assert (entry["topic"], entry["name"]) == ("entrance", "Haupteingang")


def test_name() -> None:
    """A new name changes what is shown and no topic; null gives the app's name again."""
    house = running(FRONT)
    assert rename(house, device=FRONT.id, name="Haupteingang")["data"]["name"] == "Haupteingang"
    assert house.config_of(FRONT)["device"]["name"] == "Haupteingang"
    assert house.below("front")
    house.listed(replace(FRONT, name="App"))
    assert house.config_of(FRONT)["device"]["name"] == "Haupteingang"
    assert rename(house, device="Haupteingang", name=None)["data"]["name"] == "App"
    assert house.config_of(FRONT)["device"]["name"] == "App"


def test_longest() -> None:
    """A topic may have 64 letters."""
    house = running(FRONT)
    assert rename(house, device="front", topic="x" * 64)["status"] == "ok"


def test_nothing_new() -> None:
    """Asking for what is so already is answered and not announced."""
    house = running(FRONT)
    before = len(house.bridge_events())
    assert rename(house, device="front", topic="front", name=None)["status"] == "ok"
    assert len(house.bridge_events()) == before


def test_a_free_topic() -> None:
    """The topic that a device gave up can be another's, a topic of one that is not listed now cannot."""
    house = running(FRONT, BACK, pins={"gone": Pin(topic="cellar")})
    rename(house, device="front", topic="entrance")
    assert rename(house, device="back", topic="front")["status"] == "ok"
    assert rename(house, device="Back", topic="cellar")["error"] == (
        "topic 'cellar' is taken by device gone, which is not in the account now"
    )


REFUSED: dict[str, tuple[dict[str, Json], str]] = {
    "nobody": ({"device": "cellar", "topic": "x"}, "UNKNOWN_DEVICE: 'cellar'"),
    "no device": ({"topic": "x"}, "needs device"),
    "a device that is no text": ({"device": 7, "topic": "x"}, "needs device"),
    "a name of two": ({"device": "Twin", "topic": "x"}, "UNKNOWN_DEVICE"),
    "nothing": ({"device": "front"}, "needs topic, name, or both"),
    "letters": ({"device": "front", "topic": "Front Door"}, "topic 'Front Door' cannot be used"),
    "levels": ({"device": "front", "topic": "a/b"}, "one level of a-z"),
    "wildcard": ({"device": "front", "topic": "+"}, "one level of a-z"),
    "reserved": ({"device": "front", "topic": "bridge"}, "not bridge"),
    "long": ({"device": "front", "topic": "x" * 65}, "at most 64"),
    "number": ({"device": "front", "topic": 7}, "topic 7 cannot be used"),
    "taken": ({"device": "front", "topic": "back"}, f"taken by device {BACK.id}"),
    "configured topic": ({"device": "lamp", "topic": "x"}, f"change devices.{LAMP.id}.topic"),
    "configured name": ({"device": "lamp", "name": "x"}, f"change devices.{LAMP.id}.name"),
    "claimed": ({"device": "front", "topic": "claimed"}, "taken by device other"),
    "empty name": ({"device": "front", "name": ""}, "name '' cannot be used"),
    "long name": ({"device": "front", "name": "x" * 129}, "at most 128"),
    "control characters": ({"device": "front", "name": "a\nb"}, "cannot be used"),
    "no name": ({"device": "front", "name": 7}, "name 7 cannot be used"),
    "misspelt": ({"device": "front", "topc": "x"}, "did you mean 'topic'?"),
}


@pytest.mark.parametrize(("members", "why"), REFUSED.values(), ids=REFUSED)
def test_refused(members: dict[str, Json], why: str) -> None:
    """What cannot be is refused with the reason, and nothing changes."""
    overrides = {LAMP.id: Override(topic="lamp", name="Lamp"), "other": Override(topic="claimed")}
    house = running(
        FRONT, BACK, LAMP, replace(FRONT, id="t1", name="Twin"), replace(FRONT, id="t2", name="Twin"),
        config=EngineConfig(topics=TOPICS, overrides=overrides),
    )  # fmt: skip
    before = dict(house.broker)
    answer = rename(house, **members)
    assert answer["status"] == "error"
    assert why in str(answer["error"])
    assert house.broker == before


RULES: dict[str, tuple[str, ...] | None] = {"front": ("LOCK",), "Back": (), "free": None, "switch": None}


@pytest.mark.parametrize(
    "members",
    [
        {"device": "front", "topic": "other"},
        {"device": "back", "name": "Other"},
        {"device": "back", "topic": "free"},
        {"device": "lamp", "name": "Free"},
        {"device": "lamp", "name": "switch"},
    ],
)
def test_no_way_around_the_policy(members: dict[str, Json]) -> None:
    """A new name lets nobody out of a rule of the configuration, nor under one for others."""
    house = running(FRONT, BACK, LAMP, config=EngineConfig(topics=TOPICS, allow=RULES))
    before = dict(house.broker)
    assert str(rename(house, **members)["error"]).startswith("NOT_ALLOWED: commands.allow has a rule for ")
    assert house.broker == before
    assert rename(house, device="lamp", topic="cellar", name="Cellar")["status"] == "ok"


def test_before_the_first_list() -> None:
    """Before the first device list nobody can be found, and the answer says why."""
    house = Driver()
    house.connect({})
    assert "the device list has not been read yet" in str(rename(house, device="front", topic="x")["error"])


def test_right_after_a_restart() -> None:
    """A device that has not reported since the restart leaves nothing of the earlier run under its old topic."""
    first = running(FRONT)
    first.report("front", lock="Locked", health="Online")
    house = Driver(pins=first.pins)
    house.connect(dict(first.broker))
    house.listed(FRONT)
    assert house["front/lock"] == "LOCKED"
    rename(house, device="front", topic="entrance")
    assert house.below("front") == set()
    assert house["entrance/lock"] == "None"
