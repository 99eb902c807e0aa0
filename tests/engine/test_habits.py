"""A hint for those who turn a lock again and again."""

from __future__ import annotations

from uhome2mqtt.engine.habits import HINT

from .driver import BACK, FRONT, Driver, running


def turn(house: Driver, times: int, pause: float = 20.0, level: str = "front") -> None:
    """Turn a lock by command, alternately, with time between."""
    for number in range(times):
        house.say(f"{level}/lock/set", ("UNLOCK", "LOCK")[number % 2])
        house.accept()
        house.report(level, lock=("Unlocked", "Locked")[number % 2])
        house.advance(pause)


def hints(house: Driver, level: str = "front") -> list[str]:
    """Give the hints among the outcomes of a lock."""
    return [each["message"] for each in house.results(level) if each["message"] == HINT]


def test_the_sixth_command_in_ten_minutes() -> None:
    """The sixth command to one lock within ten minutes gets a hint about passage mode; all six are sent."""
    house = running(FRONT)
    turn(house, 5)
    assert hints(house) == []
    turn(house, 1)
    assert hints(house) == [HINT]
    assert "passage" in HINT
    assert len(house.commands()) == 6
    [note] = house.noted("lock_turned_often")
    assert note.fields["device"] == "front"


def test_one_hint() -> None:
    """Those who go on get no second hint within ten minutes, and nothing is ever blocked."""
    house = running(FRONT)
    turn(house, 20)
    assert len(hints(house)) == 1
    assert len(house.commands()) == 20
    turn(house, 20)
    assert len(hints(house)) == 2


def test_seldom() -> None:
    """Six commands over more than ten minutes, or to several locks, are no reason for a hint."""
    house = running(FRONT, BACK)
    turn(house, 12, pause=125)
    turn(house, 5, level="back")
    assert hints(house) == hints(house, "back") == []


def test_the_warning_comes_first() -> None:
    """In passage mode already, the warning about that mode is said, not the hint to set it."""
    house = running(FRONT)
    house.report("front", lock="Unlocked", mode=1)
    turn(house, 6)
    assert hints(house) == []
    assert len(house.noted("lock_in_passage_mode")) == 6
