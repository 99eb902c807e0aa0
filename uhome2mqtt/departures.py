"""What leaves for the cloud leaves now or never: no system sends on what a bridge has given up, or left behind."""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx

DISCARD = struct.pack("ii", 1, 0)
"""SO_LINGER: what has not left when a socket is closed is dropped, and the other end is reset."""
_CONNECTED = ".connect_tcp.complete"


def now_or_never(http: httpx.AsyncClient) -> None:
    """Let no connection of a client outlive its patience: what waits in the system goes with the socket, or in time.

    The trace shows each connection before anything is written to it, those to a proxy too; httpx passes the socket
    options of a transport on to no proxy, and a transport of one's own costs the proxies of the environment.
    """

    async def watched(request: httpx.Request) -> None:
        told = request.extensions.get("trace")

        async def trace(event: str, facts: Mapping[str, Any]) -> None:
            if event.endswith(_CONNECTED):
                _bind(facts["return_value"].get_extra_info("socket"), http.timeout.read or 0.0)
            if told is not None:
                await told(event, facts)

        request.extensions = {**request.extensions, "trace": trace}

    http.event_hooks["request"].append(watched)


def _bind(connection: socket.socket, patience: float) -> None:
    # A socket that takes no options has been closed meanwhile.
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DISCARD)
        # Not every system has it. It is for a process that closes nothing any more, since it hangs or has been stopped.
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(patience * 1000))
