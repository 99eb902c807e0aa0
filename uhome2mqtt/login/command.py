"""Connecting the account from the command line: a person grants access in a browser, and the tokens are kept."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

import httpx

from uhome2mqtt import oauth
from uhome2mqtt.errors import SettingsError
from uhome2mqtt.login.at_bridge import through_bridge
from uhome2mqtt.login.terminal import lead, nobody_came, read_line
from uhome2mqtt.logins import LIFETIME, Logins, Problem
from uhome2mqtt.tokens import Tokens
from uhome2mqtt.web import LOCAL_HOSTS, callback_app, listen, serving


async def login(
    http: httpx.AsyncClient,
    client: oauth.Client,
    tokens: Tokens,
    *,
    paste: bool,
    browser: bool,
    web_token: str | None,
    say: Callable[[str], None],
) -> None:
    """Lead a person through the login and keep the tokens; raises CloudError where it was not granted.

    Where a bridge that runs on this machine has the callback's port, it takes the login; `web_token`: what its pages
    ask for.
    """
    if paste:
        tokens.ensure_writable()
        await _pasted(Logins(http, client, tokens.store), say)
        return
    address = _local(client.redirect_uri)
    try:
        sockets = await listen(address.hostname or "", address.port or 80)
    except OSError as problem:
        if problem.errno != errno.EADDRINUSE or not await through_bridge(address, web_token, say, browser=browser):
            raise _taken(address, problem) from None
    else:
        await _called_back(http, client, tokens, sockets, say, browser=browser)


async def _pasted(logins: Logins, say: Callable[[str], None]) -> None:
    say(f"Open this address in any browser and log in:\n\n  {logins.begin()}\n")
    say("Then copy the whole address that the browser was sent to (the page itself may fail to load), paste it here:")
    await logins.finish(oauth.query_of(await read_line()))


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
    async with serving(callback_app(logins, urlsplit(client.redirect_uri).path), sockets):
        tokens.ensure_writable()
        await lead(logins.begin(), say, browser=browser)
        try:
            async with asyncio.timeout(LIFETIME):
                await over
        except TimeoutError:
            raise nobody_came() from None


def _local(redirect_uri: str) -> SplitResult:
    """Take the redirect URI apart; raises SettingsError where no browser comes back to this machine."""
    address = urlsplit(redirect_uri)
    if address.hostname not in LOCAL_HOSTS or address.scheme != "http":
        raise SettingsError((f"uhome.redirect_uri: {redirect_uri} is not on this machine: use login --paste",))
    return address


def _taken(address: SplitResult, problem: OSError) -> SettingsError:
    where = f"{address.hostname}:{address.port or 80}"
    why = f"cannot listen on {where} ({problem.strerror}): use login --paste, or free the port"
    return SettingsError((f"uhome.redirect_uri: {why}",))
