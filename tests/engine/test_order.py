"""Rules 5 and 6: order per device, one request of a device in flight, sliders."""

from __future__ import annotations

import pytest

from uhome2mqtt.model import FailureKind

from .driver import BACK, FRONT, LAMP, PLUG, Driver, running


def levels(house: Driver) -> list[object]:
    """Give the levels that were sent."""
    return [effect.action.arguments.get("level") for effect in house.sent]


def test_a_command_does_not_wait_for_a_query() -> None:
    """A command is sent while a query is under way."""
    house = running(FRONT)
    house.say("front/get", "")
    assert house.open
    house.say("front/lock/set", "LOCK")
    assert house.commands() == ["Front lock"]


def test_devices_do_not_wait_for_each_other() -> None:
    """A command for one device is sent while that of another has no answer."""
    house = running(FRONT, BACK)
    house.say("front/lock/set", "LOCK")
    house.say("back/lock/set", "LOCK")
    house.say("front/lock/set", "UNLOCK")
    assert house.commands() == ["Front lock", "Back lock"]


def test_one_request_in_flight_in_order() -> None:
    """Commands of one device are sent in order, each when the one before has its answer."""
    house = running(FRONT)
    house.report("front", lock="Locked", mode=0)
    house.say("front/mode/set", "passage")
    house.say("front/lock/set", "UNLOCK")
    house.say("front/mode/set", "normal")
    assert len(house.sent) == 1
    house.accept()
    assert len(house.sent) == 2
    house.accept("SOME_CODE")
    assert [effect.action.name for effect in house.sent] == ["setMode", "unlock", "setMode"]


def test_a_repetition_holds_the_lane() -> None:
    """While a request waits for its repetition, the next command of the device waits too."""
    house = running(FRONT)
    house.say("front/lock/set", "LOCK")
    house.say("front/lock/set", "UNLOCK")
    house.fail(FailureKind.UNCERTAIN)
    assert house.commands() == ["Front lock"]
    house.advance(1)
    house.accept()
    assert house.commands() == ["Front lock", "Front lock", "Front unlock"]


def test_locks_are_never_coalesced() -> None:
    """LOCK, UNLOCK, LOCK in quick succession are all sent in order; each is superseded when the next is sent."""
    house = running(FRONT)
    for word in ("LOCK", "UNLOCK", "LOCK"):
        house.say("front/lock/set", word)
    for _ in range(3):
        house.accept()
    assert house.commands() == ["Front lock", "Front unlock", "Front lock"]
    assert house.outcomes("front") == ["accepted", "superseded", "accepted", "superseded", "accepted"]
    house.report("front", lock="Locked")
    assert house.outcomes("front")[-1] == "confirmed push"


def test_a_slider() -> None:
    """Of 100 brightness messages the first and the last are sent; the others are superseded unsent."""
    house = running(LAMP)
    for level in range(1, 101):
        house.say("lamp/brightness/set", str(level))
    house.accept()
    house.accept()
    assert levels(house) == [1, 100]
    assert house.outcomes("lamp").count("superseded") == 99
    house.report("lamp", switch="on", level=100)
    assert house.outcomes("lamp")[-1] == "confirmed push"
    assert len(house.ended) == 100


def test_a_slider_of_a_light() -> None:
    """The same holds for the brightness in a light's own messages, also mixed with those of the key."""
    house = running(LAMP)
    house.say("lamp/light/set", {"state": "ON", "brightness": 1})
    house.say("lamp/light/set", {"brightness": 2})
    house.say("lamp/brightness/set", 3)
    house.accept()
    assert levels(house) == [1, 3]


def test_a_slider_does_not_swallow_a_switch() -> None:
    """OFF between two positions of a slider is sent, and in its place."""
    house = running(LAMP)
    for payload in (10, 20):
        house.say("lamp/brightness/set", payload)
    house.say("lamp/light/set", "OFF")
    house.say("lamp/brightness/set", 30)
    for _ in range(3):
        house.accept()
    assert [(effect.action.name, effect.action.arguments.get("level")) for effect in house.sent] == [
        ("setLevel", 10),
        ("off", None),
        ("setLevel", 30),
    ]


def test_agreeing_commands_do_not_supersede() -> None:
    """Commands of two keys that can both come true are both followed to their ends."""
    house = running(LAMP)
    house.say("lamp/light/set", "ON")
    house.say("lamp/brightness/set", 40)
    house.accept()
    house.accept()
    house.report("lamp", switch="on", level=40)
    assert house.outcomes("lamp") == ["accepted", "accepted", "confirmed push", "confirmed push"]


@pytest.mark.parametrize(("state", "command"), [("on", "off"), ("off", "on")])
def test_toggle(state: str, command: str) -> None:
    """TOGGLE turns to the other of the two reported states."""
    house = running(PLUG)
    house.report("plug", switch=state)
    house.say("plug/switch/set", "TOGGLE")
    assert house.commands() == [f"Plug {command}"]


def test_toggle_of_the_unknown() -> None:
    """TOGGLE of an unknown or stale state is refused: nobody can say what it means."""
    house = running(PLUG)
    house.say("plug/switch/set", "TOGGLE")
    house.report("plug", switch="on")
    house.advance(120)
    house.say("plug/switch/set", "TOGGLE")
    assert house.outcomes("plug") == ["refused INVALID_PAYLOAD"] * 2
