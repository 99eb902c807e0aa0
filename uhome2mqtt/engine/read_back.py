"""What the broker still holds of an earlier run: whose it is, and what of it must no longer be claimed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from uhome2mqtt.catalogue import DESCRIPTIONS, KEYS, EntityDescription, text_of
from uhome2mqtt.effects import Publish
from uhome2mqtt.engine.house import BRIDGE, owners_by_node
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.homeassistant import is_migrating, is_ours
from uhome2mqtt.model import Json, Pin, parse_json
from uhome2mqtt.topics import Topics, decode_pin

_KEYS = KEYS | {"availability"}
_FORGETTABLE = {row.key: row for row in DESCRIPTIONS if row.forgettable}


def pins_of(topics: Topics, retained: Mapping[str, bytes]) -> dict[str, Pin]:
    """Read the topic levels of an earlier run from its device list."""
    pins = {}
    for entry in _entries(retained.get(topics.bridge_devices, b"[]")):
        identifier, pin = entry.get("id"), decode_pin(entry)
        if isinstance(identifier, str) and identifier and pin is not None:
            pins[identifier] = pin
    return pins


def owners(topics: Topics, retained: Mapping[str, bytes], pins: Mapping[str, Pin]) -> dict[str, str | None]:
    """Find the topics that a bridge on this base topic left, with their owners: the id of a device, or the bridge.

    The owner is None where it is not known. What somebody else keeps below the base topic is not in the result, and
    neither are the bridge's own topics, which every run writes anew.
    """
    by_level = {pin.topic: identifier for identifier, pin in pins.items()}
    by_node = owners_by_node(topics, pins)
    found: dict[str, str | None] = {}
    for topic, payload in retained.items():
        state = topics.parse_state(topic)
        if state is not None and _is_state(state, payload):
            found[topic] = by_level.get(state[0])
        elif (config := topics.parse_discovery(topic)) is not None and (
            is_ours(topics, payload) or (is_migrating(payload) and config[0] in by_node)
        ):
            found[topic] = by_node.get(config[0])
    return found


def elsewhere(
    earlier: Topics, topics: Topics, retained: Mapping[str, bytes], pins: Mapping[str, Pin]
) -> dict[str, str | None]:
    """Find what this bridge left on another base topic, or below another prefix, before it was given this one."""
    found = owners(earlier, retained, pins)
    if earlier.base != topics.base:
        found |= {topic: BRIDGE for topic in retained if earlier.is_bridges_own(topic)}
    return found


def begun_since(earlier: Topics, held: Mapping[str, bytes], started: str) -> bool:
    """Tell whether another bridge has begun on a base topic after this one, by what it says of itself there."""
    return str(_document(held.get(earlier.bridge_info, b"{}")).get("started", "")) > started


def forgotten(topics: Topics, retained: Mapping[str, bytes]) -> list[Publish]:
    """Withdraw claims of an earlier run that nobody has renewed: locks, switches, lights and doors become unknown."""
    publishes = []
    for topic, payload in retained.items():
        level_and_key = topics.parse_state(topic)
        if level_and_key is None or not _is_state(level_and_key, payload):
            continue
        now = _forgotten_payload(level_and_key[1], payload)
        if now is not None and now.encode() != payload:
            publishes.append(Publish(topic=topic, content=now))
    return publishes


def _is_state(level_and_key: tuple[str, str | None], payload: bytes) -> bool:
    key = level_and_key[1]
    return "last_known" in _document(payload) if key is None else key in _KEYS


def _forgotten_payload(key: str | None, payload: bytes) -> str | None:
    if key is None:
        document = _document(payload)
        claims = {name: document[name] for name in _FORGETTABLE if name in document}
        unknown: dict[str, Json] = {name: _FORGETTABLE[name].render({}) for name in claims}
        lost = {name: value for name, value in claims.items() if value != unknown[name]}
        kept = document.get("last_known")
        last_known: Json = {**lost, **kept} if isinstance(kept, dict) else lost or None
        return dump({**document, **unknown, "stale": "ON", "pending": None, "last_known": last_known})
    if key == "stale":
        return "ON"
    return _unknown(_FORGETTABLE[key]) if key in _FORGETTABLE else None


def _unknown(row: EntityDescription) -> str:
    value = row.render({})
    return dump(value) if row.value_type == "object" else text_of(value)


def _document(payload: bytes) -> dict[str, Json]:
    try:
        document = parse_json(payload)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _entries(payload: bytes) -> Iterator[dict[str, Json]]:
    try:
        entries = parse_json(payload)
    except ValueError:
        return
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict):
            yield entry
