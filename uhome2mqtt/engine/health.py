"""How the bridge is doing: what is told of it, and when."""

from __future__ import annotations

from uhome2mqtt.engine.house import HEALTH, House
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.events import HealthMeasured, MeasureHealth

EVERY = 60.0
SOON = 1.0
"""Seconds after a change: what changes together is told together."""


def measure(house: House, turn: Turn) -> None:
    """Measure now, and again in a minute."""
    turn.emit(MeasureHealth())
    house.timers.set(Timer(HEALTH), turn.now.monotonic + EVERY)


def measured(house: House, turn: Turn, event: HealthMeasured) -> None:
    """Tell what was measured, with what the engine itself has counted."""
    house.health = {
        "cloud": house.cloud.status,
        "uptime": round(turn.now.monotonic - house.started),
        "requests": dict(event.requests),
        "budget": {
            "poll_interval": house.interval,
            "held_until": house.budget.until(turn.now),
            "refusals": house.budget.refusals,
        },
        "commands": dict(house.outcomes),
        "contradictions": house.doubts.count,
        "push": house.push.account,
        "memory": event.memory,
        "at": turn.now.stamp,
    }
    turn.touch_bridge()


def follow(house: House, turn: Turn, cloud_before: str) -> None:
    """Count the outcomes of this turn, and see to it that a change is told soon."""
    for outcome in turn.outcomes:
        house.outcomes[outcome] += 1
    if turn.outcomes or house.cloud.status != cloud_before:
        soon(house, turn)


def soon(house: House, turn: Turn) -> None:
    """Measure within a second, since something has changed."""
    house.timers.hasten(Timer(HEALTH), turn.now.monotonic + SOON)
