"""All metrics of the bridge: what they are called, what they tell, and which labels they have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from uhome2mqtt.catalogue import DESCRIPTIONS
from uhome2mqtt.events import Event
from uhome2mqtt.ledger import LIMITS
from uhome2mqtt.metrics.reasons import DISCONNECTIONS, KEYS, KINDS, REASONS
from uhome2mqtt.model import CloudStatus, Outcome, PushStatus

PREFIX = "uhome2mqtt_"

COMMAND = (0.1, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 7.5, 10.0, 15.0, 25.0, 40.0, 60.0, 90.0)
"""Seconds: a cloud accepts in tenths, a bolt moves in one or two, and the last look comes after 56 or 75."""
QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""Seconds: what happens on this machine and in its network."""
TURN = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)

SETTABLE = tuple(row.key for row in DESCRIPTIONS if row.parse is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One metric; `labels`: each label with all words that it may have, or with where they come from.

    `absent`: when there is no such sample.
    """

    kind: Literal["counter", "gauge", "histogram", "info"]
    about: str
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    buckets: tuple[float, ...] = ()
    absent: str = ""


def snake(name: str) -> str:
    """Write the name of an event's class as a label has it."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).removeprefix("_")


EVENTS = {event.__name__: snake(event.__name__) for event in get_args(Event)} | {"ConfigChanged": "config_changed"}

_REQUESTS: dict[str, tuple[str, ...]] = {"kind": KINDS}
_KEY: dict[str, tuple[str, ...]] = {"key": (*KEYS, "other")}
_OUTCOMES = ("ok", "authorization", "unreachable", "uncertain", "rate_limited", "rejected", "internal")
_POSTS = ("accepted", "unauthorized", "too_large", "not_json", "overloaded")

_PROCESS = {
    "build_info": Row(
        kind="info",
        about="Version of the bridge and of Python",
        labels={"version": ("the bridge's",), "python": ("Python's",)},
    ),
    "start_time_seconds": Row(kind="gauge", about="When the bridge started, in seconds since 1970"),
    "event_loop_lag_seconds": Row(
        kind="histogram", about="How much later than planned the bridge woke up for a deadline", buckets=QUICK
    ),
    "engine_turn_duration_seconds": Row(
        kind="histogram", about="How long the engine took to deal with one event", buckets=TURN
    ),
    "engine_events_total": Row(
        kind="counter", about="Events that the engine has dealt with", labels={"event": tuple(EVENTS.values())}
    ),
}
_COMMANDS = {
    "commands_total": Row(
        kind="counter",
        about="What became of commands: `accepted` is counted besides the final outcome",
        labels={**_KEY, "outcome": tuple(map(str, Outcome)), "reason": (*REASONS, "other")},
    ),
    "commands_pending": Row(kind="gauge", about="Commands without a final outcome"),
    "command_acceptance_duration_seconds": Row(
        kind="histogram", about="From the arrival of a command to the cloud's acceptance", labels=_KEY, buckets=COMMAND
    ),
    "command_confirmation_duration_seconds": Row(
        kind="histogram",
        about="From the arrival of a command to the report that confirmed it",
        labels=_KEY,
        buckets=COMMAND,
    ),
    "contradictions_total": Row(
        kind="counter", about="Reports that said the opposite of what had been confirmed just before"
    ),
}
_CLOUD = {
    "cloud_status": Row(
        kind="gauge", about="1 for how the cloud is doing, 0 for the rest", labels={"status": tuple(CloudStatus)}
    ),
    "cloud_requests_total": Row(
        kind="counter", about="Requests to the U home cloud", labels={**_REQUESTS, "outcome": _OUTCOMES}
    ),
    "cloud_request_duration_seconds": Row(
        kind="histogram", about="How long requests to the U home cloud took", labels=_REQUESTS, buckets=LIMITS
    ),
    "cloud_last_success_timestamp_seconds": Row(
        kind="gauge", about="When the cloud last answered well, in seconds since 1970", absent="before the first time"
    ),
    "poll_age_seconds": Row(
        kind="gauge", about="Since all devices were last queried with success", absent="before the first time"
    ),
    "poll_interval_seconds": Row(kind="gauge", about="Time between two queries of all devices, as it is now"),
    "device_list_age_seconds": Row(
        kind="gauge", about="Since the device list was last read", absent="before the first time"
    ),
    "devices": Row(
        kind="gauge", about="Devices of the account", labels={"kind": ("lock", "light", "switch", "device")}
    ),
    "devices_stale": Row(kind="gauge", about="Devices whose state is out of date; disabled ones are not counted"),
    "devices_offline": Row(kind="gauge", about="Devices out of the cloud's reach; disabled ones are not counted"),
    "devices_excluded": Row(kind="gauge", about="Devices that somebody has deleted in Home Assistant"),
    "login_needed": Row(kind="gauge", about="1 if a person has to log in, else 0"),
    "access_token_expiry_timestamp_seconds": Row(
        kind="gauge", about="When the access token expires; it is renewed before", absent="without a login"
    ),
    "login_expiry_timestamp_seconds": Row(
        kind="gauge",
        about="When the login is over for good",
        absent="without a login, and while it can be renewed: then nobody knows",
    ),
}
_BROKER = {
    "broker_connected": Row(kind="gauge", about="1 while the broker is connected, else 0"),
    "broker_connections_total": Row(kind="counter", about="Connections to the broker that stood"),
    "broker_disconnections_total": Row(
        kind="counter", about="Connections to the broker that were lost", labels={"reason": DISCONNECTIONS}
    ),
    "other_bridges": Row(
        kind="gauge", about="Other bridges on the same base topic; there should be none, but for a spare"
    ),
    "standing_by": Row(
        kind="gauge", about="1 while another bridge on the base topic works and this one does not, else 0"
    ),
    "broker_outbox_messages": Row(kind="gauge", about="Messages that wait to be published"),
    "messages_published_total": Row(kind="counter", about="Messages that were published"),
    "messages_received_total": Row(kind="counter", about="Messages that the broker sent"),
    "publish_acknowledgement_duration_seconds": Row(
        kind="histogram",
        about="How long the broker took to acknowledge a message; those of QoS 0 are not measured",
        buckets=QUICK,
    ),
}
_PUSH = {
    "push_status": Row(
        kind="gauge",
        about="1 for how far notifications can be relied on, 0 for the rest",
        labels={"status": tuple(PushStatus)},
    ),
    "push_evidence_total": Row(
        kind="counter",
        about="Changes that queries saw, by what notifications had told",
        labels={"verdict": ("hit", "late", "miss")},
    ),
    "notification_posts_total": Row(
        kind="counter", about="Requests to the address of notifications", labels={"outcome": _POSTS}
    ),
    "notifications_total": Row(kind="counter", about="Notifications taken, by whichever road they came"),
    "notification_publish_duration_seconds": Row(
        kind="histogram",
        about="From the arrival of a notification to when all that it changed is on the broker",
        buckets=QUICK,
    ),
}

SECTIONS: dict[str, dict[str, Row]] = {
    title: {f"{PREFIX}{name}": row for name, row in rows.items()}
    for title, rows in (
        ("Process", _PROCESS),
        ("Commands", _COMMANDS),
        ("Cloud", _CLOUD),
        ("Broker", _BROKER),
        ("Push", _PUSH),
    )
}
TABLE: dict[str, Row] = {name: row for rows in SECTIONS.values() for name, row in rows.items()}
