"""What counts as a hit, as late and as a miss."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uhome2mqtt.catalogue.attributes import DOOR, LOCK_STATE
from uhome2mqtt.engine.evidence import Evidence, Verdict
from uhome2mqtt.events import Now
from uhome2mqtt.model import Json

from .driver import FRONT, LAMP
from .reports import report_of

HIT, LATE, MISS = Verdict
GAP = 100.0


class Trial:
    """One device's evidence, told in short words."""

    def __init__(self) -> None:
        self.evidence = Evidence()
        self.at = 1000.0

    @property
    def now(self) -> Now:
        return Now(monotonic=self.at, utc=datetime(2026, 1, 31, tzinfo=UTC))

    def push(self, **states: Json) -> bool:
        return self.evidence.pushed(report_of(FRONT, **states), self.now)

    def query(self, ago: float = 0.0, **states: Json) -> None:
        """Let a query that was asked some seconds ago be answered."""
        self.evidence.queried(report_of(FRONT, **states), self.at - ago, GAP, frozenset(), self.now)

    def wait(self, seconds: float) -> None:
        self.at += seconds
        self.evidence.expire(self.now)

    @property
    def verdicts(self) -> list[Verdict]:
        return list(self.evidence.latest)


def begun() -> Trial:
    """Give a trial whose lock was last seen locked, a poll ago."""
    trial = Trial()
    trial.query(lock="Locked")
    trial.wait(20)
    return trial


def test_the_first_look_is_no_evidence() -> None:
    """What a query sees first has not changed."""
    trial = Trial()
    trial.query(lock="Locked")
    trial.wait(100)
    assert trial.verdicts == []


def test_a_hit() -> None:
    """A change that was pushed before a query sees it is a hit, once."""
    trial = begun()
    trial.push(lock="Unlocked")
    trial.wait(5)
    trial.query(lock="UNLOCKED")
    trial.wait(30)
    trial.query(lock="Unlocked")
    assert trial.verdicts == [HIT]


def test_a_late_one() -> None:
    """A change that is pushed within 30 s after a query saw it is late."""
    trial = begun()
    trial.query(lock="Unlocked")
    trial.wait(29)
    trial.push(lock="Unlocked")
    trial.wait(100)
    assert trial.verdicts == [LATE]


def test_a_miss() -> None:
    """A change that no notification tells within 30 s is missed; one that comes afterwards proves nothing."""
    trial = begun()
    trial.query(lock="Unlocked")
    trial.wait(29.9)
    assert trial.verdicts == []
    trial.wait(0.1)
    trial.push(lock="Unlocked")
    assert trial.verdicts == [MISS]


def test_the_wrong_value_is_no_delivery() -> None:
    """A notification of another state does not tell a change."""
    trial = begun()
    trial.query(lock="Unlocked")
    trial.push(lock="Jammed")
    trial.push(health="Online")
    trial.wait(30)
    assert trial.verdicts == [MISS]


def test_nothing_changed() -> None:
    """Notifications that repeat what is known are no evidence, and neither is silence."""
    trial = begun()
    for _ in range(20):
        trial.push(lock="Locked")
        trial.wait(30)
        trial.query(lock="locked")
    assert trial.verdicts == []


def test_there_and_back() -> None:
    """A change that was undone before any query saw it is no evidence."""
    trial = begun()
    trial.push(lock="Unlocked")
    trial.push(lock="Locked")
    trial.query(lock="Locked")
    trial.wait(60)
    assert trial.verdicts == []


def test_the_way_back_was_lost() -> None:
    """A change back that no notification told is a miss, once the cloud's memory cannot lag any longer."""
    trial = begun()
    trial.push(lock="Unlocked")
    for _ in range(4):
        trial.wait(15)
        trial.query(lock="Locked")
    trial.wait(15)
    assert trial.verdicts == [MISS]


def test_a_lagging_query() -> None:
    """A query that still shows what was true before a notification is not held against it."""
    trial = begun()
    trial.push(lock="Unlocked")
    trial.wait(20)
    trial.query(lock="Locked")
    trial.wait(20)
    trial.query(lock="Unlocked")
    trial.wait(60)
    assert trial.verdicts == [HIT]


