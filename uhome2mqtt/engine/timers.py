"""Deadlines by name."""

from __future__ import annotations

import heapq
import math
from typing import NamedTuple


class Timer(NamedTuple):
    """A deadline's name: what is due, and of which device or command."""

    what: str
    of: str | int = ""


class Timers:
    """A set of deadlines in monotonic seconds; setting one again moves it."""

    def __init__(self) -> None:
        self._at: dict[Timer, float] = {}
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = 0

    def __contains__(self, timer: Timer) -> bool:
        return timer in self._at

    def at(self, timer: Timer) -> float:
        """Tell when a deadline is; infinity for one that is not set."""
        return self._at.get(timer, math.inf)

    def set(self, timer: Timer, at: float) -> None:
        self._at[timer] = at
        self._order += 1
        heapq.heappush(self._heap, (at, self._order, timer))

    def hasten(self, timer: Timer, at: float) -> None:
        """Bring a deadline forward; one that is earlier stays."""
        if at < self._at.get(timer, math.inf):
            self.set(timer, at)

    def cancel(self, timer: Timer) -> None:
        self._at.pop(timer, None)

    @property
    def next(self) -> float:
        """When the next deadline is; infinity without one."""
        while self._heap and self._at.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def due(self, now: float) -> list[Timer]:
        """Take all deadlines that have come, the oldest first."""
        taken = []
        while self.next <= now:
            timer = heapq.heappop(self._heap)[2]
            del self._at[timer]
            taken.append(timer)
        return taken
