"""How the bridge is doing, at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uhome2mqtt.model import CloudStatus, PushView


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What an event has changed: of each device that it concerned, the keys that show something else now.

    `bridge`: whether what is told of the bridge itself may have changed. `listed`: whether the list of devices has.
    """

    devices: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    bridge: bool = False
    listed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Vitals:
    """What the engine tells of itself; ages in seconds, None before there was anything.

    `devices`: how many there are of each kind. `stale`, `offline`: how many of those that are not disabled are out of
    date, or out of reach. `excluded`: how many Home Assistant is told nothing of, since somebody deleted them there.
    `pending`: commands without a final outcome. `contradictions`: reports that said the opposite of what had just been
    confirmed. `other_bridges`: how many others are on the same base topic, `standing_by`: whether one of them works.
    """

    cloud: CloudStatus
    broker_connected: bool
    push: PushView
    poll_age: float | None
    list_age: float | None
    devices: Mapping[str, int]
    stale: int
    offline: int
    excluded: int
    pending: int
    contradictions: int
    other_bridges: int
    standing_by: bool
