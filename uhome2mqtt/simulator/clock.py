"""The one seam to time: everything in the simulator that waits or looks at a clock does it here."""

from __future__ import annotations

import asyncio
import heapq
from itertools import count
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Timer(Protocol):
    """Something that will happen unless it is cancelled."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Seconds that only grow, and actions at a later second."""

    def now(self) -> float: ...

    def call_later(self, delay: float, action: Callable[[], object]) -> Timer: ...


class LoopClock:
    """The running event loop's own clock."""

    __slots__ = ()

    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def call_later(self, delay: float, action: Callable[[], object]) -> Timer:
        return asyncio.get_running_loop().call_later(delay, action)


class ManualTimer:
    """A timer of the manual clock."""

    __slots__ = ("action", "cancelled")

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class ManualClock:
    """A clock that stands still until it is told to advance, for tests that own time."""

    __slots__ = ("_due", "_now", "_order")

    def __init__(self) -> None:
        self._now = 0.0
        self._order = count()
        self._due: list[tuple[float, int, ManualTimer]] = []

    def now(self) -> float:
        return self._now

    def call_later(self, delay: float, action: Callable[[], object]) -> ManualTimer:
        timer = ManualTimer(action)
        heapq.heappush(self._due, (self._now + delay, next(self._order), timer))
        return timer

    def advance(self, seconds: float) -> None:
        """Let `seconds` pass, running what falls due in its order, at its own moment."""
        until = self._now + seconds
        while self._due and self._due[0][0] <= until:
            self._now, _, timer = heapq.heappop(self._due)
            if not timer.cancelled:
                timer.action()
        self._now = until


async def sleep(clock: Clock, seconds: float) -> None:
    """Wait `seconds` by this clock; not at all for zero or less."""
    if seconds <= 0:
        return
    woken = asyncio.Event()
    timer = clock.call_later(seconds, woken.set)
    try:
        await woken.wait()
    finally:
        timer.cancel()
