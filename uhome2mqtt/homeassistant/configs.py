"""The layouts of discovery: one payload for a device, one for each of its entities, or both.

Home Assistant refuses a whole device for one unknown key at the top level and drops unknown keys of a component
without a word, so only documented keys are written. Identity comes from the device id, never from its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from uhome2mqtt import PROJECT_URL, __version__
from uhome2mqtt.model import Discovery, Json, parse_json
from uhome2mqtt.topics import Topics

ORIGIN_NAME = "uhome2mqtt"
MIGRATE: dict[str, Json] = {"migrate_discovery": True}
"""What an old config topic says for Home Assistant to keep its entities until another topic describes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A device, or the bridge, as Home Assistant is to know it.

    `node` is its identifier; `availability` the topics that must all say `online`; `components` its entities by key.
    """

    node: str
    device: Mapping[str, Json]
    availability: tuple[str, ...]
    qos: int
    components: Mapping[str, Mapping[str, Json]]


def configs(topics: Topics, layout: Discovery, described: Described) -> dict[str, dict[str, Json]]:
    """Give the config topics of a device with their payloads."""
    shared: dict[str, Json] = {
        "device": dict(described.device),
        "origin": {"name": ORIGIN_NAME, "sw_version": __version__, "support_url": PROJECT_URL},
        "availability": [{"topic": topic} for topic in described.availability],
        "availability_mode": "all",
        "qos": described.qos,
    }
    found: dict[str, dict[str, Json]] = {}
    if layout in {Discovery.DEVICE, Discovery.BOTH}:
        components: dict[str, Json] = {key: dict(component) for key, component in described.components.items()}
        found[topics.discovery(described.node)] = {**shared, "components": components}
    if layout in {Discovery.ENTITY, Discovery.BOTH}:
        for key, component in described.components.items():
            options = {name: value for name, value in component.items() if name != "platform"}
            topic = topics.entity_discovery(str(component["platform"]), described.node, key)
            found[topic] = {**options, **shared}
    return found


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
    config = _read(payload)
    if not isinstance(config, dict):
        return False
    origin, availability = config.get("origin"), config.get("availability")
    return (
        isinstance(origin, dict)
        and origin.get("name") == ORIGIN_NAME
        and isinstance(availability, list)
        and {"topic": topics.bridge_state} in availability
    )


def is_migrating(payload: bytes) -> bool:
    """Tell whether a config topic was left in the middle of a move to another layout."""
    return _read(payload) == MIGRATE


def _read(payload: bytes) -> Json:
    try:
        return parse_json(payload)
    except ValueError:
        return None
