"""Polling, pauses, and how the cloud is said to do."""

from __future__ import annotations

import pytest

from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.engine.cloud_state import LONGEST_PAUSE, pause
from uhome2mqtt.events import AccountIdentified, QueryFailed, Started
from uhome2mqtt.model import Failure, FailureKind, Source

from .driver import BACK, FRONT, PLUG, TOPICS, Driver, failure, running

UNREACHABLE, AUTHORIZATION = FailureKind.UNREACHABLE, FailureKind.AUTHORIZATION


def polled(house: Driver, seconds: float) -> list[float]:
    """Let time pass in which every query is answered at once; give when it was asked."""
    house.mark()
    while house.engine.wake_at <= house.marked + seconds:
        house.advance(house.engine.wake_at - house.monotonic)
        house.end_queries()
    return house.looks(Source.QUERY)


def pauses(house: Driver, kind: FailureKind, times: int, retry_after: float | None = None) -> list[float]:
    """Let so many polls fail, each at once; give the pauses before them."""
    waits = []
    for _ in range(times):
        house.mark()
        while not house.open:
            house.advance(1)
        waits.append(round(house.monotonic - house.marked, 6))
        house.end_queries(kind, retry_after)
    return waits


def test_the_poll() -> None:
    """All devices are queried together, 30 s after the end of the query before."""
    house = running(FRONT, BACK)
    assert polled(house, 95) == [30, 60, 90]
    assert {query.devices for _, query in house.asked} == {(FRONT, BACK)}


def test_the_configured_interval() -> None:
    """The interval is the configured one."""
    assert polled(running(FRONT, config=EngineConfig(topics=TOPICS, poll_interval=100.0)), 250) == [100, 200]


def test_polls_never_overlap() -> None:
    """While a periodic query is under way no other is begun, not even for a new device."""
    house = running(FRONT)
    house.advance(30)
    house.listed(FRONT, BACK)
    house.advance(300)
    assert len(house.open) == 1
    house.mark()
    house.end_queries()
    house.advance(30)
    assert [query.devices for _, query in house.asked] == [(FRONT, BACK)]


def test_a_new_device_is_asked_about_at_once() -> None:
    """A device that is new is queried at once."""
    house = running(FRONT)
    house.mark()
    house.listed(FRONT, PLUG)
    assert house.looks(Source.QUERY) == [0]


def test_other_queries_leave_the_poll_alone() -> None:
    """A query of one device neither delays nor replaces the periodic one."""
    house = running(FRONT)
    house.mark()
    house.advance(10)
    house.say("front/get", "")
    house.end_queries()
    house.advance(20)
    assert house.looks(Source.QUERY) == [10, 30]


def test_back_off() -> None:
    """While polls fail the pause doubles, up to 900 s, and is the usual one again after the first success."""
    house = running(FRONT)
    assert pauses(house, UNREACHABLE, 8) == [30, 30, 60, 120, 240, 480, 900, 900]
    house.advance(900)
    house.end_queries()
    assert polled(house, 65) == [30, 60]


def test_any_success_ends_the_pauses() -> None:
    """A command that shows that the cloud is back ends the long pauses of polls and device list at once."""
    house = running(FRONT)
    pauses(house, UNREACHABLE, 6)
    house.list_failed()
    house.advance(30)
    house.mark()
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.advance(0)
    assert house.looks(Source.QUERY) == [0]
    assert house.lists == [house.monotonic]


def test_polls_that_fail_are_not_hurried_along() -> None:
    """While polls fail and something else succeeds again and again, polls come no faster than when all is well."""
    house = running(FRONT, BACK)
    house.mark()
    for _ in range(120):
        house.advance(2.5)
        house.end_queries(UNREACHABLE)
        house.say("front/get", "")
        house.answer("front", lock="Locked")
    polls = [at for at, query in house.asked if len(query.devices) > 1]
    assert 8 <= len(polls) <= 10


