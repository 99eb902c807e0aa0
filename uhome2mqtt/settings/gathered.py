"""Collect what the sources give, where each value came from, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from uhome2mqtt.settings.keys import DEVICE_KEYS, DEVICES, KEYS, SECTIONS, Key, find, nearest
from uhome2mqtt.settings.urls import without_credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from uhome2mqtt.settings.model import KeyPath

LONGEST_SHOWN = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value and where it came from."""

    value: object
    origin: str


@dataclass(slots=True)
class Gathered:
    """What has been found so far: a later source overrides an earlier one key by key."""

    values: dict[KeyPath, Given] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    spoilt: set[KeyPath] = field(default_factory=set)
    """Keys and sections with a refused value, where looking for contradictions would mislead."""

    def add(self, path: KeyPath, value: object, origin: str) -> None:
        """Take a value of a known key; null means that it is not set."""
        if value is not None:
            self.values[path] = Given(value=value, origin=origin)

    def add_tree(self, tree: Mapping[str, object], origin: Callable[[KeyPath], str]) -> None:
        """Take all keys of a mapping like the configuration file's; report the unknown ones."""
        for name, value in tree.items():
            if name == DEVICES:
                self.add_devices(value, origin)
            elif name in SECTIONS:
                self._add_mapping((name,), value, origin)
            else:
                self._add_leaf((name,), value, origin)

    def add_devices(self, value: object, origin: Callable[[KeyPath], str]) -> None:
        """Take the settings of single devices."""
        if isinstance(value, dict):
            for identifier, settings in value.items():
                self._add_mapping((DEVICES, identifier), settings, origin)
        elif value is not None:
            self.refuse((DEVICES,), Given(value=value, origin=origin((DEVICES,))), "it is no mapping")

    def refuse(self, path: KeyPath, given: Given | None, reason: str = "") -> None:
        """Report a value that a key does not take."""
        self.spoilt.add(path)
        key = find(path)
        shown = _shown(given.value, key) if given else "nothing"
        because = f", but {reason}" if reason else ""
        allowed = key.allowed if key else "a mapping of keys and values"
        where = f" ({given.origin})" if given else ""
        self.problems.append(f"{'.'.join(path)}: got {shown}{because}; allowed is {allowed}{where}")

    def is_spoilt(self, path: KeyPath) -> bool:
        """Tell whether a key, or all that it stands in, has been refused."""
        return any(path[: len(refused)] == refused for refused in self.spoilt)

    def _add_mapping(self, path: KeyPath, value: object, origin: Callable[[KeyPath], str]) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                self._add_leaf((*path, name), inner, origin)
        elif value is not None:
            self.refuse(path, Given(value=value, origin=origin(path)), "it is no mapping")

    def _add_leaf(self, path: KeyPath, value: object, origin: Callable[[KeyPath], str]) -> None:
        if find(path) is None:
            # The value is not shown: a misspelt key may well be a password's.
            self.problems.append(f"{'.'.join(path)}: unknown key; {_hint(path)} ({origin(path)})")
        else:
            self.add(path, value, origin(path))


def _hint(path: KeyPath) -> str:
    if path[0] == DEVICES:
        return f"a device has {', '.join(DEVICE_KEYS)}"
    if meant := nearest(".".join(path)):
        return f"did you mean {meant}?"
    siblings = [name for name in KEYS if name.startswith(f"{path[0]}.")]
    return f"known are {', '.join(siblings or (*SECTIONS, DEVICES))}"


def _shown(value: object, key: Key | None) -> str:
    if key is None or key.secret:
        return "a value that is not shown"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = without_credentials(str(value))
    return repr(text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…")
