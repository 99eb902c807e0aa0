"""Reports against what has just been confirmed: one more query decides between the two."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from uhome2mqtt.events import Now
from uhome2mqtt.model import Attribute, Json, Report, Source, canonical

DOUBTED_FOR = 10.0
"""Seconds after a confirmation: notifications overtake one another, and the cloud's memory lags."""
DECIDED_WITHIN = 5.0
"""Seconds for the answer; without it the report is believed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """What was reported and is held back until the query has been answered."""

    query: int
    source: Source
    states: Mapping[Attribute, Json]


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

    def contradicted(self, report: Report, wanted: Collection[Attribute], now: Now) -> set[Attribute]:
        """Name what a report says against a confirmation; not of attributes `wanted` by a command under way."""
        confirmed = self._confirmed.get(report.device_id, {})
        return {
            name
            for name, (value, until) in confirmed.items()
            if name in report.states and name not in wanted
            if now.monotonic < until and canonical(report.states[name]) != value
        }

    def opened(self, device_id: str, names: Collection[Attribute], query: int, source: Source) -> None:
        """Hold attributes back from now on, until the query has been answered; they are doubted once only."""
        self.count += 1
        self._open[device_id] = Doubt(query=query, source=source, states=dict.fromkeys(names))
        for name in names:
            del self._confirmed[device_id][name]

    def is_open(self, device_id: str) -> bool:
        return device_id in self._open

    def sift(self, report: Report, query: int | None, wanted: Collection[Attribute]) -> Report:
        """Give what is to be taken of a report now: not what is held back, and with the deciding answer everything."""
        doubt = self._open.get(report.device_id)
        if doubt is None:
            return report
        if query == doubt.query:
            del self._open[report.device_id]
            return replace(report, states={**doubt.states, **report.states})
        held = {name: report.states[name] for name in doubt.states.keys() & report.states.keys() - wanted}
        overtaken = wanted & report.states.keys()
        kept = {name: value for name, value in {**doubt.states, **held}.items() if name not in overtaken}
        self._open[report.device_id] = replace(doubt, states=kept)
        return replace(report, states={name: value for name, value in report.states.items() if name not in held})

    def undecided(self, device_id: str) -> tuple[Report, Source] | None:
        """End a doubt that no answer has ended, and give what was held back; None where there is none."""
        doubt = self._open.pop(device_id, None)
        return None if doubt is None else (Report(device_id=device_id, states=doubt.states), doubt.source)

    def asked_by(self, query: int) -> list[str]:
        """Name the devices whose doubt this query was to decide."""
        return [device_id for device_id, doubt in self._open.items() if doubt.query == query]