def test_retry_after_is_kept_to() -> None:
    """A poll that is answered with HTTP 429 is not repeated before its `Retry-After`."""
    house = running(FRONT)
    first, second = pauses(house, FailureKind.RATE_LIMITED, 2, 200.0)
    assert first == 30
    assert 200 < second < 205
    assert house["bridge/cloud"] == "degraded"


def test_the_list_is_tried_again() -> None:
    """A failed device list is tried again after 5 s, then ever later, up to 900 s."""
    house = Driver()
    house.take(Started())
    house.connect({})
    house.mark()
    waits = []
    for _ in range(10):
        house.list_failed()
        house.mark()
        while not house.lists:
            house.advance(1)
        waits.append(round(house.monotonic - house.marked, 6))
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 900, 900]


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 27.0), (0.5, 30.0), (1.0, 33.0)])
def test_pauses_are_spread(chance: float, seconds: float) -> None:
    """Chance spreads the pauses by a fifth, so that many bridges do not come back at the same time."""
    assert pause(30, 1, chance) == pytest.approx(seconds)
    assert pause(30, 50, chance) == LONGEST_PAUSE
    assert pause(30, 0, chance) == pytest.approx(seconds)
    assert pause(30, 1, chance, failure(UNREACHABLE, 5000.0)) == LONGEST_PAUSE


def test_unauthorized_is_looked_at_often() -> None:
    """Without a login the cloud is tried every 5 s, which costs no request, so that a login takes effect soon."""
    house = running(FRONT)
    house.advance(30)
    house.end_queries(AUTHORIZATION)
    house.mark()
    for _ in range(10):
        house.list_failed(AUTHORIZATION)
        house.advance(5)
        house.end_queries(AUTHORIZATION)
    assert house.looks(Source.QUERY) == [5 * step for step in range(1, 11)]
    assert len(house.lists) == 10
    assert house["bridge/cloud"] == "unauthorized"


def test_refused_tokens_are_no_hammer() -> None:
    """While the cloud refuses tokens that look good the pauses grow, to a minute: a new login must heal that soon."""
    house = running(FRONT)
    refused = Failure(kind=AUTHORIZATION, code="INVALID_TOKEN", message="no")
    waits = []
    for _ in range(4):
        house.mark()
        while not house.open:
            house.advance(1)
        waits.append(round(house.monotonic - house.marked))
        [query] = house.open
        house.take(QueryFailed(query=query, failure=refused))
        house.end_queries()
    assert waits == [30, 30, 60, 60]
    assert house["bridge/cloud"] == "unauthorized"


def test_a_long_wait_for_a_login_is_no_outage() -> None:
    """After a login the first failure has the first pause: waiting for somebody is no row of failures."""
    house = running(FRONT)
    for _ in range(100):
        house.list_failed(AUTHORIZATION)
    house.advance(30)
    house.end_queries(UNREACHABLE)
    house.mark()
    house.advance(30)
    assert house.looks(Source.QUERY) == [30]
    assert house["bridge/cloud"] == "degraded"


def test_statuses() -> None:
    """The cloud is offline at first, online with an answer, degraded by failures, offline by the third in a row."""
    house = Driver()
    house.connect({})
    assert house["bridge/cloud"] == "offline"
    house.listed(FRONT)
    house.end_queries()
    for _ in range(4):
        house.list_failed()
    house.listed(FRONT)
    assert house.history("bridge/cloud") == ["offline", "online", "degraded", "offline", "online"]


def test_never_reached_is_offline() -> None:
    """A cloud that never answered is offline with its first failure, which is said once."""
    house = Driver()
    house.connect({})
    house.list_failed()
    house.list_failed()
    assert house["bridge/cloud"] == "offline"
    assert len(house.noted("cloud_offline")) == 1
    assert len(house.noted("cloud_request_failed")) == 1


