"""Rule 7: a command is confirmed by what the device reports, and by nothing else."""

from __future__ import annotations

import pytest

from uhome2mqtt.events import StatesReported
from uhome2mqtt.model import FailureKind, Json, Source

from .driver import BACK, FRONT, LAMP, Driver, running
from .reports import report_of

SCHEDULE = [1, 2, 3, 4, 6, 9, 14, 22, 35, 56]


def accepted() -> Driver:
    """Give a house whose front door was unlocked and whose cloud has just accepted LOCK."""
    house = running(FRONT)
    house.report("front", lock="Unlocked", health="Online")
    house.say("front/lock/set", "LOCK")
    house.advance(0.7)
    house.accept()
    house.mark()
    return house


def test_the_schedule() -> None:
    """The device is asked 1, 2, 3, 4, 6, 9, 14, 22, 35 and 56 s after acceptance, and then no more."""
    house = accepted()
    house.advance(300)
    assert house.looks() == SCHEDULE
    assert all(query.devices == (FRONT,) for _, query in house.asked if query.source is Source.CONFIRM)


def test_unconfirmed_after_the_last_look() -> None:
    """The command is unconfirmed when the last look has ended without the wanted state, and says what is instead."""
    house = accepted()
    house.advance(56)
    assert house.outcomes("front") == ["accepted"]
    house.answer("front", lock="Unlocked")
    assert house.outcomes("front") == ["accepted", "unconfirmed NOT_REPORTED"]
    assert house.results("front")[-1]["message"] == "not reported within 56 s; the last report says 'Unlocked'"


def test_unconfirmed_when_the_last_look_fails() -> None:
    """A last look without a result ends the command too."""
    house = accepted()
    house.advance(56)
    house.end_queries(FailureKind.UNREACHABLE)
    assert house.outcomes("front") == ["accepted", "unconfirmed NOT_REPORTED"]


def test_the_last_look_may_confirm() -> None:
    """What the last look shows still counts."""
    house = accepted()
    house.advance(56)
    house.answer("front", lock="Locked")
    assert house.outcomes("front") == ["accepted", "confirmed query"]


def test_confirmed_by_query_ends_the_looking() -> None:
    """As soon as a query shows the wanted state the command is confirmed and nobody asks again."""
    house = accepted()
    house.advance(2)
    house.answer("front", lock="Locked")
    house.advance(24)
    assert house.looks() == [1, 2]
    assert house.outcomes("front") == ["accepted", "confirmed query"]
    assert [result["seconds"] for result in house.results("front")] == [0.7, 2.7]
    assert house.document("front")["source"] == "confirm"


def test_confirmed_by_push() -> None:
    """As soon as a push shows the wanted state the command is confirmed and nobody asks again."""
    house = accepted()
    house.advance(1.5)
    house.report("front", lock="Locked")
    house.advance(24)
    assert house.looks() == [1]
    assert house.outcomes("front") == ["accepted", "confirmed push"]


def test_the_poll_confirms_too() -> None:
    """A periodic query that was asked after acceptance confirms as well."""
    house = accepted()
    house.advance(30)
    poll = next(query for _, query in house.asked if query.source is Source.QUERY)
    house.take(StatesReported(reports=(report_of(FRONT, lock="Locked"),), source=Source.QUERY, query=poll.query))
    assert house.outcomes("front") == ["accepted", "confirmed query"]


def test_together_in_one_query() -> None:
    """Devices whose commands were accepted together are asked about in one request, and nobody else is."""
    house = running(FRONT, BACK, LAMP)
    house.say("front/lock/set", "LOCK")
    house.say("back/lock/set", "LOCK")
    house.accept()
    house.accept()
    house.mark()
    house.advance(29)
    assert house.looks() == [1, 2, 3, 4, 6, 9, 14, 22]
    assert {query.devices for _, query in house.asked} == {(FRONT, BACK)}


def test_two_commands_of_a_device_are_one_question() -> None:
    """A device with two commands under way is named once in the query."""
    house = running(LAMP)
    house.say("lamp/light/set", "ON")
    house.say("lamp/brightness/set", 40)
    house.accept()
    house.accept()
    house.advance(1)
    assert house.asked[-1][1].devices == (LAMP,)


@pytest.mark.parametrize("other", [{"battery": 5}, {"mode": 0}, {"door": "closed"}, {"health": "Online"}])
def test_only_the_wanted_attribute_confirms(other: dict[str, str | int]) -> None:
    """A report without the wanted attribute confirms nothing, though the cache holds the wanted value."""
    house = running(FRONT)
    house.report("front", lock="Locked")
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.report("front", **other)
    assert house.outcomes("front") == ["accepted"]


@pytest.mark.parametrize("value", ["Unlocked", "Jammed", True, None, [], {}, 1.5])
def test_another_value_does_not_confirm(value: Json) -> None:
    """A report of anything but the wanted value confirms nothing."""
    house = accepted()
    house.report("front", lock=value)
    assert house.outcomes("front") == ["accepted"]


