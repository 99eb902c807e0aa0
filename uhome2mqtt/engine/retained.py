"""What the broker should hold and what it was last told: the diff of the two is all that is ever published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from uhome2mqtt.discovery import farewell
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.events import Publish
from uhome2mqtt.model import parse_json


class Retained:
    """The desired retained messages by owner (a device id, or the bridge), and those that must go.

    Nothing is published while there is no connection; the next one asserts everything. `_configs`: what the broker
    holds on config topics, of an earlier run too, since a component that leaves one must be taken leave of.
    """

    def __init__(self) -> None:
        self.connected = False
        self._desired: dict[str, dict[str, str]] = {}
        self._doomed: dict[str, None] = {}
        self._configs: dict[str, str] = {}

    def remember(self, configs: Mapping[str, str]) -> None:
        """Take in the config topics that an earlier run left."""
        self._configs.update(configs)

    def update(self, owner: str, desired: Mapping[str, str]) -> list[Publish]:
        """Replace what an owner wants retained; config topics come first, and clears before the rest."""
        held = self._desired.get(owner, {})
        self._desired[owner] = dict(desired)
        clears = self.clear(topic for topic in held if topic not in desired)
        for topic in desired:
            self._doomed.pop(topic, None)
        if not self.connected:
            return clears
        changes = self._publish({topic: new for topic, new in desired.items() if held.get(topic) != new})
        return sorted(clears + changes, key=lambda publish: _configs_first(publish.topic))

    def clear(self, topics: Iterable[str]) -> list[Publish]:
        """Clear topics now, or at the next connection."""
        doomed = sorted(topics, key=_configs_first)
        if not self.connected:
            self._doomed.update(dict.fromkeys(doomed))
            return []
        for topic in doomed:
            self._configs.pop(topic, None)
        return [Publish(topic=topic, payload="") for topic in doomed]

    def disconnected(self) -> None:
        self.connected = False

    def assert_all(self) -> list[Publish]:
        """Publish everything that should be retained: to a new connection, or to somebody who may have lost it."""
        self.connected = True
        doomed, self._doomed = self._doomed, {}
        everything = {topic: payload for owned in self._desired.values() for topic, payload in owned.items()}
        return self.clear(doomed) + self._publish(
            {topic: everything[topic] for topic in sorted(everything, key=_configs_first)}
        )

    def _publish(self, messages: Mapping[str, str]) -> list[Publish]:
        publishes = []
        for topic, payload in messages.items():
            if topic.endswith("/config"):
                publishes += _farewell(topic, self._configs.get(topic, payload), payload)
                self._configs[topic] = payload
            publishes.append(Publish(topic=topic, payload=payload))
        return publishes


def _configs_first(topic: str) -> bool:
    return not topic.endswith("/config")


def _farewell(topic: str, old: str, new: str) -> list[Publish]:
    """Say goodbye to the components that leave, before the config without them."""
    goodbye = None if old == new else farewell(parse_json(old), parse_json(new))
    return [] if goodbye is None else [Publish(topic=topic, payload=dump(goodbye))]
