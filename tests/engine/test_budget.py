"""What the bridge does when the cloud says that it was asked too often: commands are the last to suffer."""

from __future__ import annotations

import json

import pytest

from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.engine.budget import Budget
from uhome2mqtt.events import (
    AccountIdentified,
    CommandFailed,
    HealthMeasured,
    LoggedIn,
    Now,
    QueryEnded,
    QueryFailed,
    Started,
)
from uhome2mqtt.model import FailureKind, Source

from .driver import BACK, BASE, FRONT, NOON, TOPICS, Driver, failure, running
from .test_cloud import polled

LIMITED = FailureKind.RATE_LIMITED
AFTER = 2.5
"""Seconds after a hold at which the driver's chance lets begin what had to wait."""


def at(seconds: float) -> Now:
    """Give a moment by its monotonic time."""
    return Now(monotonic=seconds, utc=NOON)


def refused(retry_after: float | None = None) -> Driver:
    """Give a house whose poll was just refused."""
    house = running(FRONT)
    house.advance(30)
    house.end_queries(LIMITED, retry_after)
    house.mark()
    return house


def interval(house: Driver) -> float:
    """Read the poll interval in use from `bridge/info`."""
    seconds: float = json.loads(house["bridge/info"])["poll_interval"]
    return seconds


# --- the hold ---


@pytest.mark.parametrize(
    ("retry_after", "seconds"), [(None, 60), (0.0, 5), (3.0, 5), (200.0, 200), (2000.0, 2000), (1e6, 3600)]
)
def test_length_of_a_hold(retry_after: float | None, seconds: float) -> None:
    """A hold lasts as long as `Retry-After` says, from 5 s to an hour, and 60 s without one."""
    budget = Budget(30)
    assert budget.refused(at(100), retry_after)
    assert budget.held(at(100 + seconds - 0.1))
    assert not budget.held(at(100 + seconds))


def test_a_row_of_refusals() -> None:
    """Without `Retry-After` each further hold in a row is twice as long, up to 900 s; a success ends the row."""
    budget, now, holds = Budget(30), 100.0, []
    for _ in range(6):
        budget.refused(at(now), None)
        holds.append(budget.held_until - now)
        now = budget.held_until
    assert holds == [60, 120, 240, 480, 900, 900]
    budget.succeeded()
    budget.refused(at(now), None)
    assert budget.held_until - now == 60


def test_refusals_within_a_hold() -> None:
    """A refusal during a hold is counted and makes it longer, never shorter, but is no further step."""
    budget = Budget(30)
    assert budget.refused(at(100), None)
    assert not budget.refused(at(101), None)
    assert (budget.held_until, budget.interval, budget.refusals) == (161, 60, 2)
    budget.succeeded()
    assert not budget.refused(at(102), 5.0)
    assert not budget.refused(at(103), None)
    assert (budget.held_until, budget.interval, budget.refusals) == (163, 60, 4)


def test_the_poll_waits_for_the_end_of_the_hold() -> None:
    """After a refused poll the next comes an interval later, or shortly after the hold if that lasts longer."""
    for retry_after, seconds in ((None, 60), (10.0, 60), (200.0, 200 + AFTER)):
        house = refused(retry_after)
        house.advance(300)
        assert house.looks(Source.QUERY) == [seconds]


def test_other_polls_wait_too() -> None:
    """A poll that falls due during the hold that another request has opened waits as well."""
    house = running(FRONT)
    house.mark()
    house.list_failed(LIMITED)
    house.advance(100)
    assert house.looks(Source.QUERY) == [60 + AFTER]
    assert house.lists == [house.marked + 60 + AFTER]


def test_success_does_not_end_a_hold() -> None:
    """A command that succeeds during a hold lets nothing else happen before the hold's end."""
    house = refused(100.0)
    house.list_failed()
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.report("front", lock="Locked")
    house.advance(200)
    assert house.outcomes("front") == ["accepted", "confirmed push"]
    assert house.looks(Source.QUERY) == [100 + AFTER]
    assert house.lists == [house.marked + 100 + AFTER]


def test_success_after_a_hold_does_not_hurry() -> None:
    """Nor does one after the hold: polls and lists come at the pace that was found."""
    house = refused(10.0)
    house.advance(20)
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.report("front", lock="Locked")
    house.advance(60)
    assert house.looks(Source.QUERY) == [60]


def test_a_login_does_not_end_a_hold() -> None:
    """A new login does not end a hold, which is for this address as much as for that account."""
    house = refused(100.0)
    house.take(LoggedIn())
    house.advance(110)
    assert house.looks(Source.QUERY) == [100 + AFTER]
    assert house.lists == [house.marked + 100 + AFTER]


