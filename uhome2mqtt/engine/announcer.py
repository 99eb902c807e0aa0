"""What Home Assistant is told of the devices: in which layout, and of which of them nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from uhome2mqtt.engine.config import EngineConfig
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.homeassistant import Described, configs, describe_bridge, describe_device
from uhome2mqtt.model import EVERYTHING, Announced, Discovery
from uhome2mqtt.packed import Packed, pack


class Announcer:
    """Writes the config topics.

    `record`: what was told by an earlier run, or by this one once everything has been moved. `old`: config topics that
    are being left, with their owners; empty unless there is a move. `moved`: owners that this run has moved.
    `foreign`: config topics that others have written. `elsewhere_in_use`: whether another bridge is at work on the base
    topic that was used before.
    """

    def __init__(self, config: EngineConfig, record: Announced) -> None:
        self._config = config
        self.record = record
        self.old: dict[str, str] = {}
        self.moved: set[str] = set()
        self.foreign: frozenset[str] = frozenset()
        self.elsewhere_in_use = False
        self._kept: dict[str, tuple[tuple[object, ...], dict[str, Packed]]] = {}

    def configure(self, config: EngineConfig) -> None:
        self._config = config
        self._kept.clear()

    @property
    def layout(self) -> Discovery:
        return self._config.discovery

    @property
    def current(self) -> Announced:
        """What is to be told now."""
        topics = self._config.topics
        return replace(self.record, base=topics.base, prefix=topics.discovery_prefix, layout=self.layout)

    def of_device(self, node: Node, layout: Discovery | None = None) -> dict[str, Packed]:
        """Give the config topics of a device, in a layout other than the configured one if it is given."""
        device = node.device
        if not node.enabled:
            return {}
        if layout is not None and layout is not self.layout:
            return self._of_device(node, layout)
        # Nearly every event leaves them as they are, and they are the dearest part of what a device is projected to.
        about = (
            device,
            node.level,
            node.name,
            node.known,
            self.record.excluded.get(device.id),
        )
        kept = self._kept.get(device.id)
        if kept is None or kept[0] != about:
            kept = self._kept[device.id] = about, self._of_device(node, self.layout)
        return kept[1]

    def of_bridge(self, owner: str, layout: Discovery | None = None) -> dict[str, Packed]:
        """Give the config topics of the bridge itself."""
        config = self._config
        return self._written(owner, describe_bridge(config.topics, config.qos, push=config.push), layout or self.layout)

    def exclude(self, owner: str, key: str, all_keys: Iterable[str]) -> None:
        """Tell nothing more of an entity, or of a whole device where it was the last one."""
        excluded = self.record.excluded.get(owner, frozenset()) | {key}
        if excluded >= set(all_keys):
            excluded = frozenset({EVERYTHING})
        self.record = replace(self.record, excluded={**self.record.excluded, owner: excluded})

    def restore(self, owner: str) -> frozenset[str]:
        """Tell of a device again; gives what had been left out."""
        excluded = dict(self.record.excluded)
        restored = excluded.pop(owner, frozenset())
        self.record = replace(self.record, excluded=excluded)
        return restored

    def _of_device(self, node: Node, layout: Discovery) -> dict[str, Packed]:
        config, device = self._config, node.device
        described = describe_device(config.topics, config.qos, device, node.level, node.name, node.known)
        return self._written(device.id, described, layout)

    def _written(self, owner: str, described: Described, layout: Discovery) -> dict[str, Packed]:
        left_out = self.record.excluded.get(owner, frozenset())
        shown = {key: component for key, component in described.components.items() if not left_out & {key, EVERYTHING}}
        if not shown:
            return {}
        written = configs(self._config.topics, layout, replace(described, components=shown))
        return {topic: pack([dump(config)]) for topic, config in written.items()}
