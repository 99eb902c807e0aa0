"""How far notifications are relied on."""

from __future__ import annotations

from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.events import StatesReported
from uhome2mqtt.model import FailureKind, PushStatus, PushView, Source

from .driver import BACK, FRONT, LAMP, TOPICS, running
from .pushing import PUSH, change, health, interval, live, poll, pushing, status
from .reports import report_of

UNREACHABLE = FailureKind.UNREACHABLE


def test_proven() -> None:
    """After four changes that were pushed before a poll saw them, polls are ten times as rare, and states age later."""
    house = pushing()
    for number, expected in enumerate(["unverified", "unverified", "unverified", "healthy"], 1):
        assert interval(house) == 30
        live(house, "+")
        assert (number, status(house)) == (number, expected)
    assert interval(house) == 300
    house.mark()
    house.advance(299)
    assert house.looks(Source.QUERY) == []
    assert house["front/lock"] in {"LOCKED", "UNLOCKED"}
    house.advance(1)
    assert house.looks(Source.QUERY) == [300]
    assert health(house)["evidence"] == {"hit": 4, "late": 0, "miss": 0, "latest": ["hit"] * 4}
    evidence = {"hit": 4, "late": 0, "miss": 0}
    view = PushView(status=PushStatus.HEALTHY, received=4, evidence=evidence, poll_interval=300)
    assert house.engine.push == view


def test_one_miss_restores_the_interval() -> None:
    """One miss, and polls come as without push again, at once."""
    house = pushing()
    live(house, "++++")
    poll(house, "Unlocked" if house["front/lock"] == "LOCKED" else "Locked")
    house.mark()
    house.advance(30)
    assert (status(house), interval(house)) == ("degraded", 30)
    house.advance(30)
    assert house.looks(Source.QUERY) == [60]
    assert house["front/stale"] == "OFF"
    assert [event["event_type"] for event in house.bridge_events()] == ["device_added"]


def test_nothing_ages_early() -> None:
    """When the interval shrinks, what the last of the rare polls reported stands until the next poll has ended."""
    house = pushing()
    live(house, "++++")
    house.advance(200)
    before = house["front/lock"]
    house.advance(11)
    house.say("front/get", "")
    house.answer("front", lock="Unlocked" if before == "LOCKED" else "Locked")
    house.advance(30)
    assert (interval(house), house["front/stale"]) == (30, "OFF")
    house.advance(30)
    house.end_queries(UNREACHABLE)
    house.advance(61)
    assert house["front/stale"] == "ON"


def test_push_dies_silently() -> None:
    """Two missed changes make push unhealthy: that is told once, and it is registered anew at most every six hours."""
    house = pushing()
    live(house, "++++--")
    assert (status(house), interval(house)) == ("unhealthy", 30)
    assert [effect.renew for _, effect in house.registrations] == [True]
    house.registered()
    live(house, "--+--")
    events = [event for event in house.bridge_events() if event["event_type"].startswith("push")]
    assert [event["event_type"] for event in events] == ["push_unhealthy"]
    assert events[0]["evidence"] == ["hit", "hit", "hit", "miss", "miss"]
    assert len(house.registrations) == 1
    house.advance(6 * 3600)
    assert len(house.registrations) == 2


def test_push_recovers() -> None:
    """Push that has come back is relied on again once it has proven itself, and that is told."""
    house = pushing()
    live(house, "--")
    assert status(house) == "unhealthy"
    house.registered()
    live(house, "+++")
    assert (status(house), interval(house)) == ("degraded", 30)
    live(house, "+")
    assert (status(house), interval(house)) == ("healthy", 300)
    events = [event["event_type"] for event in house.bridge_events()]
    assert events == ["device_added", "push_unhealthy", "push_restored"]
    house.advance(7 * 3600)
    assert len(house.registrations) == 1


