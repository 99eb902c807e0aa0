"""The accounts of what the bridge asks of the cloud: how much, of what kind, how it ended, how long it took."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from uhome2mqtt.errors import CloudError
from uhome2mqtt.model import Json

SLOT = 300
"""Seconds; requests are counted in slots of this length, the oldest of which leave after a day."""
DAY = 86400
OK = "ok"
INTERNAL = "internal"
"""What ended otherwise: given up by the bridge itself, or failed for a fault of ours."""
DURATIONS = 200
"""How many of the latest durations of a kind speak for all."""
LIMITS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0)
"""Seconds that sort durations for Prometheus: a good answer takes a few tenths, the longest patience is twenty."""


@dataclass(slots=True, kw_only=True)
class Slot:
    """Five minutes: how often each kind of request ended how; `start` in seconds since 1970."""

    start: int
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)


class Ledger:
    """All requests to the cloud, counted where they are made; its size does not grow with time.

    Since the process began: `counts` by kind and outcome, `durations` as number and sum of seconds by kind, and in
    `sorted_by` how many took up to each of `LIMITS` but longer than the one before, and how many longer than the last.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._slots: deque[Slot] = deque()
        self._total = 0
        self._last_success: float | None = None
        self._latest: dict[str, deque[float]] = {}
        self.counts: Counter[tuple[str, str]] = Counter()
        self.durations: dict[str, tuple[int, float]] = {}
        self.sorted_by: dict[str, list[int]] = {}

    @property
    def last_success(self) -> float | None:
        """When a request last ended well, in seconds since 1970."""
        return self._last_success

    @contextmanager
    def request(self, kind: str) -> Iterator[None]:
        """Count a request by how the block ends: `ok`, the kind of its failure, or `internal`."""
        started, outcome = time.monotonic(), INTERNAL
        try:
            yield
            outcome = OK
        except CloudError as problem:
            outcome = str(problem.failure.kind)
            raise
        finally:
            self._record(kind, outcome, time.monotonic() - started)

    def last_day(self) -> Counter[tuple[str, str]]:
        """Count the requests of the last 24 h by kind and outcome."""
        self._forget()
        day: Counter[tuple[str, str]] = Counter()
        for slot in self._slots:
            day.update(slot.counts)
        return day

    def snapshot(self) -> dict[str, Json]:
        """Give the accounts: `total`, and of the last 24 h the sum, per kind, errors per class; durations in ms."""
        day = self.last_day()
        kinds: Counter[str] = Counter()
        errors: Counter[str] = Counter()
        for (kind, outcome), count in day.items():
            kinds[kind] += count
            errors[outcome] += 0 if outcome == OK else count
        return {
            "total": self._total,
            "last_24h": day.total(),
            "by_kind": dict(sorted(kinds.items())),
            "errors": {outcome: count for outcome, count in sorted(errors.items()) if count},
            "latency_ms": {kind: _spread(durations) for kind, durations in sorted(self._latest.items())},
            "last_success": None if self._last_success is None else _stamp(self._last_success),
        }

    def encode(self) -> dict[str, Json]:
        """Give what is to be kept across restarts."""
        self._forget()
        slots: list[Json] = [
            {"start": slot.start, "counts": [[kind, outcome, count] for (kind, outcome), count in slot.counts.items()]}
            for slot in self._slots
        ]
        return {"total": self._total, "last_success": self._last_success, "slots": slots}

    @classmethod
    def decode(cls, document: Mapping[str, Json], clock: Callable[[], float] = time.time) -> Self:
        """Take up what `encode` gave; what is not readable, or lies in the future, counts as nothing."""
        ledger = cls(clock)
        now = clock()
        total, last, slots = (document.get(name) for name in ("total", "last_success", "slots"))
        ledger._total = total if type(total) is int and total > 0 else 0
        ledger._last_success = last if isinstance(last, int | float) and 0 < last <= now else None
        found = [slot for entry in (slots if isinstance(slots, list) else []) if (slot := _slot(entry)) is not None]
        ledger._slots.extend(sorted((slot for slot in found if slot.start <= now), key=lambda slot: slot.start))
        return ledger

    def _record(self, kind: str, outcome: str, seconds: float) -> None:
        now = self._clock()
        start = int(now // SLOT) * SLOT
        # A clock that was set back counts into the newest slot rather than into the past of it.
        if not self._slots or self._slots[-1].start < start:
            self._slots.append(Slot(start=start))
            self._forget()
        self._slots[-1].counts[kind, outcome] += 1
        self.counts[kind, outcome] += 1
        number, sum_of_seconds = self.durations.get(kind, (0, 0.0))
        self.durations[kind] = number + 1, sum_of_seconds + seconds
        self.sorted_by.setdefault(kind, [0] * (len(LIMITS) + 1))[bisect_left(LIMITS, seconds)] += 1
        self._total += 1
        self._latest.setdefault(kind, deque(maxlen=DURATIONS)).append(seconds)
        if outcome == OK:
            self._last_success = now

    def _forget(self) -> None:
        """Let go of what is older than a day, and of slots that a clock wrongly put into the future."""
        now = self._clock()
        while self._slots and self._slots[0].start + SLOT <= now - DAY:
            self._slots.popleft()
        while self._slots and self._slots[-1].start > now + DAY:
            self._slots.pop()


def _slot(entry: Json) -> Slot | None:
    if not isinstance(entry, dict):
        return None
    start, counts = entry.get("start"), entry.get("counts")
    if type(start) is not int or not isinstance(counts, list):
        return None
    slot = Slot(start=start)
    for row in counts:
        match row:
            case [str(kind), str(outcome), int(count)] if count > 0:
                slot.counts[kind, outcome] += count
            case _:
                return None
    return slot


def _spread(durations: deque[float]) -> Json:
    """Give the median, the 95th percentile and the longest, in whole milliseconds."""
    ordered = sorted(durations)
    last = len(ordered) - 1
    return {
        "p50": round(ordered[last // 2] * 1000),
        "p95": round(ordered[last * 95 // 100] * 1000),
        "max": round(ordered[last] * 1000),
    }


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
