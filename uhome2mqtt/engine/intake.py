"""Reading what arrives on a command topic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from uhome2mqtt.errors import PayloadError
from uhome2mqtt.model import Json, parse_json, quoted
from uhome2mqtt.topics import SetTopic

MAX_PAYLOAD = 16 * 1024
"""Bytes; the largest sensible command is a hundred times smaller."""
MILLISECONDS = 1e11
"""From here on a number is no plausible time in seconds (the year 5138) but one in milliseconds, as JavaScript has."""

_KINDS = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}
_ABOUT = ("transaction", "sent_at")
_OBJECTS = frozenset({"light", "rgb"})
"""Keys whose values may be objects themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One command as it was asked for; `sent_at` in seconds since 1970 where the sender said it."""

    key: str
    payload: Json
    transaction: Json = None
    sent_at: float | None = None


def read_orders(topic: SetTopic, raw: bytes) -> tuple[Order, ...]:
    """Read a message on a set topic; raises PayloadError for what is no command at all."""
    text = _text(raw)
    if topic.key is None:
        members = _json_object(text)
        asked = {key: payload for key, payload in members.items() if key not in _ABOUT}
        if not asked:
            raise PayloadError('nothing to set: send {"<key>": <value>}, for example {"lock": "LOCK"}')
        return tuple(_request(key, payload, members) for key, payload in asked.items())
    if not text.startswith("{"):
        return (Order(key=topic.key, payload=text),)
    members = _json_object(text)
    return (_request(topic.key, _value(topic.key, members), members),)


def read_object(raw: bytes, most: int = MAX_PAYLOAD) -> dict[str, Json]:
    """Read a message that is a JSON object of so many bytes; raises PayloadError for anything else."""
    return _json_object(_text(raw, most))


def read_transaction(raw: bytes) -> Json:
    """Find the transaction in a message that is refused as a whole, so that its sender knows which one it was."""
    try:
        transaction = read_object(raw).get("transaction")
    except PayloadError:
        return None
    return None if isinstance(transaction, bool | list | dict) else transaction


def _text(raw: bytes, most: int = MAX_PAYLOAD) -> str:
    if len(raw) > most:
        raise PayloadError(f"{len(raw)} bytes are too many: at most {most} are read")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise PayloadError("the payload is not UTF-8 text") from None


def _json_object(text: str) -> dict[str, Json]:
    try:
        members = parse_json(text)
    except ValueError as problem:
        raise PayloadError(f"the payload is not JSON: {problem}") from None
    if not isinstance(members, dict):
        raise PayloadError(f"the payload is {_KINDS.get(type(members), 'null')}, and not a JSON object")
    return members


def _value(key: str, members: dict[str, Json]) -> Json:
    """Give `value`, or for a light or a colour, which may be an object itself, what stands in its place."""
    rest = {name: member for name, member in members.items() if name not in _ABOUT}
    if "value" not in rest and key in _OBJECTS:
        return rest
    if rest.keys() != {"value"}:
        raise PayloadError(f"{quoted(rest)}: an object holds value and, if wanted, transaction and sent_at")
    return rest["value"]


def _request(key: str, payload: Json, members: dict[str, Json]) -> Order:
    transaction = members.get("transaction")
    if isinstance(transaction, bool | list | dict):
        raise PayloadError("transaction is a string or a number")
    return Order(key=key, payload=payload, transaction=transaction, sent_at=read_sent_at(members.get("sent_at")))


def read_sent_at(value: Json) -> float | None:
    """Read a time: ISO 8601 with its offset, or a number of seconds (or milliseconds) since 1970; else PayloadError."""
    if value is None:
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value / 1000 if value >= MILLISECONDS else float(value)
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise PayloadError(
            f"sent_at {quoted(value)} is no time: send ISO 8601 with an offset (2026-01-31T12:00:00Z) "
            "or seconds since 1970"
        )
    return moment.timestamp()
