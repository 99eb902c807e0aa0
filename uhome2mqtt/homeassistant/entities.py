"""The entities of a device, from the rows of the catalogue."""

from __future__ import annotations

from uhome2mqtt.catalogue import EntityDescription, descriptions_for
from uhome2mqtt.homeassistant.areas import area_of
from uhome2mqtt.homeassistant.bridge import bridge_node
from uhome2mqtt.homeassistant.configs import Described
from uhome2mqtt.model import Attribute, Device, Json, Outcome
from uhome2mqtt.topics import Topics, node_id

RESULT = "result"


def device_node(device_id: str) -> str:
    """Name the node of a device: the level of its config topic, its identifier, the stem of its unique ids."""
    return f"uhome2mqtt_{node_id(device_id)}"


def describe_device(
    topics: Topics, qos: int, device: Device, level: str, name: str, known: frozenset[Attribute]
) -> Described:
    """Describe a device with all its entities."""
    rows = [row for row in descriptions_for(known) if row.platform is not None]
    components = {row.key: _component(topics, device, level, row, known) for row in rows}
    if any(row.parse is not None for row in rows):
        components[RESULT] = _result(topics, device, level)
    return Described(
        node=device_node(device.id),
        device=_device(topics, device, name),
        availability=(topics.bridge_state, topics.availability(level)),
        qos=qos,
        components=components,
    )


def _component(
    topics: Topics, device: Device, level: str, row: EntityDescription, known: frozenset[Attribute]
) -> dict[str, Json]:
    component: dict[str, Json] = {
        "platform": row.platform,
        "unique_id": f"{device_node(device.id)}_{row.key}",
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
        "unique_id": f"{device_node(device.id)}_{RESULT}",
        "default_entity_id": f"event.{level}_{RESULT}",
        "name": "Command result",
        "state_topic": topics.result(level),
        "event_types": [str(outcome) for outcome in Outcome],
        "entity_category": "diagnostic",
        "icon": "mdi:progress-check",
    }


def _device(topics: Topics, device: Device, name: str) -> dict[str, Json]:
    about: dict[str, Json] = {
        "identifiers": [device_node(device.id)],
        "name": name,
        "manufacturer": device.manufacturer or "U-tec",
        "via_device": bridge_node(topics),
    }
    optional = {
        "model": device.model,
        "sw_version": device.firmware,
        "serial_number": device.serial_number,
        "suggested_area": area_of(name),
    }
    return about | {key: value for key, value in optional.items() if value}
