"""What time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from uhome2mqtt.events import Now

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where the system has such a clock: an old state must not look fresh after it."""


def now() -> Now:
    """Read both clocks."""
    return Now(monotonic=time.clock_gettime(_CLOCK), utc=datetime.now(UTC))
