"""What the way in which somebody uses a lock suggests."""

from __future__ import annotations

from collections import defaultdict, deque

from uhome2mqtt.events import Now

OFTEN = 6
WITHIN = 600.0
"""Seconds."""
HINT = (
    f"{OFTEN} commands within {WITHIN / 60:.0f} minutes: a lock that is to stay open for a while can be set to "
    "passage mode instead (mode/set passage, later mode/set normal)"
)


class Habits:
    """Counts how often each lock is turned; a hint is given once for so many turns, and nothing is ever blocked."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, deque[float]] = defaultdict(lambda: deque(maxlen=OFTEN))
        self._hinted: dict[str, float] = {}

    def turned(self, device_id: str, now: Now) -> bool:
        """Count a turn; tells whether it is time for a hint."""
        turns = self._turns[device_id]
        turns.append(now.monotonic)
        often = len(turns) == OFTEN and turns[0] > now.monotonic - WITHIN
        if not often or now.monotonic < self._hinted.get(device_id, float("-inf")) + WITHIN:
            return False
        self._hinted[device_id] = now.monotonic
        return True
