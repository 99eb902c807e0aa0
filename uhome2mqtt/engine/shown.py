"""What is shown to whoever looks at the bridge itself: the same as on MQTT, from the same functions."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from uhome2mqtt.catalogue import descriptions_for
from uhome2mqtt.engine.house import House
from uhome2mqtt.engine.members import TAKES
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.projection import dump, listed
from uhome2mqtt.events import Now
from uhome2mqtt.model import Json


class Shown:
    """A look at the engine; nothing is kept between two of them."""

    def __init__(self, house: House) -> None:
        self._house = house

    @property
    def devices(self) -> Iterable[str]:
        """The ids of all devices."""
        return tuple(self._house.registry.nodes)

    @property
    def requests(self) -> Collection[str]:
        """The names of all requests."""
        return TAKES.keys()

    def at_level(self, level: str) -> str | None:
        """Find the id of the device with this topic level."""
        node = self._house.registry.at_level(level)
        return None if node is None else node.device.id

    def device(self, device_id: str, now: Now) -> dict[str, Json] | None:
        """Give a device as in `bridge/devices`, and as `document` what is known of it; None where there is none."""
        node = self._house.registry.nodes.get(device_id)
        if node is None:
            return None
        entry = listed(node, self._house.announcer.record.excluded)
        return {**entry, "document": self._house.document(node, now)}

    def topics(self, device_id: str, now: Now) -> list[Json]:
        """Give the topics of a device: what each is for, and what it holds or, to set something, an example."""
        node = self._house.registry.nodes.get(device_id)
        return [] if node is None else [*self._states(node, now), *self._asking(node)]

    def bridge(self) -> dict[str, Json]:
        """Give what there is to know of the bridge itself, but for what only its edges know."""
        house, about = self._house, self._house.config.about
        return {
            "version": about.get("version"),
            "started": about.get("started"),
            "base_topic": house.config.topics.base,
            "cloud": str(house.cloud.status),
            "account": house.info["account"],
            "mqtt_protocol": house.info["mqtt_protocol"],
            "listed": house.registry.lists > 0,
            "lock_users": house.config.lock_users,
            "push": {**house.push.account, "poll_interval": house.interval},
            "health": None if house.health is None else dict(house.health),
        }

    def _states(self, node: Node, now: Now) -> Iterable[Json]:
        topics, level = self._house.config.topics, node.level
        for topic, payload in self._house.states(node, now).items():
            if topic == topics.device(level):
                yield {"topic": topic, "use": "document", "payload": payload}
            elif topic == topics.availability(level):
                yield {"topic": topic, "use": "availability", "payload": payload}
            else:
                yield {"topic": topic, "use": "state", "payload": payload}

    def _asking(self, node: Node) -> Iterable[Json]:
        topics, level = self._house.config.topics, node.level
        examples = {row.key: row.example for row in descriptions_for(node.known) if row.parse is not None}
        for key, example in examples.items():
            yield {"topic": topics.set(level, key), "use": "set", "payload": example}
        if examples:
            key, example = next(iter(examples.items()))
            yield {"topic": topics.set_all(level), "use": "set", "payload": dump({key: example})}
        yield {"topic": topics.get(level), "use": "get", "payload": ""}
        yield {"topic": topics.result(level), "use": "result", "payload": None}