def test_the_first_list_is_refused() -> None:
    """A refused first device list is asked for after the hold, and everything goes on."""
    house = Driver()
    house.take(Started())
    house.connect({})
    house.list_failed(LIMITED)
    house.mark()
    house.advance(70)
    assert house.lists == [house.marked + 60 + AFTER]
    house.listed(FRONT)
    assert len(house.open) == 1


def test_a_list_during_a_hold() -> None:
    """A list that arrives during a hold is taken; whose account it is and new devices are asked about after it."""
    house = refused(100.0)
    before = house.identified
    house.listed(FRONT, BACK)
    assert (house.identified, house.open) == (before, {})
    house.advance(110)
    assert house.identified == before + 1
    assert [query.devices for _, query in house.asked] == [(FRONT, BACK)]


def test_an_account_that_became_known() -> None:
    """Whose account it is is not asked again if that became known during the hold."""
    house = refused(100.0)
    before = house.identified
    house.listed(FRONT)
    house.take(AccountIdentified(account="hash"))
    house.advance(110)
    assert house.identified == before


def test_get_during_a_hold() -> None:
    """A `get` during a hold is refused and the answer says until when; after it the device is asked."""
    house = refused(100.0)
    house.say("front/get", "")
    assert house.asked == []
    [refusal] = house.responses("get")
    assert refusal["error"].startswith("RATE_LIMITED: ")
    assert "2026-01-31T12:02:10.000Z" in refusal["error"]
    house.advance(100)
    house.say("front/get", "")
    assert house.looks(Source.QUERY) == [100]


def test_a_part_of_a_query() -> None:
    """One refused part of a query opens the hold at once, whatever becomes of the other parts."""
    house = running(FRONT)
    house.advance(30)
    [query] = house.open
    house.take(QueryFailed(query=query, failure=failure(LIMITED)))
    house.take(QueryFailed(query=query, failure=failure(FailureKind.UNREACHABLE)))
    house.say("front/get", "")
    assert house.responses("get")[0]["error"].startswith("RATE_LIMITED: ")
    house.take(QueryEnded(query=query))
    assert len(house.noted("cloud_rate_limited")) == 1
    house.open.clear()
    house.mark()
    house.advance(100)
    assert house.looks(Source.QUERY) == [60]


# --- commands ---


def test_commands_are_sent_during_a_hold() -> None:
    """Commands are sent during a hold as at any other time."""
    house = refused(1000.0)
    house.say("front/lock/set", "UNLOCK")
    assert house.commands() == ["Front unlock"]


@pytest.mark.parametrize(
    ("retry_after", "looks"),
    [
        (None, [1, 61]),
        (74.0, [1, 75]),
        (74.5, [1, 56]),
        (2.0, [1, 6, 9, 14, 22, 35, 56]),
        (9.5, [1, 10.5, 14, 22, 35, 56]),
        (30.0, [1, 31, 35, 56]),
        (1000.0, [1, 56]),
    ],
)
def test_looks_during_a_hold(retry_after: float | None, looks: list[float]) -> None:
    """Looks for a command's effect that fall into a hold are left out, but for one at its end and the last of all.

    The last, too, waits for the end of a hold that is near.
    """
    house = running(FRONT)
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.mark()
    house.advance(1)
    house.end_queries(LIMITED, retry_after)
    while house.monotonic < house.marked + 80:
        house.advance(0.5)
        house.end_queries()
    assert house.looks() == looks
    assert house.outcomes("front") == ["accepted", "unconfirmed NOT_REPORTED"]


def test_last_look_takes_others_along() -> None:
    """A last look during a hold asks for the devices of other commands that are due then in the same request."""
    house = running(FRONT, BACK)
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.advance(42)
    house.say("back/lock/set", "LOCK")
    house.accept()
    house.end_queries(LIMITED, 13.0)
    house.mark()
    house.advance(13)
    assert house.looks() == [13]
    house.advance(1)
    assert [query.devices for _, query in house.asked if query.source is Source.CONFIRM] == [(BACK,), (FRONT, BACK)]


def test_a_refused_command() -> None:
    """A command that is refused is rejected, and it holds the background back; those after it are sent."""
    house = running(FRONT)
    house.say("front/lock/set", "LOCK")
    house.mark()
    house.fail(LIMITED)
    house.say("front/lock/set", "UNLOCK")
    house.fail(LIMITED, 40.0)
    house.advance(70)
    assert house.outcomes("front") == ["rejected rate_limited_code", "rejected rate_limited_code"]
    assert house.looks(Source.QUERY) == [60 + AFTER]
    assert interval(house) == 60


