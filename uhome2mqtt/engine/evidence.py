"""Whether notifications arrive, judged by what queries see: silence proves nothing, and neither does a registration."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from enum import StrEnum

from uhome2mqtt.catalogue import VITAL
from uhome2mqtt.engine.trail import LAGS, Trail
from uhome2mqtt.events import Now
from uhome2mqtt.model import Attribute, Json, Report, canonical

MISSED_AFTER = 30.0
"""Seconds after a query has seen a change; a notification that has not come by then is missed."""
ASLEEP = 10.0
"""Seconds; who counts misses as late as that was asleep, and could hear no notification."""
JUDGED = 5
"""How many of the latest pieces of evidence count."""
SWIFT = 30.0
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
class Case:
    """Changes of one device that no notification has told yet, and until when one may."""

    wanted: Mapping[Attribute, Json]
    until: float


class Evidence:
    """Hits, late ones and misses: `latest` the last few, `counts` all since the start.

    Only vital attributes count: batteries and reachability drift without anybody doing anything. What the bridge's own
    commands change does not count either: nobody knows whether the cloud pushes that.
    """

    def __init__(self) -> None:
        self.latest: deque[Verdict] = deque(maxlen=JUDGED)
        self.counts = Counter(dict.fromkeys(Verdict, 0))
        self._trails: dict[str, dict[Attribute, Trail]] = {}
        self._cases: dict[str, Case] = {}
        self._changed: dict[str, dict[Attribute, tuple[Json, float]]] = {}
        self._pushed: dict[str, dict[Attribute, tuple[Json, float]]] = {}
        self._announced: dict[str, float] = {}

    @property
    def due_at(self) -> float:
        """When `expire` is due; infinity where no change waits for its notification."""
        return min((case.until for case in self._cases.values()), default=math.inf)

    def overtaken(self, report: Report, asked: float) -> frozenset[Attribute]:
        """Name what a query says against a notification that came after it was asked: it may be older."""
        pushed = self._pushed.get(report.device_id, {})
        return frozenset(
            name
            for name in pushed.keys() & report.states.keys()
            if pushed[name][1] >= asked and pushed[name][0] != canonical(report.states[name])
        )

    def queried(
        self, report: Report, asked: float, gap: float, own: AbstractSet[Attribute], now: Now
    ) -> dict[Attribute, bool]:
        """Hold what a query shows against what was pushed; names what may have been true before that.

        With each name comes whether the notification is certain: no order is in doubt, and this is the first to say so.

        A look that came more than `gap` seconds after the one before is a fresh beginning: who was asleep or cut off
        heard no notification either. `own`: what commands under way are to change.
        """
        trails = self._trails.setdefault(report.device_id, {})
        told, lagging = False, dict[Attribute, bool]()
        untold: dict[Attribute, Json] = {}
        for name in VITAL & report.states.keys():
            value = canonical(report.states[name])
            trail = trails.get(name, Trail(seen=value, looked_at=-math.inf))
            trails[name] = trail.after(value, asked)
            self._changes(report.device_id, name, value, now)
            if trail.lags(value, asked):
                lagging[name] = trail.certain
            if name in own or asked - trail.looked_at > gap:
                continue
            if value in trail.pushed:
                told |= value != trail.seen
            elif value != trail.seen or (trail.pushed and name not in lagging):
                untold[name] = value
        if untold and now.monotonic > self._announced.pop(report.device_id, -math.inf) + LAGS:
            self._open(report.device_id, untold, now)
        elif told or untold:
            self._judge(Verdict.HIT)
        return lagging

    def pushed(self, report: Report, now: Now) -> bool:
        """Take note of a notification; tells whether its order is in doubt, since there was another change just now."""
        trails, doubtful = self._trails.get(report.device_id, {}), False
        values = {name: canonical(value) for name, value in report.states.items()}
        self._pushed.setdefault(report.device_id, {}).update(
            {name: (value, now.monotonic) for name, value in values.items()}
        )
        for name in VITAL & values.keys():
            swift = self._changes(report.device_id, name, values[name], now)
            doubtful |= swift
            if name in trails:
                trails[name] = trails[name].told(values[name], now.monotonic, doubtful=swift)
        self._settle(report.device_id, values, Verdict.LATE)
        return doubtful

    def announced(self, device_id: str, now: Now) -> None:
        """Take note of a notification that says nothing but a name: it tells whatever the next query shows."""
        self._announced[device_id] = now.monotonic
        if self._cases.pop(device_id, None) is not None:
            self._judge(Verdict.LATE)

    def commanded(self, device_id: str, expect: Mapping[Attribute, Json]) -> None:
        """Take note of what a command has brought about; whether that was pushed is no evidence."""
        trails = self._trails.get(device_id, {})
        for name in trails.keys() & expect.keys():
            trails[name] = Trail(seen=expect[name], looked_at=trails[name].looked_at)
        self._settle(device_id, expect, None)

    def expire(self, now: Now) -> None:
        """Count the changes whose notification has not come in time."""
        for device_id, case in list(self._cases.items()):
            if case.until <= now.monotonic:
                del self._cases[device_id]
                if now.monotonic < case.until + ASLEEP:
                    self._judge(Verdict.MISS)

    def forget(self, device_id: str) -> None:
        """Begin anew with a device that is out of reach or has left: what is said of it now is memory."""
        for kept in (self._trails, self._cases, self._changed, self._pushed, self._announced):
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

    def _settle(self, device_id: str, values: Mapping[Attribute, Json], verdict: Verdict | None) -> None:
        """Strike off what has been told of the changes that wait for their notification, and judge when that is all."""
        case = self._cases.get(device_id)
        if case is None:
            return
        left = {name: value for name, value in case.wanted.items() if name not in values or values[name] != value}
        if left:
            self._cases[device_id] = replace(case, wanted=left)
            return
        del self._cases[device_id]
        if verdict is not None:
            self._judge(verdict)

    def _judge(self, verdict: Verdict) -> None:
        self.latest.append(verdict)
        self.counts[verdict] += 1
