"""Rule 4: no optimistic final state."""

from __future__ import annotations

import json

from uhome2mqtt.model import FailureKind

from .driver import FRONT, LAMP, Driver, running
from .reports import report_of


def locked() -> Driver:
    """Give a house whose front door is locked."""
    house = running(FRONT)
    house.report("front", lock="Locked", health="Online")
    return house


def test_unlocking_until_reported() -> None:
    """An unlock shows UNLOCKING, through acceptance, until the device reports UNLOCKED."""
    house = locked()
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    assert house["front/lock"] == "UNLOCKING"
    house.report("front", lock="Unlocked")
    assert house.history("front/lock") == ["None", "LOCKED", "UNLOCKING", "UNLOCKED"]


def test_locking_until_reported() -> None:
    """A lock shows LOCKING until the device reports LOCKED."""
    house = running(FRONT)
    house.report("front", lock="Unlocked")
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.report("front", lock="Locked")
    assert house.history("front/lock")[1:] == ["UNLOCKED", "LOCKING", "LOCKED"]


def test_the_old_state_is_no_end() -> None:
    """A report of the state before, while the bolt moves, leaves UNLOCKING standing."""
    house = locked()
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    house.report("front", lock="Locked")
    assert house["front/lock"] == "UNLOCKING"


def test_afterwards_the_last_truth() -> None:
    """When the window closes without a report, the last reported state is shown again."""
    house = locked()
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    house.advance(56)
    house.report("front", lock="Locked")
    house.end_queries()
    assert house.outcomes("front") == ["accepted", "unconfirmed NOT_REPORTED"]
    assert house["front/lock"] == "LOCKED"


def test_a_refusal_restores_the_truth() -> None:
    """A command that the cloud refuses shows the last reported state again at once."""
    house = locked()
    house.say("front/lock/set", "UNLOCK")
    house.accept("DEVICE_OFFLINE")
    assert house["front/lock"] == "LOCKED"


def test_a_jam_is_shown_at_once() -> None:
    """A jam that is reported while a command is under way is shown at once, and the command goes on."""
    house = locked()
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.report("front", lock="Jammed")
    assert house["front/lock"] == "JAMMED"
    assert house.outcomes("front") == ["accepted"]


def test_a_jam_before_acceptance() -> None:
    """A jam that is pushed before the cloud has answered is shown at once too."""
    house = locked()
    house.say("front/lock/set", "LOCK")
    house.report("front", lock="Jammed")
    assert house["front/lock"] == "JAMMED"


def test_an_unknown_word_is_unknown() -> None:
    """A state that nobody knows is shown as unknown, never guessed."""
    house = locked()
    house.report("front", lock="Ajar")
    assert house["front/lock"] == "None"


def test_the_document_tells_what_is_under_way() -> None:
    """The document holds the transition and, as `pending`, what was asked for; afterwards nothing."""
    house = locked()
    house.say("front/lock/set", "UNLOCK")
    assert (house.document("front")["lock"], house.document("front")["pending"]) == ("UNLOCKING", {"lock": "UNLOCK"})
    house.fail(FailureKind.AUTHORIZATION)
    assert (house.document("front")["lock"], house.document("front")["pending"]) == ("LOCKED", None)


def test_a_light_is_not_optimistic() -> None:
    """A light shows what it reported until it reports something else."""
    house = running(LAMP)
    house.report("lamp", switch="off", level=0)
    house.say("lamp/light/set", {"state": "ON", "brightness": 50})
    house.accept()
    assert json.loads(house["lamp/light"])["state"] == "OFF"
    house.report("lamp", switch="on", level=50)
    assert json.loads(house["lamp/light"]) == {"state": "ON", "brightness": 50, "color_mode": "brightness"}
    assert house.outcomes("lamp") == ["accepted", "confirmed push"]


def test_an_answer_with_states() -> None:
    """States that come with the cloud's answer count as reported."""
    house = locked()
    house.say("front/lock/set", "UNLOCK")
    house.accept(report=report_of(FRONT, lock="Unlocked"))
    assert house["front/lock"] == "UNLOCKED"
    assert house.outcomes("front") == ["accepted", "confirmed query"]
    assert house.document("front")["source"] == "confirm"
