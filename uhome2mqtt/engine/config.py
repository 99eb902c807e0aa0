"""What the engine is told at its start, and when the configuration is read again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from uhome2mqtt.model import Discovery, Json
from uhome2mqtt.topics import Topics
from uhome2mqtt.uhome import GUESSED, LightNames


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """What the user's configuration says of one device."""

    topic: str | None = None
    name: str | None = None
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Settings that the engine needs; intervals and ages in seconds.

    `poll_interval`: as configured; how often is really asked follows from what the cloud bears, and is
    `push_interval` while notifications have proven themselves. `stale_after`: None = it follows from the interval in
    use. `push`: whether there is an address for notifications; `rotate_every`: how long one secret is used for them.
    `allow`: device kind, id, topic level or name to the words and keys that MQTT may use, None = everything.
    `lock_users`: whether keypad codes may be managed, `reveal_codes`: whether answers show them to everybody.
    `reassert_every`: after how long everything retained is published once more, None = never.
    `light_names`: what the cloud calls the colours of lights, for notifications that come over MQTT.
    `run`: names this run of the bridge in the ids of its commands, so that they differ from those of other runs.
    `login_hint`: what a person does who has to log in.
    `instance`: names this run of the program among bridges on one base topic, empty = there are no others.
    `about`: what `bridge/info` says of version, settings and schema. `asyncapi`: what `bridge/asyncapi` says, empty =
    nothing is published there.
    """

    topics: Topics
    run: str = "0"
    qos: int = 1
    json_state: bool = True
    discovery: Discovery = Discovery.DEVICE
    poll_interval: float = 30.0
    push_interval: float = 300.0
    push: bool = False
    rotate_every: float = 86400.0
    list_interval: float = 6 * 3600.0
    stale_after: float | None = None
    allow: Mapping[str, tuple[str, ...] | None] = field(default_factory=dict)
    max_age: float = 30.0
    lock_users: bool = False
    reveal_codes: bool = False
    reassert_every: float | None = None
    overrides: Mapping[str, Override] = field(default_factory=dict)
    light_names: LightNames = GUESSED
    login_hint: str = "run: uhome2mqtt login"
    instance: str = ""
    about: Mapping[str, Json] = field(default_factory=dict)
    asyncapi: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChanged:
    """The configuration was read again: names of keys, by when their change is applied.

    `config` has the topics and the layout of before.
    """

    config: EngineConfig
    applied: tuple[str, ...] = ()
    at_next_connection: tuple[str, ...] = ()
    needs_restart: tuple[str, ...] = ()
