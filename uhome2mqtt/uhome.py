"""The wire format of the U home OpenAPI: exact in what is sent, tolerant in what is read.

Sources are the vendor's documents and replies that users of other clients have published. Where they
disagree (letter case, list or object, keys spelt two ways) every form is read; what is sent is what the live
service was seen to accept.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from uhome2mqtt.errors import CloudError, ProtocolError, failure_of_code
from uhome2mqtt.model import (
    Attribute,
    Command,
    Device,
    DeviceError,
    Json,
    LockUser,
    Report,
    UsersReply,
    attribute,
    parse_json,
    whole_number,
)

PAYLOAD_VERSION = "1"
DEFERRED_RESPONSE = "st.deferredresponse"
"""Says how long to wait for a result; it is a hint of the cloud, no state of the device."""
UNKNOWN_ERROR = "UNKNOWN_ERROR"
"""Our own code for an error of the cloud that names none."""
_LISTED = frozenset({"id", "name", "type", "status", "sync_status"})
"""What every lock user shows of himself; whatever else there is comes with `get` alone."""


class Operation(Enum):
    """The messages that the bridge sends, as (namespace, name)."""

    USER_GET = ("Uhome.User", "Get")
    USER_LOGOUT = ("Uhome.User", "Logout")
    LIST_DEVICES = ("Uhome.Device", "Discovery")
    QUERY = ("Uhome.Device", "Query")
    COMMAND = ("Uhome.Device", "Command")
    CONFIGURE_SET = ("Uhome.Configure", "Set")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReply:
    """What the cloud says of one device's command: an error, or states that it already reports."""

    error: DeviceError | None = None
    report: Report | None = None


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


def command_payload(orders: Iterable[tuple[Device, Command]]) -> dict[str, Json]:
    """Address a command to each of several devices; `arguments` only where a command has some."""
    return {"devices": [{**_addressed(device), "command": _action(command)} for device, command in orders]}


def registration_payload(url: str, secret: str) -> dict[str, Json]:
    """Say where notifications go, and the secret that each is to carry."""
    return {"configure": {"notification": {"access_token": secret, "url": url}}}


def decode_reply(body: bytes, message_id: str) -> dict[str, Json]:
    """Read a reply envelope and return its payload as an object; an empty array counts as an empty one.

    Raises ProtocolError for anything else and CloudError for an error envelope.
    """
    envelope = _parse(body)
    if not isinstance(envelope, dict):
        raise ProtocolError("the reply is not a JSON object")
    echoed = _member(_object(_member(envelope, "header")), "messageId")
    if isinstance(echoed, str) and echoed != message_id:
        raise ProtocolError("the reply belongs to another request: its messageId is not the one sent")
    payload = _member(envelope, "payload")
    if payload == []:
        return {}
    if not isinstance(payload, dict):
        raise ProtocolError("the reply has no payload object")
    if (error := _error(_member(payload, "error"))) is not None:
        raise CloudError(failure_of_code(error.code, error.message))
    return payload


def decode_account(payload: Mapping[str, Json]) -> str:
    """Read the account's id from the reply to Get."""
    identifier = _text(_object(_member(payload, "user")), "id")
    if not identifier:
        raise ProtocolError("the reply names no user id")
    return identifier


def decode_devices(payload: Mapping[str, Json]) -> tuple[Device, ...]:
    """Read a device list; records without an id are left out, later records of one id replace earlier ones.

    A payload without a list is an error and never an account without devices.
    """
    records = _member(payload, "devices")
    if not isinstance(records, list):
        raise ProtocolError("the reply to the device list holds no list of devices")
    devices = (_device(record) for record in records if isinstance(record, dict))
    return tuple({device.id: device for device in devices if device.id}.values())


def decode_reports(payload: Mapping[str, Json]) -> tuple[Report, ...]:
    """Read states or errors of devices; an entry without an id is left out."""
    entries = _member(payload, "devices")
    if not isinstance(entries, list):
        raise ProtocolError("the reply holds no list of devices")
    reports = (_report(entry) for entry in entries if isinstance(entry, dict))
    return tuple(report for report in reports if report.device_id)


