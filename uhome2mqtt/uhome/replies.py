"""What the cloud answers: envelopes, the account, devices, states, acceptances of commands."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from sys import intern

from uhome2mqtt.errors import CloudError, ProtocolError, failure_of_code
from uhome2mqtt.model import Device, DeviceError, Json, Report, parse_json
from uhome2mqtt.uhome.lights import GUESSED, LightNames
from uhome2mqtt.uhome.members import as_object, error_of, id_in, member, text_in
from uhome2mqtt.uhome.reports import report_of


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandReply:
    """What the cloud says of one device's command: an error, or states that it already reports."""

    error: DeviceError | None = None
    report: Report | None = None


def decode_reply(body: bytes, message_id: str) -> dict[str, Json]:
    """Read a reply envelope and return its payload as an object; an empty array counts as an empty one.

    Raises ProtocolError for anything else and CloudError for an error envelope.
    """
    envelope = _parse(body)
    if not isinstance(envelope, dict):
        raise ProtocolError("the reply is not a JSON object")
    echoed = member(as_object(member(envelope, "header")), "messageId")
    if isinstance(echoed, str) and echoed != message_id:
        raise ProtocolError("the reply belongs to another request: its messageId is not the one sent")
    payload = member(envelope, "payload")
    if payload == []:
        return {}
    if not isinstance(payload, dict):
        raise ProtocolError("the reply has no payload object")
    if (error := error_of(member(payload, "error"))) is not None:
        raise CloudError(failure_of_code(error.code, error.message))
    return payload


def decode_account(payload: Mapping[str, Json]) -> str:
    """Read the account's id from the reply to Get."""
    identifier = text_in(as_object(member(payload, "user")), "id")
    if not identifier:
        raise ProtocolError("the reply names no user id")
    return identifier


def decode_devices(payload: Mapping[str, Json]) -> tuple[Device, ...]:
    """Read a device list; records without an id are left out, later records of one id replace earlier ones.

    A payload without a list is an error and never an account without devices.
    """
    records = member(payload, "devices")
    if not isinstance(records, list):
        raise ProtocolError("the reply to the device list holds no list of devices")
    devices = (_device(record) for record in records if isinstance(record, dict))
    return tuple({device.id: device for device in devices if device.id}.values())


def decode_command_replies(
    payload: Mapping[str, Json], device_ids: Collection[str], names: LightNames = GUESSED
) -> dict[str, CommandReply]:
    """Read the answers to the commands of some devices; of one that the reply does not mention it is an acceptance.

    Where one device was asked, an entry alone is its, however its id is spelt: an error must not be lost.
    """
    entries = member(payload, "devices")
    listed = entries if isinstance(entries, list) else [entries]
    reports = [report_of(entry, names) for entry in listed if isinstance(entry, dict)]
    alone = reports[0] if len(reports) == len(device_ids) == 1 else None
    by_id = {report.device_id.casefold(): report for report in reversed(reports)}
    return {device_id: _command_reply(by_id.get(device_id.casefold(), alone), device_id) for device_id in device_ids}


def _command_reply(report: Report | None, device_id: str) -> CommandReply:
    if report is None:
        return CommandReply()
    return CommandReply(error=report.error, report=replace(report, device_id=device_id) if report.states else None)


def _parse(body: bytes) -> Json:
    try:
        return parse_json(body)
    except ValueError as problem:
        raise ProtocolError(f"the reply is not JSON: {problem}") from None


def _device(record: Mapping[str, Json]) -> Device:
    """Read a record; the words that thousands of devices have in common are kept once."""
    about = as_object(member(record, "deviceInfo"))
    custom = member(record, "customData")
    return Device(
        id=id_in(record),
        name=text_in(record, "name"),
        # The vendor's sample of a light says `type` where every other record says `category`.
        category=intern(text_in(record, "category") or text_in(record, "type")),
        handle_type=intern(text_in(record, "handleType").casefold().replace(" ", "")),
        manufacturer=intern(text_in(about, "manufacturer")),
        model=intern(text_in(about, "model")),
        firmware=intern(text_in(about, "hwVersion")),
        serial_number=text_in(about, "serialNumber"),
        custom_data=custom if isinstance(custom, dict) else None,
    )
