"""Serve a simulated cloud over HTTP inside the running event loop."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from uhome2mqtt.simulator.app import build
from uhome2mqtt.simulator.cloud import SimulatedCloud
from uhome2mqtt.simulator.scenario import play

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from uhome2mqtt.simulator.quirks import Quirks

BACKLOG = 1024

_log = logging.getLogger("uhome2mqtt.simulator.http")
_log.setLevel(logging.ERROR)
# Requests that are cut off when the server stops are no errors; a mistake in the simulator is one.
_log.addFilter(lambda line: not (line.exc_info and line.exc_info[0] is asyncio.CancelledError))


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A cloud that is being served."""

    cloud: SimulatedCloud
    host: str
    port: int

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


class QuietProtocol(H11Protocol):
    """HTTP without log lines, whose requests can reach their connection in order to break it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _log
        self.access_log = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast("asyncio.Transport", transport))
        self.app_state = {**self.app_state, "transport": transport}


@asynccontextmanager
async def serve(cloud: SimulatedCloud, *, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[Running]:
    """Serve on `host` and `port` (0: a free one) as long as the context lasts; installs no signal handlers."""
    # Not uvicorn.Server: that one polls, logs and captures signals.
    config = Config(build(cloud), http=QuietProtocol, ws="none", lifespan="off", log_config=None)
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        return QuietProtocol(config=config, server_state=state, app_state={})

    server = await asyncio.get_running_loop().create_server(protocol, host, port, backlog=BACKLOG)
    address = server.sockets[0].getsockname()
    try:
        yield Running(cloud=cloud, host=host, port=address[1])
    finally:
        server.close()
        await cloud.aclose()
        await _hang_up(state)
        await server.wait_closed()


async def _hang_up(state: ServerState) -> None:
    tasks = list(state.tasks)
    for task in tasks:
        task.cancel()
    for connection in list(state.connections):
        connection.transport.abort()
    await asyncio.gather(*tasks, return_exceptions=True)


async def simulate(
    host: str, port: int, quirks: Quirks, *, live: bool, ready: Callable[[str], None] = lambda _url: None
) -> None:
    """Serve the demo household until cancelled; `live` lets somebody live in it, `ready` is told the URL."""
    cloud = SimulatedCloud(quirks=quirks)
    async with serve(cloud, host=host, port=port) as running:
        ready(running.url)
        if live:
            await play(cloud)
        await asyncio.Event().wait()
