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
        self._until = {known: until for known, until in self._until.items() if until > now.monotonic}
        return transaction in self._until

    def remember(self, transaction: tuple[str, ...], now: Now) -> None:
        self._until[transaction] = now.monotonic + REMEMBERED
