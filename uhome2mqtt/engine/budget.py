"""How often the cloud may be asked in the background, so that commands find room.

Nobody has published a limit and nobody has met one. Should requests be refused, the bridge looks for a rate at which
they are not: it asks half as often after each wall that it hits, and more often again only for as long as that is
borne.
"""

from __future__ import annotations

import math
from datetime import timedelta

from uhome2mqtt.events import Now

FIRST_HOLD = 60.0
LONGEST_HOLD = 900.0
SHORTEST_HOLD = 5.0
"""Seconds: what was under way together is refused together, and is one refusal more and not several."""
LONGEST_RETRY_AFTER = 3600.0
"""Seconds; a longer `Retry-After` is not believed."""
MOST = 16
LONGEST_INTERVAL = 900.0
EASE_AFTER = 600.0
DAY = 86400.0


class Budget:
    """The poll interval in use, and the hold during which nothing is asked in the background.

    `refusals`: how many there were since the start. `held_until`, `ease_at`: monotonic seconds; at the latter `ease`
    is due, infinity while there is nothing to be eased or forgotten.
    """

    def __init__(self, configured: float) -> None:
        self.refusals = 0
        self.held_until = -math.inf
        self.ease_at = math.inf
        self._row = 0
        self._patience = EASE_AFTER
        self._eased = False
        self.interval = 0.0
        self.configure(configured)

    def configure(self, configured: float) -> None:
        """Take another interval; what the cloud has refused is not forgotten for that."""
        self._configured = configured
        self._longest = max(configured, min(configured * MOST, LONGEST_INTERVAL))
        self.interval = max(self.interval, configured) if self.strained else configured

    @property
    def strained(self) -> bool:
        """Whether there was a refusal that is not forgotten yet."""
        return self.ease_at < math.inf

    def held(self, now: Now) -> bool:
        return now.monotonic < self.held_until

    def until(self, now: Now) -> str | None:
        """Say when the hold ends, as it is published; None without one."""
        if not self.held(now):
            return None
        left = timedelta(seconds=self.held_until - now.monotonic)
        return Now(monotonic=self.held_until, utc=now.utc + left).stamp

    def refused(self, now: Now, retry_after: float | None) -> bool:
        """Take a refusal; tells whether it opened a hold.

        One within a hold only makes that longer: nothing was asked meanwhile that could have been asked less often.
        """
        self.refusals += 1
        opened = not self.held(now)
        if opened:
            self._row += 1
            self._stretch()
        self.held_until = max(self.held_until, now.monotonic + self._hold(retry_after))
        self.ease_at = self.held_until + self._patience
        return opened

    def succeeded(self) -> None:
        """End the row of refusals; a hold stands."""
        self._row = 0

    def ease(self, now: Now) -> None:
        """Ask twice as often again; once the configured interval has been borne for a day, forget what was."""
        self._eased = self.interval > self._configured
        self.interval = max(self.interval / 2, self._configured)
        if self._eased:
            self.ease_at = now.monotonic + (self._patience if self.interval > self._configured else DAY)
        else:
            self._patience, self.ease_at = EASE_AFTER, math.inf

    def _stretch(self) -> None:
        """Ask half as often; where easing has led to the wall, wait twice as long before the next attempt."""
        if self._eased:
            self._patience, self._eased = min(2 * self._patience, DAY), False
        self.interval = min(2 * self.interval, self._longest)

    def _hold(self, retry_after: float | None) -> float:
        if retry_after is not None:
            return min(max(retry_after, SHORTEST_HOLD), LONGEST_RETRY_AFTER)
        doubled: float = FIRST_HOLD * 2 ** min(max(self._row - 1, 0), 10)
        return min(doubled, LONGEST_HOLD)
