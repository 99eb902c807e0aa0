"""Assemble the sections into the whole configuration and refuse what contradicts itself."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

import platformdirs
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from uhome2mqtt.catalogue import DESCRIPTIONS, KNOWN
from uhome2mqtt.errors import SettingsError
from uhome2mqtt.model import COLOR_TEMP, RGB
from uhome2mqtt.settings.sections import (
    Commands,
    Device,
    HomeAssistant,
    Lights,
    LockUsers,
    Log,
    Mqtt,
    Notifications,
    Polling,
    Uhome,
    Web,
    about,
)
from uhome2mqtt.settings.types import Allowed, FilePath, Text, format_duration
from uhome2mqtt.settings.urls import path_of, same_listener
from uhome2mqtt.uhome.lights import parse_state

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    KeyPath = tuple[str, ...]
    """Where a value stands: section and key, or `devices`, a device's id and a key."""
    Conflict = tuple[KeyPath, str, tuple[KeyPath, ...]]
    """The key to blame, why, and the other keys that have a part in it."""

SYSTEM_STATE = Path("/var/lib/uhome2mqtt")
OWN_PATHS = frozenset(
    {
        "/connect",
        "/api/house",
        "/api/time",
        "/api/events",
        "/api/diagnostics",
        "/session",
        "/session/end",
        "/oauth/start",
        "/oauth/status",
        "/oauth/callback",
        "/healthz",
        "/readyz",
        "/metrics",
    }
)
"""What the bridge's web server answers itself; the first page takes no POST, notifications may share its path."""
OWN_BELOW = ("/api/devices/", "/api/requests/", "/console/")
CONFLICTS = "conflicts"
"""Type of the validation error that carries all contradictions as values of `Conflict`."""


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Return systemd's state directory, else the system's for root and the user's for everybody else."""
    if first := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(first)
    if os.geteuid() == 0:
        return SYSTEM_STATE
    return platformdirs.user_state_path("uhome2mqtt")


def _own_state_dir() -> Path:
    return default_state_dir(os.environ)


class Settings(BaseSettings):
    """The whole configuration; one that contradicts itself cannot be constructed."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what `load` has gathered, and nothing behind its back.

        The library's own sources read the process's environment, do not report a misspelt variable, and do not say
        where a refused value came from.
        """
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)

    uhome: Uhome = Field(default_factory=Uhome)
    mqtt: Mqtt = Field(default_factory=Mqtt)
    homeassistant: HomeAssistant = Field(default_factory=HomeAssistant)
    polling: Polling = Field(default_factory=Polling)
    notifications: Notifications = Field(default_factory=Notifications)
    commands: Commands = Field(default_factory=Commands)
    lights: Lights = Field(default_factory=Lights, json_schema_extra=about(also_called=("light", "colors")))
    lock_users: LockUsers = Field(default_factory=LockUsers)
    web: Web = Field(default_factory=Web, json_schema_extra=about(also_called=("frontend", "http", "server")))
    devices: Annotated[
        dict[Text, Device], Allowed("device ids, each with topic, name or enabled", {"type": "object"})
    ] = Field(default_factory=dict, description="What is different for single devices, by their ids in the cloud")
    state_dir: FilePath = Field(
        default_factory=_own_state_dir,
        description="Directory for tokens and topic names, readable by the bridge's user only",
        json_schema_extra=about(
            sample="/var/lib/uhome2mqtt", default="$STATE_DIRECTORY, else the platform's state directory"
        ),
    )
    log: Log = Field(default_factory=Log, json_schema_extra=about(also_called=("logging", "logger")))

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if found := list(_conflicts(self)):
            raise PydanticCustomError(CONFLICTS, "the settings contradict each other", {CONFLICTS: found})
        return self

    def require_client(self) -> None:
        """Raise `SettingsError` unless the client of the OpenAPI is configured."""
        given = {"uhome.client_id": self.uhome.client_id, "uhome.client_secret": self.uhome.client_secret}
        where = "it is in the Xthings Home app under My Account, OpenAPI"
        missing = tuple(f"{name}: not given, but needed; {where}" for name, value in given.items() if not value)
        if missing:
            raise SettingsError(missing)


