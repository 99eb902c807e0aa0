"""Home Assistant discovery: one payload per device.

Home Assistant refuses a whole device for one unknown key at the top level and drops unknown keys of a component
without a word, so only documented keys are written. Identity comes from the device id, never from its name.
"""

from __future__ import annotations

from uhome2mqtt import PROJECT_URL, __version__
from uhome2mqtt.catalogue import EntityDescription, descriptions_for
from uhome2mqtt.model import Attribute, Device, Json, Outcome, PushStatus, parse_json
from uhome2mqtt.topics import Topics, node_id

ORIGIN_NAME = "uhome2mqtt"


def bridge_node(topics: Topics) -> str:
    """Name the bridge's own node; the base topic is all that tells two bridges apart."""
    return f"{node_id(topics.base)}_bridge"


def device_node(device: Device) -> str:
    """Name the node of a device: the level of its config topic, its identifier, the stem of its unique ids."""
    return f"uhome2mqtt_{node_id(device.id)}"


def device_config(
    topics: Topics, qos: int, device: Device, level: str, name: str, known: frozenset[Attribute]
) -> dict[str, Json]:
    """Describe a device with all its entities."""
    rows = [row for row in descriptions_for(known) if row.platform is not None]
    components = {row.key: _component(topics, device, level, row, known) for row in rows}
    if any(row.parse is not None for row in rows):
        components["result"] = _result(topics, device, level)
    return {
        "device": _device(topics, device, name),
        "origin": _origin(),
        "availability": [{"topic": topics.bridge_state}, {"topic": topics.availability(level)}],
        "availability_mode": "all",
        "qos": qos,
        "components": dict(components),
    }


def bridge_config(topics: Topics, qos: int) -> dict[str, Json]:
    """Describe the bridge itself."""
    node = bridge_node(topics)
    return {
        "device": {
            "identifiers": [node],
            "name": "U home bridge",
            "manufacturer": ORIGIN_NAME,
            "model": "MQTT bridge",
            "sw_version": __version__,
        },
        "origin": _origin(),
        "availability": [{"topic": topics.bridge_state}],
        "availability_mode": "all",
        "qos": qos,
        "components": {
            "cloud": {
                "platform": "sensor",
                "unique_id": f"{node}_cloud",
                "default_entity_id": f"sensor.{node}_cloud",
                "name": "Cloud",
                "state_topic": topics.bridge_cloud,
                "device_class": "enum",
                "options": ["online", "degraded", "offline", "unauthorized"],
                "entity_category": "diagnostic",
                "icon": "mdi:cloud-outline",
            },
            "push": {
                "platform": "sensor",
                "unique_id": f"{node}_push",
                "default_entity_id": f"sensor.{node}_push",
                "name": "Notifications",
                "state_topic": topics.bridge_info,
                "value_template": "{{ value_json.push }}",
                "device_class": "enum",
                "options": list[Json](map(str, PushStatus)),
                "entity_category": "diagnostic",
                "icon": "mdi:bell-ring-outline",
            },
        },
    }


def farewell(old: Json, new: Json) -> dict[str, Json] | None:
    """Say goodbye to components that leave a device that stays.

    Gives the new payload with each leaving component as its platform alone, to be sent once before the new payload;
    None where nothing leaves.
    """
    if not isinstance(old, dict) or not isinstance(new, dict):
        return None
    before, after = old.get("components"), new.get("components")
    if not isinstance(before, dict) or not isinstance(after, dict):
        return None
    leaving: dict[str, Json] = {
        key: {"platform": component["platform"]}
        for key, component in before.items()
        if key not in after and isinstance(component, dict) and "platform" in component
    }
    return {**new, "components": {**after, **leaving}} if leaving else None


def is_ours(topics: Topics, payload: bytes) -> bool:
    """Tell whether a retained config was written by a bridge on this base topic."""
    try:
        config = parse_json(payload)
    except ValueError:
        return False
    if not isinstance(config, dict):
        return False
    origin, availability = config.get("origin"), config.get("availability")
    return (
        isinstance(origin, dict)
        and origin.get("name") == ORIGIN_NAME
        and isinstance(availability, list)
        and {"topic": topics.bridge_state} in availability
    )


def _component(
    topics: Topics, device: Device, level: str, row: EntityDescription, known: frozenset[Attribute]
) -> dict[str, Json]:
    component: dict[str, Json] = {
        "platform": row.platform,
        "unique_id": f"{device_node(device)}_{row.key}",
        "default_entity_id": f"{row.platform}.{level}" if row.name is None else f"{row.platform}.{level}_{row.key}",
        "name": row.name,
        "state_topic": topics.key(level, row.key),
    }
    if row.parse is not None:
        component["command_topic"] = topics.set(level, row.key)
    return component | row.options(device, known)


def _result(topics: Topics, device: Device, level: str) -> dict[str, Json]:
    return {
        "platform": "event",
        "unique_id": f"{device_node(device)}_result",
        "default_entity_id": f"event.{level}_result",
        "name": "Command result",
        "state_topic": topics.result(level),
        "event_types": [str(outcome) for outcome in Outcome],
        "entity_category": "diagnostic",
        "icon": "mdi:progress-check",
    }


def _device(topics: Topics, device: Device, name: str) -> dict[str, Json]:
    about: dict[str, Json] = {
        "identifiers": [device_node(device)],
        "name": name,
        "manufacturer": device.manufacturer or "U-tec",
        "via_device": bridge_node(topics),
    }
    optional = {
        "model": device.model,
        "sw_version": device.firmware,
        "serial_number": device.serial_number,
    }
    return about | {key: value for key, value in optional.items() if value}


def _origin() -> dict[str, Json]:
    return {"name": ORIGIN_NAME, "sw_version": __version__, "support_url": PROJECT_URL}
