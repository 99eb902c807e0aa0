"""Where connections come in."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Sequence

from uhome2mqtt import logs
from uhome2mqtt.web.protocol import Protocol

CONNECTIONS, FROM_ONE_ADDRESS = 128, 64
"""More at the same time are closed as they come: descriptors that nobody uses would be missing for cloud and broker."""
HANDSHAKE_WITHIN = 5.0
"""Seconds in which TLS has to be agreed on."""
GOODBYE_WITHIN = 2.0
"""Seconds that a client has to answer TLS's goodbye; not all of them do."""
ACCEPT_AGAIN = 1.0
"""Seconds until the next attempt where the system had nothing left for a connection."""


class Door:
    """Lets connections in, and counts them from the moment that they are accepted until they are gone.

    asyncio's own server knows nothing of a connection before TLS is agreed on, and so cannot count those that never do.
    """

    def __init__(self, protocol: Callable[[], Protocol], tls: ssl.SSLContext | None) -> None:
        self._protocol = protocol
        self._tls = tls
        self._loop = asyncio.get_running_loop()
        self._listening: list[socket.socket] = []
        self._inside: dict[asyncio.Task[None], str] = {}
        """From which address each connection comes."""
        self._outage = logs.Outage()
        self._log = logs.get_logger()

    def open(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections from now on."""
        for each in sockets:
            each.settimeout(0)
            self._listening.append(each)
            self._listen(each)

    def close(self) -> None:
        """Accept none any longer."""
        for each in self._listening:
            self._loop.remove_reader(each)
        self._listening.clear()

    async def clear(self) -> None:
        """End every connection that there is, at once."""
        for task in self._inside:
            task.cancel()
        if self._inside:
            await asyncio.wait(self._inside)

    def _listen(self, listening: socket.socket) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, (host, *_) = listening.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            # The client has changed its mind.
            return
        except OSError as problem:
            self._pause(listening, problem)
            return
        if self._outage.under_way:
            self._log.info("web_accepting", **self._outage.over())
        neighbours = sum(other == host for other in self._inside.values())
        if len(self._inside) >= CONNECTIONS or neighbours >= FROM_ONE_ADDRESS:
            connection.close()
            return
        task = self._loop.create_task(self._serve(connection))
        self._inside[task] = host
        task.add_done_callback(self._inside.pop)

    def _pause(self, listening: socket.socket, problem: OSError) -> None:
        """Try again after a while: the client still waits, so that to try at once would keep the processor busy."""
        say = self._log.debug if self._outage.lasts() else self._log.warning
        say("web_not_accepting", why=problem.strerror, hint="too many open files, or too little memory: see the limits")
        self._loop.remove_reader(listening)
        self._loop.call_later(ACCEPT_AGAIN, self._listen, listening)

    async def _serve(self, connection: socket.socket) -> None:
        protocol = self._protocol()
        try:
            transport, _ = await self._loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=self._tls,
                ssl_handshake_timeout=HANDSHAKE_WITHIN if self._tls else None,
                ssl_shutdown_timeout=GOODBYE_WITHIN if self._tls else None,
            )
        except OSError:
            # Anybody can fail to agree on TLS, and SSLError is an OSError.
            return
        try:
            await protocol.ended.wait()
        finally:
            transport.abort()
