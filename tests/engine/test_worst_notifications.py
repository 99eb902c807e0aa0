"""The worst that 64 KiB can say: who knows the secret must not keep commands waiting either."""

from __future__ import annotations

import json

import pytest

from tests.support.processor import cost
from uhome2mqtt.effects import Effect, Note
from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.events import NotificationReceived
from uhome2mqtt.model import Json, Notification, parse_json
from uhome2mqtt.uhome import decode_notification

from .driver import BACK, FRONT, LAMP, TOPICS, Driver, running

LARGEST = 64 * 1024
STALL = 0.05
"""Seconds of the processor; no single event may keep the loop for longer."""


def turned(number: int) -> Json:
    """Say that a lock was turned once more."""
    return {"id": FRONT.id, "states": {"st.lock": {"lockState": ("Locked", "Unlocked")[number % 2]}}}


WORST: dict[str, Json] = {
    "strangers": [{"id": f"stranger-{number}"} for number in range(2500)],
    "one device again and again": [turned(number) for number in range(800)],
    "its name again and again": [{"id": FRONT.id} for _ in range(1700)],
    "new attributes": [{"id": FRONT.id, "states": {f"new-{number}": {"a": 1, "b": 2}}} for number in range(1000)],
    "all attributes at once": [{"id": FRONT.id, "states": {"new": {str(number): 1 for number in range(5000)}}}],
    "added": {"header": {"name": "DeviceSync"}, "payload": [{"id": str(number)} for number in range(4000)]},
    "removed": {"header": {"name": "DeviceDelete"}, "payload": [{"id": FRONT.id} for _ in range(2000)]},
}


def tell(told: Notification) -> tuple[float, Driver, list[Effect]]:
    """Tell a new house; give the seconds that it took of the processor, the house, and what came of it."""
    house = running(FRONT, BACK, LAMP, config=EngineConfig(topics=TOPICS, push=True))
    effects: list[Effect] = []
    return cost(lambda: effects.extend(house.take(NotificationReceived(notification=told)))), house, effects


@pytest.mark.parametrize("name", WORST)
def test_no_stall(name: str) -> None:
    """No notification takes longer than a twentieth of a second, fills the log, or is remembered without bounds."""
    raw = json.dumps(WORST[name], separators=(",", ":"))[:LARGEST]
    told = decode_notification(parse_json(raw if len(raw) < LARGEST else json.dumps(WORST[name])))
    costs = [tell(told)[0] for _ in range(2)]
    last, house, effects = tell(told)
    assert min(last, *costs) < STALL
    assert sum(isinstance(effect, Note) for effect in effects) <= 101
    house.advance(2)
    house.end_queries()
    assert len(house.lists) <= 2
    assert len(house.asked) <= 3
