"""The part of the control interface that is about devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse, Response

from uhome2mqtt.simulator.control_body import body_of, cloud_of, device_of, since
from uhome2mqtt.simulator.orders import DeviceChange, DeviceRecord
from uhome2mqtt.simulator.wire import public_id, record

if TYPE_CHECKING:
    from starlette.requests import Request

    from uhome2mqtt.simulator.cloud import SimulatedCloud
    from uhome2mqtt.simulator.device import SimDevice


async def list_devices(request: Request) -> Response:
    """Give the true state of every device."""
    cloud = cloud_of(request)
    return JSONResponse({"devices": [truth(cloud, device) for device in cloud.house.devices.values()]})


async def show_device(request: Request) -> Response:
    """Give the true state of one device."""
    cloud = cloud_of(request)
    return JSONResponse(truth(cloud, device_of(cloud, request.path_params["device_id"])))


async def change_device(request: Request) -> Response:
    """Let something happen to a device as if by hand."""
    cloud = cloud_of(request)
    device = device_of(cloud, request.path_params["device_id"])
    cloud.happen(device, DeviceChange.model_validate(await body_of(request)))
    return JSONResponse(truth(cloud, device))


async def put_device(request: Request) -> Response:
    """Add a device to the account, or replace it."""
    cloud = cloud_of(request)
    wanted = DeviceRecord.model_validate(await body_of(request))
    known = cloud.find(request.path_params["device_id"])
    device = wanted.device(known.id if known else request.path_params["device_id"])
    cloud.put(device)
    return JSONResponse(truth(cloud, device), 200 if known else 201)


async def delete_device(request: Request) -> Response:
    """Take a device out of the account."""
    cloud = cloud_of(request)
    cloud.remove(device_of(cloud, request.path_params["device_id"]))
    return Response(status_code=204)


async def list_occurrences(request: Request) -> Response:
    """Give what happened by hand, with its causes."""
    return JSONResponse({"occurrences": cloud_of(request).occurrences.since(since(request))})


def truth(cloud: SimulatedCloud, device: SimDevice) -> dict[str, Any]:
    """Give everything about a device, the true `states` beside the `visible` ones."""
    return {
        **record(device, cloud.quirks),
        "id": device.id,
        "publicId": public_id(device, cloud.quirks),
        "online": device.online,
        "states": device.states,
        "visible": device.visible,
        "autoLock": device.auto_lock,
        "jam": device.jam,
        "users": [user.shown() for user in device.users],
    }