def test_commands_that_share_a_request() -> None:
    """Commands that shared a refused request make one step of restraint."""
    house = running(FRONT, BACK)
    house.say("front/lock/set", "LOCK")
    house.say("back/lock/set", "LOCK")
    for number in list(house.in_flight):
        house.take(CommandFailed(command=number, failure=failure(LIMITED, 0.0)))
    assert interval(house) == 60
    assert len(house.noted("cloud_rate_limited")) == 1


# --- the interval ---


@pytest.mark.parametrize(
    ("configured", "intervals"),
    [
        (30.0, [60, 120, 240, 480, 480]),
        (10.0, [20, 40, 80, 160, 160]),
        (100.0, [200, 400, 800, 900, 900]),
        (3600.0, [3600, 3600]),
    ],
)
def test_the_interval_stretches(configured: float, intervals: list[float]) -> None:
    """Each hold doubles the poll interval, to sixteen times the configured one or 900 s, unless that is longer."""
    budget, seen = Budget(configured), []
    for _ in intervals:
        budget.refused(at(budget.held_until if budget.refusals else 0), None)
        seen.append(budget.interval)
    assert seen == intervals


def test_the_interval_eases() -> None:
    """For each ten minutes after a hold in which nothing was refused the interval is halved."""
    house = running(FRONT)
    for _ in range(3):
        house.list_failed(LIMITED, 10.0)
        house.advance(10)
    assert interval(house) == 240
    house.mark()
    seen = []
    for _ in range(4):
        house.advance(599)
        seen.append(interval(house))
        house.advance(1)
        house.end_queries()
    assert seen == [240, 120, 60, 30]


def test_patience_grows() -> None:
    """Where easing leads to a refusal again, the next attempt comes after twice the time, up to a day."""
    budget, waits = Budget(30), []
    budget.refused(at(0), 5.0)
    for _ in range(9):
        now = budget.ease_at
        waits.append(now - budget.held_until)
        budget.ease(at(now))
        budget.succeeded()
        budget.refused(at(now + 100), 5.0)
    assert waits == [600, 1200, 2400, 4800, 9600, 19200, 38400, 76800, 86400]


def test_a_day_without_refusal() -> None:
    """What was learnt is forgotten after a day at the configured interval without a refusal."""
    budget = Budget(30)
    budget.refused(at(0), 5.0)
    budget.ease(at(605))
    budget.refused(at(700), 5.0)
    budget.ease(at(budget.ease_at))
    forgotten = budget.ease_at
    assert forgotten == 705 + 1200 + 86400
    budget.ease(at(forgotten))
    assert not budget.strained
    budget.refused(at(forgotten), 5.0)
    assert budget.ease_at == forgotten + 605


def test_polls_follow_the_interval() -> None:
    """Polls come at the interval in use."""
    house = refused()
    assert polled(house, 300) == [60, 120, 180, 240, 300]


def test_an_outage_while_stretched() -> None:
    """Other failures lengthen the pauses from the interval in use, and a success ends them within one."""
    house = refused()
    house.advance(60)
    house.end_queries()
    for _ in range(4):
        house.advance(900)
        house.end_queries(FailureKind.UNREACHABLE)
    assert interval(house) == 30
    house.list_failed()
    house.mark()
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.advance(30)
    assert house.looks(Source.QUERY) == [30]
    assert house.lists == [house.marked + 30]


# --- how old a state may be ---


def test_a_longer_interval_keeps_states() -> None:
    """With the interval the age grows at which a state becomes unknown: what is fresh by the new measure stays."""
    house = running(FRONT)
    house.report("front", lock="Locked")
    house.advance(100)
    house.list_failed(LIMITED, 10.0)
    house.advance(10)
    house.list_failed(LIMITED, 1000.0)
    house.advance(249)
    assert (house["front/lock"], house["front/stale"]) == ("LOCKED", "OFF")
    house.advance(1)
    assert (house["front/lock"], house["front/stale"]) == ("None", "ON")
    assert house.history("front/lock") == ["None", "LOCKED", "None"]


def test_what_is_unknown_stays_unknown() -> None:
    """A state that was too old by the shorter measure is not told again by the longer one: that takes a report."""
    house = running(FRONT)
    house.report("front", lock="Locked")
    house.advance(150)
    assert house["front/lock"] == "None"
    house.list_failed(LIMITED, 20.0)
    assert (house["front/lock"], house["front/stale"]) == ("None", "ON")
    house.advance(30)
    house.report("front", lock="Unlocked")
    assert (house["front/lock"], house["front/stale"]) == ("UNLOCKED", "OFF")


