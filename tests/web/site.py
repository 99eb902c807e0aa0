"""A site that is being served, and a browser without a screen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from starlette.routing import Route

from tests.support.account import Account, new_http
from uhome2mqtt.logins import Logins, Problem
from uhome2mqtt.tokens import Tokens
from uhome2mqtt.web import LOCAL_HOSTS, Condition, ConsoleSite, Guard, Receiver, Site, listen, serving, site_app

GOOD = Condition(trouble=None, cloud="online", waiting=())


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True, kw_only=True)
class Served:
    """What a site under test is made of."""

    account: Account
    http: httpx.AsyncClient
    tokens: Tokens
    clock: Clock
    port: int
    paths: frozenset[str] = frozenset()
    condition: Condition = GOOD
    ended: list[Problem | None] = field(default_factory=list)

    async def login_address(self) -> str:
        """Begin a login and give the address that the browser is sent to."""
        response = await self.http.get("/oauth/start")
        assert response.status_code == httpx.codes.FOUND
        return response.headers["Location"]

    async def returned(self, decision: str = "allow") -> str:
        """Log in at the cloud and give path and query that the browser comes back with."""
        url = httpx.URL(await self.account.allow(await self.login_address(), decision))
        return url.raw_path.decode()


@asynccontextmanager
async def served(
    account: Account,
    directory: Path,
    *,
    token: str | None = None,
    hosts: Iterable[str] | None = None,
    redirect_uri: str = "http://localhost:8099/oauth/callback",
    receiver: Receiver | None = None,
    trusted_proxies: Sequence[str] = (),
    console: Callable[[Guard], ConsoleSite] | None = None,
    bridge: str = "",
) -> AsyncIterator[Served]:
    """Serve a site on a free port; `console` makes the one that it has."""
    client, clock = account.client(redirect_uri=redirect_uri), Clock()
    tokens = Tokens(directory, client, account.http)
    sockets = await listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    async with new_http(f"http://127.0.0.1:{port}") as http:
        found = Served(account=account, http=http, tokens=tokens, clock=clock, port=port)
        guard = Guard(token, clock, hosts or LOCAL_HOSTS, bridge)
        site = Site(
            logins=Logins(account.http, client, tokens.store, ended=found.ended.append, clock=clock),
            redirect_uri=redirect_uri,
            condition=lambda: found.condition,
            metrics=lambda _accept: (b"up 1\n", "text/plain; version=0.0.4; charset=utf-8"),
            guard=guard,
            hosts=hosts,
            receiver=receiver,
            console=None if console is None else console(guard),
        )
        app = site_app(site)
        found.paths = frozenset(route.path for route in app.routes if isinstance(route, Route))
        async with serving(app, sockets, trusted_proxies=trusted_proxies):
            yield found


async def asked_raw(port: int, said: str) -> str:
    """Say a request's head as it is, and give all that is answered to it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{said}\r\n\r\n".replace("\n", "\r\n").replace("\r\r", "\r").encode())
    writer.write_eof()
    try:
        async with asyncio.timeout(10):
            return (await closed(reader)).decode()
    finally:
        writer.close()


async def closed(reader: asyncio.StreamReader) -> bytes:
    """Wait until the other end has hung up, and give what it said."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""
