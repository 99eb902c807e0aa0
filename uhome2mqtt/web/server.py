"""Serve a web application inside the running event loop."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

from starlette.applications import Starlette
from uvicorn import Config, Server

from uhome2mqtt import logs
from uhome2mqtt.web.door import Door
from uhome2mqtt.web.protocol import LARGEST_HEAD, Protocol

TRY_AGAIN = 30.0
"""Seconds between two attempts to listen on an address that is taken."""
_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class _Server(Server):
    """uvicorn's server without its signal handlers, which belong to the process, without its ticks, and with a door.

    The ticks would wake it up ten times a second to look whether it should end: most of what an idle bridge does at
    all.
    """

    def __init__(self, config: Config, tls: ssl.SSLContext | None) -> None:
        super().__init__(config)
        self._end = asyncio.Event()
        self._door = Door(lambda: Protocol(config, self.server_state), tls)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.servers = []
        self._door.open(sockets or [])
        self.started = True

    async def main_loop(self) -> None:
        await self._end.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._door.close()
        await super().shutdown(sockets)
        await self._door.clear()

    def end(self) -> None:
        self.should_exit = True
        self._end.set()


async def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host, `localhost` has two on many machines; raises OSError.

    An address that this machine only has by name, as `::1` where IPv6 is off, is left out unless it is the only one.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    sockets: list[socket.socket] = []
    absent: OSError | None = None
    for family, address in dict.fromkeys((family, where[:2]) for family, _type, _proto, _name, where in found):
        try:
            listening = socket.create_server((address[0], port), family=family)
            # What is accepted inherits this. asyncio does it only where a socket names its protocol, and without it the
            # second answer on a kept connection waits 40 ms for the acknowledgement of its first part.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sockets.append(listening)
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


def not_listening(problem: OSError, section: str = "web") -> tuple[str, str]:
    """Say why `listen` has failed, and what to change; `section`: where the configuration has host and port."""
    if isinstance(problem, socket.gaierror) or problem.errno is None:
        return problem.strerror or str(problem), f"choose another {section}.host"
    # asyncio's and the library's own words repeat the address.
    why = os.strerror(problem.errno)
    if problem.errno in _ABSENT:
        return why, f"this machine has no such address: choose another {section}.host"
    return why, f"free the port, or choose another {section}.port"


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
        http=Protocol,
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
    )
    server = _Server(config, tls)
    task = asyncio.create_task(server.serve(sockets))
    try:
        yield task
    finally:
        server.end()
        await asyncio.wait([task])


class WebServer:
    """A web server of a bridge; an address that is taken is waited for, and nothing else waits for that.

    `section`: where the configuration has its host and port.
    """

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        trusted_proxies: Sequence[str] = (),
        section: str = "web",
    ) -> None:
        self._app = app
        self._section = section
        self._host = host
        self._port = port
        self._tls = tls
        self._trusted_proxies = trusted_proxies
        self._outage = logs.Outage()
        self._log = logs.get_logger()

    async def run(self) -> None:
        """Listen and serve for ever."""
        sockets = await self._listen()
        port, tls = sockets[0].getsockname()[1], self._tls is not None
        self._log.info(
            "web_listening", section=self._section, host=self._host, port=port, tls=tls, **self._outage.over()
        )
        async with serving(self._app, sockets, self._tls, self._trusted_proxies) as task:
            await asyncio.wait([task])

    async def _listen(self) -> list[socket.socket]:
        while True:
            try:
                return await listen(self._host, self._port)
            except OSError as problem:
                say = self._log.debug if self._outage.lasts() else self._log.error
                why, mend = not_listening(problem, self._section)
                say(
                    "web_not_listening",
                    section=self._section,
                    host=self._host,
                    port=self._port,
                    why=why,
                    hint=f"{mend}; the bridge works on and tries again",
                )
            await asyncio.sleep(TRY_AGAIN)


def _close(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()
