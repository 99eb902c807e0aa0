"""One turn of the engine: an event being handled."""

from __future__ import annotations

from typing import Literal

from uhome2mqtt.events import Effect, Note, Now
from uhome2mqtt.model import Json


class Turn:
    """Collects what an event leads to: effects, outcomes, and the devices whose projection may have changed."""

    def __init__(self, now: Now) -> None:
        self.now = now
        self.effects: list[Effect] = []
        self.outcomes: list[str] = []
        self.touched: set[str] = set()
        self.bridge_touched = False
        self.pins_touched = False
        self.everything_asserted = False

    def emit(self, effect: Effect) -> None:
        self.effects.append(effect)

    def touch(self, device_id: str) -> None:
        self.touched.add(device_id)

    def touch_bridge(self) -> None:
        self.bridge_touched = True

    def assert_everything(self) -> None:
        self.everything_asserted = True

    def note(self, level: Literal["debug", "info", "warning", "error"], event: str, **fields: Json) -> None:
        self.emit(Note(level=level, event=event, fields=fields))
