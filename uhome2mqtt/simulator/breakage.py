"""Carry an ordered fault out on a real connection."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import struct
import time
import zlib
from email.utils import formatdate
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse, Response, StreamingResponse

from uhome2mqtt.simulator.clock import sleep
from uhome2mqtt.simulator.operations import GATEWAY_500
from uhome2mqtt.simulator.vocabulary import FaultKind
from uhome2mqtt.simulator.wire import Reply, error_payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from starlette.requests import Request

    from uhome2mqtt.simulator.clock import Clock
    from uhome2mqtt.simulator.faults import Fault

    Answer = Callable[[], Reply]

DRIBBLES = 10
CHUNK = 64 * 1024


def respond(reply: Reply) -> Response:
    """Turn a reply into a response; no body means an empty one."""
    if reply.body is None:
        return Response(status_code=reply.status)
    # Plain ASCII: a client may send, and get back, text that UTF-8 cannot carry.
    return Response(json.dumps(reply.body), reply.status, media_type="application/json")


async def break_answer(fault: Fault, request: Request, answer: Answer, clock: Clock) -> Response:
    """Give the broken answer; kinds that need the true one ask for it, and so does `executed`."""
    if fault.kind in _BROKEN_ANSWERS:
        return await _BROKEN_ANSWERS[fault.kind](answer(), fault, request, clock)
    if fault.executed:
        answer()
    return await _OTHER_ANSWERS[fault.kind](fault, request)


async def _http_500(_fault: Fault, _request: Request) -> Response:
    return Response("Internal Server Error", 500, media_type="text/plain")


async def _gateway_500(_fault: Fault, _request: Request) -> Response:
    return respond(GATEWAY_500)


async def _empty_400(_fault: Fault, _request: Request) -> Response:
    return Response(status_code=400)


async def _status(fault: Fault, _request: Request) -> Response:
    return Response(fault.body, fault.status, _retry_after(fault), media_type="text/plain")


async def _rate_limited(fault: Fault, _request: Request) -> Response:
    return JSONResponse({"message": "Too Many Requests"}, 429, _retry_after(fault))


async def _not_json(fault: Fault, _request: Request) -> Response:
    return Response(fault.body or "<html><body>Maintenance</body></html>", media_type="text/html")


async def _error_envelope(fault: Fault, request: Request) -> Response:
    return respond(Reply(body=_error(fault, request)))


async def _huge(fault: Fault, _request: Request) -> Response:
    return StreamingResponse(_padding(fault.size), media_type="application/json")


async def _gzip_bomb(fault: Fault, _request: Request) -> Response:
    packed = _packed(_padding(fault.size))
    return StreamingResponse(packed, headers={"Content-Encoding": "gzip"}, media_type="application/json")


def _retry_after(fault: Fault) -> dict[str, str]:
    if fault.retry_after is None:
        return {}
    if not fault.retry_after_date:
        return {"Retry-After": str(fault.retry_after)}
    now = time.time() + fault.clock_ahead
    return {"Date": formatdate(now, usegmt=True), "Retry-After": formatdate(now + fault.retry_after, usegmt=True)}


def _error(fault: Fault, request: Request) -> dict[str, object]:
    if request.scope["path"] == "/token":
        return {"error": fault.code, "error_description": fault.message}
    return {"header": request.state.header, "payload": error_payload(fault.code, fault.message)}


async def _wrong_message_id(reply: Reply, _fault: Fault, _request: Request, _clock: Clock) -> Response:
    if not isinstance(reply.body, dict) or "header" not in reply.body:
        return respond(reply)
    header = reply.body["header"] | {"messageId": "00000000-0000-4000-8000-000000000000"}
    return respond(Reply(status=reply.status, body=reply.body | {"header": header}))


async def _slow(reply: Reply, fault: Fault, _request: Request, clock: Clock) -> Response:
    content = bytes(respond(reply).body)
    size = max(1, len(content) // DRIBBLES)
    parts = [content[start : start + size] for start in range(0, len(content), size)]

    async def dribble() -> AsyncIterator[bytes]:
        for part in parts:
            await sleep(clock, fault.delay / len(parts))
            yield part

    headers = {"Content-Length": str(len(content))}
    return StreamingResponse(dribble(), reply.status, headers, media_type="application/json")


async def _gzip(reply: Reply, _fault: Fault, request: Request, _clock: Clock) -> Response:
    """Pack the true answer, for a client that takes it packed."""
    response = respond(reply)
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return response
    packed = gzip.compress(bytes(response.body))
    return Response(packed, reply.status, {"Content-Encoding": "gzip"}, media_type="application/json")


async def _packed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pack a stream that is never in memory as a whole."""
    packer, packed = zlib.compressobj(wbits=zlib.MAX_WBITS + 16), bytearray()
    async for piece in pieces:
        packed += packer.compress(piece)
        await asyncio.sleep(0)
        # Sent as little as possible at a time, it would be no bomb.
        if len(packed) >= CHUNK:
            yield bytes(packed)
            packed.clear()
    yield bytes(packed) + packer.flush()


async def _padding(size: int) -> AsyncIterator[bytes]:
    yield b'{"payload": {"padding": "'
    for start in range(0, size, CHUNK):
        yield b"x" * min(CHUNK, size - start)
    yield b'"}}'


async def _timeout(_fault: Fault, request: Request) -> Response:
    """Say nothing until the client gives up."""
    # The body has been read, so that the only thing left to hear of is the end of the connection.
    await request.receive()
    return Response()


async def _reset(fault: Fault, request: Request) -> Response:
    """Hang up so that the client meets ECONNRESET, not an orderly end."""
    transport: asyncio.Transport = request.state.transport
    linger_zero = struct.pack("ii", 1, 0)
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_zero)
    transport.abort()
    return await _timeout(fault, request)


async def _truncated(reply: Reply, fault: Fault, request: Request, _clock: Clock) -> Response:
    """Promise a whole answer, send half of it and hang up."""
    content = bytes(respond(reply).body)
    transport: asyncio.Transport = request.state.transport
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    transport.write(head.encode() + content[: len(content) // 2])
    transport.close()
    return await _timeout(fault, request)


_BROKEN_ANSWERS: dict[FaultKind, Callable[[Reply, Fault, Request, Clock], Awaitable[Response]]] = {
    FaultKind.GZIP: _gzip,
    FaultKind.SLOW: _slow,
    FaultKind.TRUNCATED: _truncated,
    FaultKind.WRONG_MESSAGE_ID: _wrong_message_id,
}
_OTHER_ANSWERS: dict[FaultKind, Callable[[Fault, Request], Awaitable[Response]]] = {
    FaultKind.HTTP_500: _http_500,
    FaultKind.GATEWAY_500: _gateway_500,
    FaultKind.EMPTY_400: _empty_400,
    FaultKind.STATUS: _status,
    FaultKind.TIMEOUT: _timeout,
    FaultKind.RESET: _reset,
    FaultKind.NOT_JSON: _not_json,
    FaultKind.HUGE: _huge,
    FaultKind.GZIP_BOMB: _gzip_bomb,
    FaultKind.RATE_LIMITED: _rate_limited,
    FaultKind.ERROR_ENVELOPE: _error_envelope,
}
