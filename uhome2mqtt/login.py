"""Connecting the account from the command line: a person grants access in a browser, and the tokens are kept."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import SplitResult, urlsplit

import httpx

from uhome2mqtt import oauth
from uhome2mqtt.errors import CloudError, SettingsError
from uhome2mqtt.logins import LIFETIME, Logins, Problem
from uhome2mqtt.model import Failure, FailureKind
from uhome2mqtt.tokens import Tokens
from uhome2mqtt.web import LOCAL_HOSTS, NAME, callback_app, listen, serving

BRIDGE_ANSWERS_WITHIN = 2.0


async def login(
    http: httpx.AsyncClient,
    client: oauth.Client,
    tokens: Tokens,
    *,
    paste: bool,
    browser: bool,
    say: Callable[[str], None],
) -> bool:
    """Lead a person through the login and keep the tokens; raises CloudError where it was not granted.

    False where a bridge that runs on this machine has the callback's port: it takes the login itself.
    """
    if paste:
        await _pasted(Logins(http, client, tokens.store), say)
        return True
    address = _local(client.redirect_uri)
    try:
        sockets = await listen(address.hostname or "", address.port or 80)
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE and await _is_bridge(address):
            page = f"{address.scheme}://{address.netloc}/"
            say(f"The bridge is running, and takes the login itself. Open this address in a browser:\n\n  {page}\n")
            await _open(page, browser=browser)
            return False
        raise _taken(address, problem) from None
    await _called_back(http, client, tokens, sockets, say, browser=browser)
    return True


async def _pasted(logins: Logins, say: Callable[[str], None]) -> None:
    say(f"Open this address in any browser and log in:\n\n  {logins.begin()}\n")
    say("Then copy the whole address that the browser was sent to (the page itself may fail to load), paste it here:")
    await logins.finish(oauth.query_of(await _line()))


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


async def _called_back(
    http: httpx.AsyncClient,
    client: oauth.Client,
    tokens: Tokens,
    sockets: list[socket.socket],
    say: Callable[[str], None],
    *,
    browser: bool,
) -> None:
    """Wait for the browser to come back to the loopback address."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ended(problem: Problem | None) -> None:
        if not over.done():
            over.set_result(None) if problem is None else over.set_exception(problem)

    logins = Logins(http, client, tokens.store, ended=ended)
    url = logins.begin()
    async with serving(callback_app(logins, urlsplit(client.redirect_uri).path), sockets):
        say(f"Open this address in a browser on this machine and log in:\n\n  {url}\n")
        say("On another machine, or over SSH: stop this with Ctrl-C and use: uhome2mqtt login --paste")
        await _open(url, browser=browser)
        try:
            async with asyncio.timeout(LIFETIME):
                await over
        except TimeoutError:
            why = f"nobody came back within {LIFETIME / 60:.0f} minutes; start again"
            raise CloudError(Failure(kind=FailureKind.AUTHORIZATION, code="login_expired", message=why)) from None


async def _open(url: str, *, browser: bool) -> None:
    """Open a browser where there is one and nobody declined it."""
    if browser and (sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        await asyncio.to_thread(webbrowser.open, url)


def _local(redirect_uri: str) -> SplitResult:
    """Take the redirect URI apart; raises SettingsError where no browser comes back to this machine."""
    address = urlsplit(redirect_uri)
    if address.hostname not in LOCAL_HOSTS or address.scheme != "http":
        raise SettingsError((f"uhome.redirect_uri: {redirect_uri} is not on this machine: use login --paste",))
    return address


async def _is_bridge(address: SplitResult) -> bool:
    """Tell whether it is a bridge of ours that listens there."""
    with suppress(httpx.HTTPError, ValueError):
        # No proxy leads back to this machine.
        async with httpx.AsyncClient(trust_env=False, timeout=BRIDGE_ANSWERS_WITHIN) as http:
            said = (await http.get(f"{address.scheme}://{address.netloc}/healthz")).json()
        return isinstance(said, dict) and said.get("name") == NAME
    return False


def _taken(address: SplitResult, problem: OSError) -> SettingsError:
    where = f"{address.hostname}:{address.port or 80}"
    why = f"cannot listen on {where} ({problem.strerror}): use login --paste, or free the port"
    return SettingsError((f"uhome.redirect_uri: {why}",))
