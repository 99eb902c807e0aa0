"""What a day costs the cloud, and how soon the bridge shows what people do, however the cloud behaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.engine.cloud_state import LONGEST_PAUSE
from uhome2mqtt.engine.evidence import MISSED_AFTER
from uhome2mqtt.engine.house import STALE_AT_LEAST
from uhome2mqtt.engine.push_side import LADDER
from uhome2mqtt.model import PushStatus

from .day import (
    ALWAYS,
    AWAY,
    DAY,
    DEAD,
    DYING,
    FLAPPING,
    HEALTHY,
    HOUR,
    LATE,
    LATENCY,
    LIMITED,
    NO_PUSH,
    REFUSED,
    REGIMES,
    Day,
    Regime,
    lived,
)
from .driver import TOPICS

CONFIG = EngineConfig(topics=TOPICS)
INTERVAL, RELAXED = CONFIG.poll_interval, CONFIG.push_interval
SOON = 1.5
"""Seconds until something is shown that the cloud has told at once."""
LOOKS = 4
"""Queries in a day because notifications may have overtaken one another."""
LISTS = 5
"""In a day: one every six hours, and one that falls on its edge."""
REGISTRATIONS = 6
"""In a day: with a new secret, and every six hours while push is unhealthy or no registration is taken."""
SOME_POLLS = 10
"""By which two days with the same interval may differ: a poll may be asked a little later by chance."""


def within(interval: float) -> float:
    """Tell within how many seconds a change is shown that is polled for."""
    return interval + 2 * LATENCY


def slowest(day: Day, begin: float = 0.0, end: float = DAY) -> float:
    """Give the longest time until a change of some hours was shown."""
    return max(delay for at, delay in day.delays if begin <= at < end)


def waits(day: Day) -> Iterator[float]:
    """Give the seconds between the end of each good poll and the next one, but for the first, which chance cuts."""
    return (later.asked - before.ended for before, later in list(pairwise(day.polls))[1:] if before.succeeded)


def since(day: Day, status: PushStatus, after: float = 0.0) -> float:
    """Tell when push was first seen to have a status after some time."""
    return next(at for at, told in day.statuses if told is status and at >= after)


@pytest.mark.parametrize("regime", REGIMES, ids=lambda regime: regime.title)
def test_every_day_is_the_same_day(regime: Regime) -> None:
    """In each regime people change 60 things, by hand, and the bridge has its account and lists from the start."""
    day = lived(regime)
    assert day.changes == 60
    assert day.requests["account"] == 0
    assert day.requests["list"] <= LISTS


def test_no_push() -> None:
    """Without push a day costs at most 2,900 requests, and everything is shown within one interval."""
    day = lived(NO_PUSH)
    assert day.requests.total() <= 2900
    assert day.requests["register"] == 0
    assert max(slowest(day), day.wrong) <= within(INTERVAL)
    assert day.unknown == 0


def test_push_works() -> None:
    """While push works a day costs a tenth: 288 polls, and a dozen lists, registrations and looks at the most."""
    day, without = lived(HEALTHY), lived(NO_PUSH)
    assert day.requests["query"] <= DAY / RELAXED + LOOKS
    assert day.requests["register"] <= 2
    assert day.requests.total() <= without.requests.total() / 10 + 12


def test_push_is_swift() -> None:
    """While push works everything is shown within a second and a half, and nothing becomes unknown."""
    day = lived(HEALTHY)
    assert max(slowest(day), day.wrong) < SOON
    assert (len(day.delays), day.unknown) == (day.changes, 0)


@pytest.mark.parametrize("regime", [DEAD, LATE, REFUSED], ids=lambda regime: regime.title)
def test_push_that_does_not_work(regime: Regime) -> None:
    """Push that does not work costs a few registrations a day and nothing else; everything is as without it."""
    day, without = lived(regime), lived(NO_PUSH)
    assert PushStatus.HEALTHY not in {status for _, status in day.statuses}
    assert 1 <= day.requests["register"] <= REGISTRATIONS
    assert day.requests.total() - day.requests["register"] <= without.requests.total() + SOME_POLLS
    assert max(slowest(day), day.wrong) <= within(INTERVAL)
    assert day.unknown == 0


@pytest.mark.parametrize(
    ("regime", "status"), [(DEAD, PushStatus.UNHEALTHY), (REFUSED, PushStatus.REGISTRATION_FAILED)]
)
def test_what_is_said_of_push(regime: Regime, status: PushStatus) -> None:
    """Push of which nothing comes ends up unhealthy, and one that is not registered is called that."""
    assert lived(regime).statuses[-1][1] is status


@pytest.mark.parametrize("regime", [NO_PUSH, DEAD, DYING, LATE, REFUSED, FLAPPING], ids=lambda regime: regime.title)
def test_never_faster_than_the_interval(regime: Regime) -> None:
    """Whatever becomes of push or cloud, after a good poll the next one comes no sooner than the interval says."""
    assert min(waits(lived(regime))) >= INTERVAL - 0.001


def test_push_that_dies() -> None:
    """When push falls silent one missed change restores the interval; a poll shows that one within five minutes."""
    day = lived(DYING)
    [(silent, back)] = DYING.silences
    missed = since(day, PushStatus.DEGRADED, silent)
    first = min(at for at, _ in day.delays if at >= silent)
    assert missed <= first + within(RELAXED) + MISSED_AFTER + within(INTERVAL)
    assert slowest(day, first, missed) <= within(RELAXED)
    assert slowest(day, missed, back) <= within(INTERVAL)
    assert slowest(day, 0, silent) < SOON
    polls = [poll.asked for poll in day.polls if missed + INTERVAL <= poll.asked < back]
    assert max(later - before for before, later in pairwise(polls)) <= within(INTERVAL)


def test_push_that_comes_back() -> None:
    """When push is back everything is shown at once, and after a few changes the cloud is asked less often again."""
    day = lived(DYING)
    [(_, back)] = DYING.silences
    assert slowest(day, back) < SOON
    healthy = since(day, PushStatus.HEALTHY, back)
    assert len([at for at, _ in day.delays if back <= at < healthy]) <= 10
    polls = [poll.asked for poll in day.polls if healthy < poll.asked < DAY]
    assert min(later - before for before, later in list(pairwise(polls))[1:]) >= RELAXED


def test_cloud_that_comes_and_goes() -> None:
    """After each outage of ten minutes the first good poll ends the pauses: the next one comes after the interval."""
    day = lived(FLAPPING)
    for begin, end in FLAPPING.outages:
        [first, second, *_] = [poll for poll in day.polls if poll.asked >= end]
        assert first.succeeded
        # Pauses double, so that the last one of an outage is hardly longer than the outage was.
        assert first.asked - end <= end - begin
        assert second.asked - first.ended == pytest.approx(INTERVAL)
    assert max(waits(day)) == pytest.approx(INTERVAL)


def test_few_requests_in_an_outage() -> None:
    """In an outage of ten minutes the cloud is asked six times at the most."""
    day = lived(FLAPPING)
    for begin, end in FLAPPING.outages:
        assert len([poll for poll in day.polls if begin <= poll.asked < end]) <= 6


@pytest.mark.parametrize("regime", [FLAPPING, AWAY], ids=lambda regime: regime.title)
def test_nothing_old_is_claimed(regime: Regime) -> None:
    """While the cloud does not answer a state is claimed for two minutes and then unknown."""
    assert lived(regime).wrong <= STALE_AT_LEAST


def test_cloud_that_is_away() -> None:
    """A day without the cloud costs at most 110 requests, one at a time, a quarter of an hour apart."""
    day = lived(AWAY)
    assert day.requests.total() <= 110
    pauses = [later.asked - before.ended for before, later in pairwise(day.polls) if before.asked >= HOUR]
    assert set(map(round, pauses)) == {LONGEST_PAUSE}
    assert day.unknown >= (DAY - STALE_AT_LEAST - INTERVAL) * len(day.things)


def test_cloud_that_was_never_there() -> None:
    """A bridge that starts without the cloud asks for the device list at most 110 times a day, and for nothing else."""
    day = lived(replace(AWAY, outages=ALWAYS))
    assert day.requests["list"] == day.requests.total() <= 110


def test_registrations_that_are_refused() -> None:
    """Registrations that are refused are repeated ever later, in the end every six hours."""
    assert lived(REFUSED).requests["register"] <= DAY / LADDER[-1] + 2


def test_cloud_that_counts() -> None:
    """A cloud that bears 60 requests an hour refuses few: the bridge finds an interval that is borne."""
    day = lived(LIMITED)
    refused = [poll.asked for poll in day.polls if not poll.succeeded and 0 <= poll.asked < DAY]
    assert len(refused) <= 0.02 * day.requests.total()
    assert len([at for at in refused if at > DAY / 2]) <= 3
    assert day.requests.total() <= 60 * 24
    assert slowest(day) <= within(4 * INTERVAL)