def test_true_is_not_one() -> None:
    """A boolean is none of the cloud's modes, although it equals one in Python."""
    house = running(FRONT)
    house.report("front", mode=0)
    house.say("front/mode/set", "passage")
    house.accept()
    house.report("front", mode=True)
    assert house.outcomes("front") == ["accepted"]
    house.report("front", mode="1")
    assert house.outcomes("front") == ["accepted", "confirmed push"]


def test_all_that_is_wanted() -> None:
    """A command that wants two attributes is confirmed when both were reported, in whatever order."""
    house = running(LAMP)
    house.say("lamp/brightness/set", 40)
    house.accept()
    house.report("lamp", switch="on")
    assert house.outcomes("lamp") == ["accepted"]
    house.report("lamp", switch="off", level=40)
    assert house.outcomes("lamp") == ["accepted"]
    house.report("lamp", switch="on")
    assert house.outcomes("lamp") == ["accepted", "confirmed push"]


def test_a_query_asked_before_acceptance_proves_nothing() -> None:
    """The answer to a query that was asked before acceptance does not confirm: it may be older than the command."""
    house = running(FRONT)
    house.report("front", lock="Locked")
    house.say("front/get", "")
    house.advance(0.1)
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.answer("front", lock="Locked")
    assert house.outcomes("front") == ["accepted"]


def test_a_query_during_the_request_proves_nothing() -> None:
    """Neither does one that was asked and answered between sending and acceptance."""
    house = running(FRONT)
    house.say("front/lock/set", "LOCK")
    house.advance(0.1)
    house.say("front/get", "")
    house.answer("front", lock="Locked")
    house.accept()
    assert house.outcomes("front") == ["accepted"]


def test_a_push_before_acceptance_proves() -> None:
    """A push that arrives between sending and acceptance confirms as soon as the cloud has accepted."""
    house = running(FRONT)
    house.say("front/lock/set", "LOCK")
    house.report("front", lock="Locked")
    assert house.outcomes("front") == []
    house.accept()
    assert house.outcomes("front") == ["accepted", "confirmed push"]


def test_a_push_before_sending_proves_nothing() -> None:
    """A push that arrives while the command still waits for its turn does not confirm it."""
    house = running(FRONT)
    house.say("front/mode/set", "normal")
    house.report("front", mode=1)
    house.say("front/mode/set", "normal")
    house.say("front/lock/set", "LOCK")
    house.report("front", lock="Locked")
    house.accept()
    house.accept()
    assert "confirmed push" not in house.outcomes("front")


def test_the_memory_of_a_device_out_of_reach_proves_nothing() -> None:
    """What the cloud remembers of a device that it calls offline is no report by the device."""
    house = accepted()
    house.advance(1)
    house.answer("front", lock="Locked", health="Offline")
    assert house.outcomes("front") == ["accepted"]
    house.advance(1)
    house.answer("front", lock="Locked", health="Online")
    assert house.outcomes("front") == ["accepted", "confirmed query"]


def test_each_command_has_its_own_last_look() -> None:
    """The last look of one command of a device does not end another that was accepted later."""
    house = running(LAMP)
    house.say("lamp/light/set", "ON")
    house.accept()
    house.advance(10)
    house.say("lamp/brightness/set", 40)
    house.accept()
    house.advance(46)
    house.end_queries()
    assert house.outcomes("lamp") == ["accepted", "accepted", "unconfirmed NOT_REPORTED"]
    house.report("lamp", switch="on", level=40)
    assert house.outcomes("lamp")[-1] == "confirmed push"


def test_looks_that_were_missed() -> None:
    """After a pause of the whole machine the device is asked once for all the looks that were missed."""
    house = accepted()
    house.monotonic += 5
    house.advance(4)
    assert house.looks() == [5, 6, 9]
    house.monotonic += 200
    house.advance(100)
    assert house.looks() == [5, 6, 9, 209]
    house.end_queries()
    assert house.outcomes("front") == ["accepted", "unconfirmed NOT_REPORTED"]


def test_looks_that_are_nearly_due_share_a_request() -> None:
    """Commands that are accepted some milliseconds apart are looked after together, each as often as alone."""
    house = running(FRONT, BACK)
    house.mark()
    for level in ("front", "back"):
        house.say(f"{level}/lock/set", "LOCK")
        house.accept()
        house.advance(0.05)
    for _ in range(30):
        house.advance(2)
        house.end_queries()
    looks = [query for _, query in house.asked if query.source is Source.CONFIRM]
    assert [len(query.devices) for query in looks] == [2] * 10
    assert house.outcomes("front") == house.outcomes("back") == ["accepted", "unconfirmed NOT_REPORTED"]
