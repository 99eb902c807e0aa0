"""The things and items for openHAB: read strictly, and compared with what a running bridge publishes and takes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.stage import Stage
from uhome2mqtt.topics import RequestTopic, SetTopic, Topics

FOLDER = Path(__file__).parents[2] / "examples" / "openhab"
THINGS, ITEMS = FOLDER / "uhome2mqtt.things", FOLDER / "uhome2mqtt.items"
UNKNOWN = "None"

PARAMETER = r'\w+=(?:"[^"]*"|[\w.]+)'
PARAMETERS = rf"\[ ({PARAMETER}(?:, {PARAMETER})*) \]"
BRIDGE = re.compile(rf'Bridge (mqtt:broker:\w+) "[^"]+" {PARAMETERS}')
THING = re.compile(rf'Thing (mqtt:topic:\w+:\w+) "[^"]+" \(([\w:]+)\)(?: {PARAMETERS})? {{')
CHANNEL = re.compile(rf'Type (\w+) : (\w+) "[^"]+" {PARAMETERS}')
ITEM = re.compile(r'(\w+) (\w+) "[^"]+" \{ channel="([\w:]+)"(, autoupdate="false")? \}')

OF_CHANNELS = {
    "stateTopic", "commandTopic", "allowedStates", "transformationPattern", "qos", "on", "off", "min", "max",
}  # fmt: skip
OF_ITEMS = {"string": "String", "number": "Number", "switch": "Switch", "dimmer": "Dimmer"}
"""Which item fits which channel."""


@dataclass(frozen=True, slots=True)
class Thing:
    """A thing with its channels: each the type and the parameters."""

    uid: str
    parameters: Mapping[str, str]
    channels: dict[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)


def lines(file: Path) -> list[str]:
    """Give what is written in a file, without comments and white space around it."""
    stripped = (line.strip() for line in file.read_text().splitlines())
    return [line for line in stripped if line and not line.startswith("//")]


def parameters(text: str | None) -> dict[str, str]:
    """Read what stands between brackets, each name once."""
    found = [each.partition("=") for each in re.findall(PARAMETER, text or "")]
    assert len({name for name, _, _ in found}) == len(found), text
    return {name: value.strip('"') for name, _, value in found}


def things() -> list[Thing]:
    """Read the things; a line that is none of what is known here is an error."""
    found: list[Thing] = []
    brokers: set[str] = set()
    inside = False
    for line in lines(THINGS):
        if not inside and (broker := BRIDGE.fullmatch(line)):
            brokers.add(broker[1])
        elif not inside and (thing := THING.fullmatch(line)):
            assert thing[2] in brokers, line
            found.append(Thing(thing[1], parameters(thing[3])))
            inside = True
        elif inside and (channel := CHANNEL.fullmatch(line)):
            assert channel[2] not in found[-1].channels, line
            found[-1].channels[channel[2]] = (channel[1], parameters(channel[3]))
        elif inside and line == "}":
            inside = False
        else:
            assert inside, line
            assert line == "Channels:", line
    assert not inside
    return found


def all_channels() -> dict[str, tuple[str, Mapping[str, str]]]:
    """Give every channel by its uid."""
    return {f"{thing.uid}:{name}": channel for thing in things() for name, channel in thing.channels.items()}


def words(channel: Mapping[str, str]) -> set[str]:
    """Give the words that a channel knows."""
    listed = channel["allowedStates"].split(",") if "allowedStates" in channel else []
    return {*listed, *(channel[name] for name in ("on", "off") if name in channel)}


def test_things() -> None:
    """Every channel has a topic and only parameters that openHAB has, and none publishes retained messages."""
    assert len(things()) == 5
    for uid, (kind, channel) in all_channels().items():
        assert kind in OF_ITEMS, uid
        assert channel.keys() <= OF_CHANNELS, uid
        assert channel.keys() & {"stateTopic", "commandTopic"}, uid
        assert ("qos" in channel) == ("commandTopic" in channel), uid
    assert "retained=" not in THINGS.read_text()


def test_items() -> None:
    """Every item is linked to a channel of its kind, every channel to an item, and no command shows as a state."""
    channels = all_channels()
    found = [ITEM.fullmatch(line) for line in lines(ITEMS)]
    items = [item.groups() for item in found if item]
    assert len(items) == len(found)
    assert {uid for _, _, uid, _ in items} == channels.keys()
    assert len({name for _, name, _, _ in items}) == len(items)
    for kind, name, uid, held_back in items:
        of, channel = channels[uid]
        assert OF_ITEMS[of] == kind, name
        assert (held_back is not None) == ("commandTopic" in channel), name


@pytest.mark.e2e
async def test_topics_and_words(stage: Stage) -> None:
    """Every topic is one that the bridge publishes or takes, and every word one of its catalogue for that topic."""
    await stage.up()
    for device in ("front_door", "garage"):
        since = stage.ear.now
        await stage.ear.say(f"{device}/lock/set", "LOCK")
        await stage.ear.until_event(f"{device}/result", "confirmed", since)
    published = {heard.topic.removeprefix(f"{stage.ear.base}/"): heard.payload for heard in stage.ear.heard}
    devices: list[dict[str, Any]] = json.loads(published["bridge/devices"])
    keys = {(device["topic"], key["key"]): key for device in devices for key in device["keys"]}
    topics = Topics(base="uhome2mqtt", discovery_prefix="homeassistant")
    for uid, (_, channel) in all_channels().items():
        if "commandTopic" in channel:
            match topics.parse_command(channel["commandTopic"]):
                case SetTopic(device=device, key=str(key)):
                    assert words(channel) <= {*keys[device, key]["settable"]}, uid
                case RequestTopic(name=name):
                    assert (name, words(channel)) == ("refresh", {"{}"}), uid
                case other:
                    raise AssertionError(uid, other)
        if "stateTopic" in channel:
            topic = channel["stateTopic"].removeprefix("uhome2mqtt/")
            assert topic in published, uid
            check_state(uid, topic, channel, published[topic], keys)


def check_state(
    uid: str, topic: str, channel: Mapping[str, str], payload: str, keys: Mapping[tuple[str, str], dict[str, Any]]
) -> None:
    """Compare the words of a channel with those that a key may have, and what it takes out of a document."""
    device, _, key = topic.partition("/")
    if pattern := channel.get("transformationPattern"):
        member = pattern.removeprefix("JSONPATH:$.")
        assert member.isidentifier(), uid
        assert isinstance(json.loads(payload)[member], str), uid
    elif (device, key) in keys:
        described = keys[device, key]
        known = {*described.get("values", ())}
        both_ways = "commandTopic" in channel
        assert words(channel) in ({*known}, {*known, UNKNOWN}) or both_ways, uid
        numbers = {name: float(channel[name]) for name in ("min", "max") if name in channel}
        assert numbers == {name: described[name] for name in numbers}, uid
    else:
        assert payload in words(channel), uid
