"""Rule 2: nothing is queued for later; a command that is too old is never sent."""

from __future__ import annotations

from datetime import timedelta, timezone

import pytest

from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.events import BrokerDisconnected, MessageReceived
from uhome2mqtt.model import FailureKind, Json

from .driver import BASE, FRONT, NOON, TOPICS, Driver, running


def sent_at(value: Json) -> Driver:
    """Say that an unlock was sent at some time; the driver's clock stands at NOON."""
    house = running(FRONT)
    house.say("front/lock/set", {"value": "UNLOCK", "sent_at": value})
    return house


@pytest.mark.parametrize(
    "value",
    [
        NOON.isoformat(),
        "2026-01-31T12:00:00Z",
        "2026-01-31T13:00:00+01:00",
        "20260131T120000Z",
        (NOON - timedelta(seconds=29)).isoformat(),
        (NOON + timedelta(seconds=30)).astimezone(timezone(timedelta(hours=-8))).isoformat(),
        NOON.timestamp(),
        int(NOON.timestamp() * 1000),
        None,
    ],
)
def test_forms_of_sent_at(value: Json) -> None:
    """`sent_at` is ISO 8601 with an offset, or a number of seconds or milliseconds since 1970, or absent."""
    assert sent_at(value).commands() == ["Front unlock"]


@pytest.mark.parametrize(
    "value",
    [
        "2026-01-31T12:00:00",
        "noon",
        "",
        True,
        False,
        [],
        {},
        pytest.param(10**400, id="huge"),
        pytest.param(-(10**400), id="minus huge"),
    ],
)
def test_what_is_no_time(value: Json) -> None:
    """A time without an offset, or anything else that is no time, is refused and not guessed."""
    house = sent_at(value)
    assert house.outcomes("front") == ["refused INVALID_PAYLOAD"]
    assert house.sent == []


@pytest.mark.parametrize(
    ("seconds", "why"),
    [
        (-3600, "is 3600 s old; at most 30 s are allowed"),
        (-31, "is 31 s old; at most 30 s are allowed"),
        (-30, "has expired"),
        (31, "is from 31 s in the future: compare the clocks; at most 30 s are allowed"),
        (3600, "is from 3600 s in the future: compare the clocks; at most 30 s are allowed"),
    ],
)
def test_too_old_or_from_the_future(seconds: int, why: str) -> None:
    """A command that was sent `max_age` ago or earlier, or that long in the future, is refused, and told which."""
    house = sent_at((NOON + timedelta(seconds=seconds)).isoformat())
    assert house.outcomes("front") == ["refused EXPIRED"]
    assert house.results("front")[0]["message"] == f"the message {why}"
    assert house.sent == []


def test_a_number_is_never_infinite() -> None:
    """A number beyond all bounds is no time of today."""
    house = running(FRONT)
    house.say("front/lock/set", '{"value":"UNLOCK","sent_at":1e999}')
    assert [outcome.split()[0] for outcome in house.outcomes("front")] == ["refused"]


def test_the_messages_own_expiry() -> None:
    """A message whose MQTT 5 expiry has passed is refused; one with time left is executed."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK", expiry=0.0)
    assert house.outcomes("front") == ["refused EXPIRED"]
    house.say("front/lock/set", "UNLOCK", expiry=1.0)
    assert house.commands() == ["Front unlock"]


@pytest.mark.parametrize(
    ("waited", "how", "outcomes"),
    [
        (29.0, {}, []),
        (31.0, {}, ["refused EXPIRED"]),
        (100.0, {"expiry": 200.0}, ["refused EXPIRED"]),
        (4.0, {"expiry": 5.0}, []),
        (6.0, {"expiry": 5.0}, ["refused EXPIRED"]),
    ],
)
def test_it_may_have_waited(waited: float, how: dict[str, float], outcomes: list[str]) -> None:
    """A message that may have waited to be read counts as old as it may be."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK", since=house.monotonic - waited, **how)
    assert house.outcomes("front") == outcomes
    assert house.commands() == ([] if outcomes else ["Front unlock"])


