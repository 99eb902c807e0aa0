"""Serve a web application inside the running event loop."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import cast

import h11
from starlette.applications import Starlette
from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from uhome2mqtt import logs

TRY_AGAIN = 30.0
"""Seconds between two attempts to listen on an address that is taken."""
LARGEST_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""
CONNECTIONS, FROM_ONE_ADDRESS = 128, 64
"""More at the same time are closed as they come: descriptors that nobody uses would be missing for cloud and broker."""
REQUEST_WITHIN = 10.0
"""Seconds in which a request has to arrive, whole."""
LARGEST_REST = 1024 * 1024
"""Bytes that are read on, and thrown away, of a body that nobody wants: a client that is cut off loses its answer."""
_ARRIVING = {h11.IDLE, h11.SEND_BODY}
_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class _Server(Server):
    """uvicorn's server without its signal handlers, which belong to the process, and without its ticks.

    It would wake up ten times a second to look whether it should end: most of what an idle bridge does at all.
    """

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._end = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        await self._end.wait()

    def end(self) -> None:
        self.should_exit = True
        self._end.set()


class _Lingering:
    """A transport that does not close while a body arrives that nobody wants: it only says that no more will be sent.

    A connection that is closed with something unread is reset, and its client may lose the answer.
    """

    def __init__(self, transport: asyncio.Transport, arriving: Callable[[], bool]) -> None:
        self.lingers = False
        self._transport = transport
        self._arriving = arriving

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self.lingers or self._transport.is_closing()

    def close(self) -> None:
        if not self.lingers and self._arriving() and self._transport.can_write_eof():
            self.lingers = True
            self._transport.write_eof()
        else:
            self._transport.close()


class _Protocol(H11Protocol):
    """uvicorn's protocol for clients that do not mean well: few connections, and none that only waits."""

    _timer: asyncio.TimerHandle | None = None
    _rest = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._linger = _Lingering(cast("asyncio.Transport", transport), lambda: self.conn.their_state is h11.SEND_BODY)
        super().connection_made(cast("asyncio.Transport", self._linger))
        neighbours = sum(_host(other) == _host(self) for other in self.connections)
        if len(self.connections) > CONNECTIONS or neighbours > FROM_ONE_ADDRESS:
            self.transport.abort()
        else:
            self._watch()

    def data_received(self, data: bytes) -> None:
        if self._timer is None:
            self._watch()
        self._rest = self._rest + len(data) if self._is_rest() else 0
        if self._rest > LARGEST_REST:
            self.transport.abort()
        elif not self._linger.lingers:
            self._take(data)

    def _take(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state not in _ARRIVING:
            self._forget()
        elif self._rest and not self._is_rest():
            # The connection is as good as new.
            self._forget()
            self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _is_rest(self) -> bool:
        """Tell whether what arrives belongs to a request that has its answer already; uvicorn throws it away."""
        answered = bool(self.cycle) and self.cycle.response_complete
        return self._linger.lingers or (answered and self.conn.their_state is h11.SEND_BODY)

    def _watch(self) -> None:
        self._timer = self.loop.call_later(REQUEST_WITHIN, self.transport.abort)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host, `localhost` has two on many machines; raises OSError.

    An address that this machine only has by name, as `::1` where IPv6 is off, is left out unless it is the only one.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    for family, address in dict.fromkeys((family, where[:2]) for family, _type, _proto, _name, where in found):
        try:
            sockets.append(socket.create_server((address[0], port), family=family))
        except OSError as problem:
            if problem.errno not in _ABSENT:
                _close(sockets)
                raise
            absent = problem
        else:
            # Of port 0 the first address chooses for all.
            port = port or sockets[0].getsockname()[1]
    if absent is not None and not sockets:
        raise absent
    return sockets


@asynccontextmanager
async def serving(
    app: Starlette,
    sockets: list[socket.socket],
    tls: ssl.SSLContext | None = None,
    trusted_proxies: Sequence[str] = (),
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve as long as the context lasts; answers that are under way at its end get a second.

    `trusted_proxies`: addresses and networks that are believed when they say for whom they ask.
    """
    config = Config(
        app,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        # An access log would show codes and tokens of addresses.
        access_log=False,
        server_header=False,
        date_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
        h11_max_incomplete_event_size=LARGEST_HEAD,
        timeout_graceful_shutdown=1,
        ssl_context_factory=None if tls is None else lambda _config, _default: tls,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve(sockets))
    try:
        yield task
    finally:
        server.end()
        await asyncio.wait([task])


class WebServer:
    """The web server of a bridge; an address that is taken is waited for, and nothing else waits for that."""

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        trusted_proxies: Sequence[str] = (),
    ) -> None:
        self._app = app
        self._host = host
        self._port = port
        self._tls = tls
        self._trusted_proxies = trusted_proxies
        self._log = logs.get_logger()

    async def run(self) -> None:
        """Listen and serve for ever."""
        sockets = await self._listen()
        self._log.info("web_listening", host=self._host, port=sockets[0].getsockname()[1], tls=self._tls is not None)
        async with serving(self._app, sockets, self._tls, self._trusted_proxies) as task:
            await asyncio.wait([task])

    async def _listen(self) -> list[socket.socket]:
        complained = False
        while True:
            try:
                return await listen(self._host, self._port)
            except OSError as problem:
                if not complained:
                    self._log.error(
                        "web_not_listening",
                        host=self._host,
                        port=self._port,
                        why=problem.strerror,
                        hint="free the port, or choose another web.port; the bridge works on and tries again",
                    )
                complained = True
            await asyncio.sleep(TRY_AGAIN)


def _host(connection: object) -> str | None:
    client: tuple[str, int] | None = getattr(connection, "client", None)
    return client[0] if client else None


def _close(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()
