"""A bridge that is registered for notifications, and a front door that is used."""

from __future__ import annotations

import json
from typing import Any

from uhome2mqtt.effects import Effect
from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.events import HealthMeasured
from uhome2mqtt.model import Source

from .driver import FRONT, TOPICS, Driver, running

PUSH = EngineConfig(topics=TOPICS, push=True)


def pushing(config: EngineConfig = PUSH) -> Driver:
    """Give a bridge with a front door that is locked, registered for notifications."""
    house = running(FRONT, config=config)
    house.registered()
    poll(house, "Locked")
    house.registrations.clear()
    house.mark()
    return house


def poll(house: Driver, state: str) -> None:
    """Go on to the next poll, and let it see a state."""
    while not any(query.source is Source.QUERY for query in house.open.values()):
        house.advance(0.5)
    house.answer("front", lock=state)


def change(house: Driver, state: str, *, pushed: bool) -> None:
    """Let somebody turn the key, and the next poll see it."""
    house.advance(11)
    if pushed:
        house.report("front", lock=state)
    poll(house, state)


def live(house: Driver, changes: str) -> None:
    """Turn the key to and fro, `+` pushed and `-` not, and wait for what comes too late."""
    for each in changes:
        change(house, "Locked" if house["front/lock"] == "UNLOCKED" else "Unlocked", pushed=each == "+")
        for _ in range(31 if each == "-" else 0):
            house.advance(1)
            house.answer("front", lock=house["front/lock"])


def status(house: Driver) -> str:
    """Read how far push is relied on."""
    told: str = json.loads(house["bridge/info"])["push"]
    return told


def interval(house: Driver) -> float:
    """Read the poll interval in use."""
    seconds: float = json.loads(house["bridge/info"])["poll_interval"]
    return seconds


def health(house: Driver) -> dict[str, Any]:
    """Read what `bridge/health` tells of push now."""
    house.take(HealthMeasured(requests={}))
    told: dict[str, Any] = json.loads(house["bridge/health"])["push"]
    return told


def ask(house: Driver, name: str, **members: Any) -> list[Effect]:
    """Ask the bridge for something."""
    return house.say(f"bridge/request/{name}", members)
