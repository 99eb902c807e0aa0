"""What the engine asks for (imperatives); `uhome2mqtt.events` has what can happen to it.

Identifiers of commands and queries are numbers that the engine counts up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from uhome2mqtt.model import Announced, Command, Device, Json, Outcome, Pin, Source
from uhome2mqtt.packed import Payload, unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Publish a message; an empty retained payload clears the topic. `qos` None = as configured.

    `content`: the payload, packed if long. `caused_at`: when what it tells came in, to measure how long it takes.
    """

    topic: str
    content: Payload
    retain: bool = True
    qos: int | None = None
    correlation: bytes | None = None
    caused_at: float | None = field(default=None, compare=False)

    @property
    def payload(self) -> str:
        return unpacked(self.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookFor:
    """Look whether the broker holds anything on these topics, which have been cleared."""

    topics: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCommand:
    """Send one command to one device, now, ahead of any query; `not_after`, in monotonic seconds, no longer."""

    command: int
    device: Device
    action: Command
    not_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStates:
    """Ask for the states of these devices; `probe`: nobody knows whether the cloud is there."""

    query: int
    devices: tuple[Device, ...]
    source: Source
    probe: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ManageUsers:
    """Ask or order something about the codes of a lock; `not_after`, in monotonic seconds, no longer."""

    job: int
    device: Device
    action: Command
    not_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SetLogLevel:
    """Write log lines of this level and above from now on."""

    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDevices:
    """Ask for the device list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterPush:
    """Tell the cloud where notifications go; `renew`: with a secret that it has not had before."""

    renew: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyAccount:
    """Ask whose account it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasureHealth:
    """Count what the bridge has asked of the cloud, and what it needs of the machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavePins:
    """Keep the pins across restarts: device id to pin."""

    pins: Mapping[str, Pin]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveAnnounced:
    """Keep across restarts what Home Assistant has been told."""

    announced: Announced


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Say something in the log."""

    level: Literal["debug", "info", "warning", "error"]
    event: str
    fields: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Observe:
    """Count what became of a command, `seconds` after it came; `id` is the one of its log lines and results."""

    id: str
    key: str | None
    outcome: Outcome
    reason: str | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Give somebody at the bridge's own pages the answer, as JSON."""

    number: int
    payload: str


CloudEffect: TypeAlias = SendCommand | QueryStates | ManageUsers | ListDevices | RegisterPush | IdentifyAccount
Effect: TypeAlias = (
    Publish | LookFor | Answer | CloudEffect | MeasureHealth | SavePins | SaveAnnounced | SetLogLevel | Note | Observe
)
