"""What queries and notifications have said of one attribute, and which answers may be older than a notification."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from uhome2mqtt.model import Json

LAGS = 45.0
"""Seconds for which a query may show what was true before a notification: lags of up to 40 were seen."""
REMEMBERED = 8
"""How many states that were pushed and not seen yet are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trail:
    """What queries and notifications last said of one attribute; times in monotonic seconds.

    `pushed`: what notifications have said since the change that a query saw last, in their order. `certain`: they have
    said one thing alone, nothing else shortly before, and no query has contradicted it yet.
    """

    seen: Json
    looked_at: float
    pushed: tuple[Json, ...] = ()
    pushed_at: float = -math.inf
    certain: bool = True

    def told(self, value: Json, at: float, *, doubtful: bool) -> Trail:
        """Take what a notification says; repetitions say nothing. `doubtful`: it may have been overtaken."""
        repeated = self.pushed[-1:] == (value,)
        pushed = self.pushed if repeated else (*self.pushed, value)[-REMEMBERED:]
        return replace(self, pushed=pushed, pushed_at=at, certain=self.certain and len(pushed) == 1 and not doubtful)

    def lags(self, value: Json, asked: float) -> bool:
        """Tell whether a query may show what was true before the latest notification."""
        if not self.pushed or value == self.pushed[-1] or asked >= self.pushed_at + LAGS:
            return False
        return value == self.seen or value in self.pushed

    def after(self, value: Json, asked: float) -> Trail:
        """Take what a query shows; what was pushed and may not show yet is kept."""
        left = self.pushed[self.pushed.index(value) + 1 :] if value in self.pushed else ()
        if value == self.seen:
            left = self.pushed if asked < self.pushed_at + LAGS else ()
        certain = not left or (self.certain and not self.lags(value, asked))
        return replace(self, seen=value, looked_at=asked, pushed=left, certain=certain)
