"""What Home Assistant is told, from its own rules."""

from __future__ import annotations

from collections.abc import Iterable

from uhome2mqtt.asyncapi.forms import any_of, constant
from uhome2mqtt.asyncapi.parts import Message
from uhome2mqtt.homeassistant import MIGRATE
from uhome2mqtt.homeassistant.rules import DEVICE, ORIGIN, PLATFORMS, TOP_LEVEL
from uhome2mqtt.model import Json

_MIGRATING: dict[str, Json] = {
    "const": MIGRATE,
    "description": "Entities are kept until another topic describes them.",
}
_SHARED = ("device", "origin", "availability", "availability_mode", "qos")


def whole() -> list[Message]:
    """Give the messages on the config topic of a device."""
    leaving = {**_object(("platform",), ("platform",)), "description": "leaves: sent once, before the new payload"}
    config = _object(TOP_LEVEL, ("device", "origin", "components"))
    components: dict[str, Json] = {"type": "object", "minProperties": 1}
    components["additionalProperties"] = {"anyOf": [leaving, *map(_component, PLATFORMS)]}
    config["properties"] = {**_blocks(), "components": components}
    return [Message(name="config", payload=config), Message(name="migrate", payload=_MIGRATING)]


def single() -> list[Message]:
    """Give the messages on the config topic of one entity, by its platform."""
    return [_alone(name) for name in PLATFORMS]


def _alone(name: str) -> Message:
    platform = PLATFORMS[name]
    config = _object({*platform.keys, *_SHARED}, ("device", "origin", "unique_id", *sorted(platform.required)))
    return Message(name=name, payload=any_of({**config, "properties": _blocks()}, _MIGRATING))


def _component(name: str) -> dict[str, Json]:
    platform = PLATFORMS[name]
    form = _object({*platform.keys, "platform"}, ("platform", "unique_id", *sorted(platform.required)))
    return {**form, "properties": {"platform": constant(name)}}


def _blocks() -> dict[str, Json]:
    return {"device": _object(DEVICE, ("identifiers",)), "origin": _object(ORIGIN, ("name",))}


def _object(known: Iterable[str], needed: Iterable[str]) -> dict[str, Json]:
    return {"type": "object", "propertyNames": {"enum": list[Json](sorted(known))}, "required": list[Json](needed)}
