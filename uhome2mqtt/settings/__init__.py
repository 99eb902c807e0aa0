"""Load, check and show the configuration."""

from uhome2mqtt.settings.changes import Changes, applied, compare
from uhome2mqtt.settings.loading import Inspection, inspect, load, load_again
from uhome2mqtt.settings.model import Settings
from uhome2mqtt.settings.render_example import example
from uhome2mqtt.settings.render_page import documentation
from uhome2mqtt.settings.schema import json_schema
from uhome2mqtt.settings.secret_files import exposed_files
from uhome2mqtt.settings.show import redacted
from uhome2mqtt.settings.sources import SEARCH, found_file
from uhome2mqtt.settings.urls import MqttEndpoint

__all__ = [
    "SEARCH",
    "Changes",
    "Inspection",
    "MqttEndpoint",
    "Settings",
    "applied",
    "compare",
    "documentation",
    "example",
    "exposed_files",
    "found_file",
    "inspect",
    "json_schema",
    "load",
    "load_again",
    "redacted",
]
