"""Load, check and show the configuration."""

from uhome2mqtt.settings.loading import load
from uhome2mqtt.settings.model import Settings
from uhome2mqtt.settings.render_example import example
from uhome2mqtt.settings.render_page import documentation
from uhome2mqtt.settings.show import json_schema, redacted
from uhome2mqtt.settings.urls import MqttEndpoint

__all__ = [
    "MqttEndpoint",
    "Settings",
    "documentation",
    "example",
    "json_schema",
    "load",
    "redacted",
]