def decode_command_replies(payload: Mapping[str, Json], device_ids: Collection[str]) -> dict[str, CommandReply]:
    """Read the answers to the commands of some devices; of one that the reply does not mention it is an acceptance.

    Where one device was asked, an entry alone is its, however its id is spelt: an error must not be lost.
    """
    entries = _member(payload, "devices")
    reports = [
        _report(entry) for entry in (entries if isinstance(entries, list) else [entries]) if isinstance(entry, dict)
    ]
    alone = reports[0] if len(reports) == len(device_ids) == 1 else None
    by_id = {report.device_id.casefold(): report for report in reversed(reports)}
    return {device_id: _command_reply(by_id.get(device_id.casefold(), alone), device_id) for device_id in device_ids}


def decode_users_reply(payload: Mapping[str, Json], device_id: str) -> UsersReply:
    """Read the answer to a command about lock users, under the same rules as that to any other command.

    What is no list of users is no empty one either; users without a number for an id are left out.
    """
    devices = _member(payload, "devices")
    entries = [entry for entry in (devices if isinstance(devices, list) else [devices]) if isinstance(entry, dict)]
    alone = entries[0] if len(entries) == 1 else {}
    folded = device_id.casefold()
    entry = next((entry for entry in entries if _text(entry, "id").casefold() == folded), alone)
    users = _member(entry, "users")
    return UsersReply(
        error=_error(_member(entry, "error")),
        users=tuple(_lock_users(users)) if isinstance(users, list) else None,
        user=next(_lock_users([_member(entry, "user")]), None),
    )


def _lock_users(records: Iterable[Json]) -> Iterator[LockUser]:
    for record in records:
        if isinstance(record, dict) and (number := whole_number(_member(record, "id"))) is not None:
            yield LockUser(
                id=number,
                name=_text(record, "name"),
                type=_member(record, "type"),
                status=_member(record, "status"),
                sync_status=_member(record, "sync_status"),
                extra={key.casefold(): value for key, value in record.items() if key.casefold() not in _LISTED},
            )


def _command_reply(report: Report | None, device_id: str) -> CommandReply:
    if report is None:
        return CommandReply()
    return CommandReply(error=report.error, report=replace(report, device_id=device_id) if report.states else None)


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


def _parse(body: bytes) -> Json:
    try:
        return parse_json(body)
    except ValueError as problem:
        raise ProtocolError(f"the reply is not JSON: {problem}") from None


def _member(container: Mapping[str, Json], key: str) -> Json:
    """Get a member by its name, the exact spelling first, any letter case otherwise."""
    if key in container:
        return container[key]
    folded = key.casefold()
    return next((value for name, value in container.items() if name.casefold() == folded), None)


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _text(container: Mapping[str, Json], key: str) -> str:
    value = _member(container, key)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return str(value)


def _error(value: Json) -> DeviceError | None:
    if isinstance(value, dict):
        return DeviceError(code=_text(value, "code") or UNKNOWN_ERROR, message=_text(value, "message"))
    # A form that nobody has seen is still no success.
    return DeviceError(code=value if isinstance(value, str) else UNKNOWN_ERROR) if value else None


def _device(record: Mapping[str, Json]) -> Device:
    about = _object(_member(record, "deviceInfo"))
    custom = _member(record, "customData")
    return Device(
        id=_text(record, "id"),
        name=_text(record, "name"),
        # The vendor's sample of a light says `type` where every other record says `category`.
        category=_text(record, "category") or _text(record, "type"),
        handle_type=_text(record, "handleType").casefold().replace(" ", ""),
        manufacturer=_text(about, "manufacturer"),
        model=_text(about, "model"),
        firmware=_text(about, "hwVersion"),
        serial_number=_text(about, "serialNumber"),
        custom_data=custom if isinstance(custom, dict) else None,
    )


def _report(entry: Mapping[str, Json]) -> Report:
    return Report(
        device_id=_text(entry, "id"),
        states=dict(_states(_member(entry, "states"))),
        error=_error(_member(entry, "error")),
    )


def _states(states: Json) -> Iterator[tuple[Attribute, Json]]:
    """Read the three forms of states: a list, one single state, `{capability: {name: value}}`."""
    if isinstance(states, list):
        for state in states:
            yield from _states(state) if isinstance(state, dict) else ()
    elif isinstance(states, dict):
        capability, name = _text(states, "capability"), _text(states, "name")
        if capability and name:
            yield from _state(capability, name, _member(states, "value"))
        else:
            for key, members in states.items():
                for inner, value in _object(members).items():
                    yield from _state(key, inner, value)


def _state(capability: str, name: str, value: Json) -> Iterator[tuple[Attribute, Json]]:
    if capability.casefold() != DEFERRED_RESPONSE:
        yield attribute(capability, name), value
