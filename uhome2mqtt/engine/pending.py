"""A command under way: what it waits for, and what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto

from uhome2mqtt.catalogue import Intent
from uhome2mqtt.events import Now, Reply
from uhome2mqtt.model import Asker, Attribute, Command, Json, Outcome, Report, Source, canonical

CONFIRM_AFTER = (1.0, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 22.0, 35.0, 56.0)
"""Seconds after acceptance at which the device is queried: a bolt often takes one, the cloud at times forty."""
LATEST_LOOK = 75.0
"""Seconds after acceptance up to which a last look waits for the end of a hold: a hold of a minute that the first look
has opened ends just after the usual last one, which would be refused."""


def next_look(since: float, after: float) -> float | None:
    """Give the first look after a time at what was accepted at `since`; None when there is none left."""
    return next((at for at in (since + seconds for seconds in CONFIRM_AFTER) if at > after), None)


class Phase(Enum):
    """How far a command has come."""

    QUEUED = auto()
    SENT = auto()
    RETRYING = auto()
    CONFIRMING = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A command that has no final outcome yet; times are monotonic seconds.

    `deadline`: after it the command must not be sent. `since`: a report that was asked for earlier proves nothing.
    `met`: what of the intent's expectation the latest reports show. `part`: how many of the intent's actions have been
    accepted before the one at hand, to which `attempts` and `uncertain` belong.
    """

    id: int
    device_id: str
    key: str
    payload: Json
    intent: Intent
    received: float
    deadline: float
    transition: str | None
    transaction: Json = None
    reply: Reply | Asker | None = None
    phase: Phase = Phase.QUEUED
    part: int = 0
    attempts: int = 0
    uncertain: str | None = None
    since: float = 0.0
    accepted: bool = False
    met: frozenset[Attribute] = frozenset()
    met_by: Source = Source.QUERY
    warning: str | None = None
    hint: str | None = None
    last_query: int | None = None

    @property
    def actions(self) -> tuple[Command, ...]:
        """All that is to be sent, one after the other."""
        return (self.intent.command, *self.intent.then)

    @property
    def is_last_part(self) -> bool:
        return self.part + 1 == len(self.actions)

    @property
    def done(self) -> str:
        """The names of what has been accepted before the action at hand, if anything."""
        return ", ".join(action.name for action in self.actions[: self.part])

    def expired(self, now: Now) -> bool:
        return now.monotonic >= self.deadline

    def look_during_hold(self, until: float) -> float:
        """Tell when to look if the cloud wants to be left alone until then: at the end, or the last time, whatever."""
        return until if until <= self.since + LATEST_LOOK else self.since + CONFIRM_AFTER[-1]

    @property
    def satisfied(self) -> bool:
        """Whether everything that was wanted has been reported."""
        return self.met == self.intent.expect.keys()

    def swallows(self, older: Pending) -> bool:
        """Tell whether an older command that waits is not worth sending any more: all that it moves is moved again."""
        sliders = self.intent.coalesce and older.intent.coalesce and older.competes_with(self)
        return older.phase is Phase.QUEUED and sliders and older.intent.uses <= self.intent.uses

    def competes_with(self, other: Pending) -> bool:
        """Tell whether both cannot come true: one key, or different values for one attribute."""
        mine, theirs = self.intent.expect, other.intent.expect
        return self.key == other.key or any(mine[name] != theirs[name] for name in mine.keys() & theirs.keys())


def observe(pending: Pending, report: Report, source: Source) -> Pending:
    """Hold a report against what the command wants; only the wanted attributes count."""
    expect = pending.intent.expect
    carried = {name: canonical(value) for name, value in report.states.items() if name in expect}
    if not carried:
        return pending
    met = {name for name, value in carried.items() if value == expect[name] and not isinstance(value, bool)}
    over = any(value not in pending.intent.steady for value in carried.values() if isinstance(value, str | int))
    return replace(
        pending,
        met=(pending.met - carried.keys()) | met,
        met_by=source,
        transition=None if over else pending.transition,
    )


def outcome(
    pending: Pending, named: str, event: Outcome, now: Now, reason: str | None = None, message: str | None = None
) -> dict[str, Json]:
    """Say what became of a command; `named`: its id as it is shown."""
    return result(
        event=event,
        key=pending.key,
        payload=pending.payload,
        transaction=pending.transaction,
        reason=reason,
        message=message,
        seconds=now.monotonic - pending.received,
        now=now,
        named=named,
    )


def result(
    *,
    event: Outcome,
    key: str | None,
    payload: Json,
    named: str,
    now: Now,
    transaction: Json = None,
    reason: str | None = None,
    message: str | None = None,
    seconds: float = 0.0,
) -> dict[str, Json]:
    """Compose the document that is published on a result topic."""
    return {
        "event_type": str(event),
        "key": key,
        "payload": payload,
        "transaction": transaction,
        "reason": reason,
        "message": message,
        "seconds": round(seconds, 2),
        "at": now.stamp,
        "id": named,
    }


def all_of(pending: Mapping[int, Pending], device_id: str) -> list[Pending]:
    """Give the commands of a device, the oldest first."""
    return [command for command in pending.values() if command.device_id == device_id]
