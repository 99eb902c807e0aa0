"""What the system's service manager is told: what the bridge waits for, when it is ready, and that it lives."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from uhome2mqtt.sd_notify import MICROSECONDS, Notifier

LONGEST_SILENCE = 10.0
"""Seconds between two signs of life at most, also where nobody has said how long a silence may last."""
START_EXTENSION = 60.0
"""Seconds that each sign of life adds to a start, which lasts until the broker and the cloud have answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """How the bridge is doing; `waiting`: for what it waits before it is ready, empty when it is."""

    waiting: tuple[str, ...]
    summary: str

    @property
    def status(self) -> str:
        """The situation in one line."""
        return f"waiting: {'; '.join(self.waiting)}" if self.waiting else self.summary


class Service:
    """Keeps a service manager informed; `alive` is for the loop whose life is to be known, and for nothing else."""

    def __init__(self, notifier: Notifier, situation: Callable[[], Situation]) -> None:
        self._notifier = notifier
        self._situation = situation
        self._ready = False
        self._status = ""
        self._due = 0.0

    @property
    def interval(self) -> float:
        """Seconds after which `alive` wants to be called again, at the latest."""
        limit = self._notifier.watchdog
        return LONGEST_SILENCE if limit is None else min(limit / 4, LONGEST_SILENCE)

    def alive(self) -> None:
        """Tell what has changed since the last call, and now and then that there was one."""
        if not self._notifier.present:
            return
        situation, now = self._situation(), time.monotonic()
        news = self._news(situation)
        if now >= self._due:
            self._due = now + self.interval
            news += ["WATCHDOG=1"]
            # Not ready for lack of a broker is no fault of this process: it must not be ended for that.
            news += [] if self._ready else [f"EXTEND_TIMEOUT_USEC={round(START_EXTENSION * MICROSECONDS)}"]
        if news:
            self._notifier.send(*news)

    def reloading(self) -> None:
        """Tell that the configuration is being read again; before the start has come to its end, nobody is told."""
        if self._ready:
            now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            self._notifier.send("RELOADING=1", f"MONOTONIC_USEC={now}")

    def reloaded(self) -> None:
        """Tell that this has ended, whichever way."""
        if self._ready:
            self._notifier.send("READY=1")

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self._notifier.send("STOPPING=1", "STATUS=stopping")

    def _news(self, situation: Situation) -> list[str]:
        news = []
        if situation.status != self._status:
            self._status = situation.status
            news.append(f"STATUS={situation.status}")
        if not self._ready and not situation.waiting:
            self._ready = True
            news.append("READY=1")
        return news
