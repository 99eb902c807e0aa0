"""What the engine tells of itself, and what it measures."""

from __future__ import annotations

import pytest

from uhome2mqtt.effects import Observe, Publish
from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.events import NotificationReceived
from uhome2mqtt.model import EVERYTHING, Announced, CloudStatus, Discovery, FailureKind, Notification, Outcome
from uhome2mqtt.vitals import Vitals

from .driver import BACK, FRONT, LAMP, TOPICS, Driver, number_of, running
from .reports import report_of


def vitals(house: Driver) -> Vitals:
    """Ask the engine how it is doing now."""
    return house.engine.vitals(house.now)


def test_before_anything() -> None:
    """Before the first device list and the first poll no age is told."""
    told = vitals(Driver())
    assert (told.poll_age, told.list_age, told.broker_connected) == (None, None, False)
    assert (dict(told.devices), told.stale, told.offline, told.pending) == ({}, 0, 0, 0)


def test_household() -> None:
    """Devices are counted by kind; disabled ones are neither out of date nor out of reach."""
    house = running(FRONT, BACK, LAMP, config=EngineConfig(topics=TOPICS, overrides={BACK.id: Override(enabled=False)}))
    house.report("front", "DEVICE_OFFLINE")
    told = vitals(house)
    assert (dict(told.devices), told.stale, told.offline) == ({"lock": 2, "light": 1}, 0, 1)
    assert told.cloud is CloudStatus.ONLINE
    assert told.broker_connected
    house.monotonic += 1000
    assert vitals(house).stale == 2


def test_ages() -> None:
    """The age of the last good poll grows while polls fail."""
    house = running(FRONT)
    house.monotonic += 5
    assert vitals(house).poll_age == pytest.approx(5)
    assert vitals(house).list_age == pytest.approx(5)
    house.advance(30)
    house.end_queries(FailureKind.UNREACHABLE)
    assert vitals(house).poll_age == pytest.approx(35)
    house.advance(100)
    house.end_queries()
    assert (vitals(house).poll_age or 0) < 100


def test_excluded() -> None:
    """Devices that were deleted as a whole in Home Assistant are counted, not single entities, and not the bridge."""
    everything = frozenset({EVERYTHING})
    excluded = {FRONT.id: everything, LAMP.id: everything, BACK.id: frozenset({"battery"}), "": everything}
    record = Announced(base="uhome2mqtt", prefix="homeassistant", layout=Discovery.DEVICE, excluded=excluded)
    assert vitals(Driver(announced=record)).excluded == 2


def test_one_id() -> None:
    """One id follows a command through log, results and measurements; another run gives none of the same."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, run="run"))
    house.say("front/lock/set", "UNLOCK")
    assert vitals(house).pending == 1
    house.advance(0.4)
    house.accept()
    house.advance(1)
    house.answer("front", lock="Unlocked")
    results = {result["id"] for result in house.results("front")}
    noted = {note.fields["id"] for note in house.notes if note.event.startswith("command_")}
    assert results == noted == {seen.id for seen in house.observed}
    assert len(results) == 1
    assert results.pop().startswith("run-")
    accepted, confirmed = house.observed
    assert (accepted.outcome, accepted.key, accepted.reason) == (Outcome.ACCEPTED, "lock", None)
    assert (confirmed.outcome, confirmed.key, confirmed.reason) == (Outcome.CONFIRMED, "lock", "query")
    assert accepted.seconds == pytest.approx(0.4)
    assert confirmed.seconds == pytest.approx(1.4)
    assert vitals(house).pending == 0


def test_refused() -> None:
    """What is refused has an id of its own, and is counted by its reason."""
    house = running(FRONT)
    house.say("front/lock/set", "OPEN SESAME")
    house.say("nobody/lock/set", "LOCK")
    assert house.observed == [
        Observe(id=seen.id, key="lock", outcome=Outcome.REFUSED, reason=reason, seconds=0.0)
        for seen, reason in zip(house.observed, ("INVALID_PAYLOAD", "UNKNOWN_DEVICE"), strict=True)
    ]
    ids = {number_of(note) for note in house.noted("command_refused")}
    assert len(ids) == 2


def test_notification_is_timed() -> None:
    """The last message that a notification leads to tells when that came in; one without a message is not timed."""
    house = running(FRONT)
    report = report_of(FRONT, lock="Unlocked")
    effects = house.take(NotificationReceived(notification=Notification(reports=(report,)), received=7.5))
    published = [effect for effect in effects if isinstance(effect, Publish)]
    assert [publish.caused_at for publish in published] == [None] * (len(published) - 1) + [7.5]
    assert published
    nothing = house.take(NotificationReceived(notification=Notification(), received=8.5))
    assert not any(isinstance(effect, Publish) for effect in nothing)
    untimed = house.report("front", lock="Locked")
    assert {effect.caused_at for effect in untimed if isinstance(effect, Publish)} == {None}
