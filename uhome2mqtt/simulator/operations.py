"""The messages of `POST /action`: from a parsed request to an answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from uhome2mqtt.simulator.commands import check_custom_data, command, entries
from uhome2mqtt.simulator.vocabulary import EmptyPayload, OfflineQuery, UnknownId
from uhome2mqtt.simulator.wire import (
    DEVICE_OFFLINE,
    NOT_ADMITTED,
    BadRequestError,
    RefusalError,
    Reply,
    device_error,
    entry,
    envelope,
    error_payload,
    public_id,
    record,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from uhome2mqtt.simulator.cloud import SimulatedCloud

    Payload = dict[str, Any]

GATEWAY_500 = Reply(status=500, body={"message": "Internal server error"})
"""What the gateway in front of the service says when the service has crashed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request at `/action`, taken apart but not yet believed."""

    header: dict[str, Any]
    payload: Any
    token: str

    @property
    def operation(self) -> str:
        """Name the message, such as `Uhome.Device/Query`."""
        return f"{self.header.get('namespace')}/{self.header.get('name')}"


def parse(message: dict[str, Any], bearer: str | None) -> Call:
    """Take a message apart; the Authorization header wins over the body's `authentication`."""
    header = message.get("header")
    authentication = message.get("authentication")
    in_body = authentication.get("token") if isinstance(authentication, dict) else None
    token = in_body if bearer is None else bearer
    return Call(
        header=_with_message_id(header) if isinstance(header, dict) else {},
        payload=message.get("payload"),
        token=token if isinstance(token, str) else "",
    )


def answer(cloud: SimulatedCloud, call: Call) -> Reply:
    """Answer a call; logical errors are HTTP 200 as well."""
    if call.operation == "Uhome.Configure/Query":
        return GATEWAY_500
    try:
        payload = _payload(cloud, call)
    except RefusalError as refusal:
        payload = error_payload(refusal.code, refusal.message)
    return Reply(body=envelope(call.header, payload, cloud.quirks, cloud.dice))


def _with_message_id(header: dict[str, Any]) -> dict[str, Any]:
    # A client of 2025 sent messageID with a capital D and was answered.
    return {"messageId": header["messageID"], **header} if "messageID" in header else header


def _payload(cloud: SimulatedCloud, call: Call) -> Any:
    if not cloud.grants.admits(call.token):
        raise RefusalError("INVALID_TOKEN", NOT_ADMITTED)
    operation = _OPERATIONS.get(call.operation)
    if operation is None:
        raise BadRequestError(f"Unknown operation {call.operation}")
    if not isinstance(call.payload, dict):
        raise BadRequestError("payload must be an object")
    if operation is _log_out:
        cloud.grants.log_out(call.token)
    return operation(cloud, call.payload)


def _user(cloud: SimulatedCloud, _payload: Payload) -> Payload:
    return {"user": {"id": cloud.user_id, "first_name": "Alex", "last_name": "Simulated"}}


def _log_out(cloud: SimulatedCloud, _payload: Payload) -> Any:
    return _empty(cloud)


def _discovery(cloud: SimulatedCloud, _payload: Payload) -> Payload:
    return {"devices": [record(device, cloud.quirks) for device in cloud.house.devices.values()]}


def _query(cloud: SimulatedCloud, payload: Payload) -> Payload:
    answers = (_query_one(cloud, item) for item in entries(payload))
    return {"devices": [answer for answer in answers if answer is not None]}


def _query_one(cloud: SimulatedCloud, item: Payload) -> Payload | None:
    device = cloud.find(item["id"])
    quirks = cloud.quirks
    if device is None:
        error = device_error(item["id"], "DEVICE-DELETED", "Device does not exist")
        return error if quirks.unknown_id_in_query is UnknownId.ERROR else None
    check_custom_data(cloud, device, item)
    if not device.visible_online and quirks.offline_query is OfflineQuery.ERROR:
        return device_error(public_id(device, quirks), "DEVICE_OFFLINE", DEVICE_OFFLINE)
    online = device.visible_online and not cloud.dice.chance(quirks.offline_blip_probability)
    return entry(device, device.visible, online=online, quirks=quirks, dice=cloud.dice)


def _configure(cloud: SimulatedCloud, payload: Payload) -> Any:
    match payload:
        case {"configure": {"notification": {"url": url, **rest}}}:
            cloud.pusher.register(url, rest.get("access_token"))
        case _:
            raise BadRequestError("configure.notification.url is missing")
    return _empty(cloud)


def _empty(cloud: SimulatedCloud) -> Any:
    return [] if cloud.quirks.empty_payload is EmptyPayload.LIST else {}


_OPERATIONS: dict[str, Callable[[SimulatedCloud, Payload], Any]] = {
    "Uhome.User/Get": _user,
    "Uhome.User/Logout": _log_out,
    "Uhome.Device/Discovery": _discovery,
    "Uhome.Device/Query": _query,
    "Uhome.Device/Command": command,
    "Uhome.Configure/Set": _configure,
}
