"""The page about topics has every topic and key that the bridge has, and says of each topic what it is."""

from __future__ import annotations

import json
import re

import pytest

from tests.support.interface import Interface
from uhome2mqtt.asyncapi import document
from uhome2mqtt.catalogue import KEYS
from uhome2mqtt.topics import Topics

from .page import DOCS, TOPICS, blocks, first_column

TEXT = (DOCS / "topics.md").read_text()
TABLE = TEXT.partition("\n## Keys\n")[2].partition("\n## ")[0]
API = Interface(document(Topics(base="<base>", discovery_prefix="<prefix>"), 1, "<status>"))
NAMES = {"{device}": "<device>", "{key}": "<key>", "{request}": "<name>"}
ROWS = {topic: text for topics, text in re.findall(r"^\| (`<base>/[^|]*) \| (.*) \|$", TEXT, re.MULTILINE)
        for topic in re.findall(r"`([^`]+)`", topics)}  # fmt: skip


def written(address: str) -> str:
    """Write the address of a channel as the page has it."""
    for name, word in NAMES.items():
        address = address.replace(name, word)
    return address


CHANNELS = {
    written(channel["address"]): name
    for name, channel in API.document["channels"].items()
    if channel["address"].startswith("<base>/")
}


def test_topics() -> None:
    """The tables have exactly the topics below the base topic that there are."""
    assert {*ROWS} == {*CHANNELS}


@pytest.mark.parametrize("topic", CHANNELS)
def test_marks(topic: str) -> None:
    """A topic is marked as one that the bridge hears, or as one of events; all others are retained."""
    binding = API.binding(CHANNELS[topic])
    assert ROWS[topic].startswith("*in*") is (binding["action"] == "receive")
    assert ROWS[topic].startswith("*event*") is (binding.get("retain") is False)


def test_size() -> None:
    """The page says how big the document is, to ten thousand bytes."""
    size = len(json.dumps(document(TOPICS, 1, "homeassistant/status"), ensure_ascii=False, separators=(",", ":")))
    assert f"some {round(size / 10_000)}0 kB" in ROWS["<base>/bridge/asyncapi"]


def test_commands() -> None:
    """The programs that the page calls are those that there are."""
    lines = "\n".join(blocks("sh", TEXT))
    assert {*re.findall(r"uhome2mqtt (\w+)", lines)} == {"asyncapi", "discovery"}


def test_keys() -> None:
    """The table of keys has exactly those of the catalogue."""
    told = first_column(TABLE)
    assert len(told) == len({*told})
    assert {*told} == KEYS
