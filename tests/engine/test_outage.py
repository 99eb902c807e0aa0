"""While the cloud is away: one request at a time finds out when it is back."""

from __future__ import annotations

import pytest

from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.events import AccountIdentified, Started
from uhome2mqtt.model import FailureKind, Source

from .driver import BACK, FRONT, TOPICS, Driver, running

UNREACHABLE, UNCERTAIN = FailureKind.UNREACHABLE, FailureKind.UNCERTAIN


def away(config: EngineConfig | None = None) -> Driver:
    """Give a bridge whose last three polls got no answer."""
    house = running(FRONT, BACK, config=config)
    while house["bridge/cloud"] != "offline":
        house.advance(1)
        house.end_queries(UNCERTAIN)
    house.mark()
    return house


def test_start_jitter() -> None:
    """The wait after the first poll is cut by chance, so that bridges that start together do not stay together."""
    waits = set()
    for chance in (0.0, 0.5, 1.0):
        house = Driver(chance=chance)
        house.take(Started())
        house.connect({})
        house.listed(FRONT)
        house.mark()
        house.end_queries()
        house.advance(31)
        waits |= set(house.looks(Source.QUERY))
    assert waits == {15.0, 22.5, 30.0}


def test_failed_commands() -> None:
    """Commands that fail in a row do not put polls off: the pause after a poll grows with the polls that failed."""
    house = running(FRONT, BACK)
    for _ in range(6):
        house.say("front/lock/set", "LOCK")
        house.fail(UNREACHABLE)
        house.advance(1)
        house.fail(UNREACHABLE)
    while not house.open:
        house.advance(1)
    house.end_queries(UNREACHABLE)
    house.mark()
    house.advance(30)
    assert house.looks(Source.QUERY) == [30]


def test_a_probe() -> None:
    """A poll while the cloud is away says so: the first of its parts decides whether the others are asked."""
    house = away()
    house.advance(900)
    [(_, poll)] = house.asked
    assert poll.probe
    house.end_queries()
    house.mark()
    house.advance(30)
    assert [query.probe for _, query in house.asked] == [False]


def test_one_kind_of_probe() -> None:
    """While the cloud is away, the device list and the account wait for a poll that gets an answer."""
    house = away(EngineConfig(topics=TOPICS, list_interval=300.0))
    house.not_identified()
    identified = house.identified
    for _ in range(40):
        house.advance(100)
        house.end_queries(UNCERTAIN)
    assert house.lists == []
    assert house.identified == identified
    assert len(house.looks(Source.QUERY)) <= 10
    while not house.open:
        house.advance(10)
    house.end_queries()
    house.advance(1)
    assert len(house.lists) == 1
    assert house.identified == identified + 1
    house.take(AccountIdentified(account="hashed"))


def test_the_list_probes_where_no_poll_can() -> None:
    """Before the first device list it is the list that finds out when the cloud is there."""
    house = Driver()
    house.take(Started())
    house.connect({})
    for _ in range(6):
        house.list_failed()
        house.advance(400)
    assert len(house.lists) == 7


def test_somebody_asks_all_the_same() -> None:
    """Who asks for a list while the cloud is away gets an attempt, and so does a command."""
    house = away()
    house.say("bridge/request/discover", "")
    assert len(house.lists) == 1
    house.say("front/lock/set", "LOCK")
    assert house.commands() == ["Front lock"]


@pytest.mark.parametrize("kind", [UNREACHABLE, UNCERTAIN])
def test_back_to_normal_at_once(kind: FailureKind) -> None:
    """The first answer ends all waiting: what was due comes now, the next poll after one interval."""
    house = running(FRONT)
    for _ in range(8):
        house.advance(900)
        house.end_queries(kind)
    house.advance(900)
    house.end_queries()
    house.mark()
    house.advance(31)
    assert house.looks(Source.QUERY) == [30]
    assert house["bridge/cloud"] == "online"