def test_a_shorter_interval_lets_states_go() -> None:
    """When the interval becomes shorter, the age at which a state becomes unknown does too."""
    house = running(FRONT)
    for _ in range(2):
        house.list_failed(LIMITED, 10.0)
        house.advance(10)
    house.advance(400)
    house.report("front", lock="Locked")
    house.advance(200)
    assert interval(house) == 60
    assert house["front/lock"] == "None"
    house.report("front", lock="Locked")
    house.advance(179)
    assert house["front/lock"] == "LOCKED"
    house.advance(1)
    assert house["front/lock"] == "None"


def test_age_is_measured_anew() -> None:
    """A state that was reported just before that becomes unknown by the shorter measure, too."""
    house = running(FRONT)
    for _ in range(2):
        house.list_failed(LIMITED, 10.0)
        house.advance(10)
    house.advance(590)
    house.report("front", lock="Locked")
    house.advance(179)
    assert (interval(house), house["front/lock"]) == (60, "LOCKED")
    house.advance(1)
    assert house["front/lock"] == "None"


def test_a_configured_age_stays() -> None:
    """An age that the user has configured is the same at any interval."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, stale_after=50.0))
    house.report("front", lock="Locked")
    house.list_failed(LIMITED)
    house.advance(50)
    assert house["front/lock"] == "None"


def test_an_earlier_run_is_forgotten_later() -> None:
    """What an earlier run retained stands for as long as the interval in use says."""
    house = Driver()
    house.take(Started())
    house.connect({f"{BASE}/front/lock": "LOCKED", f"{BASE}/bridge/devices": '[{"id":"x","topic":"front"}]'})
    for _ in range(2):
        house.list_failed(LIMITED, 10.0)
        house.advance(10)
    house.list_failed(LIMITED, 3000.0)
    house.advance(699)
    assert house["front/lock"] == "LOCKED"
    house.advance(1)
    assert house["front/lock"] == "None"


def test_an_earlier_run_is_forgotten_sooner() -> None:
    """When the interval eases, what an earlier run retained goes as soon as it is too old by the new measure."""
    house = Driver()
    house.take(Started())
    house.connect({f"{BASE}/front/lock": "LOCKED", f"{BASE}/bridge/devices": '[{"id":"x","topic":"front"}]'})
    for _ in range(3):
        house.list_failed(LIMITED, 10.0)
        house.advance(10)
    house.advance(599)
    assert house["front/lock"] == "LOCKED"
    house.advance(2)
    assert house["front/lock"] == "None"


# --- what is told ---


def test_what_is_told() -> None:
    """`bridge/health` tells the interval in use, the end of a hold and the number of refusals, within a second."""
    house = refused(100.0)
    before = house.measured
    house.advance(1)
    assert house.measured == before + 1
    house.take(HealthMeasured(requests={}))
    assert json.loads(house["bridge/health"])["budget"] == {
        "poll_interval": 60,
        "held_until": "2026-01-31T12:02:10.000Z",
        "refusals": 1,
    }
    house.advance(100)
    house.take(HealthMeasured(requests={}))
    assert json.loads(house["bridge/health"])["budget"] == {"poll_interval": 60, "held_until": None, "refusals": 1}


def test_a_change_is_told_soon() -> None:
    """A refusal that changes nothing else, and an interval that eases, are told within a second as well."""
    house = refused(100.0)
    house.advance(5)
    before = house.measured
    house.list_failed(LIMITED)
    house.advance(1)
    assert house.measured == before + 1
    house.advance(693)
    before = house.measured
    house.advance(2)
    assert house.measured == before + 1
    house.take(HealthMeasured(requests={}))
    assert json.loads(house["bridge/health"])["budget"]["poll_interval"] == 30


def test_what_is_logged() -> None:
    """The log tells once of a hold, with its length and the interval, and of every change of the interval."""
    house = refused(100.0)
    house.list_failed(LIMITED, 100.0)
    [note] = house.noted("cloud_rate_limited")
    assert (note.level, note.fields) == ("warning", {"seconds": 100, "poll_interval": 60})
    house.advance(1000)
    assert [note.fields for note in house.noted("poll_interval_changed")] == [
        {"before": 30, "seconds": 60},
        {"before": 60, "seconds": 30},
    ]
