"""What Home Assistant is told: each device and the bridge itself, in the layouts that it and others discover."""

from __future__ import annotations

from uhome2mqtt.homeassistant.bridge import bridge_node, describe_bridge
from uhome2mqtt.homeassistant.configs import MIGRATE, Described, configs, farewell, is_migrating, is_ours
from uhome2mqtt.homeassistant.entities import describe_device, device_node
from uhome2mqtt.homeassistant.lint import lint
from uhome2mqtt.homeassistant.record import decode_announced, encode_announced

__all__ = [
    "MIGRATE",
    "Described",
    "bridge_node",
    "configs",
    "decode_announced",
    "describe_bridge",
    "describe_device",
    "device_node",
    "encode_announced",
    "farewell",
    "is_migrating",
    "is_ours",
    "lint",
]
