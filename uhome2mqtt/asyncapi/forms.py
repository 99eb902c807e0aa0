"""The few forms of JSON Schema that payloads have."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeAlias

from uhome2mqtt.engine.members import Member
from uhome2mqtt.model import Json

Schema: TypeAlias = "Mapping[str, Json]"

ANYTHING: Schema = {}
TEXT: Schema = {"type": "string"}
FLAG: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number", "minimum": 0}
NOTHING: Schema = {"type": "null"}
MOMENT: Schema = {"type": "string", "format": "date-time"}

REQUEST_TRANSACTION: Schema = {"description": "any JSON; the answer repeats it"}
COMMAND_TRANSACTION: Schema = {"type": ["string", "number", "null"], "description": "new for each wish"}
SENT_AT: Schema = {
    "type": ["string", "number", "null"],
    "description": "ISO 8601 with offset, or seconds or milliseconds since 1970",
}


def words(allowed: Iterable[str]) -> dict[str, Json]:
    """Ask for one of some words."""
    return {"type": "string", "enum": list[Json](map(str, allowed))}


def constant(value: str) -> dict[str, Json]:
    """Ask for exactly this word."""
    return {"const": value}


def nullable(schema: Schema) -> dict[str, Json]:
    """Allow null as well."""
    or_null: dict[str, Json] = {**schema, "type": [schema["type"], "null"]}
    allowed = schema.get("enum")
    return or_null | {"enum": [*allowed, None]} if isinstance(allowed, list) else or_null


def thing(members: Mapping[str, Schema], optional: Collection[str] = ()) -> dict[str, Json]:
    """Ask for an object with these members and no others."""
    needed = [name for name in members if name not in optional]
    closed: dict[str, Json] = {
        "type": "object",
        "properties": {name: dict(schema) for name, schema in members.items()},
        "additionalProperties": False,
    }
    return closed | {"required": list[Json](needed)} if needed else closed


def table(values: Schema, names: Iterable[str] = ()) -> dict[str, Json]:
    """Ask for an object of any names, or of some of these."""
    filled: dict[str, Json] = {"type": "object", "additionalProperties": dict(values)}
    return filled | {"propertyNames": {"enum": list[Json](names)}} if names else filled


def rows(items: Schema) -> dict[str, Json]:
    """Ask for a list."""
    return {"type": "array", "items": dict(items)}


def any_of(*choices: Schema) -> dict[str, Json]:
    """Ask for one of these forms."""
    return {"anyOf": [dict(choice) for choice in choices]}


def shared(name: str) -> dict[str, Json]:
    """Refer to a form that stands among the components of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def of_members(takes: Mapping[str, Member]) -> dict[str, Json]:
    """Ask for what a request takes, and allow what all requests take."""
    about = {"transaction": REQUEST_TRANSACTION, "sent_at": SENT_AT}
    optional = {name for name, member in takes.items() if not member.needed} | about.keys()
    return thing({name: member.schema for name, member in takes.items()} | about, optional)
