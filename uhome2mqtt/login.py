"""Connecting the account: a person grants access in a browser, and the tokens are kept."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from uvicorn import Config, Server

from uhome2mqtt import oauth
from uhome2mqtt.errors import CloudError, SettingsError
from uhome2mqtt.tokens import Tokens

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
NO_CACHE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


async def login(
    http: httpx.AsyncClient,
    client: oauth.Client,
    tokens: Tokens,
    *,
    paste: bool,
    browser: bool,
    say: Callable[[str], None],
) -> None:
    """Lead a person through the login and keep the tokens; raises CloudError where it was not granted."""
    state = oauth.new_state()
    url = oauth.authorize_url(client, state)
    code = await (_pasted(url, state, say) if paste else _called_back(client, url, state, say, browser=browser))
    tokens.store(await oauth.exchange(http, client, code))


async def _pasted(url: str, state: str, say: Callable[[str], None]) -> str:
    say(f"Open this address in any browser and log in:\n\n  {url}\n")
    say("Then copy the whole address that the browser was sent to (the page itself may fail to load), paste it here:")
    return oauth.code_of(await _line(), state)


async def _line() -> str:
    """Read a line of standard input; Ctrl-C ends the wait.

    The interpreter waits for a thread of a pool before it ends, and for a lock of `sys.stdin`: so it is a daemon
    thread, and it reads past all buffers.
    """
    loop = asyncio.get_running_loop()
    came: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        line = b""
        with suppress(OSError), open(0, "rb", buffering=0, closefd=False) as stdin:
            line = stdin.readline()
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(came.set_result, line)

    threading.Thread(target=read, daemon=True).start()
    return (await came).decode(errors="replace")


async def _called_back(client: oauth.Client, url: str, state: str, say: Callable[[str], None], *, browser: bool) -> str:
    """Wait for the browser to come back to the loopback address."""
    came: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    async with _callback_server(client.redirect_uri, state, came):
        say(f"Open this address in a browser on this machine and log in:\n\n  {url}\n")
        say("On another machine, or over SSH: stop this with Ctrl-C and use: uhome2mqtt login --paste")
        if browser and _has_display():
            await asyncio.to_thread(webbrowser.open, url)
        return await came


def _has_display() -> bool:
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


@asynccontextmanager
async def _callback_server(redirect_uri: str, state: str, came: asyncio.Future[str]) -> AsyncIterator[None]:
    """Serve the redirect URI on loopback; raises SettingsError where that cannot be."""
    sockets = _loopback_sockets(redirect_uri)

    async def callback(request: Request) -> Response:
        return _answer(dict(request.query_params), state, came)

    app = Starlette(routes=[Route(urlsplit(redirect_uri).path or "/", callback)])
    server = Server(Config(app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=1))
    serving = asyncio.create_task(server.serve(sockets=sockets))
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.wait([serving])


def _loopback_sockets(redirect_uri: str) -> list[socket.socket]:
    """Listen where the browser will come back to; `localhost` is two addresses on many machines."""
    address = urlsplit(redirect_uri)
    if address.hostname not in LOOPBACK or address.scheme != "http":
        raise SettingsError((f"uhome.redirect_uri: {redirect_uri} is not on this machine: use login --paste",))
    port = address.port or 80
    try:
        found = socket.getaddrinfo(address.hostname, port, type=socket.SOCK_STREAM)
        addresses = dict.fromkeys((family, where) for family, _type, _proto, _name, where in found)
        return [socket.create_server(where[:2], family=family) for family, where in addresses]
    except OSError as problem:
        why = f"cannot listen on {address.hostname}:{port} ({problem.strerror}): use login --paste, or free the port"
        raise SettingsError((f"uhome.redirect_uri: {why}",)) from None


def _answer(query: dict[str, str], state: str, came: asyncio.Future[str]) -> Response:
    """Answer the browser; a callback of another login is refused and does not end this one."""
    try:
        code = oauth.code_of_query(query, state)
    except CloudError as problem:
        if query.get("error") and query.get("state") == state and not came.done():
            came.set_exception(problem)
        return PlainTextResponse(f"The login did not work: {problem}", status_code=400, headers=NO_CACHE)
    if not came.done():
        came.set_result(code)
    return PlainTextResponse("Done. You can close this page and go back to the terminal.", headers=NO_CACHE)
