"""What the control interface's endpoints read from a request, and how they refuse it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from starlette.responses import JSONResponse, Response

from uhome2mqtt.simulator.quirks import UnknownQuirkError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ExceptionHandler

    from uhome2mqtt.simulator.cloud import SimulatedCloud
    from uhome2mqtt.simulator.device import SimDevice


class NotJsonObjectError(ValueError):
    """The body is not a JSON object."""


class NoSuchDeviceError(LookupError):
    """The account has no device of that id."""


def cloud_of(request: Request) -> SimulatedCloud:
    """Give the cloud that is controlled."""
    cloud: SimulatedCloud = request.app.state.cloud
    return cloud


def device_of(cloud: SimulatedCloud, device_id: str) -> SimDevice:
    """Find a device or raise NoSuchDeviceError."""
    device = cloud.find(device_id)
    if device is None:
        raise NoSuchDeviceError(f"no device {device_id!r}")
    return device


def since(request: Request) -> int:
    """Give the sequence number after which entries are wanted."""
    text = request.query_params.get("since", "")
    return int(text) if text.isdecimal() else 0


async def body_of(request: Request) -> dict[str, Any]:
    """Give the body, an empty one being an empty object."""
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise NotJsonObjectError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise NotJsonObjectError("the body must be a JSON object")
    return body


async def _refuse(_request: Request, error: Exception) -> Response:
    match error:
        case UnknownQuirkError():
            facts = {"error": str(error), "unknown": error.name, "nearest": error.nearest}
            return JSONResponse(facts, 422)
        case ValidationError():
            return JSONResponse({"error": _sentence(error)}, 422)
        case NoSuchDeviceError():
            return JSONResponse({"error": str(error)}, 404)
        case _:
            return JSONResponse({"error": str(error)}, 400)


def _sentence(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_context=False)
    return "; ".join(f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in details)


REFUSALS: dict[Any, ExceptionHandler] = dict.fromkeys(
    (UnknownQuirkError, ValidationError, NoSuchDeviceError, NotJsonObjectError), _refuse
)