def test_overtaken_by_a_notification() -> None:
    """The answer to a query that was asked before a notification came proves nothing against that."""
    trial = begun()
    trial.push(lock="Unlocked")
    trial.query(ago=1.0, lock="Locked")
    trial.wait(30)
    trial.query(lock="Unlocked")
    assert trial.verdicts == [HIT]


def test_a_report_is_one_piece() -> None:
    """What changes together is one piece of evidence, and a miss if any part of it was not pushed."""
    trial = Trial()
    trial.query(lock="Locked", door="closed")
    trial.wait(20)
    trial.push(lock="Unlocked", door="open")
    trial.query(ago=-0.1, lock="Unlocked", door="open")
    trial.wait(20)
    trial.push(lock="Locked")
    trial.query(ago=-0.1, lock="Locked", door="closed")
    trial.wait(30)
    assert trial.verdicts == [HIT, MISS]


def test_several_changes_wait_together() -> None:
    """A notification of each change that was seen makes them late, not of one alone."""
    trial = Trial()
    trial.query(lock="Locked", door="closed")
    trial.wait(10)
    trial.query(lock="Unlocked", door="closed")
    trial.wait(10)
    trial.query(lock="Unlocked", door="open")
    trial.push(door="open")
    assert trial.verdicts == []
    trial.push(lock="Unlocked")
    assert trial.verdicts == [LATE]


@pytest.mark.parametrize("name", ["battery", "health", "mode"])
def test_what_drifts_by_itself(name: str) -> None:
    """Batteries, reachability and modes are no evidence."""
    trial = Trial()
    trial.query(**{name: 4})
    trial.wait(20)
    trial.query(**{name: 3})
    trial.wait(60)
    assert trial.verdicts == []


def test_a_gap() -> None:
    """After a pause in which the bridge saw nothing, notifications are judged anew: they could not be heard."""
    trial = begun()
    trial.wait(GAP + 1)
    trial.query(lock="Unlocked")
    trial.wait(60)
    assert trial.verdicts == []


def test_swift_changes_and_a_lagging_query() -> None:
    """Whatever a query shows that notifications have told since is a hit, in whichever order it catches up."""
    trial = begun()
    for state in ("Unlocked", "Locked", "Jammed"):
        trial.push(lock=state)
        trial.push(lock=state)
        trial.wait(1)
    for state in ("Locked", "Unlocked", "Locked", "Jammed", "Jammed"):
        trial.query(lock=state)
        trial.wait(5)
    trial.wait(60)
    assert trial.verdicts == [HIT, HIT, HIT]


def test_older_than_a_notification() -> None:
    """What was asked before a notification came, and says something else, is not to be believed; what agrees is."""
    trial = begun()
    trial.push(lock="Unlocked", door="open")
    names = trial.evidence.overtaken(report_of(FRONT, lock="Locked", door="closed", battery=3), trial.at - 1)
    assert names == {LOCK_STATE, DOOR}
    assert not trial.evidence.overtaken(report_of(FRONT, lock="unlocked"), trial.at - 1)
    assert not trial.evidence.overtaken(report_of(FRONT, lock="Locked"), trial.at + 1)


@settings(deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.floats(0.1, 15)), max_size=40), st.floats(0, 40))
def test_a_lagging_cloud_is_not_blamed_on_push(steps: list[tuple[bool, float]], lag: float) -> None:
    """While all is pushed at once and queries lag behind, however swift the changes, there are hits alone."""
    trial = begun()
    life: list[tuple[float, str]] = [(0.0, "Locked")]
    for changes, wait in steps:
        trial.wait(wait)
        if changes and len(life) <= 8:
            life.append((trial.at, "Unlocked" if life[-1][1] == "Locked" else "Locked"))
            trial.push(lock=life[-1][1])
        else:
            trial.query(lock=[state for at, state in life if at <= trial.at - lag][-1])
    trial.wait(60)
    assert trial.evidence.counts[LATE] == trial.evidence.counts[MISS] == 0


