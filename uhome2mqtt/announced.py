"""What is retained for Home Assistant by a bridge: on its broker, or in files as `mosquitto_sub -v` writes them."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from uhome2mqtt.broker_client import read_retained
from uhome2mqtt.compose import reading_link, topics_of
from uhome2mqtt.homeassistant import bridge_node, is_ours, lint
from uhome2mqtt.model import Json, parse_json
from uhome2mqtt.settings import Settings
from uhome2mqtt.topics import Topics

STANDARD_INPUT = "-"


async def on_broker(settings: Settings, *, by_name: bool = False) -> dict[str, str]:
    """Read the configs that the broker holds, by their topics; raises BrokerError where it cannot be asked.

    `by_name`: those, too, that bear our name and are not recognised by what they say.
    """
    # A client id of its own: with the bridge's the broker would hang up on the bridge.
    link = reading_link(settings, f"uhome2mqtt-discovery-{secrets.token_hex(4)}")
    topics = topics_of(settings)
    return _ours(topics, await read_retained(link, topics.discovery_filters), by_name=by_name)


def in_files(settings: Settings, names: Iterable[str], *, by_name: bool = False) -> dict[str, str]:
    """Do so with lines `topic payload`; raises OSError for a file that cannot be read."""
    found: dict[str, bytes] = {}
    for name in names:
        text = sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
        for line in text.splitlines():
            topic, _, payload = line.partition(b" ")
            found[topic.decode(errors="replace")] = payload
    return _ours(topics_of(settings), found, by_name=by_name)


def problems(settings: Settings, configs: Mapping[str, str]) -> list[str]:
    """Name everything that Home Assistant would refuse, drop or misread."""
    prefix = settings.homeassistant.discovery_prefix
    return [problem for topic, payload in configs.items() for problem in lint(prefix, topic, _read(payload))]


def _read(payload: str) -> Json:
    try:
        return parse_json(payload)
    except ValueError:
        return None


def _ours(topics: Topics, retained: Mapping[str, bytes], *, by_name: bool) -> dict[str, str]:
    return {
        topic: payload.decode(errors="replace")
        for topic, payload in sorted(retained.items())
        if payload
        and (parsed := topics.parse_discovery(topic)) is not None
        and (is_ours(topics, payload) or (by_name and _bears_our_name(topics, *parsed)))
    }


def _bears_our_name(topics: Topics, node: str, key: str | None) -> bool:
    """Tell whether a topic could be of this bridge: any entity below its base topic, and what is named after us."""
    return key is not None or node.startswith("uhome2mqtt_") or node == bridge_node(topics)
