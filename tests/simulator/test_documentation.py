from __future__ import annotations

import re
from pathlib import Path

import pytest

from uhome2mqtt.simulator import Quirks
from uhome2mqtt.simulator.control import ROUTES
from uhome2mqtt.simulator.vocabulary import FaultKind, PushShape

PAGE = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(\w+)` \| (.*?) \|", PAGE.partition("## Quirks")[2], re.MULTILINE)


def test_every_quirk_is_in_the_table() -> None:
    """The page's table has every quirk, in order, and no other."""
    assert [name for name, _ in ROWS] == list(Quirks.model_fields)


def test_defaults_are_right() -> None:
    """The page's table has the true defaults."""
    defaults = Quirks().model_dump_json()
    for name, default in ROWS:
        assert f'"{name}":{default.strip("`").replace(" ", "")}' in defaults, name


@pytest.mark.parametrize("word", [*FaultKind, *PushShape])
def test_words_are_explained(word: str) -> None:
    """The page names every kind of fault and every shape of push."""
    assert f"`{word}`" in PAGE


def test_control_routes_are_on_the_page() -> None:
    """The page names every path of the control interface."""
    for route in ROUTES:
        assert f"/control{route.path}".replace("{device_id}", "{id}") in PAGE, route.path
