"""Whether notifications arrive, judged by what queries see: silence proves nothing, and neither does a registration."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from uhome2mqtt.catalogue import VITAL
from uhome2mqtt.events import Now
from uhome2mqtt.model import Attribute, Json, Report, canonical

MISSED_AFTER = 30.0
"""Seconds after a query has seen a change; a notification that has not come by then is missed."""
JUDGED = 5
"""How many of the latest pieces of evidence count."""
LAGS = 60.0
"""Seconds for which a query may show the state of before a notification: lags of up to 40 were seen."""
REMEMBERED = 8
"""How many states that were pushed and not seen yet are kept of an attribute."""
SWIFT = 10.0
"""Seconds within which two changes may have been told in the wrong order."""


class Verdict(StrEnum):
    """What became of a change that a query saw."""

    HIT = "hit"
    """A notification had told it before."""
    LATE = "late"
    """A notification told it afterwards."""
    MISS = "miss"
    """No notification told it in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What queries and notifications last said of one attribute; times in monotonic seconds.

    `pushed`: what notifications have said since the change that a query saw last, in their order.
    """

    seen: Json
    looked_at: float
    pushed: tuple[Json, ...] = ()
    pushed_at: float = -math.inf

    def told(self, value: Json, now: Now) -> Trail:
        """Take what a notification says; repetitions say nothing."""
        repeated = self.pushed[-1:] == (value,)
        pushed = self.pushed if repeated else (*self.pushed, value)[-REMEMBERED:]
        return replace(self, pushed=pushed, pushed_at=now.monotonic)

    def lags(self, value: Json, asked: float) -> bool:
        """Tell whether a query may show what was true before the latest notification."""
        if not self.pushed or value == self.pushed[-1] or asked >= self.pushed_at + LAGS:
            return False
        return value == self.seen or value in self.pushed

    def after(self, value: Json, asked: float) -> Trail:
        """Take what a query shows; of what was pushed that is left which it may not show yet."""
        left = self.pushed[self.pushed.index(value) + 1 :] if value in self.pushed else ()
        if value == self.seen:
            left = self.pushed if asked < self.pushed_at + LAGS else ()
        return replace(self, seen=value, looked_at=asked, pushed=left)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Changes of one device that no notification has told yet, and until when one may."""

    wanted: Mapping[Attribute, Json]
    until: float


class Evidence:
    """Hits, late ones and misses: `latest` the last few, `counts` all since the start.

    Only vital attributes count: batteries and reachability drift without anybody doing anything.
    """

    def __init__(self) -> None:
        self.latest: deque[Verdict] = deque(maxlen=JUDGED)
        self.counts = Counter(dict.fromkeys(Verdict, 0))
        self._trails: dict[str, dict[Attribute, Trail]] = {}
        self._cases: dict[str, Case] = {}
        self._changed: dict[str, dict[Attribute, tuple[Json, float]]] = {}
        self._announced: set[str] = set()

    @property
    def due_at(self) -> float:
        """When `expire` is due; infinity where no change waits for its notification."""
        return min((case.until for case in self._cases.values()), default=math.inf)

    def overtaken(self, report: Report, asked: float) -> frozenset[Attribute]:
        """Name what a query says against a notification that came after it was asked: it may be older."""
        trails = self._trails.get(report.device_id, {})
        return frozenset(
            name
            for name in trails.keys() & report.states.keys()
            if trails[name].pushed_at >= asked and trails[name].pushed[-1:] != (canonical(report.states[name]),)
        )

    def queried(self, report: Report, asked: float, gap: float, now: Now) -> bool:
        """Hold what a query shows against what was pushed; tells whether it may show what was true before that.

        A look that came more than `gap` seconds after the one before is a fresh beginning: who was asleep or cut off
        heard no notification either.
        """
        trails = self._trails.setdefault(report.device_id, {})
        announced = report.device_id in self._announced
        self._announced.discard(report.device_id)
        told, lags = False, False
        untold: dict[Attribute, Json] = {}
        for name in VITAL & report.states.keys():
            value = canonical(report.states[name])
            trail = trails.get(name, Trail(seen=value, looked_at=-math.inf))
            self._changes(report.device_id, name, value, now)
            trails[name] = trail.after(value, asked)
            lags |= trail.lags(value, asked)
            if asked - trail.looked_at > gap:
                continue
            if value in trail.pushed:
                told |= value != trail.seen
            elif value != trail.seen or (trail.pushed and not trail.lags(value, asked)):
                untold[name] = value
        if untold and not announced:
            self._open(report.device_id, untold, now)
        elif told or untold:
            self._judge(Verdict.HIT)
        return lags

    def pushed(self, report: Report, now: Now) -> bool:
        """Take note of a notification; tells whether its order is in doubt, since there was another change just now.

        One that names a device without any state announces whatever the next query shows.
        """
        trails, doubtful = self._trails.get(report.device_id, {}), False
        for name in VITAL & report.states.keys():
            value = canonical(report.states[name])
            doubtful |= self._changes(report.device_id, name, value, now)
            if name in trails:
                trails[name] = trails[name].told(value, now)
        if not report.states:
            self._announced.add(report.device_id)
        self._told_late(report)
        return doubtful

    def expire(self, now: Now) -> None:
        """Count the changes whose notification has not come in time."""
        for device_id, case in list(self._cases.items()):
            if case.until <= now.monotonic:
                del self._cases[device_id]
                self._judge(Verdict.MISS)

    def forget(self, device_id: str) -> None:
        """Begin anew with a device that is out of reach or has left: what is said of it now is memory."""
        self._announced.discard(device_id)
        for kept in (self._trails, self._cases, self._changed):
            kept.pop(device_id, None)

    def _changes(self, device_id: str, name: Attribute, value: Json, now: Now) -> bool:
        """Take note of what was said last; tells whether something else was said for the first time just now."""
        said = self._changed.setdefault(device_id, {})
        before, since = said.get(name, (value, -math.inf))
        if name not in said or before != value:
            said[name] = value, now.monotonic if name in said else -math.inf
        return before != value and now.monotonic < since + SWIFT

    def _open(self, device_id: str, untold: Mapping[Attribute, Json], now: Now) -> None:
        case = self._cases.get(device_id, Case(wanted={}, until=now.monotonic + MISSED_AFTER))
        self._cases[device_id] = replace(case, wanted={**case.wanted, **untold})

    def _told_late(self, report: Report) -> None:
        case = self._cases.get(report.device_id)
        if case is None:
            return
        left = {
            name: value
            for name, value in case.wanted.items()
            if report.states and (name not in report.states or canonical(report.states[name]) != value)
        }
        if left:
            self._cases[report.device_id] = replace(case, wanted=left)
        else:
            del self._cases[report.device_id]
            self._judge(Verdict.LATE)

    def _judge(self, verdict: Verdict) -> None:
        self.latest.append(verdict)
        self.counts[verdict] += 1
