"""What the bridge tells of itself."""

from __future__ import annotations

from uhome2mqtt.asyncapi import keys
from uhome2mqtt.asyncapi.forms import (
    ANYTHING,
    COUNT,
    FLAG,
    MOMENT,
    NUMBER,
    TEXT,
    Schema,
    constant,
    nullable,
    rows,
    shared,
    table,
    thing,
    words,
)
from uhome2mqtt.asyncapi.parts import Message
from uhome2mqtt.catalogue import KEYS
from uhome2mqtt.catalogue.attributes import KINDS
from uhome2mqtt.engine.evidence import Verdict
from uhome2mqtt.engine.presence import Role
from uhome2mqtt.model import BridgeEvent, CloudStatus, Json, Outcome, PushStatus

VERSION = "3.0.0"
PRESENCE = words(("online", "offline"))
_PROBLEM = words(("ON", "OFF"))


def shared_forms() -> dict[str, Json]:
    """Give the forms to which others refer."""
    return {
        "cloud": words(CloudStatus),
        "push": words(PushStatus),
        "device": keys.device_document(),
        "lock_user": {
            "type": "object",
            "properties": {"id": dict(COUNT), "name": dict(TEXT)},
            "required": ["id", "name", "type", "status", "sync_status"],
            "description": "as the cloud tells it; only get shows more than these",
        },
    }


def info() -> dict[str, Json]:
    """Give the form of `bridge/info`."""
    return thing(
        {
            "version": TEXT,
            "started": MOMENT,
            "settings": table(ANYTHING),
            "config_schema": table(ANYTHING),
            "account": nullable(TEXT),
            "mqtt_protocol": nullable(words(("5", "3.1.1"))),
            "push": shared("push"),
            "poll_interval": NUMBER,
        }
    )


def devices() -> dict[str, Json]:
    """Give the form of `bridge/devices`."""
    key = thing(
        {
            "key": words(sorted(KEYS)),
            "type": words(sorted({row.value_type for row in keys.ROWS.values()})),
            "settable": rows(TEXT),
            "values": rows(TEXT),
            "min": NUMBER,
            "max": NUMBER,
            "unit": TEXT,
        },
        optional={"values", "min", "max", "unit"},
    )
    about: dict[str, Schema] = dict.fromkeys(
        ("id", "topic", "name", "manufacturer", "model", "firmware", "category", "handle_type"), TEXT
    )
    return rows(
        thing(
            {
                **about,
                "alias": nullable(TEXT),
                "kind": words(KINDS),
                "enabled": FLAG,
                "missing": FLAG,
                "excluded": nullable(rows(TEXT)),
                "capabilities": rows(TEXT),
                "observed": rows(TEXT),
                "keys": rows(key),
            }
        )
    )


def health() -> dict[str, Json]:
    """Give the form of `bridge/health`."""
    return thing(
        {
            "cloud": shared("cloud"),
            "uptime": COUNT,
            "requests": _requests(),
            "budget": thing({"poll_interval": NUMBER, "held_until": nullable(MOMENT), "refusals": COUNT}),
            "commands": thing(dict.fromkeys(map(str, Outcome), COUNT)),
            "contradictions": COUNT,
            "push": _push(),
            "problems": thing(dict.fromkeys(("authorization", "push", "other_bridge"), _PROBLEM)),
            "memory": nullable(COUNT),
            "at": MOMENT,
        }
    )


def _requests() -> dict[str, Json]:
    spread = thing({"p50": COUNT, "p95": COUNT, "max": COUNT})
    return thing(
        {
            "total": COUNT,
            "last_24h": COUNT,
            "by_kind": table(COUNT),
            "errors": table(COUNT),
            "latency_ms": table(spread),
            "last_success": nullable(MOMENT),
        }
    )


def _push() -> dict[str, Json]:
    counts: dict[str, Schema] = dict.fromkeys(map(str, Verdict), COUNT)
    return thing(
        {
            "status": shared("push"),
            "evidence": thing({**counts, "latest": rows(words(Verdict))}),
            "received": COUNT,
            "last_received": nullable(MOMENT),
            "registered": nullable(MOMENT),
            "failure": nullable(TEXT),
        }
    )


_NAMED: dict[str, Schema] = {"id": TEXT, "topic": TEXT, "name": TEXT}
_DEVICE: dict[str, Schema] = {**_NAMED, "kind": words(KINDS)}
_SHOWN: dict[str, Schema] = {**_NAMED, "id": nullable(TEXT)}
"""The bridge itself, which has neither id nor name, may be meant."""
_EVIDENCE: dict[str, Schema] = {"evidence": rows(words(Verdict))}

_EVENTS: dict[BridgeEvent, dict[str, Schema]] = {
    BridgeEvent.DEVICE_ADDED: _DEVICE,
    BridgeEvent.DEVICE_RENAMED: {**_DEVICE, "from": TEXT},
    BridgeEvent.DEVICE_REMOVED: _DEVICE,
    BridgeEvent.DEVICE_EXCLUDED: {**_SHOWN, "key": nullable(TEXT)},
    BridgeEvent.DEVICE_RESTORED: _SHOWN,
    BridgeEvent.AUTHORIZATION_REQUIRED: {"hint": TEXT, "error": TEXT, "why": TEXT},
    BridgeEvent.AUTHORIZATION_RESTORED: {},
    BridgeEvent.PUSH_UNHEALTHY: _EVIDENCE,
    BridgeEvent.PUSH_RESTORED: _EVIDENCE,
    BridgeEvent.CONFIG_RELOADED: dict.fromkeys(("applied", "at_next_connection", "needs_restart"), rows(TEXT)),
}
_SOMETIMES = {
    BridgeEvent.DEVICE_RENAMED: {"from"},
    BridgeEvent.DEVICE_EXCLUDED: {"name"},
    BridgeEvent.DEVICE_RESTORED: {"name"},
}


def events() -> list[Message]:
    """Give the messages on `bridge/event`."""
    told = [
        Message(
            name=event,
            payload=thing(
                {"event_type": constant(event), **_EVENTS[event], "at": MOMENT}, optional=_SOMETIMES.get(event, ())
            ),
        )
        for event in BridgeEvent
    ]
    unknown = {**keys.result(), "event_type": constant(Outcome.REFUSED), "device": TEXT}
    return [*told, Message(name="refused", payload=thing(unknown), summary="A command for a device that there is not.")]


def presence() -> dict[str, Json]:
    """Give the form of `bridge/presence`."""
    return thing({"instance": TEXT, "version": TEXT, "started": MOMENT, "role": words(Role)})


def itself() -> dict[str, Json]:
    """Give the form of `bridge/asyncapi`."""
    known: list[Json] = ["asyncapi", "info", "channels", "operations"]
    return {"type": "object", "properties": {"asyncapi": {"const": VERSION}}, "required": known}
