"""Rule 8: what follows from a request that failed."""

from __future__ import annotations

import pytest

from uhome2mqtt.engine.commands import LONGEST_RETRY_AFTER, RETRY_AFTER
from uhome2mqtt.events import StopRequested
from uhome2mqtt.model import FailureKind

from .driver import BACK, FRONT, LAMP, Driver, running

UNCERTAIN, UNREACHABLE = FailureKind.UNCERTAIN, FailureKind.UNREACHABLE


def asked(word: str = "LOCK") -> Driver:
    """Give a house whose front door's command is in flight."""
    house = running(FRONT)
    house.say("front/lock/set", word)
    return house


@pytest.mark.parametrize("kind", [UNCERTAIN, UNREACHABLE])
@pytest.mark.parametrize(
    ("topic", "payload", "command"),
    [
        ("front/lock/set", "LOCK", "Front lock"),
        ("front/lock/set", "UNLOCK", "Front unlock"),
        ("lamp/light/set", "ON", "Lamp on"),
        ("lamp/light/set", "OFF", "Lamp off"),
        ("lamp/brightness/set", 7, "Lamp setLevel"),
    ],
)
def test_sent_once_more(kind: FailureKind, topic: str, payload: str | int, command: str) -> None:
    """A time-out, a 5xx or a broken connection: the command is sent once more after a second."""
    house = running(FRONT, LAMP)
    house.say(topic, payload)
    house.fail(kind)
    house.advance(RETRY_AFTER - 0.01)
    assert house.commands() == [command]
    house.advance(0.01)
    assert house.commands() == [command, command]
    house.accept()
    level, _, _ = topic.partition("/")
    assert house.outcomes(level) == ["accepted"]


@pytest.mark.parametrize(
    ("first", "second"), [(UNCERTAIN, UNCERTAIN), (UNCERTAIN, UNREACHABLE), (UNREACHABLE, UNCERTAIN)]
)
def test_confirmation_runs_after_the_second_failure(first: FailureKind, second: FailureKind) -> None:
    """When one of two attempts may have been executed, the device is watched, and can confirm."""
    house = asked()
    house.fail(first)
    house.advance(1)
    house.fail(second)
    house.advance(3)
    assert len(house.sent) == 2
    assert house["front/lock"] == "LOCKING"
    house.answer("front", lock="Locked")
    assert house.outcomes("front") == ["confirmed query"]


def test_unconfirmed_after_two_failures() -> None:
    """When nothing is reported, a command of unknown result ends unconfirmed, with what went wrong as reason."""
    house = asked()
    for _ in range(2):
        house.fail(UNCERTAIN)
        house.advance(1)
    house.mark()
    house.advance(55)
    house.end_queries()
    assert house.outcomes("front") == ["unconfirmed uncertain_code"]
    assert len(house.sent) == 2


def test_never_left() -> None:
    """A command that could not leave twice has failed at once: there is nothing to watch."""
    house = asked()
    house.fail(UNREACHABLE)
    house.advance(1)
    house.fail(UNREACHABLE)
    assert house.outcomes("front") == ["failed unreachable_code"]


def test_pushed_while_waiting_for_the_repetition() -> None:
    """A push during the pause before the repetition counts when the repetition is accepted."""
    house = asked()
    house.fail(UNCERTAIN)
    house.report("front", lock="Locked")
    house.advance(1)
    house.accept()
    assert house.outcomes("front") == ["accepted", "confirmed push"]


@pytest.mark.parametrize("seconds", [0.0, 2.0, LONGEST_RETRY_AFTER])
def test_retry_after_is_waited_out(seconds: float) -> None:
    """HTTP 429 with a `Retry-After` of up to 5 s is waited out, then the command is sent again."""
    house = asked()
    house.fail(FailureKind.RATE_LIMITED, seconds)
    house.advance(seconds)
    house.accept()
    assert house.commands() == ["Front lock", "Front lock"]
    assert house.outcomes("front") == ["accepted"]


@pytest.mark.parametrize("seconds", [None, 5.1, 60.0])
def test_rate_limited_is_rejected(seconds: float | None) -> None:
    """HTTP 429 with a longer `Retry-After`, or none, is a rejection."""
    house = asked()
    house.fail(FailureKind.RATE_LIMITED, seconds)
    house.advance(60)
    assert house.outcomes("front") == ["rejected rate_limited_code"]
    assert len(house.sent) == 1


def test_rate_limited_twice() -> None:
    """HTTP 429 again after the wait is a rejection."""
    house = asked()
    house.fail(FailureKind.RATE_LIMITED, 1.0)
    house.advance(1)
    house.fail(FailureKind.RATE_LIMITED, 1.0)
    assert house.outcomes("front") == ["rejected rate_limited_code"]


