"""Show settings and what can be set, without secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uhome2mqtt.settings.keys import KEYS, Key
from uhome2mqtt.settings.model import Settings
from uhome2mqtt.settings.sections import Polling
from uhome2mqtt.settings.types import Duration, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator

NOT_EFFECTIVE_YET = "(not effective yet)"


def redacted(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON values; secrets are `**********` when set and null when not."""
    return settings.model_dump(mode="json")


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of the configuration file."""
    return Settings.model_json_schema()


def not_effective(settings: Settings) -> list[str]:
    """Name the keys that are set to something that does nothing in this version."""
    return list(_not_effective(settings))


def _not_effective(settings: Settings) -> Iterator[str]:
    # The default of interval_push_healthy depends on the interval.
    defaults = Settings(polling=Polling(interval=settings.polling.interval))
    for key in KEYS.values():
        value = value_of(settings, key)
        if value == value_of(defaults, key):
            continue
        if key.not_effective:
            yield key.name
        elif isinstance(values := key.note("not-effective-yet"), list) and value in values:
            yield f"{key.name}={value}"


def value_of(settings: Settings, key: Key) -> object:
    """Return the value of a key."""
    value: object = settings
    for step in key.path:
        value = getattr(value, step)
    return value


def written(key: Key, value: object) -> str:
    """Write a value as it stands in the configuration file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and any(isinstance(fact, Duration) for fact in key.field.metadata):
        return format_duration(value)
    return str(value)