def test_how_long_it_may_have_waited() -> None:
    """Whoever is refused for that is told how long it may have been."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK", since=house.monotonic - 35)
    [result] = house.results("front")
    assert result["message"] == "the message may have waited for 35 s; at most 30 s are allowed"


@pytest.mark.parametrize(
    ("message", "expiry", "left"),
    [
        ({"value": "UNLOCK"}, None, 30),
        ({"value": "UNLOCK"}, 5.0, 5),
        ({"value": "UNLOCK", "sent_at": (NOON - timedelta(seconds=20)).isoformat()}, None, 10),
    ],
)
def test_a_waiting_command_loses_its_time(message: Json, expiry: float | None, left: float) -> None:
    """A command that could not be sent within its time, the message's, or `max_age`, is refused and never sent."""
    for wait, sent in ((left - 1, ["Front lock", "Front unlock"]), (left, ["Front lock"])):
        house = running(FRONT)
        house.say("front/lock/set", "LOCK")
        house.say("front/lock/set", message, expiry=expiry)
        house.advance(wait)
        house.accept()
        assert house.commands() == sent
        assert house.outcomes("front") == ["accepted", "superseded" if len(sent) > 1 else "refused EXPIRED"]


def test_all_that_waited_too_long_is_refused() -> None:
    """When the lane is free again, every command that has lost its time is refused and the next in time is sent."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, max_age=10.0))
    house.say("front/lock/set", "LOCK")
    house.say("front/lock/set", "UNLOCK")
    house.say("front/lock/set", "UNLOCK")
    house.advance(12)
    house.say("front/lock/set", "LOCK")
    house.accept()
    assert house.commands() == ["Front lock", "Front lock"]
    assert house.outcomes("front") == ["accepted", "refused EXPIRED", "refused EXPIRED", "superseded"]


def test_no_repetition_after_its_time() -> None:
    """A request that never left is not repeated after the command's time; the command has failed."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK", expiry=1.5)
    house.advance(1)
    house.fail(FailureKind.UNREACHABLE)
    house.advance(60)
    assert house.commands() == ["Front unlock"]
    assert house.outcomes("front") == ["failed EXPIRED"]


def test_no_repetition_planned_after_its_time() -> None:
    """A request that failed when the command's time had passed already is not repeated at all."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK", expiry=1.5)
    house.advance(2)
    house.fail(FailureKind.UNREACHABLE)
    assert house.outcomes("front") == ["failed unreachable_code"]


def test_expired_but_perhaps_executed() -> None:
    """A request of unknown result is not repeated after the command's time, and is watched: it may have worked."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK", expiry=1.5)
    house.advance(1)
    house.fail(FailureKind.UNCERTAIN)
    house.advance(2)
    assert house.commands() == ["Front unlock"]
    house.report("front", lock="Unlocked")
    assert house.outcomes("front") == ["confirmed push"]


def test_a_command_outlives_the_connection() -> None:
    """What was sent before the broker went away is followed to its end; nothing is sent again after it."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK")
    house.take(BrokerDisconnected())
    house.accept()
    house.advance(120)
    house.end_queries()
    house.connect()
    assert house.commands() == ["Front unlock"]
    assert house["front/lock"] == "None"


def test_nothing_is_sent_after_the_end() -> None:
    """A late answer to a command that has ended changes nothing."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK")
    house.listed()
    house.listed()
    flying = house.sent[0].command
    house.in_flight[flying] = house.sent[0]
    house.fail(FailureKind.UNCERTAIN)
    house.in_flight[flying] = house.sent[0]
    house.accept()
    house.advance(120)
    assert house.commands() == ["Front unlock"]
    assert house.outcomes("front") == ["unconfirmed DEVICE_REMOVED"]


def test_a_message_before_the_first_list_is_not_kept() -> None:
    """A live command for a device that is not known yet is refused, and not executed when the device is found."""
    house = Driver()
    house.connect({})
    house.take(MessageReceived(topic=f"{BASE}/front/lock/set", payload=b"UNLOCK"))
    house.listed(FRONT)
    house.advance(5)
    assert house.sent == []
    assert [event["reason"] for event in house.bridge_events() if "reason" in event] == ["UNKNOWN_DEVICE"]
