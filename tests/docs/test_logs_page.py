"""The page about the log, held against the events that the source can write."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.log_events import FAMILIES, LEVELS, inventory
from uhome2mqtt.model import BridgeEvent

PAGE = (Path(__file__).parent.parent.parent / "docs" / "logs.md").read_text()
ROW = re.compile(r"^\| `(\w+)` \| ([a-z, ]+) \|(.*?)\| (.*) \|$", re.MULTILINE)
ROWS = {
    name: (set(level.split(", ")), set(re.findall(r"`(\w+)`", fields)), text)
    for name, level, fields, text in ROW.findall(PAGE)
}
SOURCE = inventory()
SHARED = {*map(str, BridgeEvent), *(f"{start}{end}" for start, ends in FAMILIES.items() for end in ends)}
"""Events that one place in the source writes for several."""


def test_every_event_is_explained() -> None:
    """The page has each event of the source once, and no other."""
    assert sorted(name for name, *_ in ROW.findall(PAGE)) == sorted(SOURCE)


@pytest.mark.parametrize("name", sorted(SOURCE))
def test_levels_and_fields(name: str) -> None:
    """An event's levels and fields are those of the source, and its row says what it means."""
    levels, fields, text = ROWS[name]
    assert levels <= set(LEVELS)
    assert text
    if name not in SHARED:
        assert SOURCE[name].levels <= levels
        assert SOURCE[name].fields <= fields


@pytest.mark.parametrize("name", sorted(SOURCE))
def test_names(name: str) -> None:
    """Names are words in lower case."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
