"""Every topic of the bridge as a channel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from uhome2mqtt.asyncapi import announcements, bridge, keys, requests
from uhome2mqtt.asyncapi.forms import constant, shared, thing, words
from uhome2mqtt.asyncapi.parts import PLAIN, Channel, Message, Way
from uhome2mqtt.catalogue import DESCRIPTIONS
from uhome2mqtt.engine.requests import ACTIONS
from uhome2mqtt.homeassistant.rules import PLATFORMS
from uhome2mqtt.model import Json
from uhome2mqtt.topics import RESERVED, Topics

_DEVICE: dict[str, Json] = {
    "description": f"The topic level of a device, made of a-z, 0-9, _ and -; never {RESERVED}.",
    "examples": ["front_door"],
}
_NODE: dict[str, Json] = {"description": "Made of the id of a device, or of the base topic for the bridge itself."}


def channels(topics: Topics, status_topic: str) -> list[Channel]:
    """Give all channels; the names of parameters stand in the topics like those of devices and keys."""
    return [
        *_of_bridge(topics),
        *_requests(topics),
        *_of_devices(topics),
        *_commands(topics),
        *_of_home_assistant(topics, status_topic),
    ]


def _of_bridge(topics: Topics) -> Iterator[Channel]:
    for name, address, way, message, summary in (
        ("state", topics.bridge_state, Way.RETAINED_STATE, _plain("state", bridge.PRESENCE), "Whether it is there."),
        ("cloud", topics.bridge_cloud, Way.RETAINED, _plain("cloud", shared("cloud")), "How the cloud is doing."),
        ("info", topics.bridge_info, Way.RETAINED, _json("info", bridge.info()), "What it is and how it is set up."),
        ("devices", topics.bridge_devices, Way.RETAINED, _json("devices", bridge.devices()), "Who is in the account."),
        ("health", topics.bridge_health, Way.RETAINED, _json("health", bridge.health()), "How it is doing."),
        ("asyncapi", topics.bridge_asyncapi, Way.RETAINED, _json("asyncapi", bridge.itself()), "This document."),
    ):
        yield Channel(name=f"bridge_{name}", address=address, way=way, messages=[message], summary=summary)
    yield Channel(
        name="bridge_presence",
        address=topics.bridge_presence,
        way=Way.EVENT,
        messages=[_json("presence", bridge.presence())],
        summary="Bridges say every minute that they are there, so that two on one base topic notice each other.",
    )
    yield Channel(
        name="bridge_event",
        address=topics.bridge_event,
        way=Way.EVENT,
        messages=bridge.events(),
        summary="What has happened to devices, login and notifications.",
    )


def _requests(topics: Topics) -> Iterator[Channel]:
    yield Channel(
        name="bridge_request",
        address=topics.bridge_request("{request}"),
        way=Way.COMMAND,
        messages=requests.requests(),
        parameters={"request": _one_of("What is asked for; the name may have two levels.", ACTIONS)},
        summary="Asks the bridge for something.",
        replies="bridge_response",
        one_by_one=True,
    )
    asked = "What was asked for; a request that there is not is answered, too, with an error."
    yield Channel(
        name="bridge_response",
        address=topics.bridge_response("{request}"),
        way=Way.EVENT,
        messages=requests.responses(),
        parameters={"request": {"description": asked, "examples": list[Json](ACTIONS)}},
        summary="The answer to a request; a response topic of MQTT 5 gets it as well.",
    )


def _of_devices(topics: Topics) -> Iterator[Channel]:
    yield Channel(
        name="device",
        address=topics.device("{device}"),
        way=Way.RETAINED,
        messages=[_json("device", shared("device"))],
        parameters={"device": _DEVICE},
        summary="All keys of a device; null is unknown.",
    )
    yield Channel(
        name="device_key",
        address=topics.key("{device}", "{key}"),
        way=Way.RETAINED,
        messages=keys.states(),
        parameters={"device": _DEVICE, "key": _one_of("What is shown.", (row.key for row in DESCRIPTIONS))},
        summary=f"One key of a device; {keys.UNKNOWN} is unknown.",
    )
    yield Channel(
        name="device_availability",
        address=topics.availability("{device}"),
        way=Way.RETAINED,
        messages=[_plain("availability", bridge.PRESENCE)],
        parameters={"device": _DEVICE},
        summary="Whether a device is in the account and not disabled.",
    )
    yield Channel(
        name="device_result",
        address=topics.result("{device}"),
        way=Way.EVENT,
        messages=[_json("result", thing(keys.result()))],
        parameters={"device": _DEVICE},
        summary="What became of a command; the final outcome goes to a response topic of MQTT 5 as well.",
    )


def _commands(topics: Topics) -> Iterator[Channel]:
    yield Channel(
        name="device_key_set",
        address=topics.set("{device}", "{key}"),
        way=Way.COMMAND,
        messages=keys.commands(),
        parameters={"device": _DEVICE, "key": _one_of("What is set.", (row.key for row in keys.SETTABLE))},
        summary="Commands one key; the letter case of words does not matter.",
        replies="device_result",
    )
    yield Channel(
        name="device_set",
        address=topics.set_all("{device}"),
        way=Way.COMMAND,
        messages=[_json("set", keys.orders())],
        parameters={"device": _DEVICE},
        summary="Commands one key or several.",
        replies="device_result",
    )
    yield Channel(
        name="device_get",
        address=topics.get("{device}"),
        way=Way.COMMAND,
        messages=requests.gets(),
        parameters={"device": _DEVICE},
        summary="Asks for the state of a device now.",
        replies="bridge_response",
        one_by_one=True,
    )


def _of_home_assistant(topics: Topics, status_topic: str) -> Iterator[Channel]:
    yield Channel(
        name="homeassistant_device",
        address=topics.discovery("{node}"),
        way=Way.RETAINED,
        messages=announcements.whole(),
        parameters={"node": _NODE},
        summary="Describes a device to Home Assistant; whoever empties it excludes the device.",
    )
    yield Channel(
        name="homeassistant_entity",
        address=topics.entity_discovery("{platform}", "{node}", "{key}"),
        way=Way.RETAINED,
        messages=announcements.single(),
        parameters={
            "platform": _one_of("What kind of entity it is.", PLATFORMS),
            "node": _NODE,
            "key": {"description": "A key of the device, or another entity of it."},
        },
        summary="Describes one entity to Home Assistant; whoever empties it excludes the entity.",
    )
    yield Channel(
        name="homeassistant_status",
        address=status_topic,
        way=Way.BIRTH,
        messages=[_plain("birth", constant("online"))],
        summary="Home Assistant has started: everything that is retained is published again.",
    )


def _plain(name: str, payload: dict[str, Json]) -> Message:
    return Message(name=name, payload=payload, content=PLAIN)


def _json(name: str, payload: dict[str, Json]) -> Message:
    return Message(name=name, payload=payload)


def _one_of(description: str, words_: Iterable[str]) -> dict[str, Json]:
    return {"description": description, "enum": words(words_)["enum"]}
