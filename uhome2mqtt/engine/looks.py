"""Looks at single devices because of notifications: soon, joined, and not more than they are worth."""

from __future__ import annotations

import math

DEVICE_PAUSE = 10.0
"""Seconds between two looks at one device."""
JOINED = 2.0
"""Seconds between two looks at all; what is wanted meanwhile shares a request."""
MOST = 30
"""Looks that may be made one after the other."""
ANOTHER = 300.0
"""Seconds until one more may be made: whatever the cloud pushes, this is what it costs in the long run."""


class Looks:
    """When devices were looked at; times in monotonic seconds."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}
        self._latest = -math.inf
        self._left = float(MOST)
        self._counted_at = 0.0

    def at(self, device_id: str, earliest: float) -> float:
        """Tell when a device may be looked at."""
        return max(earliest, self._last.get(device_id, -math.inf) + DEVICE_PAUSE, self._latest + JOINED)

    def affordable(self, now: float) -> bool:
        """Tell whether another look may be made."""
        return self._count(now) >= 1

    def made(self, device_ids: list[str], now: float) -> None:
        """Take note of one look at some devices."""
        self._left, self._counted_at = self._count(now) - 1, now
        self._latest = now
        self._last |= dict.fromkeys(device_ids, now)

    def forget(self, device_id: str) -> None:
        """Let go of a device that has left."""
        self._last.pop(device_id, None)

    def _count(self, now: float) -> float:
        return min(self._left + (now - self._counted_at) / ANOTHER, float(MOST))
