"""The one place per capability: what a device can show and do.

A key that users see is a row of `DESCRIPTIONS`. Adding a capability is adding its attribute, its row, one
recorded payload and the snapshots.
"""

from __future__ import annotations

from functools import lru_cache

from uhome2mqtt.catalogue.attributes import KNOWN, capabilities, documented, kind_of
from uhome2mqtt.catalogue.bridge_keys import BRIDGE_KEYS
from uhome2mqtt.catalogue.description import EntityDescription, Intent, Values, text_of
from uhome2mqtt.catalogue.lights import LIGHT_KEYS
from uhome2mqtt.catalogue.locks import LOCK_KEYS
from uhome2mqtt.model import REMEMBERED, Attribute

DESCRIPTIONS: tuple[EntityDescription, ...] = (*LOCK_KEYS, *LIGHT_KEYS, *BRIDGE_KEYS)
KEYS = frozenset(description.key for description in DESCRIPTIONS)
VITAL = frozenset[Attribute]().union(*(row.requires for row in DESCRIPTIONS if row.forgettable))
"""What people act on: the attributes behind the keys that are never shown out of date."""

__all__ = [
    "DESCRIPTIONS",
    "KEYS",
    "KNOWN",
    "VITAL",
    "EntityDescription",
    "Intent",
    "Values",
    "capabilities",
    "descriptions_for",
    "documented",
    "essential",
    "kind_of",
    "text_of",
]


@lru_cache(REMEMBERED)
def descriptions_for(known: frozenset[Attribute]) -> tuple[EntityDescription, ...]:
    """Give the keys of a device that has shown, or whose profile documents, these attributes."""
    return tuple(description for description in DESCRIPTIONS if description.exists(known))


@lru_cache(REMEMBERED)
def essential(known: frozenset[Attribute]) -> frozenset[Attribute]:
    """Give, of a device with these attributes, those behind the keys that must never be shown out of date."""
    return frozenset[Attribute]().union(*(row.requires for row in descriptions_for(known) if row.forgettable))


def check(descriptions: tuple[EntityDescription, ...]) -> None:
    """Refuse a table that contradicts itself; run at import, so that no release can ship one."""
    keys = [description.key for description in descriptions]
    if len(keys) != len(set(keys)):
        raise ValueError(f"a key stands twice in the catalogue: {keys}")
    for row in descriptions:
        if bool(row.settable) != (row.parse is not None):
            raise ValueError(f"{row.key}: settable words and a parser go together")
        if row.platform is not None and row.name is None and row.key not in {"lock", "light", "switch"}:
            raise ValueError(f"{row.key}: only a device's main entity goes without a name")


check(DESCRIPTIONS)
