"""Uhome.Device/Command: checked as a whole, then answered and set in motion device by device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uhome2mqtt.simulator import lock_users
from uhome2mqtt.simulator.physics import Command, accepts, effect
from uhome2mqtt.simulator.vocabulary import CommandReply, CustomData, OfflineUsers
from uhome2mqtt.simulator.wire import (
    DEVICE_OFFLINE,
    BadRequestError,
    custom_data,
    device_error,
    entry,
    public_id,
    state,
)

if TYPE_CHECKING:
    from uhome2mqtt.simulator.cloud import SimulatedCloud
    from uhome2mqtt.simulator.device import SimDevice

LOCK_SECONDS = 20
LEVEL_SECONDS = 10
OTHER_SECONDS = 5


def command(cloud: SimulatedCloud, payload: dict[str, Any]) -> dict[str, Any]:
    """Answer a Command request; one malformed entry refuses all of it and nothing happens."""
    orders = [(item, *_order(cloud, item)) for item in entries(payload)]
    return {"devices": [_obey(cloud, item["id"], device, order) for item, device, order in orders]}


def entries(payload: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the request's device entries."""
    devices = payload.get("devices", [])
    if not isinstance(devices, list) or not all(isinstance(item, dict) for item in devices):
        raise BadRequestError("devices must be a list of objects")
    if not all(isinstance(item.get("id"), str) for item in devices):
        raise BadRequestError("Every device needs an id")
    return devices


def check_custom_data(cloud: SimulatedCloud, device: SimDevice, item: dict[str, Any]) -> None:
    """Refuse an entry that should echo the device's `customData` and does not."""
    wanted = custom_data(device, cloud.quirks)
    if cloud.quirks.custom_data is CustomData.REQUIRED and item.get("customData") != wanted["customData"]:
        raise BadRequestError("customData is missing or wrong")


def _order(cloud: SimulatedCloud, item: dict[str, Any]) -> tuple[SimDevice | None, Command]:
    order = _parse(item.get("command"))
    device = cloud.find(item["id"])
    if device is None:
        return None, order
    check_custom_data(cloud, device, item)
    if order.capability == "st.lockUser":
        lock_users.check(device, order, cloud.quirks)
    elif not accepts(device, order):
        raise BadRequestError(f"Command {order.capability}/{order.name} is not supported or its arguments are wrong")
    return device, order


def _parse(raw: object) -> Command:
    match raw:
        case {"capability": str(capability), "name": str(name), **rest}:
            arguments = rest.get("arguments") or {}
        case _:
            raise BadRequestError("Every device needs a command with capability and name")
    if not isinstance(arguments, dict):
        raise BadRequestError("arguments must be an object")
    return Command(capability=capability, name=name, arguments=arguments)


def _obey(cloud: SimulatedCloud, wire_id: str, device: SimDevice | None, order: Command) -> dict[str, Any]:
    if device is None:
        return device_error(wire_id, "DEVICE-DELETED", "Device does not exist")
    asks = order.capability == "st.lockUser" and order.name not in lock_users.WRITES
    if not device.online and not (asks and cloud.quirks.offline_lock_users is not OfflineUsers.ERROR):
        return device_error(wire_id, "DEVICE_OFFLINE", DEVICE_OFFLINE)
    if asks:
        return {"id": wire_id} | lock_users.answer(device, order, cloud.quirks)
    reply = _acknowledge(cloud, device, order)
    if order.capability == "st.lockUser":
        lock_users.write(cloud.house, device, order, quirks=cloud.quirks, dice=cloud.dice)
    else:
        cloud.house.execute(device, order, delay=_duration(cloud, order))
    return reply


def _duration(cloud: SimulatedCloud, order: Command) -> float:
    if cloud.quirks.command_reply is CommandReply.IMMEDIATE:
        return 0.0
    return cloud.quirks.bolt_seconds if order.capability == "st.lock" else cloud.quirks.switch_seconds


def _acknowledge(cloud: SimulatedCloud, device: SimDevice, order: Command) -> dict[str, Any]:
    quirks = cloud.quirks
    reply = {"id": public_id(device, quirks)}
    match quirks.command_reply:
        case CommandReply.DEFERRED:
            seconds = state("st.deferredResponse.seconds", _seconds(order), quirks.casing, cloud.dice)
            return reply | {"states": [seconds]}
        case CommandReply.IMMEDIATE:
            changes = effect(device, order, passage_ignores=quirks.passage_ignores_lock)
            return entry(device, device.states | changes, online=True, quirks=quirks, dice=cloud.dice)
        case CommandReply.ID_ONLY:
            return reply
        case CommandReply.EMPTY_STATES:
            return reply | {"states": []}


def _seconds(order: Command) -> int:
    if order.capability == "st.lock" and order.name != "setMode":
        return LOCK_SECONDS
    return LEVEL_SECONDS if order.name == "setLevel" else OTHER_SECONDS
