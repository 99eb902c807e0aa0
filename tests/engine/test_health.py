"""What the bridge tells of itself: once a minute, and soon after a change."""

from __future__ import annotations

import json

from tests.engine.driver import FRONT, Driver, failure, running
from uhome2mqtt.events import HealthMeasured, LoggedIn, Started
from uhome2mqtt.model import FailureKind

from .pushing import PUSH

REQUESTS = {"last_24h": 7}


def told(house: Driver) -> list[dict[str, object]]:
    """Give everything that was published on the bridge's health."""
    return [json.loads(payload) for payload in house.history("bridge/health")]


def test_every_minute() -> None:
    """The bridge is measured at its start and every minute; what is measured is retained."""
    house = Driver()
    house.take(Started())
    assert house.measured == 1
    house.advance(59.9)
    assert house.measured == 1
    house.advance(60)
    assert house.measured == 2
    house.connect({})
    house.take(HealthMeasured(requests=REQUESTS, memory=4096))
    [health] = told(house)
    assert health["requests"] == REQUESTS
    assert health["memory"] == 4096
    assert health["uptime"] == 120
    assert health["cloud"] == "offline"


def test_outcome_counted() -> None:
    """Every outcome is counted, refusals too, and told within a second, however many there are."""
    house = running(FRONT)
    house.advance(10)
    before = house.measured
    house.say("front/lock/set", "SESAME")
    house.advance(0.6)
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    house.advance(0.5)
    assert house.measured == before + 1
    house.take(HealthMeasured(requests=REQUESTS))
    commands = told(house)[-1]["commands"]
    assert isinstance(commands, dict)
    assert {outcome: count for outcome, count in commands.items() if count} == {"refused": 1, "accepted": 1}


def test_cloud_change() -> None:
    """A change of the cloud's state is told within a second."""
    house = running(FRONT)
    house.advance(10)
    before = house.measured
    house.list_failed()
    house.advance(1)
    assert house.measured == before + 1
    house.take(HealthMeasured(requests=REQUESTS))
    assert told(house)[-1]["cloud"] == "degraded"


def test_no_health_yet() -> None:
    """What an earlier run told of its health is replaced, and nothing is told that was not measured."""
    house = Driver()
    house.take(Started())
    house.connect({})
    assert told(house) == []


def test_login_heals_at_once() -> None:
    """After a new login the device list is asked for at once, and whose account it is anew."""
    house = Driver()
    house.take(Started())
    house.connect({})
    house.list_failed(FailureKind.AUTHORIZATION)
    house.mark()
    house.take(LoggedIn())
    house.advance(0)
    assert house.lists == [house.monotonic]
    house.listed(FRONT)
    assert house.identified == 1
    assert failure(FailureKind.AUTHORIZATION).code == "LOGIN_NEEDED"


def test_login_polls_at_once() -> None:
    """A login while a poll waits lets it happen at once; one that is under way is not doubled."""
    house = running(FRONT)
    house.mark()
    house.take(LoggedIn())
    house.advance(0)
    assert len(house.asked) == 1
    house.take(LoggedIn())
    house.advance(0)
    assert len(house.asked) == 1


def test_problems() -> None:
    """What somebody has to see to is told on or off: a missing login, and notifications that cannot be had."""
    house = running(FRONT, config=PUSH)
    soon(house)
    assert told(house)[-1]["problems"] == {"authorization": "OFF", "push": "OFF", "other_bridge": "OFF"}
    house.registered(FailureKind.REJECTED)
    soon(house)
    assert told(house)[-1]["problems"] == {"authorization": "OFF", "push": "ON", "other_bridge": "OFF"}
    house.list_failed(FailureKind.AUTHORIZATION)
    soon(house)
    assert told(house)[-1]["problems"] == {"authorization": "ON", "push": "ON", "other_bridge": "OFF"}


def soon(house: Driver) -> None:
    """Let the bridge be measured, as it wants to be within a second of a change."""
    before = house.measured
    house.advance(1)
    assert house.measured == before + 1
    house.take(HealthMeasured(requests=REQUESTS))
