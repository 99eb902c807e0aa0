"""The account's devices: who is there, under which topic level, and who has left."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from dataclasses import dataclass, replace

from uhome2mqtt.engine.config import EngineConfig, Override
from uhome2mqtt.engine.node import Node
from uhome2mqtt.events import Now
from uhome2mqtt.model import Device, Pin
from uhome2mqtt.topics import unique_slug

GONE_AFTER = 2
"""Device lists without a device until it counts as gone: one could be a fault of the cloud."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What a device list changed: ids of devices, and of removed ones the last that was known."""

    added: tuple[str, ...] = ()
    renamed: tuple[str, ...] = ()
    removed: tuple[Node, ...] = ()


class Registry:
    """The devices by id, and the pins that keep their topic levels across restarts and absences."""

    def __init__(self, config: EngineConfig, pins: Mapping[str, Pin]) -> None:
        self._config = config
        self.nodes: dict[str, Node] = {}
        self.pins: dict[str, Pin] = dict(pins)
        self.lists = 0
        self.listed_at: float | None = None
        self._levels: dict[str, str] = {}
        self._folded: dict[str, str] = {}
        self._pinned = {pin.topic: device_id for device_id, pin in pins.items()}

    def at_level(self, level: str) -> Node | None:
        """Find the device with this topic level."""
        device_id = self._levels.get(level)
        return None if device_id is None else self.nodes[device_id]

    def by_id(self, device_id: str) -> Node | None:
        """Find a device by its id, in whichever letter case it is given."""
        return self.nodes.get(device_id) or self.nodes.get(self._folded.get(device_id.casefold(), ""))

    def doubt(self, node: Node) -> None:
        """Take note that a device is said to have left: the next list without it is believed."""
        self.nodes[node.device.id] = replace(node, missing_lists=GONE_AFTER - 1)

    def find(self, named: str) -> Node | None:
        """Find a device by its id, its topic level, or its name where no other has the same."""
        node = self.nodes.get(named) or self.at_level(named)
        if node is not None:
            return node
        alike = [node for node in self.nodes.values() if node.name == named]
        return alike[0] if len(alike) == 1 else None

    def owner_of(self, level: str) -> str | None:
        """Name the device that has or had a topic level, or is to have it by the configuration."""
        claims = {override.topic: device_id for device_id, override in self._config.overrides.items()}
        return claims.get(level) or self._pinned.get(level)

    def configure(self, config: EngineConfig) -> list[tuple[Node, Node]]:
        """Take another configuration; gives the devices that it changes, as they were and as they are."""
        self._config = config
        moving = [node for node in self.nodes.values() if self._configured(node) != node]
        for node in moving:
            self._pinned.pop(node.level, None)
        changed = []
        # One after the other: who has none of his own must see which topic the one before has taken.
        for node in moving:
            changed.append((node, after := self._configured(node)))
            self.nodes[node.device.id] = after
            self._pin(after)
        self._levels = {node.level: device_id for device_id, node in self.nodes.items()}
        return changed

    def _configured(self, node: Node) -> Node:
        override = self._config.overrides.get(node.device.id, Override())
        level = override.topic or self._level(node.device, self.pins.get(node.device.id))
        name = self.name_of(node.device, node.alias)
        return replace(node, level=level, name=name, enabled=override.enabled)

    def rename(self, node: Node, level: str, alias: str) -> Node:
        """Give a device another topic level and name; without an alias the name is the cloud's again."""
        self._pinned.pop(node.level, None)
        self._levels.pop(node.level, None)
        renamed = replace(node, level=level, alias=alias, name=self.name_of(node.device, alias))
        self.nodes[node.device.id] = renamed
        self._levels[level] = node.device.id
        self._pin(renamed)
        return renamed

    def is_pinned(self, level: str) -> bool:
        """Tell whether a device had this topic level, though it may not be listed now."""
        return level in self._pinned

    def adopt(self, pins: Mapping[str, Pin]) -> None:
        """Take pins that the broker remembers; what is known already is not replaced, and no topic given twice."""
        for device_id, pin in pins.items():
            if device_id not in self.pins and pin.topic not in self._pinned:
                self.pins[device_id] = pin
                self._pinned[pin.topic] = device_id

    def listed(self, devices: tuple[Device, ...], now: Now) -> Changes:
        """Take a device list in."""
        self.lists += 1
        self.listed_at = now.monotonic
        before = dict(self.nodes)
        for device in devices:
            self.nodes[device.id] = self._updated(device, now)
        present = {device.id: None for device in devices}
        for gone in before.keys() - present.keys():
            self.nodes[gone] = replace(before[gone], missing_lists=before[gone].missing_lists + 1)
        removed = tuple(node for node in self.nodes.values() if node.missing_lists >= GONE_AFTER)
        for node in removed:
            del self.nodes[node.device.id]
        self._levels = {node.level: device_id for device_id, node in self.nodes.items()}
        self._folded = {device_id.casefold(): device_id for device_id in self.nodes}
        return Changes(
            added=tuple(device_id for device_id in present if device_id not in before),
            renamed=tuple(
                device_id for device_id in present if device_id in before and self._renamed(before[device_id])
            ),
            removed=removed,
        )

    def observed(self, node: Node) -> bool:
        """Take a device's new state; tells whether it has shown an attribute for the first time."""
        self.nodes[node.device.id] = node
        return self._pin(node)

    @property
    def anybody_missing(self) -> bool:
        return any(node.missing_lists for node in self.nodes.values())

    def _renamed(self, before: Node) -> bool:
        return self.nodes[before.device.id].name != before.name

    def _updated(self, device: Device, now: Now) -> Node:
        """Make or renew a node; renewing keeps everything that was reported."""
        override = self._config.overrides.get(device.id, Override())
        if (known := self.nodes.get(device.id)) is not None:
            node = replace(known, device=device, name=self.name_of(device, known.alias), missing_lists=0)
            self._pin(node)
            return node
        pin = self.pins.get(device.id)
        alias = "" if pin is None else pin.alias
        node = Node(
            device=device,
            level=override.topic or self._level(device, pin),
            name=self.name_of(device, alias),
            listed_at=now.monotonic,
            alias=alias,
            enabled=override.enabled,
            observed=frozenset() if pin is None else pin.observed,
        )
        self._pin(node)
        return node

    def name_of(self, device: Device, alias: str) -> str:
        """Choose the name that is shown: the configuration's, else the one given by a request, else the app's."""
        override = self._config.overrides.get(device.id, Override())
        return override.name or alias or device.name or device.id

    def _level(self, device: Device, pin: Pin | None) -> str:
        """Choose a topic level: the pinned one, unless the configuration gives it to another device."""
        claimed = {
            override.topic: subject
            for subject, override in self._config.overrides.items()
            if subject != device.id and override.topic
        }
        if pin is not None and pin.topic not in claimed:
            return pin.topic
        return unique_slug(device.name, device.id, ChainMap(claimed, self._pinned))

    def _pin(self, node: Node) -> bool:
        pin = Pin(topic=node.level, name=node.name, alias=node.alias, observed=node.observed)
        changed = self.pins.get(node.device.id) != pin
        self.pins[node.device.id] = pin
        self._pinned[pin.topic] = node.device.id
        return changed
