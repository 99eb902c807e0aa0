"""What the cloud says of the people who have a code of a lock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from uhome2mqtt.model import Json, LockUser, UsersReply, whole_number
from uhome2mqtt.uhome.members import error_of, id_in, member, text_in

_LISTED = frozenset({"id", "name", "type", "status", "sync_status"})
"""What every lock user shows of himself; whatever else there is comes with `get` alone."""


def decode_users_reply(payload: Mapping[str, Json], device_id: str) -> UsersReply:
    """Read the answer to a command about lock users, under the same rules as that to any other command.

    What is no list of users is no empty one either; users without a number for an id are left out.
    """
    devices = member(payload, "devices")
    entries = [entry for entry in (devices if isinstance(devices, list) else [devices]) if isinstance(entry, dict)]
    alone = entries[0] if len(entries) == 1 else {}
    folded = device_id.casefold()
    entry = next((entry for entry in entries if id_in(entry).casefold() == folded), alone)
    users = member(entry, "users")
    return UsersReply(
        error=error_of(member(entry, "error")),
        users=tuple(_lock_users(users)) if isinstance(users, list) else None,
        user=next(_lock_users([member(entry, "user")]), None),
    )


def _lock_users(records: Iterable[Json]) -> Iterator[LockUser]:
    for record in records:
        if isinstance(record, dict) and (number := whole_number(member(record, "id"))) is not None:
            yield LockUser(
                id=number,
                name=text_in(record, "name"),
                type=member(record, "type"),
                status=member(record, "status"),
                sync_status=member(record, "sync_status"),
                extra={key.casefold(): value for key, value in record.items() if key.casefold() not in _LISTED},
            )
