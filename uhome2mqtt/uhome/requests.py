"""What is sent to the cloud."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum

from uhome2mqtt.model import Command, Device, Json
from uhome2mqtt.uhome.lights import GUESSED, LightNames

PAYLOAD_VERSION = "1"


class Operation(Enum):
    """The messages that the bridge sends, as (namespace, name)."""

    USER_GET = ("Uhome.User", "Get")
    USER_LOGOUT = ("Uhome.User", "Logout")
    LIST_DEVICES = ("Uhome.Device", "Discovery")
    QUERY = ("Uhome.Device", "Query")
    COMMAND = ("Uhome.Device", "Command")
    CONFIGURE_SET = ("Uhome.Configure", "Set")


def encode_request(
    operation: Operation, payload: Mapping[str, Json], message_id: str, body_token: str | None = None
) -> bytes:
    """Write a request envelope; `body_token` puts the access token into the body instead of a header."""
    namespace, name = operation.value
    envelope: dict[str, Json] = {
        "header": {
            "namespace": namespace,
            "name": name,
            "messageId": message_id,
            "payloadVersion": PAYLOAD_VERSION,
        },
        "payload": dict(payload),
    }
    if body_token is not None:
        envelope["authentication"] = {"type": "Bearer", "token": body_token}
    return json.dumps(envelope, separators=(",", ":")).encode()


def query_payload(devices: Iterable[Device]) -> dict[str, Json]:
    """Name the devices to query, each with the `customData` that its record carried."""
    return {"devices": [_addressed(device) for device in devices]}


def command_payload(orders: Iterable[tuple[Device, Command]], names: LightNames = GUESSED) -> dict[str, Json]:
    """Address a command to each of several devices; `arguments` only where a command has some."""
    return {"devices": [{**_addressed(device), "command": _action(names.said(command))} for device, command in orders]}


def registration_payload(url: str, secret: str) -> dict[str, Json]:
    """Say where notifications go, and the secret that each is to carry."""
    return {"configure": {"notification": {"access_token": secret, "url": url}}}


def _action(command: Command) -> dict[str, Json]:
    action: dict[str, Json] = {"capability": command.capability, "name": command.name}
    if command.arguments:
        action["arguments"] = dict(command.arguments)
    return action


def _addressed(device: Device) -> dict[str, Json]:
    entry: dict[str, Json] = {"id": device.id}
    if device.custom_data is not None:
        entry["customData"] = dict(device.custom_data)
    return entry
