"""What each request takes, beside the `transaction` and `sent_at` that all take: its members, as JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uhome2mqtt.lock_users import CODE_LENGTHS, DAYS, LIMITS, NAME_LENGTH, OWNER, TYPES
from uhome2mqtt.model import LOG_LEVELS, Json
from uhome2mqtt.topics import MAX_SLUG

LONGEST_NAME = 128
"""Characters of a name that people give a device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a request's object; `needed`: without it the request is refused."""

    schema: Mapping[str, Json] = field(default_factory=dict)
    needed: bool = True


_FEWEST, _MOST = CODE_LENGTHS.start, CODE_LENGTHS.stop - 1
_TWO_TEXTS: dict[str, Json] = {"type": "array", "items": {"type": "string"}, "minItems": 2, "maxItems": 2}

_DEVICE = Member(
    schema={"type": "string", "minLength": 1, "description": "id, topic level, or a name that only one device has"}
)
_USER = Member(
    schema={"type": ["integer", "string"], "minimum": 1, "pattern": "^[0-9]+$", "description": "see lock_users/list"}
)
_PERSON = {
    "name": Member(schema={"type": "string", "minLength": 1, "maxLength": NAME_LENGTH}),
    "type": Member(schema={"enum": [*TYPES, *sorted({*TYPES.values()} - {OWNER})]}),
    "password": Member(
        schema={
            "type": ["string", "integer"],
            "pattern": f"^[1-9][0-9]{{{_FEWEST - 1},{_MOST - 1}}}$",
            "minimum": 10 ** (_FEWEST - 1),
            "maximum": 10**_MOST - 1,
        }
    ),
    "daterange": Member(schema={**_TWO_TEXTS, "description": "only with, and needed for, temporary"}, needed=False),
    "weeks": Member(
        schema={
            "type": "array",
            "items": {"type": "integer", "minimum": DAYS[0], "maximum": DAYS[-1]},
            "minItems": 1,
            "uniqueItems": True,
        },
        needed=False,
    ),
    "timerange": Member(schema=_TWO_TEXTS, needed=False),
    "limit": Member(schema={"type": "integer", "minimum": LIMITS[0], "maximum": LIMITS[-1]}, needed=False),
}

TAKES: dict[str, Mapping[str, Member]] = {
    "refresh": {},
    "discover": {},
    "reassert": {},
    "device/rename": {
        "device": _DEVICE,
        "topic": Member(
            schema={"type": ["string", "null"], "pattern": "^[a-z0-9_-]+$", "maxLength": MAX_SLUG}, needed=False
        ),
        "name": Member(schema={"type": ["string", "null"], "minLength": 1, "maxLength": LONGEST_NAME}, needed=False),
    },
    "device/restore": {"device": _DEVICE},
    "notifications/register": {},
    "notification": {"token": Member(schema={"type": "string"}), "body": Member()},
    "log_level": {"level": Member(schema={"enum": [*LOG_LEVELS]})},
    "health_check": {},
    "lock_users/list": {"device": _DEVICE},
    "lock_users/get": {"device": _DEVICE, "id": _USER},
    "lock_users/add": {"device": _DEVICE, **_PERSON},
    "lock_users/update": {"device": _DEVICE, "id": _USER, **_PERSON},
    "lock_users/delete": {"device": _DEVICE, "id": _USER},
}
