"""What devices show and take, from the rows of the catalogue."""

from __future__ import annotations

from uhome2mqtt.asyncapi.forms import (
    ANYTHING,
    COMMAND_TRANSACTION,
    MOMENT,
    NUMBER,
    SENT_AT,
    TEXT,
    Schema,
    any_of,
    constant,
    nullable,
    table,
    thing,
    words,
)
from uhome2mqtt.asyncapi.parts import PLAIN, Message
from uhome2mqtt.catalogue import DESCRIPTIONS, EntityDescription
from uhome2mqtt.catalogue.description import text_of
from uhome2mqtt.catalogue.lights import LIGHT_MEMBERS
from uhome2mqtt.homeassistant.rules import COLOR_MODES
from uhome2mqtt.model import Json, Outcome, Source

ROWS = {row.key: row for row in DESCRIPTIONS}
SETTABLE = [row for row in DESCRIPTIONS if row.parse is not None]
UNKNOWN = text_of(None)

_LIKE = {name: row for name, row in {"state": ROWS["switch"], **ROWS}.items() if name in LIGHT_MEMBERS}
"""Members of a light that show and take what another row does."""
_UNLIKE = dict.fromkeys(LIGHT_MEMBERS, ANYTHING)
_ABOUT: dict[str, Schema] = {"transaction": COMMAND_TRANSACTION, "sent_at": SENT_AT}


def shown(row: EntityDescription) -> dict[str, Json]:
    """Give the form of a value as JSON, but for null, which is for all that is unknown."""
    if row.value_type == "number":
        return _number(row)
    if row.value_type == "object":
        light = _UNLIKE | {name: nullable(shown(like)) for name, like in _LIKE.items()}
        return thing({**light, "color_mode": words(sorted(COLOR_MODES))}, optional={*light, "color_mode"} - {"state"})
    return words(row.values) if row.values else dict(TEXT)


def _number(row: EntityDescription) -> dict[str, Json]:
    bounds: dict[str, Json] = {"type": "number", "minimum": row.minimum, "maximum": row.maximum}
    return bounds if row.unit is None else {**bounds, "description": row.unit}


def taken(row: EntityDescription) -> dict[str, Json]:
    """Give the form of what a key takes as plain text: a word or a number."""
    if row.value_type == "number":
        return _number(row)
    # What is not a word is an example of JSON, or says what form a text has.
    listed = [word for word in row.settable if word.isalpha()]
    return words(listed) if listed else dict(TEXT)


def value(row: EntityDescription) -> dict[str, Json]:
    """Give the form of what a key takes as a value in JSON."""
    return any_of(taken(row), _light()) if row.value_type == "object" else taken(row)


def _light() -> dict[str, Json]:
    return {**thing(_light_members(), optional=LIGHT_MEMBERS), "minProperties": 1}


def _light_members() -> dict[str, Schema]:
    return _UNLIKE | {name: taken(like) for name, like in _LIKE.items()}


def states() -> list[Message]:
    """Give the messages on `<base>/<device>/<key>`."""
    return [_state(row) for row in DESCRIPTIONS]


def _state(row: EntityDescription) -> Message:
    if row.value_type == "object":
        return Message(name=row.key, payload=shown(row))
    if row.value_type == "number":
        return Message(name=row.key, payload=any_of(shown(row), constant(UNKNOWN)), content=PLAIN)
    return Message(name=row.key, payload=words((*row.values, UNKNOWN)) if row.values else TEXT, content=PLAIN)


def commands() -> list[Message]:
    """Give the messages on `<base>/<device>/<key>/set`."""
    return [message for row in SETTABLE for message in (_plain(row), _json(row))]


def _plain(row: EntityDescription) -> Message:
    return Message(name=row.key, payload=taken(row), content=PLAIN)


def _json(row: EntityDescription) -> Message:
    form = thing({"value": value(row), **_ABOUT}, optional=_ABOUT)
    if row.value_type == "object":
        form = any_of(form, thing({**_light_members(), **_ABOUT}, optional={*LIGHT_MEMBERS, *_ABOUT}))
    return Message(name=row.key, payload=form)


def orders() -> dict[str, Json]:
    """Give the form of a message on `<base>/<device>/set`."""
    asked = {row.key: value(row) for row in SETTABLE}
    one: list[Json] = [{"required": [key]} for key in asked]
    return {**thing({**asked, **_ABOUT}, optional={*asked, *_ABOUT}), "anyOf": one}


def device_document() -> dict[str, Json]:
    """Give the form of `<base>/<device>`."""
    lost = {row.key: shown(row) for row in DESCRIPTIONS if row.forgettable}
    behind: dict[str, Schema] = {
        "source": nullable(words(Source)),
        "pending": nullable(table(ANYTHING, (row.key for row in SETTABLE))),
        "last_known": nullable(thing(lost, optional=lost)),
    }
    keys = {row.key: nullable(shown(row)) for row in DESCRIPTIONS}
    return thing({**keys, **behind}, optional={row.key for row in DESCRIPTIONS if row.requires})


def result() -> dict[str, Schema]:
    """Give the members of what became of a command."""
    return {
        "event_type": words(Outcome),
        "key": nullable(TEXT),
        "payload": ANYTHING,
        "transaction": COMMAND_TRANSACTION,
        "reason": nullable(TEXT),
        "message": nullable(TEXT),
        "seconds": NUMBER,
        "at": MOMENT,
        "id": TEXT,
    }
