"""Ask Home Assistant's own schemas; runs with its Python, which knows nothing of this project.

Reads `[[platform, payload], …]` from standard input, where `device` is a platform, too. Writes what the schemas
leave out of each payload, the keys that they take, and the device classes that there are.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
import tempfile
from typing import Any

PLATFORMS = ("lock", "light", "switch", "select", "button", "sensor", "binary_sensor", "event")


def keys_of(schema: Any) -> set[str]:
    """Name the keys of a mapping's schema."""
    return {str(getattr(key, "schema", key)) for key in schema.schema}


def module_of(platform: str) -> Any:
    """Import a platform of MQTT; of lights the JSON schema."""
    return importlib.import_module(f"homeassistant.components.mqtt.{platform}")


def left_out(given: Any, taken: Any, where: str = "") -> list[str]:
    """Name what is in one structure and not in the other."""
    if not isinstance(given, dict) or not isinstance(taken, dict):
        return []
    missing = [f"{where}{key}" for key in given if key not in taken]
    return missing + [
        gap for key in given if key in taken for gap in left_out(given[key], taken[key], f"{where}{key}.")
    ]


def entity(platform: str, payload: dict[str, Any], where: str = "") -> list[str]:
    """Hold the payload of an entity against its platform's schema."""
    options = {key: value for key, value in payload.items() if key != "platform"}
    return left_out(options, module_of(platform).DISCOVERY_SCHEMA(dict(options)), where)


def device(payload: dict[str, Any]) -> list[str]:
    """Hold the payload of a device against the schemas."""
    schemas = importlib.import_module("homeassistant.components.mqtt.schemas")
    found = left_out(payload, schemas.DEVICE_DISCOVERY_SCHEMA(json.loads(json.dumps(payload))))
    for key, component in payload["components"].items():
        whole = {**component, "device": payload["device"], "origin": payload["origin"]}
        found += entity(component["platform"], whole, f"components.{key}.")
    return found


def table() -> dict[str, Any]:
    """Give the keys that the schemas take, and the device classes."""
    schemas = importlib.import_module("homeassistant.components.mqtt.schemas")
    keys = {"top_level": keys_of(schemas.DEVICE_DISCOVERY_SCHEMA)}
    classes = {}
    for platform in PLATFORMS:
        module = module_of("light.schema_json" if platform == "light" else platform)
        name = "PLATFORM_SCHEMA_MODERN_JSON" if platform == "light" else "PLATFORM_SCHEMA_MODERN"
        schema = getattr(module, name)
        # Some platforms check more than keys: there the mapping is behind the name that they extend.
        keys[platform] = keys_of(schema if hasattr(schema, "schema") else vars(module)["_PLATFORM_SCHEMA_BASE"])
        component = importlib.import_module(f"homeassistant.components.{platform}")
        enumeration = "".join(word.title() for word in platform.split("_")) + "DeviceClass"
        classes[platform] = [str(found) for found in getattr(component, enumeration, ())]
    states = importlib.import_module("homeassistant.components.sensor").SensorStateClass
    return {
        "keys": {name: sorted(found) for name, found in keys.items()},
        "device_classes": classes,
        "state_classes": [str(state) for state in states],
    }


async def main() -> None:
    """Answer; templates are only read where there is a Home Assistant, be it one that does nothing."""
    importlib.import_module("homeassistant.core").HomeAssistant(tempfile.gettempdir())
    asked = json.load(sys.stdin)
    gaps = [device(payload) if platform == "device" else entity(platform, payload) for platform, payload in asked]
    json.dump({"gaps": gaps, **table()}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(main())
