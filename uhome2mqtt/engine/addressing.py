"""Which device a request is about."""

from __future__ import annotations

from uhome2mqtt.engine.answers import Request, RequestError
from uhome2mqtt.engine.house import House
from uhome2mqtt.engine.node import Node
from uhome2mqtt.model import quoted


def device_of(house: House, request: Request) -> Node:
    """Find the device that a request names by its id, its topic level or, where only one has it, its name."""
    named = request.members.get("device")
    if not isinstance(named, str) or not named:
        raise RequestError(f"{request.name} needs device: the id, topic level or name of one in bridge/devices")
    node = house.registry.find(named)
    if node is None:
        raise RequestError(nobody(house, named))
    return node


def nobody(house: House, named: str) -> str:
    """Say that there is no such device, as far as that is known."""
    if not house.registry.lists:
        return f"NO_DEVICE_LIST: the device list has not been read yet, since the cloud is {house.cloud.status}"
    return f"UNKNOWN_DEVICE: {quoted(named)} is no id, topic level or unique name of a device in bridge/devices"
