"""Rule 3: lock, unlock and mode commands are always sent when asked."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from uhome2mqtt.model import FailureKind

from .driver import FRONT, Driver, running


def _locked(house: Driver) -> None:
    house.report("front", lock="Locked", health="Online")


def _passage(house: Driver) -> None:
    house.report("front", lock="Unlocked", mode=1)


def _stale(house: Driver) -> None:
    house.report("front", lock="Locked")
    house.advance(1000)


def _offline(house: Driver) -> None:
    for _ in range(3):
        house.report("front", lock="Locked", health="Offline")


def _unauthorized(house: Driver) -> None:
    house.list_failed(FailureKind.AUTHORIZATION)


def _cloud_offline(house: Driver) -> None:
    for _ in range(9):
        house.list_failed()


def _missing(house: Driver) -> None:
    house.listed()


@pytest.mark.parametrize("known", [_locked, _passage, _stale, _offline, _unauthorized, _cloud_offline, _missing])
@pytest.mark.parametrize(("key", "word", "command"), [("lock", "LOCK", "lock"), ("lock", "UNLOCK", "unlock")])
def test_always_sent(known: Callable[[Driver], None], key: str, word: str, command: str) -> None:
    """No cached state suppresses a command: locked already, passage mode, stale, offline, no login, cloud away."""
    house = running(FRONT)
    known(house)
    house.say(f"front/{key}/set", word)
    assert house.commands() == [f"Front {command}"]


@pytest.mark.parametrize("word", ["normal", "passage", "locked"])
def test_mode_is_always_sent(word: str) -> None:
    """A mode is set again although the lock is in it."""
    house = running(FRONT)
    house.report("front", lock="Locked", mode={"normal": 0, "passage": 1, "locked": 2}[word])
    house.say("front/mode/set", word)
    assert house.commands() == ["Front setMode"]


def test_passage_mode_warns() -> None:
    """In passage mode the acceptance says that the lock may ignore the command, and so does its end."""
    house = running(FRONT)
    _passage(house)
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.advance(56)
    house.end_queries()
    accepted, ended = house.results("front")
    assert "passage" in accepted["message"]
    assert "passage" in ended["message"]
    assert (ended["event_type"], ended["reason"]) == ("unconfirmed", "NOT_REPORTED")
    assert len(house.noted("lock_in_passage_mode")) == 1


def test_no_warning_otherwise() -> None:
    """Outside passage mode, and for the mode itself, nothing is warned of."""
    house = running(FRONT)
    house.report("front", lock="Locked", mode=0)
    house.say("front/lock/set", "LOCK")
    house.accept()
    _passage(house)
    house.say("front/mode/set", "normal")
    house.accept()
    assert [result["message"] for result in house.results("front")] == [None, None]


def test_letter_case_is_ignored() -> None:
    """A word counts in any letter case; nothing is trimmed or guessed."""
    house = running(FRONT)
    house.say("front/lock/set", "unLock")
    house.say("front/lock/set", " UNLOCK")
    house.say("front/lock/set", "OPEN")
    assert house.commands() == ["Front unlock"]
    assert house.outcomes("front") == ["refused INVALID_PAYLOAD"] * 2
