"""Holds discovery payloads against Home Assistant's rules, as far as that can be done without it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TypeAlias

from uhome2mqtt.homeassistant.rules import (
    ALONE,
    AVAILABILITY,
    AVAILABILITY_MODES,
    CATEGORIES,
    COLOR_MODES,
    DEVICE,
    LISTS,
    NOT_NUMERIC,
    ORIGIN,
    PLATFORMS,
    STATE_CLASSES,
    SWITCHES,
    TEXTS,
    TOP_LEVEL,
    TOPICS,
    UNITS,
    Platform,
)
from uhome2mqtt.model import Json

Object: TypeAlias = "Mapping[str, Json]"

_LEVEL = re.compile(r"[a-zA-Z0-9_-]+")
_ENTITY_ID = re.compile(r"[a-z0-9_]+\.[a-z0-9_-]+")
_SHARED = ("device", "origin", "availability", "availability_mode", "qos")


def lint(prefix: str, topic: str, config: Json) -> list[str]:
    """Name everything that Home Assistant would refuse, drop or misread in one discovery payload.

    `prefix` is that of discovery, and `topic` the one that the payload is retained on.
    """
    if not isinstance(config, dict):
        return [f"{topic}: the payload is no JSON object"]
    match topic[len(prefix) + 1 :].split("/") if topic.startswith(f"{prefix}/") else []:
        case ["device", *nodes, "config"] if _are_nodes(nodes):
            found = _device(config)
        case [platform, *nodes, "config"] if _are_nodes(nodes) and platform in PLATFORMS:
            found = _alone(platform, config)
        case _:
            found = iter((f"is no discovery topic below {prefix}/ of a platform that is known here",))
    return [f"{topic}: {problem}" for problem in found]


def _are_nodes(nodes: Collection[str]) -> bool:
    return len(nodes) in {1, 2} and all(_LEVEL.fullmatch(node) for node in nodes)


def _device(config: Object) -> Iterator[str]:
    yield from _unknown("", config, TOP_LEVEL, "the whole device is refused")
    yield from _shared(config)
    components = config.get("components")
    if not isinstance(components, dict) or not components:
        yield "components is missing or empty"
        return
    for key, component in components.items():
        if not isinstance(component, dict) or not _is_one(component.get("platform"), PLATFORMS):
            yield f"components.{key} has none of the platforms {', '.join(PLATFORMS)}"
        else:
            options = {name: value for name, value in component.items() if name != "platform"}
            yield from _entity(f"components.{key}.", str(component["platform"]), options)
            yield from _availability(f"components.{key}.", options)
            yield from _qos(f"components.{key}.", options)
    described = [component for component in components.values() if isinstance(component, dict)]
    unique = [str(component.get("unique_id")) for component in described]
    yield from (f"unique_id {same} stands twice" for same in sorted({one for one in unique if unique.count(one) > 1}))


def _alone(platform: str, config: Object) -> Iterator[str]:
    yield from _shared(config)
    yield from _entity("", platform, {name: value for name, value in config.items() if name not in _SHARED})


def _shared(config: Object) -> Iterator[str]:
    for name, known in (("device", DEVICE), ("origin", ORIGIN)):
        block = config.get(name)
        if not isinstance(block, dict):
            yield f"{name} is missing"
        else:
            yield from _unknown(f"{name}.", block, known, "everything is refused")
            yield from (f"{name}.{key} is empty" for key, value in block.items() if value in ("", [], None))
    yield from _named(config)
    yield from _availability("", config)
    yield from _qos("", config)


def _named(config: Object) -> Iterator[str]:
    device, origin = config.get("device"), config.get("origin")
    if isinstance(device, dict):
        if not (device.get("identifiers") or device.get("connections")):
            yield "device has neither identifiers nor connections"
        named = device.get("identifiers", [])
        if not all(map(_is_text, named if isinstance(named, list) else [named])):
            yield "device.identifiers is neither a text nor a list of texts"
        rest = {key: value for key, value in device.items() if key not in {"identifiers", "connections"}}
        yield from (f"device.{key} is no text" for key, value in rest.items() if not isinstance(value, str))
        url = device.get("configuration_url", "http://")
        if isinstance(url, str) and not url.startswith(("http://", "https://", "homeassistant://")):
            yield "device.configuration_url is no URL: everything is refused"
    if isinstance(origin, dict) and not origin.get("name"):
        yield "origin.name is missing"


def _qos(where: str, config: Object) -> Iterator[str]:
    if config.get("qos", 0) not in (0, 1, 2):
        yield f"{where}qos {config.get('qos')!r} is none of 0, 1, 2"


def _availability(where: str, config: Object) -> Iterator[str]:
    entries = config.get("availability", [])
    topics = [entry.get("topic") for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    if not isinstance(entries, list) or len(topics) < len(entries) or not all(map(_is_topic, topics)):
        yield f"{where}availability is no list of objects with a topic each"
    elif len(set(map(str, topics))) < len(topics):
        yield f"{where}availability names a topic twice, and only the last one counts"
    for entry in entries if isinstance(entries, list) else ():
        yield from _unknown(
            f"{where}availability.", entry if isinstance(entry, dict) else {}, AVAILABILITY, "it is refused"
        )
    if not _is_one(config.get("availability_mode", "latest"), AVAILABILITY_MODES):
        yield f"{where}availability_mode is none of {', '.join(sorted(AVAILABILITY_MODES))}"
    if {"availability", "availability_topic"} <= config.keys():
        yield f"{where}availability and availability_topic exclude each other: it is refused"


def _entity(where: str, name: str, options: Object) -> Iterator[str]:
    platform = PLATFORMS[name]
    yield from _unknown(where, options, platform.keys, "it is dropped without a word")
    yield from (f"{where}{key} is missing" for key in sorted({"unique_id", *platform.required} - options.keys()))
    for key, good, what in _CHECKS:
        if key in options and not good(platform, options[key]):
            yield f"{where}{key} {options[key]!r} {what}"
    entity_id = str(options.get("default_entity_id", f"{name}.x"))
    if not _ENTITY_ID.fullmatch(entity_id) or not entity_id.startswith(f"{name}."):
        yield f"{where}default_entity_id {entity_id!r} is no entity id of {name}"
    if options.get("retain") is True and platform.settable:
        yield f"{where}retain: commands would be carried out again by whoever connects later"
    if name in _OF_PLATFORM:
        yield from (f"{where}{problem}" for problem in _OF_PLATFORM[name](options))


def _sensor(options: Object) -> Iterator[str]:
    device_class, unit = str(options.get("device_class")), options.get("unit_of_measurement")
    if (device_class == "enum") is not ("options" in options):
        yield "options and the device class enum go together"
    if device_class in NOT_NUMERIC and {"state_class", "unit_of_measurement"} & options.keys():
        yield f"device_class {device_class} goes with neither state_class nor unit_of_measurement"
    if device_class in UNITS and not _is_one(unit, UNITS[device_class]):
        yield f"unit_of_measurement {unit!r} is none of device_class {device_class}"


def _binary_sensor(options: Object) -> Iterator[str]:
    if options.get("payload_on", "ON") == options.get("payload_off", "OFF"):
        yield "payload_on and payload_off are the same"


def _light(options: Object) -> Iterator[str]:
    modes, scale = options.get("supported_color_modes"), options.get("brightness_scale", 255)
    if options.get("schema") != "json":
        yield "schema is not json: what is known of lights here is that schema"
    if isinstance(modes, list):
        if not all(_is_one(mode, COLOR_MODES) for mode in modes):
            yield f"supported_color_modes has other words than {', '.join(sorted(COLOR_MODES))}"
        elif len(modes) > 1 and ALONE.intersection(map(str, modes)):
            yield f"supported_color_modes: {' and '.join(sorted(ALONE))} go with no other"
        elif "color_temp" in modes and options.get("color_temp_kelvin") is not True:
            yield "color_temp_kelvin is not true: color_temp is taken for mireds"
    if isinstance(scale, bool) or not isinstance(scale, int) or scale < 1:
        yield f"brightness_scale {scale!r} is no number above 0"


_OF_PLATFORM = {"sensor": _sensor, "binary_sensor": _binary_sensor, "light": _light}


def _unknown(where: str, given: Object, known: frozenset[str], what: str) -> Iterator[str]:
    yield from (f"{where}{key} is not known to Home Assistant: {what}" for key in sorted(given.keys() - known))


def _is_topic(value: Json) -> bool:
    return isinstance(value, str) and bool(value) and not set(value) & set("+#\0")


def _is_one(value: Json, words: Collection[str]) -> bool:
    return isinstance(value, str) and value in words


def _is_text(value: Json) -> bool:
    return isinstance(value, str) and bool(value)


def _are_texts(value: Json) -> bool:
    return (
        isinstance(value, list) and bool(value) and all(map(_is_text, value)) and len({*map(str, value)}) == len(value)
    )


_CHECKS: tuple[tuple[str, Callable[[Platform, Json], bool], str], ...] = (
    ("unique_id", lambda _platform, value: _is_text(value), "is no text"),
    ("name", lambda _platform, value: value is None or _is_text(value), "is neither null nor a text"),
    ("icon", lambda _platform, value: isinstance(value, str) and ":" in value, "has no colon: the entity is refused"),
    (
        "entity_category",
        lambda platform, value: _is_one(value, CATEGORIES if platform.settable else {"diagnostic"}),
        "is not for this platform: the entity is refused",
    ),
    (
        "device_class",
        lambda platform, value: value is None or _is_one(value, platform.device_classes),
        "is not for this platform",
    ),
    ("state_class", lambda _platform, value: _is_one(value, STATE_CLASSES), "is no state class"),
    *((key, lambda _platform, value: _is_topic(value), "is no topic") for key in sorted(TOPICS)),
    *((key, lambda _platform, value: isinstance(value, bool), "is neither true nor false") for key in sorted(SWITCHES)),
    *((key, lambda _platform, value: _is_text(value), "is no text") for key in sorted(TEXTS)),
    *((key, lambda _platform, value: _are_texts(value), "is no list of different texts") for key in sorted(LISTS)),
)
