"""Which commands the user lets MQTT give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from uhome2mqtt.catalogue import Intent
from uhome2mqtt.catalogue.attributes import KINDS
from uhome2mqtt.engine.node import Node

CODES = frozenset({"unlock", "lock_users"})
"""Entries that let MQTT change who has a code."""
_AMBIGUOUS = frozenset({"lock"})
"""A key that is also a word. In a list of what is allowed it means the word: nobody who writes `lock` allows UNLOCK."""


def allows(allow: Mapping[str, tuple[str, ...] | None], node: Node, key: str, intent: Intent) -> bool:
    """Tell whether a command may be given; what is said of the device itself comes before its kind.

    A device or kind that is not mentioned, or whose entry is None, may be given any command.
    """
    entries = _entries(allow, node)
    return entries is None or _listed({entry.casefold() for entry in entries}, key, intent)


def allows_codes(allow: Mapping[str, tuple[str, ...] | None], node: Node) -> bool:
    """Tell whether codes of a lock may be changed: who may add one can open the door."""
    entries = _entries(allow, node)
    return entries is None or not CODES.isdisjoint(entry.casefold() for entry in entries)


def names(allow: Mapping[str, tuple[str, ...] | None], subject: str) -> bool:
    """Tell whether there is a rule for what is called so."""
    return subject.casefold() in {known.casefold() for known in allow}


def _entries(allow: Mapping[str, tuple[str, ...] | None], node: Node) -> tuple[str, ...] | None:
    folded = {subject.casefold(): entries for subject, entries in allow.items()}
    subjects = (subject.casefold() for subject in (node.device.id, node.level, node.name, node.kind))
    return next((folded[subject] for subject in subjects if subject in folded), None)


def unmatched(allow: Mapping[str, tuple[str, ...] | None], nodes: Iterable[Node]) -> list[str]:
    """Give the subjects that name no kind and no device: a misspelt one would leave everything allowed."""
    known = set(KINDS)
    for node in nodes:
        known |= {subject.casefold() for subject in (node.device.id, node.level, node.name)}
    return [subject for subject in allow if subject.casefold() not in known]


def _listed(entries: set[str], key: str, intent: Intent) -> bool:
    by_key = key in entries and key not in _AMBIGUOUS
    return by_key or {use.casefold() for use in intent.uses} <= entries
