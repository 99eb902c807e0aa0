"""Describe the configuration file to editors, as JSON Schema: all that the loader takes, and none but its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from uhome2mqtt.settings.keys import DEVICE_KEYS, DEVICES, KEYS, SECTIONS, Key, bounds, section_model
from uhome2mqtt.settings.model import Settings
from uhome2mqtt.settings.render_example import meaning
from uhome2mqtt.settings.show import written
from uhome2mqtt.settings.types import DURATION, Allowed, Duration, ignoring_case

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NULL = {"type": "null"}
"""What is not set; a section whose keys are all commented out is that, too."""
YES_AND_NO = ("true", "false", "yes", "no", "on", "off", "y", "n", "t", "f", "1", "0")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration file."""
    properties = {name: _part(name) for name in Settings.model_fields}
    return {
        # The draft that editors understand as a whole.
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of uhome2mqtt",
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
    }


def _part(name: str) -> dict[str, Any]:
    if name == DEVICES:
        one = _mapping("A device, by its id in the cloud", DEVICE_KEYS.values())
        return {"description": KEYS[name].field.description, "type": ["object", "null"], "additionalProperties": one}
    if name in SECTIONS:
        model = section_model(Settings.model_fields[name])
        return _mapping((model.__doc__ or "") if model else "", [key for key in KEYS.values() if key.path[0] == name])
    return _described(KEYS[name])


def _mapping(description: str, keys: Iterable[Key]) -> dict[str, Any]:
    properties = {key.path[-1]: _described(key) for key in keys}
    return {
        "description": description,
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": properties,
    }


def _described(key: Key) -> dict[str, Any]:
    document: dict[str, Any] = {"description": meaning(key), "anyOf": [*_values(key), NULL]}
    if key.default is not None:
        native = isinstance(key.default, bool | int)
        empty = key.default == ()
        document["default"] = key.default if native else [] if empty else written(key, key.default)
    elif not key.secret and (sample := key.note("sample")) is not None:
        document["examples"] = [sample]
    return document


def _values(key: Key) -> list[Mapping[str, Any]]:
    """Give the alternatives of what a key takes; bounds hold for what YAML calls a number."""
    for fact in key.facts:
        if isinstance(fact, Duration):
            number = {"type": "number", "minimum": fact.least, "maximum": fact.most}
            return [number, {"type": "string", "pattern": f"^{DURATION}$"}]
        if isinstance(fact, Allowed):
            return [fact.schema]
        if get_origin(fact) is Literal:
            return _words([str(word) for word in get_args(fact)])
        if fact is bool:
            return [{"type": "boolean"}, {"enum": [0, 1]}, _any_case(YES_AND_NO)]
        if fact is int:
            found = bounds(key.facts)
            number = {"type": "integer", "minimum": found["least"], "maximum": found["most"]}
            return [number, {"type": "string", "pattern": r"^\s*[0-9]+\s*$"}]
    raise TypeError(key.name)


def _words(words: list[str]) -> list[Mapping[str, Any]]:
    """Give the words of a choice, as they are for completion, and in any letter case; a 5 is a number in YAML."""
    numbers = [int(word) for word in words if word.isdecimal()]
    return [{"enum": [*words, *numbers]}, _any_case(words)]


def _any_case(words: Iterable[str]) -> dict[str, Any]:
    return {"type": "string", "pattern": f"^({'|'.join(map(ignoring_case, words))})$"}
