"""Reports against what has just been confirmed: one more query decides between the two."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from uhome2mqtt.events import Now
from uhome2mqtt.model import Attribute, Json, Report, Source, canonical

DOUBTED_FOR = 10.0
"""Seconds after a confirmation: notifications overtake one another, and the cloud's memory lags."""
DECIDED_WITHIN = 5.0
"""Seconds for the answer; without it the report is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A part of a report that is held back; `asked`: when the cloud was asked for it, or it came by itself."""

    states: Mapping[Attribute, Json]
    source: Source
    asked: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What is held back until the query has been answered: of each attribute the newest that was reported."""

    query: int
    names: frozenset[Attribute]
    held: tuple[Held, ...] = ()


class Doubts:
    """What was confirmed lately by device, and the doubts that are open; `count`: how many there ever were."""

    def __init__(self) -> None:
        self.count = 0
        self._confirmed: dict[str, dict[Attribute, tuple[Json, float]]] = {}
        self._open: dict[str, Doubt] = {}

    def confirmed(self, device_id: str, expect: Mapping[Attribute, Json], now: Now) -> None:
        """Take note of what a command has brought about."""
        until = now.monotonic + DOUBTED_FOR
        self._confirmed.setdefault(device_id, {}).update({name: (value, until) for name, value in expect.items()})

    def contradicted(self, report: Report, wanted: AbstractSet[Attribute], now: Now) -> frozenset[Attribute]:
        """Name what a report says against a confirmation; not of attributes `wanted` by a command under way."""
        if report.device_id in self._open:
            return frozenset()
        return frozenset(
            name
            for name, (value, until) in self._confirmed.get(report.device_id, {}).items()
            if name in report.states and name not in wanted
            if now.monotonic < until and canonical(report.states[name]) != value
        )

    def opened(self, device_id: str, names: frozenset[Attribute], query: int) -> None:
        """Hold attributes back from now on, until the query has been answered; they are doubted once only."""
        self.count += 1
        self._open[device_id] = Doubt(query=query, names=names)
        for name in names:
            del self._confirmed[device_id][name]

    def sift(self, report: Report, source: Source, asked: float, wanted: AbstractSet[Attribute]) -> Report:
        """Keep back what is in doubt, and give the rest of a report; what a command is to change is not."""
        doubt = self._open.get(report.device_id)
        if doubt is None:
            return report
        names = doubt.names - wanted
        now_held = {name: report.states[name] for name in names & report.states.keys()}
        new = Held(states=now_held, source=source, asked=asked)
        earlier = (replace(held, states=_without(held.states, now_held.keys() | wanted)) for held in doubt.held)
        self._open[report.device_id] = replace(
            doubt, names=names, held=tuple(held for held in (*earlier, new) if held.states)
        )
        if not names:
            del self._open[report.device_id]
        return replace(report, states=_without(report.states, now_held.keys()))

    def ended(self, device_id: str, decided: AbstractSet[Attribute] = frozenset()) -> tuple[Held, ...]:
        """End a doubt, and give what was held back of attributes that the answer has not `decided`."""
        doubt = self._open.pop(device_id, None)
        held = () if doubt is None else doubt.held
        left = (replace(part, states=_without(part.states, decided)) for part in held)
        return tuple(part for part in left if part.states)

    def decided_by(self, device_id: str) -> int | None:
        """Give the query that decides about a device; None where nothing is in doubt."""
        doubt = self._open.get(device_id)
        return None if doubt is None else doubt.query

    def asked_by(self, query: int | None) -> list[str]:
        """Name the devices whose doubt this query is to decide."""
        return [device_id for device_id, doubt in self._open.items() if doubt.query == query]


def _without(states: Mapping[Attribute, Json], names: AbstractSet[Attribute]) -> dict[Attribute, Json]:
    return {name: value for name, value in states.items() if name not in names}
