"""What the cloud tells of its own accord; nobody waits for it, so that nothing in it is an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from uhome2mqtt.model import Json, Notification
from uhome2mqtt.uhome.lights import GUESSED, LightNames
from uhome2mqtt.uhome.members import LONGEST_ID, as_object, id_in, member, text_in
from uhome2mqtt.uhome.reports import report_of

MOST_ENTRIES = 300
"""How many entries of one notification are read: more than a home has devices."""
_STATE, _SYNC, _DELETE = _KINDS = ("devicestate", "devicesync", "devicedelete")
_OF_RECORDS = ("name", "handleType", "category")


def decode_notification(body: Json, names: LightNames = GUESSED) -> Notification:
    """Read a notification in every frame that was seen, documented or feared; whatever it is, nothing is raised.

    Entries without an id, those beyond `MOST_ENTRIES`, and a whole of another kind or without entries are unreadable.
    """
    header = as_object(member(as_object(body), "header"))
    kind = text_in(header, "name").casefold()
    entries = _entries(body)
    if entries is None or (kind and kind not in _KINDS):
        return Notification(unreadable=1)
    named = [entry for entry in entries[:MOST_ENTRIES] if isinstance(entry, dict) and id_in(entry)]
    told = [(kind or _kind_of(entry), entry) for entry in named]
    return Notification(
        reports=tuple(report_of(entry, names) for kind, entry in told if kind == _STATE),
        changed=_ids(entry for kind, entry in told if kind == _SYNC),
        deleted=_ids(entry for kind, entry in told if kind == _DELETE),
        unreadable=len(entries) - len(named),
        message_id=text_in(header, "messageId")[:LONGEST_ID],
    )


def _entries(body: Json) -> list[Json] | None:
    """Find the list of devices, or the one device that stands in place of the payload."""
    payload = member(as_object(body), "payload")
    listed = (body, payload, member(as_object(payload), "devices"), member(as_object(body), "devices"))
    alone: list[Json] | None = [payload] if id_in(as_object(payload)) else None
    return next((entries for entries in listed if isinstance(entries, list)), alone)


def _kind_of(entry: Mapping[str, Json]) -> str:
    """Tell the kind of an entry that came under no name: a record of a device says what it is, and no states."""
    is_record = member(entry, "states") is None and any(member(entry, key) is not None for key in _OF_RECORDS)
    return _SYNC if is_record else _STATE


def _ids(entries: Iterable[Mapping[str, Json]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id_in(entry) for entry in entries))
