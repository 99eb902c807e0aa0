"""What the bridge can be asked for, and what it answers."""

from __future__ import annotations

from uhome2mqtt.asyncapi.forms import (
    ANYTHING,
    COUNT,
    FLAG,
    NOTHING,
    REQUEST_TRANSACTION,
    SENT_AT,
    TEXT,
    Schema,
    any_of,
    constant,
    nullable,
    of_members,
    rows,
    shared,
    table,
    thing,
    words,
)
from uhome2mqtt.asyncapi.parts import PLAIN, Message
from uhome2mqtt.engine.members import TAKES
from uhome2mqtt.engine.requests import ACTIONS
from uhome2mqtt.model import LOG_LEVELS, Json

GET = "get"

_LEVEL: dict[str, Schema] = {"device": TEXT}
_USER = shared("lock_user")
_CHANGED: dict[str, Schema] = {**_LEVEL, "id": COUNT, "user": _USER}

_ANSWERS: dict[str, dict[str, Schema]] = {
    "refresh": {"devices": COUNT},
    "reassert": {"devices": COUNT},
    "discover": {"devices": COUNT, "added": rows(TEXT), "removed": rows(TEXT)},
    "device/rename": {"id": TEXT, "topic": TEXT, "name": TEXT, "from": TEXT},
    "device/restore": {"id": nullable(TEXT), "topic": TEXT, "name": TEXT, "restored": rows(TEXT)},
    "notifications/register": {"push": shared("push")},
    "notification": dict.fromkeys(("reports", "changed", "deleted", "unreadable"), COUNT),
    "log_level": {"level": words(LOG_LEVELS)},
    "health_check": {
        "healthy": FLAG,
        "cloud": shared("cloud"),
        "listed": FLAG,
        "devices": COUNT,
        "push": shared("push"),
        "mqtt_protocol": nullable(words(("5", "3.1.1"))),
        "uptime": COUNT,
    },
    "lock_users/list": {**_LEVEL, "users": rows(_USER)},
    "lock_users/get": {**_LEVEL, "user": _USER},
    "lock_users/add": _CHANGED,
    "lock_users/update": {**_CHANGED, "note": TEXT},
    "lock_users/delete": {**_LEVEL, "id": COUNT},
    GET: {**_LEVEL, "state": shared("device")},
}
"""The data of an answer to what was carried out."""

_SOMETIMES = {"device/restore": {"name"}, "lock_users/update": {"note"}}


def requests() -> list[Message]:
    """Give the messages on `bridge/request/<name>`; one without any needed member may be empty."""
    asked = [Message(name=name, payload=of_members(TAKES[name])) for name in ACTIONS]
    empty = [name for name in ACTIONS if not any(member.needed for member in TAKES[name].values())]
    return [*asked, *(Message(name=name, payload=constant(""), content=PLAIN) for name in empty)]


def gets() -> list[Message]:
    """Give the messages on `<base>/<device>/get`."""
    about: dict[str, Schema] = {"transaction": REQUEST_TRANSACTION, "sent_at": SENT_AT}
    return [
        Message(name=GET, payload={**thing(about, optional=about), "additionalProperties": True}),
        Message(name=GET, payload=TEXT, content=PLAIN, summary="Empty, or any text."),
    ]


def responses() -> list[Message]:
    """Give the messages on `bridge/response/<name>`."""
    answered = [Message(name=name, payload=_answer(name)) for name in (*ACTIONS, GET)]
    return [*answered, Message(name="error", payload=_ERROR, summary="Also to a request that there is not.")]


def _answer(name: str) -> dict[str, Json]:
    data = thing(_ANSWERS[name], optional=_SOMETIMES.get(name, ()))
    ok = thing({"status": constant("ok"), "data": data, "error": NOTHING, "transaction": REQUEST_TRANSACTION})
    return any_of(ok, shared("error"))


_ERROR = thing(
    {
        "status": constant("error"),
        "data": table(ANYTHING),
        "error": TEXT,
        "transaction": REQUEST_TRANSACTION,
    }
)


def shared_forms() -> dict[str, Json]:
    """Give the forms to which others refer."""
    return {"error": _ERROR}
