"""An engine with a desk at which somebody sits."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from tests.engine.driver import TOPICS, Driver
from uhome2mqtt.console import Desk
from uhome2mqtt.effects import Answer, Effect
from uhome2mqtt.engine import ConfigChanged, EngineConfig
from uhome2mqtt.events import Event, MessageReceived, Started
from uhome2mqtt.model import Device


class DeskHouse(Driver):
    """A bridge's engine whose events a desk sees, as in the daemon; `other`: that another bridge does the work."""

    def __init__(self, config: EngineConfig | None = None) -> None:
        super().__init__(config=config, chance=1.0)
        self.other: Sequence[str] = ()
        self.heard: list[MessageReceived] = []
        self.answers = True
        self.desk = Desk(
            TOPICS, lambda: self.engine.shown, lambda: {"login": None}, lambda: self.other, lambda: self.now
        )
        self.desk.send = self._heard

    @classmethod
    def running(cls, *devices: Device, config: EngineConfig | None = None) -> DeskHouse:
        """Give a bridge that is connected and knows these devices."""
        house = cls(config)
        house.take(Started())
        house.connect({})
        house.listed(*devices)
        house.end_queries()
        return house

    def take(self, event: Event | ConfigChanged) -> list[Effect]:
        effects = super().take(event)
        for effect in effects:
            if isinstance(effect, Answer) and self.answers:
                self.desk.answered(effect)
        self.desk.turned(event, effects, self.engine.news, self.now)
        return effects

    def _heard(self, message: MessageReceived) -> None:
        self.heard.append(message)
        self.take(message)


def parsed(event: str) -> tuple[str, Any]:
    """Take an event of a feed apart: its name and what it tells."""
    name, told, *rest = event.split("\n")
    assert rest == ["", ""]
    return name.removeprefix("event: "), json.loads(told.removeprefix("data: "))