def test_own_commands() -> None:
    """What a command is to change, or has changed, is no evidence, pushed or not; what comes after it is."""
    trial = begun()
    trial.evidence.queried(report_of(FRONT, lock="Unlocked"), trial.at, GAP, {LOCK_STATE}, trial.now)
    trial.evidence.commanded(FRONT.id, {LOCK_STATE: "unlocked"})
    trial.wait(20)
    trial.query(lock="Locked")
    trial.evidence.commanded(FRONT.id, {LOCK_STATE: "locked"})
    trial.wait(40)
    trial.query(lock="Locked")
    assert trial.verdicts == []
    trial.wait(20)
    trial.query(lock="Unlocked")
    trial.wait(30)
    assert trial.verdicts == [MISS]


def test_asleep() -> None:
    """A miss that is counted much too late is none: the machine was asleep, and could hear no notification."""
    trial = begun()
    trial.query(lock="Unlocked")
    trial.wait(3600)
    assert trial.verdicts == []


def test_forgotten() -> None:
    """A device that was out of reach begins anew, and what it waited for with it."""
    trial = begun()
    trial.query(lock="Unlocked")
    trial.evidence.forget(FRONT.id)
    trial.wait(60)
    trial.query(lock="Locked")
    assert trial.verdicts == []
    assert trial.evidence.due_at == float("inf")


def test_announced() -> None:
    """A notification that names the device alone announces what the next query shows, or has shown."""
    trial = begun()
    trial.evidence.announced(FRONT.id, trial.now)
    trial.query(ago=-0.1, lock="Locked")
    trial.wait(20)
    trial.query(lock="Unlocked")
    trial.wait(50)
    trial.query(lock="Locked")
    trial.evidence.announced(FRONT.id, trial.now)
    trial.wait(40)
    assert trial.verdicts == [HIT, LATE]


def test_devices_apart() -> None:
    """Each device has its own evidence, and all count together."""
    trial = begun()
    trial.evidence.queried(report_of(LAMP, switch="on"), trial.at, GAP, frozenset(), trial.now)
    trial.wait(20)
    trial.push(lock="Unlocked")
    trial.evidence.queried(report_of(LAMP, switch="off"), trial.at + 0.1, GAP, frozenset(), trial.now)
    trial.query(ago=-0.1, lock="Unlocked")
    trial.wait(30)
    assert trial.verdicts == [HIT, MISS]
    assert trial.evidence.counts == {HIT: 1, LATE: 0, MISS: 1}


def test_order_in_doubt() -> None:
    """Another state within 30 s of a change may have been told in the wrong order; a repetition has not."""
    trial = begun()
    assert not trial.push(lock="Unlocked")
    assert not trial.push(lock="Unlocked")
    trial.wait(29)
    assert trial.push(lock="Locked")
    trial.wait(30)
    assert not trial.push(lock="Unlocked")


def test_order_against_a_query() -> None:
    """A notification may have been overtaken by a query, too."""
    trial = begun()
    trial.query(lock="Unlocked")
    trial.wait(1)
    assert trial.push(lock="Locked")


@settings(deadline=None)
@given(st.lists(st.sampled_from(["Locked", "Unlocked"]), min_size=1, max_size=30), st.integers(1, 3))
def test_reliable_push_is_never_blamed(life: list[str], repeated: int) -> None:
    """While every change is pushed before it is seen, there are hits alone, however often each is repeated."""
    trial = begun()
    for state in life:
        for _ in range(repeated):
            trial.push(lock=state)
        trial.wait(11)
        trial.query(lock=state)
        trial.wait(19)
    changes = sum(before != after for before, after in zip(["Locked", *life], life, strict=False))
    assert trial.evidence.counts == {HIT: changes, LATE: 0, MISS: 0}


@settings(deadline=None)
@given(st.lists(st.sampled_from(["Locked", "Unlocked"]), min_size=1, max_size=30))
def test_dead_push_is_never_praised(life: list[str]) -> None:
    """While nothing is pushed, there are misses alone, one for each change that a query saw."""
    trial = begun()
    for state in life:
        trial.query(lock=state)
        trial.wait(31)
    changes = sum(before != after for before, after in zip(["Locked", *life], life, strict=False))
    assert trial.evidence.counts == {HIT: 0, LATE: 0, MISS: changes}