def test_an_outage_is_warned_of_once() -> None:
    """The log warns of an outage when it begins and when a login is needed; the rest of it is no warning."""
    house = running(FRONT)
    for kind in (UNREACHABLE, UNREACHABLE, UNREACHABLE, UNREACHABLE, AUTHORIZATION, AUTHORIZATION):
        house.list_failed(kind)
    told = [(note.level, note.event) for note in house.notes if note.event.startswith("cloud_")]
    assert told == [
        ("info", "cloud_online"),
        ("warning", "cloud_degraded"),
        ("debug", "cloud_request_failed"),
        ("info", "cloud_offline"),
        ("debug", "cloud_request_failed"),
        ("warning", "cloud_unauthorized"),
        ("debug", "cloud_request_failed"),
    ]


def test_whoever_refuses_is_there() -> None:
    """A cloud that refuses, however often, is degraded and not offline."""
    house = running(FRONT)
    for _ in range(5):
        house.list_failed(FailureKind.REJECTED)
    assert house["bridge/cloud"] == "degraded"


def test_commands_tell_of_the_cloud_too() -> None:
    """A command that fails or is answered is evidence like any other request."""
    house = running(FRONT)
    house.say("front/lock/set", "LOCK")
    house.fail(UNREACHABLE)
    assert house["bridge/cloud"] == "degraded"
    house.advance(1)
    house.accept("DEVICE_OFFLINE")
    assert house["bridge/cloud"] == "online"


def events(house: Driver) -> list[str]:
    """Give what was told of authorization."""
    return [event["event_type"] for event in house.bridge_events() if event["event_type"].startswith("authorization")]


def test_authorization_events() -> None:
    """That a login is needed is told once, and so is that it works again, whatever failed in between."""
    house = running(FRONT)
    for kind in (AUTHORIZATION, AUTHORIZATION, UNREACHABLE, AUTHORIZATION, UNREACHABLE):
        house.list_failed(kind)
    assert events(house) == ["authorization_required"]
    [told] = [event for event in house.bridge_events() if event["event_type"] == "authorization_required"]
    assert (told["error"], told["why"]) == (failure(AUTHORIZATION).code, failure(AUTHORIZATION).message)
    assert told["hint"] == house.config.login_hint
    house.listed(FRONT)
    house.listed(FRONT)
    assert events(house) == ["authorization_required", "authorization_restored"]
    house.list_failed(AUTHORIZATION)
    assert events(house)[2:] == ["authorization_required"]


def test_no_authorization_event_for_an_outage() -> None:
    """An outage is no matter of authorization."""
    house = running(FRONT)
    house.list_failed()
    house.listed(FRONT)
    assert events(house) == []


def test_account_is_asked_for_again() -> None:
    """Whose account it is is asked again, ever later, until it is known; the cloud is said to fail meanwhile."""
    house = running(FRONT)
    assert house.identified == 1
    house.not_identified()
    assert house["bridge/cloud"] == "degraded"
    house.advance(4)
    assert house.identified == 1
    house.advance(2)
    assert house.identified == 2
    house.take(AccountIdentified(account="a" * 16))
    assert house["bridge/cloud"] == "online"
    house.advance(60)
    assert house.identified == 2


def test_account_refused_for_its_rate() -> None:
    """A refusal of this question holds the background back like any other."""
    house = running(FRONT)
    house.mark()
    house.not_identified(FailureKind.RATE_LIMITED, 120)
    house.advance(119)
    assert house.looks(Source.QUERY) == []
    assert house.identified == 1
    house.advance(10)
    assert house.identified == 2


def test_how_it_is_doing() -> None:
    """The engine says of itself what the bridge's page shows."""
    house = Driver()
    house.take(Started())
    assert (house.engine.cloud, house.engine.broker_connected, house.engine.listed) == ("offline", False, False)
    house.connect({})
    house.listed(FRONT)
    assert (house.engine.cloud, house.engine.broker_connected, house.engine.listed) == ("online", True, True)
