"""The bodies in which notifications have been seen, documented or feared: pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from uhome2mqtt.simulator.vocabulary import PushShape

if TYPE_CHECKING:
    from collections.abc import Callable

    Entry = dict[str, Any]

DRAWN = [shape for shape in PushShape if shape is not PushShape.RANDOM]


def body(
    shape: PushShape, name: str, entries: list[Entry], *, message_id: str, changed: frozenset[str] = frozenset()
) -> bytes:
    """Build a notification; `changed` are the `capability.attribute` keys that caused it."""
    if shape is PushShape.STATES_NOT_JSON:
        return _not_json(name, entries, message_id)
    shaped = [_entry(shape, entry, {key.casefold() for key in changed}) for entry in entries]
    return json.dumps(_frame(shape, name, shaped, message_id)).encode()


def _frame(shape: PushShape, name: str, entries: list[Any], message_id: str) -> Any:
    header = {"namespace": "Uhome.Notification", "name": name, "messageId": message_id}
    # The live service really spells it like this in pushes.
    version = {"playloadVersion": "1"}
    whole = {"header": header | version, "payload": {"devices": entries}}
    frames: dict[PushShape, Any] = {
        PushShape.BARE_LIST: entries,
        PushShape.PAYLOAD_LIST: whole | {"payload": entries},
        PushShape.DEVICES_ONLY: whole["payload"],
        PushShape.PAYLOAD_VERSION: whole | {"header": header | {"payloadVersion": "1"}},
        PushShape.TOP_LEVEL_VERSION: whole | {"header": header} | version,
        PushShape.LOWER_CASE: whole | {"header": header | version | {"name": name.lower()}},
        PushShape.SCALAR: "ok",
        PushShape.NULL: None,
    }
    return frames.get(shape, whole)


def _entry(shape: PushShape, entry: Entry, changed: set[str]) -> Any:
    shaper = _ENTRIES.get(shape)
    if shaper is not None:
        return shaper(entry)
    if shape in {PushShape.PARTIAL, PushShape.STATES_SINGLE} and "states" in entry:
        partial = [state for state in entry["states"] if _key(state) in changed] or entry["states"][:1]
        return entry | {"states": partial if shape is PushShape.PARTIAL else partial[0]}
    return entry


def _key(state: Entry) -> str:
    return f"{state['capability']}.{state['name']}".casefold()


def _id_only(entry: Entry) -> Entry:
    return {"id": entry["id"]}


def _mapping(entry: Entry) -> Entry:
    capabilities: dict[str, Entry] = {}
    for state in entry.get("states", []):
        capabilities.setdefault(state["capability"], {})[state["name"]] = state["value"]
    return entry | ({"states": capabilities} if capabilities else {})


def _lower(entry: Entry) -> Entry:
    states = [
        {key: value.lower() if isinstance(value, str) else value for key, value in state.items()}
        for state in entry.get("states", [])
    ]
    return entry | ({"states": states} if states else {})


def _unknown_id(entry: Entry) -> Entry:
    return entry | {"id": "00:00:5E:00:53:FF"}


def _not_object(entry: Entry) -> str:
    return str(entry["id"])


def _id_missing(entry: Entry) -> Entry:
    return {key: value for key, value in entry.items() if key != "id"}


def _not_json(name: str, entries: list[Entry], message_id: str) -> bytes:
    # The documents print `"states": { {…}, {…} }`.
    text = json.dumps(_frame(PushShape.ENVELOPE, name, entries, message_id))
    return text.replace('"states": [', '"states": {').replace("]}", "}}").encode()


_ENTRIES: dict[PushShape, Callable[[Entry], Any]] = {
    PushShape.ID_ONLY: _id_only,
    PushShape.STATES_MAPPING: _mapping,
    PushShape.LOWER_CASE: _lower,
    PushShape.UNKNOWN_ID: _unknown_id,
    PushShape.ENTRY_NOT_OBJECT: _not_object,
    PushShape.ID_MISSING: _id_missing,
}
