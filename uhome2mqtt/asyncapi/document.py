"""The document as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from uhome2mqtt import PROJECT_URL, __version__
from uhome2mqtt.asyncapi import bridge, requests
from uhome2mqtt.asyncapi.channels import channels
from uhome2mqtt.asyncapi.parts import JSON, Channel, Message, Way
from uhome2mqtt.model import Json
from uhome2mqtt.topics import Topics

_BINDING = "0.2.0"
"""Version of the MQTT bindings."""


def document(topics: Topics, qos: int, status_topic: str) -> dict[str, Json]:
    """Describe every topic of a bridge; `qos`: that of states, `status_topic`: where Home Assistant tells its birth."""
    found = {channel.name: channel for channel in channels(topics, status_topic)}
    return {
        "asyncapi": bridge.VERSION,
        "info": {
            "title": "uhome2mqtt",
            "version": __version__,
            "description": (
                "All topics and payloads of the bridge. Where a channel is for several keys, requests or platforms, "
                "each message bears the name of the one that it is for. A topic that is emptied is retained no longer."
            ),
            "contact": {"name": "uhome2mqtt", "url": PROJECT_URL},
            "license": {"name": "MIT", "url": f"{PROJECT_URL}/blob/main/LICENSE"},
            "tags": [{"name": "mqtt"}, {"name": "smart-lock"}],
        },
        "defaultContentType": JSON,
        "channels": {name: _channel(channel) for name, channel in found.items()},
        "operations": dict(each for channel in found.values() for each in _operations(channel, found)),
        "components": {
            "schemas": bridge.shared_forms() | requests.shared_forms(),
            "operationBindings": {str(way): {"mqtt": _binding(way, qos)} for way in Way},
            "messageBindings": {"answered": {"mqtt": _ANSWERED}},
        },
    }


_ANSWERED: dict[str, Json] = {
    "responseTopic": {"type": "string"},
    "correlationData": {"type": "string"},
    "bindingVersion": _BINDING,
}


def _binding(way: Way, qos: int) -> dict[str, Json]:
    """Say with which QoS the bridge publishes or subscribes, and whether what it publishes is retained."""
    if way.action == "receive":
        return {"qos": 1, "bindingVersion": _BINDING}
    retained = way is not Way.EVENT
    return {"qos": 1 if way is Way.RETAINED_STATE else qos, "retain": retained, "bindingVersion": _BINDING}


def _channel(channel: Channel) -> dict[str, Json]:
    described: dict[str, Json] = {
        "address": channel.address,
        "summary": channel.summary,
        "messages": {message.key: _message(channel, message) for message in channel.messages},
    }
    if channel.parameters:
        described["parameters"] = {name: dict(parameter) for name, parameter in channel.parameters.items()}
    return described


def _message(channel: Channel, message: Message) -> dict[str, Json]:
    described: dict[str, Json] = {
        "name": message.name,
        "contentType": message.content,
        "payload": dict(message.payload),
    }
    if message.summary:
        described["summary"] = message.summary
    if channel.replies:
        described["bindings"] = {"$ref": "#/components/messageBindings/answered"}
    return described


def _operations(channel: Channel, channels: Mapping[str, Channel]) -> Iterator[tuple[str, dict[str, Json]]]:
    """Give what the bridge does with a channel: one operation, or one for each thing that can be asked there."""
    action, replies = channel.way.action, channels.get(channel.replies or "")
    if replies is None or not channel.one_by_one:
        reply = None if replies is None else _reply(replies, [message.key for message in replies.messages])
        yield f"{action}_{channel.name}", _operation(channel, channel.messages, reply)
        return
    for name in dict.fromkeys(message.name for message in channel.messages):
        asked = [message for message in channel.messages if message.name == name]
        yield f"{action}_{asked[0].key}", _operation(channel, asked, _reply(replies, [asked[0].key, "error"]))


def _operation(channel: Channel, messages: Sequence[Message], reply: dict[str, Json] | None) -> dict[str, Json]:
    operation: dict[str, Json] = {
        "action": channel.way.action,
        "channel": channel.reference,
        "messages": [channel.message(message.key) for message in messages],
        "bindings": {"$ref": f"#/components/operationBindings/{channel.way}"},
    }
    return operation if reply is None else {**operation, "reply": reply}


def _reply(channel: Channel, keys: list[str]) -> dict[str, Json]:
    return {"channel": channel.reference, "messages": [channel.message(key) for key in keys]}