def _conflicts(settings: Settings) -> Iterator[Conflict]:
    yield from _polling_conflicts(settings.polling)
    yield from _web_conflicts(settings.web)
    yield from _unknown_words(settings.commands)
    yield from _shared_topics(settings.devices)
    yield from _push_conflicts(settings)
    yield from _listener_conflicts(settings)
    yield from _light_conflicts(settings.lights)
    if settings.mqtt.key_file and not settings.mqtt.cert_file:
        yield ("mqtt", "key_file"), "it needs mqtt.cert_file", (("mqtt", "cert_file"),)


def _unknown_words(commands: Commands) -> Iterator[Conflict]:
    """Find words in commands.allow that nothing takes: a misspelt one would silently forbid what it means."""
    takes = {row.key: row.settable for row in DESCRIPTIONS if row.parse is not None}
    words_taken = (word for words in takes.values() for word in words if word.isalpha())
    known = dict.fromkeys((*words_taken, *takes, "lock_users"))
    for subject, words in {} if commands.allow == "all" else commands.allow.items():
        for word in () if words == "all" else words:
            if word.casefold() not in {name.casefold() for name in known}:
                yield ("commands", "allow"), f"{subject} has {word}, and known are {', '.join(known)}", ()


def _polling_conflicts(polling: Polling) -> Iterator[Conflict]:
    smaller = f"it is smaller than polling.interval ({format_duration(polling.interval)})"
    interval = (("polling", "interval"),)
    if polling.interval_push_healthy < polling.interval:
        yield ("polling", "interval_push_healthy"), smaller, interval
    if polling.stale_after is not None and polling.stale_after < polling.interval:
        yield ("polling", "stale_after"), f"{smaller}, so states would be unknown most of the time", interval


def _web_conflicts(web: Web) -> Iterator[Conflict]:
    if web.enabled and not web.loopback and web.token is None:
        reason = f"it is needed because web.host ({web.host}) is not a loopback address"
        yield ("web", "token"), reason, (("web", "host"), ("web", "enabled"))
    if web.key_file and not web.cert_file:
        yield ("web", "key_file"), "it needs web.cert_file", (("web", "cert_file"),)


def _push_conflicts(settings: Settings) -> Iterator[Conflict]:
    notifications, key = settings.notifications, ("notifications", "public_url")
    if notifications.path is None:
        return
    if not notifications.allow_http and not str(notifications.public_url).lower().startswith("https:"):
        yield key, "it is not https, and notifications.allow_http is false", (("notifications", "allow_http"),)
    path, own = notifications.path, (OWN_PATHS | {path_of(settings.uhome.redirect_uri)}) - {"/"}
    if settings.web.enabled and notifications.listener is None and (path in own or path.startswith(OWN_BELOW)):
        reason = f"the bridge's web server uses the path {path} itself"
        yield key, reason, (("uhome", "redirect_uri"), ("web", "enabled"), ("notifications", "port"))


def _listener_conflicts(settings: Settings) -> Iterator[Conflict]:
    notifications, web = settings.notifications, settings.web
    host, port, address = (("notifications", name) for name in ("host", "port", "public_url"))
    if notifications.host and notifications.port is None:
        yield host, "it needs notifications.port", (port,)
    if notifications.listener is None:
        return
    if notifications.public_url is None:
        yield port, "it needs notifications.public_url, without which nobody sends anything there", (address,)
    if web.enabled and web.port == notifications.port and same_listener(web.host, notifications.listener[0]):
        yield port, f"it is the address of the pages ({web.host}:{web.port}) as well", (host, ("web", "port"))


def _light_conflicts(lights: Lights) -> Iterator[Conflict]:
    for name, value in (("color_temp_state", lights.color_temp_state), ("rgb_state", lights.rgb_state)):
        if parse_state(value) in KNOWN - {COLOR_TEMP, RGB}:
            yield ("lights", name), f"{value} is known to be something else", ()
    if parse_state(lights.color_temp_state) == parse_state(lights.rgb_state):
        both = "it is lights.color_temp_state as well"
        yield ("lights", "rgb_state"), both, (("lights", "color_temp_state"),)


def _shared_topics(devices: Mapping[str, Device]) -> Iterator[Conflict]:
    count = Counter(device.topic for device in devices.values() if device.topic)
    for identifier, device in devices.items():
        if device.topic and count[device.topic] > 1:
            reason = f"{count[device.topic]} devices have the topic {device.topic}"
            yield ("devices", identifier, "topic"), reason, ()
