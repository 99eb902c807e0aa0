"""One turn of the engine: an event being handled."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from uhome2mqtt.effects import Answer, Effect, Note, Publish
from uhome2mqtt.events import Now, Reply
from uhome2mqtt.model import Asker, Json


class Turn:
    """Collects what an event leads to: effects, outcomes, and the devices whose projection may have changed.

    `changes`: of these devices, the keys that show something else now, with their payloads. `list_changed`: whether
    something else is told in the list of devices.
    """

    def __init__(self, now: Now) -> None:
        self.now = now
        self.clears: list[Publish] = []
        self.effects: list[Effect] = []
        self.outcomes: list[str] = []
        self.touched: set[str] = set()
        self.changes: dict[str, dict[str, str]] = {}
        self.list_changed = False
        self.bridge_touched = False
        self.pins_touched = False
        self.everything_asserted = False
        self.in_bulk = False

    def emit(self, effect: Effect) -> None:
        self.effects.append(effect)

    def answer(self, to: Reply | Asker, payload: str) -> None:
        """Send an answer to the one who asked."""
        if isinstance(to, Asker):
            self.emit(Answer(number=to.number, payload=payload))
        else:
            self.emit(Publish(topic=to.topic, content=payload, retain=False, correlation=to.correlation))

    def touch(self, device_id: str) -> None:
        self.touched.add(device_id)

    def touch_bridge(self) -> None:
        self.bridge_touched = True

    def touch_in_bulk(self, device_ids: Iterable[str]) -> None:
        """Let many devices be published a few at a time: nobody waits for any of them."""
        self.touched.update(device_ids)
        self.in_bulk = True

    def assert_everything(self) -> None:
        self.everything_asserted = True

    def note(self, level: Literal["debug", "info", "warning", "error"], event: str, **fields: Json) -> None:
        self.emit(Note(level=level, event=event, fields=fields))
