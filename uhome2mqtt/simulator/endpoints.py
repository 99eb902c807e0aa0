"""`/action` and `/token` over HTTP: the weather on the line, the journal, then the answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from starlette.responses import JSONResponse, Response

from uhome2mqtt.simulator.breakage import break_answer, respond
from uhome2mqtt.simulator.clock import sleep
from uhome2mqtt.simulator.operations import GATEWAY_500, answer, parse
from uhome2mqtt.simulator.tokens import grant_tokens
from uhome2mqtt.simulator.vocabulary import RateLimitReply
from uhome2mqtt.simulator.wire import Reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from uhome2mqtt.simulator.cloud import SimulatedCloud
    from uhome2mqtt.simulator.journal import Entry


async def action(request: Request) -> Response:
    """Serve `POST /action`."""
    cloud: SimulatedCloud = request.app.state.cloud
    message = _json_object(await request.body())
    if message is None:
        cloud.requests.add(path="/action", outcome="http 400", **_facts({}, None))
        return Response(status_code=400)
    call = parse(message, _bearer(request))
    request.state.header = call.header
    written = cloud.requests.add(path="/action", outcome="pending", **_facts(call.header, call.payload))
    limited = _limited(cloud)
    if limited is not None:
        written["outcome"] = "rate limited"
        return limited
    return await _exchange(cloud, request, written, call.operation, partial(answer, cloud, call))


async def gone(request: Request, _error: Exception) -> Response:
    """Take note of a client that has gone in the middle of its request; nobody hears the answer."""
    cloud: SimulatedCloud = request.app.state.cloud
    cloud.requests.add(path=request.url.path, outcome="client gone", **_facts({}, None))
    return Response(status_code=HTTPStatus.BAD_REQUEST)


async def token(request: Request) -> Response:
    """Serve `POST /token`, and GET as well where the service takes it."""
    cloud: SimulatedCloud = request.app.state.cloud
    fields = dict(request.query_params)
    if request.method == "POST":
        # Parameters in the query of a POST do not count: a client that sent them there failed.
        fields = dict(parse_qsl((await request.body()).decode(errors="replace")))
    written = cloud.requests.add(
        path="/token",
        method=request.method,
        namespace=None,
        name="token",
        grant_type=fields.get("grant_type"),
        devices=[],
        commands=[],
        outcome="pending",
        answered=None,
    )
    if request.method == "GET" and not cloud.quirks.token_get:
        written["outcome"] = "http 405"
        return Response(status_code=405, headers={"Allow": "POST"})
    return await _exchange(cloud, request, written, "token", partial(grant_tokens, cloud, fields))


async def _exchange(
    cloud: SimulatedCloud, request: Request, written: Entry, operation: str, reply_to: Callable[[], Reply]
) -> Response:
    fault = cloud.faults.take(operation)
    await sleep(cloud.clock, cloud.dice.between(cloud.quirks.latency))
    if fault is not None:
        written["outcome"] = f"fault {fault.kind}"
        return await break_answer(fault, request, reply_to, cloud.clock)
    reply = _bad_weather(cloud) or reply_to()
    written["outcome"] = _outcome(reply)
    if not await request.is_disconnected():
        written["answered"] = datetime.now(UTC).isoformat()
    return respond(reply)


def _bad_weather(cloud: SimulatedCloud) -> Reply | None:
    if cloud.dice.chance(cloud.quirks.server_error_probability):
        return GATEWAY_500
    return Reply(status=400) if cloud.dice.chance(cloud.quirks.empty_400_probability) else None


def _limited(cloud: SimulatedCloud) -> Response | None:
    seconds = cloud.rate_limit.wait()
    if not seconds:
        return None
    too_many = {"message": "Too Many Requests"}
    match cloud.quirks.rate_limit_reply:
        case RateLimitReply.GATEWAY_500:
            return respond(GATEWAY_500)
        case RateLimitReply.RETRY_AFTER:
            return JSONResponse(too_many, 429, {"Retry-After": str(seconds)})
        case RateLimitReply.PLAIN_429:
            return JSONResponse(too_many, 429)


def _outcome(reply: Reply) -> str:
    match reply.body:
        case _ if reply.status != HTTPStatus.OK:
            return f"http {reply.status}"
        case {"payload": {"error": {"code": str(code)}}} | {"error": str(code)} | {"message": str(code)}:
            return code
        case {"payload": {"devices": [*devices]}}:
            codes = [device["error"]["code"] for device in devices if "error" in device]
            return ", ".join(codes) or "ok"
        case _:
            return "ok"


def _json_object(content: bytes) -> dict[str, Any] | None:
    try:
        message = json.loads(content)
    except ValueError:
        return None
    return message if isinstance(message, dict) else None


def _bearer(request: Request) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.casefold() == "bearer" else None


def _facts(header: dict[str, Any], payload: Any) -> dict[str, Any]:
    """Give what the journal may know: neither tokens nor keypad codes."""
    devices = payload.get("devices") if isinstance(payload, dict) else None
    items = [item for item in devices if isinstance(item, dict)] if isinstance(devices, list) else []
    return {
        "namespace": header.get("namespace"),
        "name": header.get("name"),
        "devices": [item.get("id") for item in items],
        "commands": [_without_code(item["command"]) for item in items if isinstance(item.get("command"), dict)],
        # When the true answer left, if there was somebody to hear it.
        "answered": None,
    }


def _without_code(command: dict[str, Any]) -> dict[str, Any]:
    arguments = command.get("arguments")
    if not isinstance(arguments, dict) or "password" not in arguments:
        return command
    return command | {"arguments": arguments | {"password": "***"}}
