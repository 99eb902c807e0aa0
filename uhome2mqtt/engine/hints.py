"""When a device list is worth asking for before its time: somebody told of a device that it has, or had, not."""

from __future__ import annotations

import math

SETTLE = 1.0
"""Seconds; what is told of several devices together needs one list."""
SUBJECT_PAUSE = 600.0
"""Seconds between two lists for one device and the same reason."""
SHORTEST_PAUSE = 10.0
REMEMBERED = 1000


class Hints:
    """What was told, and when lists were asked for it: ever more rarely while it goes on.

    `wanted`: monotonic seconds at which the next list is due for a hint, None without one.
    """

    def __init__(self) -> None:
        self.wanted: float | None = None
        self._planned: dict[tuple[str, str], float] = {}
        self._last = -math.inf
        self._pause = SHORTEST_PAUSE

    def take(self, reason: str, device_id: str, now: float) -> None:
        """Take a hint; the same one is worth no second list within ten minutes, but it is not forgotten either."""
        at, planned = max(now + SETTLE, self._last + self._pause), self._planned.get((reason, device_id))
        if planned is not None:
            at = planned if planned > now else max(at, planned + SUBJECT_PAUSE)
        self._planned[reason, device_id] = at
        if len(self._planned) > REMEMBERED:
            del self._planned[next(iter(self._planned))]
        self.wanted = at if self.wanted is None else min(at, self.wanted)

    def listing(self, now: float) -> None:
        """Take note that a list is being asked for; one for a hint makes the next wait longer, for a while."""
        if self.wanted is not None and now >= self.wanted:
            # Twice, since after the longest pause the next hint is followed just a little later than that.
            fresh = now > self._last + 2 * SUBJECT_PAUSE
            self._pause = SHORTEST_PAUSE if fresh else min(2 * self._pause, SUBJECT_PAUSE)
            self._last = now
        self.wanted = None