def test_the_device_is_offline() -> None:
    """What the cloud says of the device is the reason of the rejection; nothing is sent again."""
    house = asked()
    house.accept("DEVICE_OFFLINE")
    house.advance(60)
    assert house.outcomes("front") == ["rejected DEVICE_OFFLINE"]
    assert house.results("front")[0]["message"] == "so says the cloud"
    assert len(house.sent) == 1


def test_the_request_is_rejected() -> None:
    """A request that the cloud understands and refuses is a rejection."""
    house = asked()
    house.fail(FailureKind.REJECTED)
    assert house.outcomes("front") == ["rejected rejected_code"]


def test_without_authorization() -> None:
    """Without a usable login the command has failed; it is not kept for later."""
    house = asked(word="UNLOCK")
    house.fail(FailureKind.AUTHORIZATION)
    house.advance(60)
    assert house.outcomes("front") == ["failed LOGIN_NEEDED"]
    assert len(house.sent) == 1


def test_the_next_command_follows_a_failed_one() -> None:
    """However a command ends, the next one of its device is sent then."""
    house = asked()
    house.say("front/lock/set", "UNLOCK", expiry=20.0)
    house.fail(FailureKind.AUTHORIZATION)
    assert house.commands() == ["Front lock", "Front unlock"]


def test_the_next_command_follows_an_expired_one() -> None:
    """A command that lost its time before its repetition makes room for the next."""
    house = running(FRONT)
    house.say("front/lock/set", "LOCK", expiry=1.5)
    house.say("front/lock/set", "UNLOCK")
    house.advance(1)
    house.fail(UNREACHABLE)
    house.advance(1)
    assert house.commands() == ["Front lock", "Front unlock"]


def test_stopping_ends_all_commands() -> None:
    """A stop ends every command: what was sent is unconfirmed, what waited has failed; then the bridge is offline."""
    house = running(FRONT, BACK)
    for word in ("LOCK", "UNLOCK"):
        house.say("front/lock/set", word)
    house.say("back/lock/set", "LOCK")
    house.accept()
    house.take(StopRequested())
    assert house.outcomes("front") == [
        "accepted",
        "superseded",
        "unconfirmed BRIDGE_STOPPED",
    ]
    assert house.outcomes("back") == ["unconfirmed BRIDGE_STOPPED"]
    assert house["bridge/state"] == "offline"
    assert house.published[-1].topic == "uhome2mqtt/bridge/state"


def test_stopping_fails_what_waits() -> None:
    """A command that was never sent has failed when the bridge stops."""
    house = running(FRONT)
    for word in ("LOCK", "UNLOCK"):
        house.say("front/lock/set", word)
    house.take(StopRequested())
    assert house.outcomes("front") == ["unconfirmed BRIDGE_STOPPED", "failed BRIDGE_STOPPED"]


def test_done_before_the_answer() -> None:
    """A command that a push has shown done is not sent again when its request fails: it is confirmed."""
    house = asked()
    house.report("front", lock="Locked")
    house.fail(UNCERTAIN)
    house.advance(2)
    assert house.outcomes("front") == ["confirmed push"]
    assert house.commands() == ["Front lock"]


@pytest.mark.parametrize("code", ["INTERNAL_ERROR", "request-timeout", "BUSY"])
def test_trouble_of_the_cloud_with_one_device(code: str) -> None:
    """An error for the device that says nothing about the bolt is like a 5xx: sent once more, and then watched."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK")
    house.accept(code)
    house.advance(1)
    house.accept(code)
    assert house.commands() == ["Front unlock"] * 2
    assert house.outcomes("front") == []
    house.report("front", lock="Unlocked")
    assert house.outcomes("front") == ["confirmed push"]


def test_too_many_for_one_device() -> None:
    """A device whose command was one too many is told of as rejected."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK")
    house.accept("TOO_MANY_REQUESTS")
    assert house.outcomes("front") == ["rejected TOO_MANY_REQUESTS"]


def test_uncertain_and_then_accepted() -> None:
    """A command that the cloud accepts in the end is unconfirmed for want of a report, not for what was uncertain."""
    house = asked()
    house.fail(UNCERTAIN)
    house.advance(RETRY_AFTER)
    house.accept()
    house.advance(60)
    house.end_queries()
    assert house.outcomes("front") == ["accepted", "unconfirmed NOT_REPORTED"]
    assert house.results("front")[-1]["message"] == "not reported within 56 s"
