"""Tell what of a changed configuration can be applied to a bridge that runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from uhome2mqtt.settings.keys import DEVICES, KEYS, section_model
from uhome2mqtt.settings.model import Settings

if TYPE_CHECKING:
    from pydantic import BaseModel

AT_ONCE = frozenset(
    {
        "uhome.timeout",
        "uhome.query_batch_size",
        "mqtt.qos",
        "mqtt.json_state",
        "polling.interval",
        "polling.interval_push_healthy",
        "polling.discovery_interval",
        "polling.stale_after",
        "notifications.rotate_every",
        "commands.allow",
        "commands.max_age",
        "lock_users.enabled",
        "lock_users.reveal_codes",
        DEVICES,
        "log.level",
        "log.format",
    }
)
"""Keys whose change is applied when the configuration is read again."""
AT_CONNECTION = frozenset(
    {
        "mqtt.username",
        "mqtt.password",
        "mqtt.protocol",
        "mqtt.keepalive",
        "mqtt.ca_file",
        "mqtt.cert_file",
        "mqtt.key_file",
        "mqtt.verify",
    }
)
"""Keys whose change is applied with the next connection to the broker; nothing is disconnected for them.

What is named in neither needs a restart.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """The names of changed keys, by when the change is applied."""

    at_once: tuple[str, ...]
    at_connection: tuple[str, ...]
    at_restart: tuple[str, ...]


def compare(old: Settings, new: Settings) -> Changes:
    """Name what differs; a device's keys are named with its id."""
    changed = list(_changed(old, new))
    return Changes(
        at_once=tuple(name for name in changed if _key(name) in AT_ONCE),
        at_connection=tuple(name for name in changed if _key(name) in AT_CONNECTION),
        at_restart=tuple(name for name in changed if _key(name) not in AT_ONCE | AT_CONNECTION),
    )


def applied(old: Settings, new: Settings) -> Settings:
    """Give the old settings with everything of the new ones that needs no restart."""
    sections: dict[str, object] = {}
    for name in {key.path[0] for key in KEYS.values() if key.name in AT_ONCE | AT_CONNECTION}:
        before, after = getattr(old, name), getattr(new, name)
        taken = [key.path[-1] for key in KEYS.values() if key.path[0] == name and key.name in AT_ONCE | AT_CONNECTION]
        whole = section_model(Settings.model_fields[name]) is None
        sections[name] = after if whole else before.model_copy(update={key: getattr(after, key) for key in taken})
    return old.model_copy(update=sections)


def _key(name: str) -> str:
    return DEVICES if name.startswith(f"{DEVICES}.") else name


def _changed(old: Settings, new: Settings) -> Iterator[str]:
    for key in KEYS.values():
        if key.name == DEVICES:
            yield from _changed_devices(old, new)
        elif _value(old, key.path) != _value(new, key.path):
            yield key.name


def _changed_devices(old: Settings, new: Settings) -> Iterator[str]:
    for identifier in sorted(old.devices.keys() | new.devices.keys()):
        before, after = old.devices.get(identifier), new.devices.get(identifier)
        if before != after:
            yield f"{DEVICES}.{identifier}"


def _value(settings: BaseModel, path: tuple[str, ...]) -> object:
    value: object = settings
    for step in path:
        value = getattr(value, step)
    return value
