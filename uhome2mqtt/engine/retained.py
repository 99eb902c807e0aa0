"""What the broker should hold and what it was last told: the diff of the two is all that is ever published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from uhome2mqtt.discovery import farewell
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.events import Publish
from uhome2mqtt.model import parse_json


class Retained:
    """The desired retained messages by owner (a device id, or the bridge), and those that must go.

    Nothing is published while there is no connection; the next one asserts everything.
    """

    def __init__(self) -> None:
        self._desired: dict[str, dict[str, str]] = {}
        self._doomed: dict[str, None] = {}
        self._connected = False

    def topics(self) -> set[str]:
        """Give all topics that the broker should hold."""
        return {topic for owned in self._desired.values() for topic in owned}

    def update(self, owner: str, desired: Mapping[str, str]) -> list[Publish]:
        """Replace what an owner wants retained; clears come before the rest, config topics first."""
        held = self._desired.get(owner, {})
        self._desired[owner] = dict(desired)
        clears = self.clear(topic for topic in held if topic not in desired)
        for topic in desired:
            self._doomed.pop(topic, None)
        if not self._connected:
            return clears
        changed = {topic: payload for topic, payload in desired.items() if held.get(topic) != payload}
        farewells = [_farewell(topic, held[topic], payload) for topic, payload in changed.items() if topic in held]
        publishes = [Publish(topic=topic, payload=payload) for topic, payload in changed.items()]
        return clears + [goodbye for goodbye in farewells if goodbye is not None] + publishes

    def clear(self, topics: Iterable[str]) -> list[Publish]:
        """Clear topics now, or at the next connection."""
        doomed = sorted(topics, key=lambda topic: not topic.endswith("/config"))
        if not self._connected:
            self._doomed.update(dict.fromkeys(doomed))
            return []
        return [Publish(topic=topic, payload="") for topic in doomed]

    def connected(self) -> list[Publish]:
        """Assert everything on a new connection."""
        self._connected = True
        doomed, self._doomed = self._doomed, {}
        return self.clear(doomed) + self.assert_all()

    def disconnected(self) -> None:
        self._connected = False

    def assert_all(self) -> list[Publish]:
        """Publish everything that should be retained, config topics first."""
        everything = [
            Publish(topic=topic, payload=payload)
            for owned in self._desired.values()
            for topic, payload in owned.items()
        ]
        return sorted(everything, key=lambda publish: not publish.topic.endswith("/config"))


def _farewell(topic: str, old: str, new: str) -> Publish | None:
    if not topic.endswith("/config"):
        return None
    goodbye = farewell(parse_json(old), parse_json(new))
    return None if goodbye is None else Publish(topic=topic, payload=dump(goodbye))