def test_late_push() -> None:
    """Push that is always late is degraded, and does not relax anything."""
    house = pushing()
    for state in ("Unlocked", "Locked", "Unlocked", "Locked"):
        change(house, state, pushed=False)
        house.advance(5)
        house.report("front", lock=state)
    assert (status(house), interval(house)) == ("degraded", 30)
    assert health(house)["evidence"]["late"] == 4


def test_looks_for_a_command_are_no_evidence() -> None:
    """What a command has changed proves nothing, whether it was pushed or not: nobody knows whether that is pushed."""
    house = pushing()
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    house.advance(1)
    house.answer("front", lock="Unlocked")
    house.advance(1)
    house.report("front", lock="Unlocked")
    poll(house, "Unlocked")
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.advance(1)
    house.answer("front", lock="Locked")
    poll(house, "Locked")
    house.advance(40)
    assert health(house)["evidence"]["latest"] == []


def test_out_of_reach() -> None:
    """What the cloud remembers of a device out of reach is no evidence."""
    house = pushing()
    for state in ("Unlocked", "Locked", "Unlocked"):
        house.advance(30)
        house.answer("front", lock=state, health="Offline")
    house.advance(60)
    assert health(house)["evidence"]["latest"] == []


def test_a_device_leaves() -> None:
    """A device that leaves the account takes along what waited for its notification."""
    house = pushing()
    change(house, "Unlocked", pushed=False)
    house.listed()
    house.listed()
    house.advance(60)
    assert health(house)["evidence"]["latest"] == []


def test_a_configured_age_limits_the_interval() -> None:
    """Where states become unknown at a configured age, proven push does not let them reach it."""
    house = pushing(EngineConfig(topics=TOPICS, push=True, stale_after=200.0))
    live(house, "++++")
    assert interval(house) == 100


def test_push_and_a_strained_cloud() -> None:
    """While the cloud wants even fewer requests than proven push allows, that counts."""
    house = pushing(EngineConfig(topics=TOPICS, push=True, push_interval=40.0))
    live(house, "++++")
    assert interval(house) == 40
    house.advance(40)
    house.end_queries(FailureKind.RATE_LIMITED)
    assert interval(house) == 60


def test_other_devices_are_left_alone() -> None:
    """A notification touches the devices that it names, and no others."""
    house = running(FRONT, LAMP, config=PUSH)
    effects = house.notified(report_of(FRONT, lock="Unlocked"))
    assert not [effect for effect in effects if "/lamp" in str(getattr(effect, "topic", ""))]


def test_an_hour_asleep() -> None:
    """What happened while the machine was asleep, or the cloud away, speaks neither for push nor against it."""
    house = running(FRONT, BACK, config=PUSH)
    house.registered()
    both = ("Locked", "Unlocked", "Locked", "Unlocked", "Locked")
    for state in both:
        house.report("front", lock=state)
        house.report("back", lock=state)
        house.advance(31)
        for device in ("front", "back"):
            for number, query in house.open.items():
                report = report_of(house.devices[device], lock=state)
                house.take(StatesReported(reports=(report,), source=query.source, query=number))
        house.end_queries()
    assert status(house) == "healthy"
    house.monotonic += 600
    house.advance(0)
    house.answer("front", lock="Unlocked")
    house.advance(30)
    house.answer("back", lock="Unlocked")
    house.advance(60)
    assert "push_unhealthy" not in {event["event_type"] for event in house.bridge_events()}


def test_away_while_healthy() -> None:
    """When the cloud is away, states age as without push: nobody would hear a push either."""
    house = pushing()
    live(house, "++++")
    assert interval(house) == 300
    house.advance(300)
    for _ in range(3):
        house.end_queries(UNREACHABLE)
        while not house.open:
            house.advance(1)
    assert (house["bridge/cloud"], interval(house)) == ("offline", 30)
    house.advance(121)
    assert house["front/lock"] == "None"


def test_out_of_reach_by_push() -> None:
    """A device of which a push says that it is out of reach begins anew, too."""
    house = pushing()
    house.report("front", lock="Locked", health="Offline")
    poll(house, "Unlocked")
    house.advance(60)
    assert health(house)["evidence"]["latest"] == []
