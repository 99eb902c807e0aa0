"""How often somebody may ask for something that costs the cloud a request, or the broker many messages."""

from __future__ import annotations

from uhome2mqtt.engine.answers import RequestError
from uhome2mqtt.engine.house import House
from uhome2mqtt.engine.turn import Turn

PAUSE = 10.0
"""Seconds between two requests for everything: it costs the cloud a request for every twenty devices."""
GET_PAUSE = 2.0
"""Seconds between two for one device."""


def check_pace(house: House, turn: Turn, before: float | None, pause: float = PAUSE) -> None:
    """Refuse what was asked for a moment ago, or while the cloud wants fewer requests."""
    if (until := house.budget.until(turn.now)) is not None:
        raise RequestError(f"RATE_LIMITED: the cloud has refused a request for their rate; it is asked again {until}")
    check_pause(turn, before, pause)


def check_pause(turn: Turn, before: float | None, pause: float = PAUSE) -> None:
    """Refuse what was asked for a moment ago."""
    if before is not None and (left := before + pause - turn.now.monotonic) > 0:
        raise RequestError(f"TOO_SOON: asked for less than {pause:.0f} s ago; again in {left:.1f} s")
