"""MQTT bridge for U-tec locks, switches, plugs and lights."""

__version__ = "0.1.0"
PROJECT_URL = "https://github.com/uhome2mqtt/uhome2mqtt"
