"""Show settings without secrets."""

from __future__ import annotations

from typing import Any

from uhome2mqtt.settings.keys import Key
from uhome2mqtt.settings.model import Settings
from uhome2mqtt.settings.types import Duration, format_duration


def redacted(settings: Settings) -> dict[str, Any]:
    """Return the settings as JSON values.

    Secrets are `**********` when set and null when not; of an address with a query only scheme and host are left.
    """
    return settings.model_dump(mode="json")


def written(key: Key, value: object) -> str:
    """Write a value as it stands in the configuration file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and any(isinstance(fact, Duration) for fact in key.field.metadata):
        return format_duration(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(str, value))}]"
    return str(value)
