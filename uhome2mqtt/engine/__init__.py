"""The engine: what the bridge knows and decides, without any input or output."""

from uhome2mqtt.engine.config import ConfigChanged, EngineConfig, Override
from uhome2mqtt.engine.core import Engine

__all__ = ["ConfigChanged", "Engine", "EngineConfig", "Override"]
