"""Transactions that were given lately: the same one again is a repetition."""

from __future__ import annotations

from uhome2mqtt.events import Now

REMEMBERED = 300.0
"""Seconds."""


class Transactions:
    """What was given under which name; a name is a device and a key, or a request."""

    def __init__(self) -> None:
        self._until: dict[tuple[str, ...], float] = {}

    def repeats(self, transaction: tuple[str, ...], now: Now) -> bool:
        """Tell whether this was given less than five minutes ago."""
        # All are remembered for the same time, so that the first to come is the first to go.
        while self._until and (oldest := next(iter(self._until.items())))[1] <= now.monotonic:
            del self._until[oldest[0]]
        return transaction in self._until

    def remember(self, transaction: tuple[str, ...], now: Now) -> None:
        """Take note of one that does not repeat another."""
        self._until[transaction] = now.monotonic + REMEMBERED
