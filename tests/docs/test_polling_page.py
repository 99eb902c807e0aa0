"""The page about polling: its table is what the simulated days give, and its numbers are the bridge's own."""

from __future__ import annotations

import re

import pytest

from tests.engine.day import table
from uhome2mqtt import daemon
from uhome2mqtt.catalogue import DESCRIPTIONS
from uhome2mqtt.engine import EngineConfig, budget, cloud_side, cloud_state, hints, house, node
from uhome2mqtt.engine.evidence import MISSED_AFTER
from uhome2mqtt.settings import Settings

from .page import DOCS, TOPICS, blocks

PAGE = DOCS / "polling.md"
TEXT = PAGE.read_text()
PROSE = " ".join(TEXT.split())
CONFIG = EngineConfig(topics=TOPICS)
BATCH = Settings.model_fields["uhome"].get_default(call_default_factory=True).query_batch_size
INTERVAL, STALE = f"{CONFIG.poll_interval:.0f} s", f"{house.STALE_AT_LEAST / 60:.0f} min"
LONGEST = f"{cloud_state.LONGEST_PAUSE / 60:.0f} min"
RELAXED = max(house.STALE_INTERVALS * CONFIG.push_interval, house.STALE_AT_LEAST)

SAYINGS = (
    f"the states of all devices every {INTERVAL}",
    f"`polling.interval`, {INTERVAL}",
    f"`polling.interval_push_healthy`, {CONFIG.push_interval / 60:.0f} min",
    f"has not told {MISSED_AFTER:.0f} s after a poll saw it | {INTERVAL} again",
    f"{INTERVAL}, then twice as long each time, give or take a tenth, up to {LONGEST}",
    f"nobody is logged in | {cloud_side.LOGIN_RETRY:.0f} s",
    f"for a failure, up to {cloud_side.LONGEST_UNAUTHORIZED:.0f} s",
    f"up to {BATCH} devices (`uhome.query_batch_size`)",
    f"with {BATCH} devices only",
    f"After {cloud_state.OFFLINE_AFTER} requests in a row",
    f"({budget.LONGEST_RETRY_AFTER / 3600:.0f} h at most), else for {budget.FIRST_HOLD / 60:.0f} min, twice as long",
    f"each time in a row, up to {budget.LONGEST_HOLD / 60:.0f} min",
    f"up to {budget.MOST} times and {budget.LONGEST_INTERVAL / 60:.0f} min; {budget.EASE_AFTER / 60:.0f} min without",
    f"at least {STALE}. So {STALE}, or {RELAXED / 60:.0f} min while push is healthy",
    f"Within {daemon.LONGEST_SLEEP:.0f} s after a sleep",
    f"`polling.discovery_interval` ({CONFIG.list_interval / 3600:.0f} h)",
    f"no second list within {hints.SUBJECT_PAUSE / 60:.0f} min",
    f"{hints.SHORTEST_PAUSE:.0f} s, then twice as long each time, up to {hints.SUBJECT_PAUSE / 60:.0f} min",
    f"looked for again after {cloud_side.LIST_AGAIN:.0f} s",
    f"repeated after {cloud_side.LIST_RETRY:.0f} s, then twice as long each time, up to {LONGEST}",
    f"looked at again every {cloud_side.LIST_AGAIN_EMPTY / 60:.0f} min",
)


def test_the_table() -> None:
    """The table is what the simulated days give; the command below it prints what it should be."""
    made, lines = table(), TEXT.splitlines()
    assert [line for line in made.splitlines() if line not in lines] == []
    assert made in TEXT


@pytest.mark.parametrize("saying", SAYINGS)
def test_the_numbers(saying: str) -> None:
    """Every number of the text that the bridge has as a constant is that constant."""
    assert saying in PROSE


def test_small_numbers_in_words() -> None:
    """What the text says in words is what the bridge does: three intervals, two reports, half of an age."""
    assert (house.STALE_INTERVALS, node.OFFLINE_AFTER, hints.SETTLE) == (3, 2, 1.0)
    assert "three of the intervals in use" in PROSE
    assert "two reports in a row say offline" in PROSE


def test_what_becomes_unknown() -> None:
    """The text names exactly the keys that become unknown."""
    [said] = re.findall(r"Then (.*?) become unknown", PROSE)
    assert set(re.findall(r"`(\w+)`", said)) == {row.key for row in DESCRIPTIONS if row.forgettable}


def test_the_command() -> None:
    """The command that makes the table is a module that there is."""
    [block] = blocks("sh", TEXT)
    [_, *arguments] = block.split()
    assert arguments == ["-m", table.__module__]
