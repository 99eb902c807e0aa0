"""The login page: what it asks, whom it turns away, and where it sends the browser afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import httpx
from starlette.responses import HTMLResponse, RedirectResponse, Response

from uhome2mqtt.simulator.login_page import accept_page, error_page
from uhome2mqtt.simulator.vocabulary import CallbackParameter
from uhome2mqtt.simulator.wire import is_web_address

if TYPE_CHECKING:
    from starlette.requests import Request

    from uhome2mqtt.simulator.cloud import SimulatedCloud
    from uhome2mqtt.simulator.quirks import Quirks

    Fields = dict[str, str]


class LoginError(Exception):
    """The login page shows this sentence in place of the form."""


async def show(request: Request) -> Response:
    """Serve `GET /authorize`."""
    cloud: SimulatedCloud = request.app.state.cloud
    fields = dict(request.query_params)
    try:
        _redirect_uri(cloud.quirks, fields)
    except LoginError as error:
        return HTMLResponse(error_page(str(error)), 400)
    names = [(device.name, device.model) for device in cloud.house.devices.values()]
    return HTMLResponse(accept_page(fields, names))


async def decide(request: Request) -> Response:
    """Serve `POST /authorize`: send the browser back with a code, or with a refusal."""
    cloud: SimulatedCloud = request.app.state.cloud
    fields = dict(parse_qsl((await request.body()).decode(errors="replace")))
    try:
        redirect_uri = _redirect_uri(cloud.quirks, fields)
    except LoginError as error:
        return HTMLResponse(error_page(str(error)), 400)
    answer = {"error": "access_denied"}
    if fields.get("decision") == "allow":
        answer = _callback(cloud, fields["client_id"], redirect_uri)
    if "state" in fields:
        answer["state"] = fields["state"]
    target = httpx.URL(redirect_uri).copy_merge_params(answer)
    return RedirectResponse(str(target), 302, {"Cache-Control": "no-store"})


def _callback(cloud: SimulatedCloud, client_id: str, redirect_uri: str) -> Fields:
    code = cloud.grants.issue_code(client_id, redirect_uri)
    match cloud.quirks.callback_parameter:
        case CallbackParameter.BOTH:
            return {"code": code, "authorization_code": code}
        case name:
            return {name.value: code}


def _redirect_uri(quirks: Quirks, fields: Fields) -> str:
    """Check the request as the field saw it checked, and give the redirect URI to use."""
    client_id = fields.get("client_id")
    if not client_id:
        raise LoginError("No client id supplied")
    if quirks.client_id is not None and client_id != quirks.client_id:
        raise LoginError("Invalid client id")
    uri = fields.get("redirect_uri") or _only_registered(quirks.redirect_uris)
    if (quirks.redirect_uris and uri not in quirks.redirect_uris) or not is_web_address(uri):
        raise LoginError("Invalid redirect uri")
    if fields.get("response_type") != "code":
        raise LoginError("Invalid or missing response type")
    return uri


def _only_registered(registered: list[str]) -> str:
    if len(registered) > 1:
        raise LoginError("A redirect URI must be supplied when multiple redirect URIs are registered")
    if not registered:
        raise LoginError("No redirect URI was supplied or stored")
    return registered[0]
