"""A limit on requests per minute that nobody has met yet, but every client should survive."""

from __future__ import annotations

from collections import deque
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uhome2mqtt.simulator.clock import Clock
    from uhome2mqtt.simulator.quirks import Quirks

WINDOW = 60.0


class RateLimit:
    """A window of one minute that slides along."""

    def __init__(self, *, quirks: Quirks, clock: Clock) -> None:
        self._quirks = quirks
        self._clock = clock
        self._admitted: deque[float] = deque()

    def wait(self) -> int:
        """Admit a request (0), or give the whole seconds until one would be admitted."""
        limit = self._quirks.rate_limit
        if limit is None:
            return 0
        now = self._clock.now()
        while self._admitted and self._admitted[0] <= now - WINDOW:
            self._admitted.popleft()
        if len(self._admitted) >= limit:
            return ceil(self._admitted[0] + WINDOW - now)
        self._admitted.append(now)
        return 0
