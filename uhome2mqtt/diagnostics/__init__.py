"""A bundle of everything that helps to find a fault, and of nothing that must not be shown."""

from uhome2mqtt.diagnostics.bundle import default_name, save
from uhome2mqtt.diagnostics.parts import collect

__all__ = ["collect", "default_name", "save"]
