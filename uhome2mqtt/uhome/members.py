"""How members of objects are read, whatever their spelling."""

from __future__ import annotations

from collections.abc import Mapping

from uhome2mqtt.model import DeviceError, Json

UNKNOWN_ERROR = "UNKNOWN_ERROR"
"""Our own code for an error of the cloud that names none."""
LONGEST_ID = 256
"""Characters; those that were seen have seventeen."""


def member(container: Mapping[str, Json], key: str) -> Json:
    """Get a member by its name, the exact spelling first, any letter case otherwise."""
    if key in container:
        return container[key]
    folded = key.casefold()
    return next((value for name, value in container.items() if name.casefold() == folded), None)


def as_object(value: Json) -> dict[str, Json]:
    """Take an object as it is, and anything else for an empty one."""
    return value if isinstance(value, dict) else {}


def text_in(container: Mapping[str, Json], key: str) -> str:
    """Get a member that is a word or a whole number as text; anything else is an empty text."""
    value = member(container, key)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)


def id_in(container: Mapping[str, Json]) -> str:
    """Get the id of a device; one that is longer than any id counts as none, since it would be kept for ever."""
    found = text_in(container, "id")
    return found if len(found) <= LONGEST_ID else ""


def error_of(value: Json) -> DeviceError | None:
    """Read an `error` member in every form; None only where there is none."""
    if isinstance(value, dict):
        return DeviceError(code=text_in(value, "code") or UNKNOWN_ERROR, message=text_in(value, "message"))
    # A form that nobody has seen is still no success.
    return DeviceError(code=value if isinstance(value, str) else UNKNOWN_ERROR) if value else None
