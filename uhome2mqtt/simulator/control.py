"""The control interface: what a test, or a curious person with curl, can do to the cloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from uhome2mqtt.simulator.control_body import body_of, cloud_of, device_of, since
from uhome2mqtt.simulator.control_devices import (
    change_device,
    delete_device,
    list_devices,
    list_occurrences,
    put_device,
    show_device,
)
from uhome2mqtt.simulator.faults import Fault
from uhome2mqtt.simulator.orders import MintOrder, PushOrder
from uhome2mqtt.simulator.push import Notification
from uhome2mqtt.simulator.wire import public_id, record

if TYPE_CHECKING:
    from typing import Any

    from starlette.requests import Request

    from uhome2mqtt.simulator.cloud import SimulatedCloud
    from uhome2mqtt.simulator.device import SimDevice


async def show_quirks(request: Request) -> Response:
    """Give every quirk's value."""
    return JSONResponse(cloud_of(request).quirks.model_dump(mode="json"))


async def change_quirks(request: Request) -> Response:
    """Change all of the given quirks, or none."""
    cloud_of(request).quirks.change(await body_of(request))
    return await show_quirks(request)


async def list_faults(request: Request) -> Response:
    """Give the standing orders."""
    return JSONResponse({"faults": cloud_of(request).faults.standing()})


async def order_fault(request: Request) -> Response:
    """Order a fault."""
    cloud_of(request).faults.order(Fault.model_validate(await body_of(request)))
    return JSONResponse({"faults": cloud_of(request).faults.standing()}, 201)


async def clear_faults(request: Request) -> Response:
    """Cancel every fault."""
    cloud_of(request).faults.clear()
    return Response(status_code=204)


async def list_requests(request: Request) -> Response:
    """Give the journal of requests."""
    return JSONResponse({"requests": cloud_of(request).requests.since(since(request))})


async def clear_requests(request: Request) -> Response:
    """Empty the journal of requests; its numbers go on."""
    cloud_of(request).requests.clear()
    return Response(status_code=204)


async def list_pushes(request: Request) -> Response:
    """Give the journal of notifications."""
    return JSONResponse({"pushes": cloud_of(request).pusher.journal.since(since(request))})


async def clear_pushes(request: Request) -> Response:
    """Empty the journal of notifications; its numbers go on."""
    cloud_of(request).pusher.journal.clear()
    return Response(status_code=204)


async def send_push(request: Request) -> Response:
    """Send a notification now, whatever the push mode is."""
    cloud = cloud_of(request)
    order = PushOrder.model_validate(await body_of(request))
    if cloud.pusher.registration is None:
        return JSONResponse({"error": "no notification URL is registered"}, 409)
    devices = [device_of(cloud, device_id) for device_id in order.devices or cloud.house.devices]
    notification = _given(order) or _shaped(cloud, order, devices)
    cloud.pusher.send(notification)
    return JSONResponse({"shape": notification.shape}, 202)


async def revoke(request: Request) -> Response:
    """End every login."""
    return JSONResponse({"revoked": cloud_of(request).grants.revoke_all()})


async def mint(request: Request) -> Response:
    """Log in without a login page."""
    order = MintOrder.model_validate(await body_of(request))
    return JSONResponse(cloud_of(request).grants.mint(order.client_id))


def _given(order: PushOrder) -> Notification | None:
    text = order.given_text()
    return None if text is None else Notification(name="", shape="given", content=text.encode())


def _shaped(cloud: SimulatedCloud, order: PushOrder, devices: list[SimDevice]) -> Notification:
    entries = [_entry(cloud, order.name, device) for device in devices]
    return cloud.pusher.shaped(order.shape, order.name, entries, changed=frozenset(order.changed))


def _entry(cloud: SimulatedCloud, name: str, device: SimDevice) -> dict[str, Any]:
    match name:
        case "DeviceSync":
            return record(device, cloud.quirks)
        case "DeviceDelete":
            return {"id": public_id(device, cloud.quirks)}
        case _:
            return cloud.state_entry(device)


ROUTES = [
    Route("/devices", list_devices, methods=["GET"]),
    Route("/devices/{device_id}", show_device, methods=["GET"]),
    Route("/devices/{device_id}", change_device, methods=["POST"]),
    Route("/devices/{device_id}", put_device, methods=["PUT"]),
    Route("/devices/{device_id}", delete_device, methods=["DELETE"]),
    Route("/occurrences", list_occurrences, methods=["GET"]),
    Route("/quirks", show_quirks, methods=["GET"]),
    Route("/quirks", change_quirks, methods=["PATCH"]),
    Route("/faults", list_faults, methods=["GET"]),
    Route("/faults", order_fault, methods=["POST"]),
    Route("/faults", clear_faults, methods=["DELETE"]),
    Route("/requests", list_requests, methods=["GET"]),
    Route("/requests", clear_requests, methods=["DELETE"]),
    Route("/pushes", list_pushes, methods=["GET"]),
    Route("/pushes", clear_pushes, methods=["DELETE"]),
    Route("/push", send_push, methods=["POST"]),
    Route("/revoke", revoke, methods=["POST"]),
    Route("/token", mint, methods=["POST"]),
]
