"""How the bridge is doing: what is told of it, and when."""

from __future__ import annotations

from uhome2mqtt.effects import MeasureHealth
from uhome2mqtt.engine.house import HEALTH, House
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.events import HealthMeasured
from uhome2mqtt.model import CloudStatus, Json, PushStatus

EVERY = 60.0
SOON = 1.0
"""Seconds after a change: what changes together is told together."""


def measure(house: House, turn: Turn) -> None:
    """Measure now, and again in a minute."""
    turn.emit(MeasureHealth())
    house.timers.set(Timer(HEALTH), turn.now.monotonic + EVERY)


_PUSH_FAILS = frozenset({PushStatus.UNHEALTHY, PushStatus.REGISTRATION_FAILED})


def measured(house: House, turn: Turn, event: HealthMeasured) -> None:
    """Tell what was measured, with what the engine itself has counted."""
    house.health = {
        "cloud": str(house.cloud.status),
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
        "problems": problems(house),
        "memory": event.memory,
        "at": turn.now.stamp,
    }
    turn.touch_bridge()


def problems(house: House) -> dict[str, Json]:
    """Tell of each problem whether there is one, `ON` or `OFF`.

    Somebody must log in; notifications fail to arrive; another bridge is on the same base topic.
    """
    found = {
        "authorization": house.cloud.status is CloudStatus.UNAUTHORIZED,
        "push": house.push.status in _PUSH_FAILS,
        "other_bridge": bool(house.presence.others),
    }
    return {problem: "ON" if there else "OFF" for problem, there in found.items()}


def follow(house: House, turn: Turn, before: tuple[str, dict[str, Json]]) -> None:
    """Count the outcomes of this turn, and see to it that a change is told soon."""
    for outcome in turn.outcomes:
        house.outcomes[outcome] += 1
    if turn.outcomes or (house.cloud.status, problems(house)) != before:
        soon(house, turn)


def soon(house: House, turn: Turn) -> None:
    """Measure within a second, since something has changed."""
    house.timers.hasten(Timer(HEALTH), turn.now.monotonic + SOON)
