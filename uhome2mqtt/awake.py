"""Whether the process goes on: one that is stopped, or whose machine sleeps, finds old messages that look new."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from uhome2mqtt.clock import now

EVERY = 1.0
"""Seconds between two looks."""
LATE = 1.0
"""Seconds by which a look may be late before anything is made of it."""
STOOD_STILL = 5.0
"""Seconds for which nothing was done, neither waiting nor working: long enough to tell it from a busy machine."""

READ_WITHIN = 5.0
"""Seconds after which all that had waited has been read."""


class Awake:
    """Looks at the clock again and again."""

    def __init__(self) -> None:
        self._looked = now().monotonic

    def waited_since(self) -> float | None:
        """Give the monotonic time since when that which is read now may have waited; None if it has not."""
        return self._looked if now().monotonic > self._looked + EVERY + LATE else None

    async def watch(self) -> float:
        """Look until the process has stood still; gives for how many seconds. What is read afterwards may be as old.

        A process that is busy works, and does not stand still: however long that takes, more work would not help.
        """
        self._looked = now().monotonic
        while True:
            worked = worked_so_far()
            await asyncio.sleep(EVERY)
            found = now().monotonic
            stood = found - self._looked - EVERY - (worked_so_far() - worked)
            if stood > STOOD_STILL:
                return stood
            self._looked = found

    async def go_on(self) -> None:
        """Look for as long as the process runs; what is read right after it stood still counts as old."""
        while True:
            await self.watch()
            await asyncio.sleep(READ_WITHIN)


def worked_so_far() -> float:
    """Give the seconds for which the event loop's thread worked; on Linux, or wanted to and had no processor."""
    try:
        ran, waited, _ = Path("/proc/self/schedstat").read_text().split()
    except (OSError, ValueError):
        return time.process_time()
    return (int(ran) + int(waited)) / 1e9
