"""What can happen to the engine (past participles); `uhome2mqtt.effects` has what it asks for.

Times: `Now.monotonic` in seconds of a clock that never jumps, `Now.utc` for people. Identifiers of commands
and queries are numbers that the engine counts up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from uhome2mqtt.model import (
    Asker,
    Device,
    DeviceError,
    Failure,
    Json,
    Notification,
    Report,
    Source,
    UsersReply,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """One reading of both clocks."""

    monotonic: float
    utc: datetime

    @property
    def stamp(self) -> str:
        """The time as it is published: ISO 8601, UTC, milliseconds."""
        return self.utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The process is up; nothing is known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConnected:
    """The broker accepted the connection.

    `protocol`: `5` or `3.1.1`. `retained`: what it held of an earlier run, at a process's first connection, else None.
    """

    protocol: str
    retained: Mapping[str, bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerDisconnected:
    """The connection to the broker is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeAssistantStarted:
    """Home Assistant's birth message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigCleared:
    """Somebody has emptied a retained topic below Home Assistant's discovery prefix; it may have been ourselves."""

    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StillHeld:
    """What the broker holds on topics that were cleared: one that was killed comes back with what it had saved."""

    held: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeHeard:
    """Somebody has published on a topic on which bridges speak of themselves; over MQTT 3.1.1 it may be this one."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedIn:
    """A person has logged in anew, here or in another process: nothing needs to wait for that any longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthMeasured:
    """What the requests to the cloud came to, as `bridge/health` tells it; `memory` in bytes, None where unknown."""

    requests: Mapping[str, Json]
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountIdentified:
    """Whose account it is, hashed."""

    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentificationFailed:
    """It is not known whose account it is."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicesListed:
    """A device list arrived, whole."""

    devices: tuple[Device, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceListFailed:
    """No device list; this never means that there are no devices."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class StatesReported:
    """Reports of some devices, in answer to a query."""

    reports: tuple[Report, ...]
    source: Source
    query: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryFailed:
    """A query, or the part of it that concerns these devices, had no result."""

    query: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEnded:
    """All parts of a query have been answered or have failed."""

    query: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Where the sender of a message wants its answer (MQTT 5)."""

    topic: str
    correlation: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived:
    """A message on a command topic, or what the bridge's own pages would say there.

    `expiry` is what is left of its MQTT 5 life, in seconds. `since`: since when it may have waited to be read, in
    monotonic seconds; None: it has not waited.
    """

    topic: str
    payload: bytes
    since: float | None = None
    retained: bool = False
    expiry: float | None = None
    reply: Reply | Asker | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandAnswered:
    """The cloud took a command (`error` None) or refused it for this device; it may report states at once."""

    command: int
    error: DeviceError | None = None
    report: Report | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFailed:
    """The request that carried a command had no result."""

    command: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersAnswered:
    """The cloud answered a question or an order about the codes of a lock."""

    job: int
    reply: UsersReply


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersFailed:
    """The request that was about the codes of a lock had no result."""

    job: int
    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationReceived:
    """The cloud told something of its own accord, and showed the secret of the registration.

    `received`: when it came in, in monotonic seconds; None where that is not measured.
    """

    notification: Notification
    received: float | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PushRegistered:
    """The cloud knows where notifications go; whether it sends any is another matter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushNotRegistered:
    """The cloud did not take the registration, or it is unknown whether it did."""

    failure: Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """The time that the engine asked to be woken at has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StopRequested:
    """The process is about to end."""


CloudEvent: TypeAlias = (
    LoggedIn
    | AccountIdentified
    | IdentificationFailed
    | DevicesListed
    | DeviceListFailed
    | StatesReported
    | QueryFailed
    | QueryEnded
    | CommandAnswered
    | CommandFailed
    | UsersAnswered
    | UsersFailed
    | NotificationReceived
    | PushRegistered
    | PushNotRegistered
)
BrokerEvent: TypeAlias = BrokerConnected | BrokerDisconnected | BridgeHeard | MessageReceived
RetainedEvent: TypeAlias = HomeAssistantStarted | ConfigCleared | StillHeld
Event: TypeAlias = CloudEvent | BrokerEvent | RetainedEvent | Started | HealthMeasured | Tick | StopRequested
