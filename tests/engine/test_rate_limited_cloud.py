"""The budget against clouds that count: after a while most requests pass, and a command mostly finds room."""

from __future__ import annotations

from math import ceil
from typing import TypeAlias

import pytest

from uhome2mqtt.events import AccountIdentified, Started
from uhome2mqtt.model import FailureKind

from .driver import FRONT, START, Driver

DAY = 86400.0
GOLDEN = 0.6180339887
"""The multiples of this number modulo 1 are spread evenly and follow no rhythm."""
WORDS = {"lock": "Locked", "unlock": "Unlocked"}


Refusal: TypeAlias = tuple[FailureKind, float | None]


class Bucket:
    """Allow one request per period, and as many at once as were saved up."""

    def __init__(self, period: float, size: int) -> None:
        self.period, self.size = period, size
        self.tokens, self.at = float(size), START

    def wait(self, now: float) -> float:
        """Take a token; without one, tell after how many seconds there will be one."""
        self.tokens = min(self.size, self.tokens + (now - self.at) / self.period)
        self.at = now
        if self.tokens < 1:
            return (1 - self.tokens) * self.period
        self.tokens -= 1
        return 0.0


class Life:
    """A bridge and a cloud with a limit, in a house where somebody turns the key now and then."""

    def __init__(self, bucket: Bucket, *, says_when: bool) -> None:
        self.house = Driver()
        self.bucket, self.says_when = bucket, says_when
        self.requests: list[bool] = []
        self.commands: list[bool] = []
        self.bolt = "Locked"
        self.answered = (0, 0)
        self.house.take(Started())
        self.house.connect({})
        self._answer()

    def go_on(self, seconds: float, every: float) -> None:
        """Let time pass, with one command in each such period, at no particular moment of it."""
        begin = self.house.monotonic
        for turn in range(int(seconds / every)):
            self._until(begin + (turn + turn * GOLDEN % 1) * every)
            self.house.say("front/lock/set", ("LOCK", "UNLOCK")[turn % 2])
            self._answer()
        self._until(begin + seconds)

    def _until(self, end: float) -> None:
        while self.house.engine.wake_at <= end:
            self.house.advance(self.house.engine.wake_at - self.house.monotonic)
            self._answer()
        self.house.advance(end - self.house.monotonic)

    def _refused(self) -> Refusal | None:
        wait = self.bucket.wait(self.house.monotonic)
        self.requests.append(wait == 0)
        if wait == 0:
            return None
        return FailureKind.RATE_LIMITED, float(ceil(wait)) if self.says_when else None

    def _answer(self) -> None:
        """Answer all requests as they come, until there is none."""
        house = self.house
        while house.in_flight or house.open or self.answered != (len(house.lists), house.identified):
            refusal = self._refused()
            if house.in_flight:
                self._answer_command(refusal)
            elif house.open:
                self._answer_query(refusal)
            elif self.answered[0] < len(house.lists):
                self._answer_list(refusal)
            else:
                self._answer_account(refusal)

    def _answer_query(self, refusal: Refusal | None) -> None:
        if refusal is None:
            self.house.answer("front", lock=self.bolt)
        else:
            self.house.end_queries(*refusal)

    def _answer_list(self, refusal: Refusal | None) -> None:
        self.answered = (self.answered[0] + 1, self.answered[1])
        if refusal is None:
            self.house.listed(FRONT)
        else:
            self.house.list_failed(*refusal)

    def _answer_account(self, refusal: Refusal | None) -> None:
        self.answered = (self.answered[0], self.answered[1] + 1)
        if refusal is None:
            self.house.take(AccountIdentified(account="hash"))

    def _answer_command(self, refusal: Refusal | None) -> None:
        [command] = self.house.in_flight.values()
        self.commands.append(refusal is None)
        if refusal is None:
            self.bolt = WORDS[command.action.name]
            self.house.accept()
        else:
            self.house.fail(*refusal)


def passed(answers: list[bool]) -> float:
    """Tell which part was not refused."""
    return answers.count(True) / len(answers)


@pytest.mark.parametrize("says_when", [False, True])
@pytest.mark.parametrize("size", [1, 3])
def test_room_for_commands(size: int, *, says_when: bool) -> None:
    """Of a cloud that allows one request a minute the bridge leaves enough for a command every half hour.

    Where nothing can be saved up, the first look after a command is refused: hence the part of requests.
    """
    life = Life(Bucket(60.0, size), says_when=says_when)
    life.go_on(2 * DAY, every=1800.0)
    life.requests.clear()
    life.commands.clear()
    known = len(life.house.outcomes("front"))
    life.go_on(DAY, every=1800.0)
    assert passed(life.requests) > (0.75 if size == 1 else 0.99)
    assert passed(life.commands) > 0.9
    ends = life.house.outcomes("front")[known:]
    assert ends.count("confirmed query") == ends.count("accepted") == life.commands.count(True)


def test_polls_go_on() -> None:
    """In between, states do not go out of date for long: the lock is known at nine of ten moments."""
    life = Life(Bucket(60.0, 1), says_when=False)
    known = []
    for _ in range(200):
        life.go_on(600.0, every=600.0)
        known.append(life.house["front/lock"] != "None")
    assert passed(known) > 0.9
