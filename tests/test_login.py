"""Logging in: a browser that comes back to this machine, or an address that is pasted."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.support.account import CLIENT_ID, CLIENT_SECRET, Account
from tests.support.patience import eventually, free_port, listening
from tests.support.process import Program
from tests.web.site import Served, served
from uhome2mqtt.errors import CloudError, SettingsError
from uhome2mqtt.login import at_bridge, command, login
from uhome2mqtt.logins import MOST
from uhome2mqtt.model import FailureKind
from uhome2mqtt.tasks import cancelled
from uhome2mqtt.tokens import Tokens
from uhome2mqtt.web import listen, serving


class Login:
    """A login under way, and what it says."""

    def __init__(
        self, account: Account, directory: Path, redirect_uri: str, *, paste: bool = False, token: str | None = None
    ) -> None:
        client = account.client(redirect_uri=redirect_uri)
        self.account = account
        self.tokens = Tokens(directory, client, account.http)
        self.said: list[str] = []
        work = login(
            account.http, client, self.tokens, paste=paste, browser=True, web_token=token, say=self.said.append
        )
        self.task = asyncio.create_task(work)

    async def address(self) -> str:
        """Wait for the address to open and give it."""

        def found() -> list[str]:
            lines = [line.strip() for text in self.said for line in text.splitlines()]
            return [line for line in lines if "/authorize?" in line]

        await eventually(lambda: self.task.done() or found())
        return found()[0]


@asynccontextmanager
async def started(account: Account, directory: Path, path: str = "/oauth/callback") -> AsyncIterator[Login]:
    """Start a login whose callback is served on a free port."""
    running = Login(account, directory, f"http://localhost:{free_port()}{path}")
    try:
        yield running
    finally:
        await cancelled([running.task])


@pytest.fixture(autouse=True)
def no_display(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no test open a browser on the machine of who runs it."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("path", ["/oauth/callback", ""])
async def test_callback(cloud_account: Account, tmp_path: Path, path: str) -> None:
    """Who allows the access in the browser is logged in, and told so."""
    async with started(cloud_account, tmp_path, path) as running:
        redirected = await cloud_account.allow(await running.address())
        page = await cloud_account.http.get(redirected)
        assert page.status_code == 200
        assert "go back to the terminal" in page.text
        assert page.headers["Cache-Control"] == "no-store"
        await running.task
        assert cloud_account.cloud.grants.admits(await running.tokens.access_token())
        assert not listening(urlsplit(redirected).port or 0)


async def test_denied(cloud_account: Account, tmp_path: Path) -> None:
    """Who refuses in the browser is told on both sides."""
    async with started(cloud_account, tmp_path) as running:
        redirected = await cloud_account.allow(await running.address(), "deny")
        page = await cloud_account.http.get(redirected)
        assert page.status_code == 400
        assert "access_denied" in page.text
        with pytest.raises(CloudError) as caught:
            await running.task
        assert caught.value.failure.kind is FailureKind.AUTHORIZATION
        assert not (tmp_path / "tokens.json").exists()


@pytest.mark.parametrize("query", ["code=x&state=wrong", "code=x", "state=", "error=access_denied&state=wrong", ""])
async def test_foreign_callback(cloud_account: Account, tmp_path: Path, query: str) -> None:
    """A callback that does not belong to this login is refused, and the right one still works."""
    async with started(cloud_account, tmp_path) as running:
        redirected = await cloud_account.allow(await running.address())
        wrong = redirected.partition("?")[0] + "?" + query
        assert (await cloud_account.http.get(wrong)).status_code == 400
        other = redirected.replace("/oauth/callback", "/elsewhere")
        assert (await cloud_account.http.get(other)).status_code == 404
        assert (await cloud_account.http.get(redirected)).status_code == 200
        await running.task


async def test_impatient_browser(cloud_account: Account, tmp_path: Path) -> None:
    """A browser that comes back twice at the same time is logged in once: the state is good once."""
    async with started(cloud_account, tmp_path) as running:
        redirected = await cloud_account.allow(await running.address())
        pages = await asyncio.gather(*(cloud_account.http.get(redirected) for _ in range(2)))
        assert sorted(page.status_code for page in pages) == [200, 400]
        await running.task
        assert len(cloud_account.requests("token")) == 1


async def test_code_refused(cloud_account: Account, tmp_path: Path) -> None:
    """A code that the cloud does not take ends the login with the cloud's reason, in the browser as well."""
    async with started(cloud_account, tmp_path) as running:
        query = parse_qs(urlsplit(await running.address()).query)
        page = await cloud_account.http.get(f"{query['redirect_uri'][0]}?code=made-up&state={query['state'][0]}")
        assert page.status_code == 400
        assert "invalid_grant" in page.text
        with pytest.raises(CloudError, match="invalid_grant"):
            await running.task


async def test_nobody_comes_back(cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A login that nobody finishes ends by itself."""
    monkeypatch.setattr(command, "LIFETIME", 0.05)
    async with started(cloud_account, tmp_path) as running:
        with pytest.raises(CloudError, match="nobody came back"):
            await running.task


async def test_nobody_comes_back_to_the_bridge(
    cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where a bridge takes the login, also one that is gone meanwhile."""
    monkeypatch.setattr(at_bridge, "LIFETIME", 0.7)
    async with served(cloud_account, tmp_path) as site:
        running = at(site)
        await running.address()
    with pytest.raises(CloudError, match="nobody came back"):
        await running.task


def at(site: Served, token: str | None = None) -> Login:
    """Start a login whose callback's port a bridge has."""
    return Login(site.account, Path("/nonexistent"), str(site.http.base_url.join("/oauth/callback")), token=token)


@pytest.mark.parametrize("token", [None, "right"])
async def test_bridge_has_the_port(cloud_account: Account, tmp_path: Path, token: str | None) -> None:
    """Where a bridge of this machine has the callback's port it takes the login itself, and keeps the tokens."""
    async with served(cloud_account, tmp_path, token=token) as site:
        running = at(site, token)
        returned = httpx.URL(await cloud_account.allow(await running.address()))
        assert (await site.http.get(returned.raw_path.decode())).status_code == 200
        await running.task
        assert cloud_account.cloud.grants.admits(await site.tokens.access_token())
    assert "takes the login itself" in running.said[0]


async def test_denied_at_the_bridge(cloud_account: Account, tmp_path: Path) -> None:
    """A refusal in the browser ends the login in the terminal as well."""
    async with served(cloud_account, tmp_path) as site:
        running = at(site)
        returned = httpx.URL(await cloud_account.allow(await running.address(), "deny"))
        assert (await site.http.get(returned.raw_path.decode())).status_code == 400
        with pytest.raises(CloudError, match="access_denied"):
            await running.task


async def test_forgotten_by_the_bridge(cloud_account: Account, tmp_path: Path) -> None:
    """A login that the bridge no longer knows, since it was restarted or has begun many others, ends."""
    async with served(cloud_account, tmp_path) as site:
        running = at(site)
        await running.address()
        for _ in range(MOST):
            await site.login_address()
        with pytest.raises(CloudError, match="start again"):
            await running.task


@pytest.mark.parametrize("token", [None, "wrong"])
async def test_token_of_the_bridge(cloud_account: Account, tmp_path: Path, token: str | None) -> None:
    """A bridge with another configuration, which asks for another token, is named with what to do."""
    async with served(cloud_account, tmp_path, token="right") as site:
        with pytest.raises(SettingsError, match=r"web\.token: .*--paste"):
            await at(site, token).task


@pytest.mark.parametrize("said", ["[]", '{"name": "another"}', "<html>"])
async def test_another_server_has_the_port(cloud_account: Account, tmp_path: Path, said: str) -> None:
    """A server that is no bridge is not taken for one, whatever it answers."""

    async def answer(_request: Request) -> Response:
        return Response(said)

    sockets = await listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    async with serving(Starlette(routes=[Route("/healthz", answer)]), sockets):
        with pytest.raises(SettingsError, match="free the port"):
            await Login(cloud_account, tmp_path, f"http://127.0.0.1:{port}/oauth/callback").task


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_port_in_use(cloud_account: Account, tmp_path: Path, host: str) -> None:
    """A callback port that is taken is named, with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        running = Login(cloud_account, tmp_path, f"http://{host}:{port}/oauth/callback")
        with pytest.raises(SettingsError, match=rf"uhome\.redirect_uri: cannot listen on {host}:{port}.*--paste"):
            await running.task


@pytest.mark.parametrize("uri", ["https://locks.example.org/oauth", "https://localhost:8099/x", "http://10.0.0.1/x"])
async def test_elsewhere(cloud_account: Account, tmp_path: Path, uri: str) -> None:
    """A redirect URI that does not lead here can only be pasted."""
    with pytest.raises(SettingsError, match=r"use login --paste"):
        await Login(cloud_account, tmp_path, uri).task


def config(account: Account, directory: Path, port: int) -> Path:
    """Write a configuration file."""
    file = directory / "config.yaml"
    document: dict[str, Any] = {
        "uhome": {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uri": f"http://127.0.0.1:{port}/oauth/callback",
            "authorize_url": f"{account.url}/authorize",
            "token_url": f"{account.url}/token",
            "api_url": f"{account.url}/action",
        },
        "state_dir": str(directory / "state"),
    }
    file.write_text(json.dumps(document))
    return file


@asynccontextmanager
async def program(*arguments: str, **env: str) -> AsyncIterator[Program]:
    """Run the program as long as the context lasts."""
    running = Program(*arguments)
    await running.start(None, **env)
    try:
        yield running
    finally:
        await running.close()


async def test_browser(cloud_account: Account, tmp_path: Path) -> None:
    """Where there is a display the address is opened in the browser, unless that is declined."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    browser.chmod(0o755)
    file = config(cloud_account, tmp_path, free_port())
    env = {"DISPLAY": ":0", "BROWSER": str(browser)}
    async with program("login", "--no-browser", "-c", str(file), **env) as running:
        await eventually(lambda: any("/authorize?" in line for line in running.out))
        assert await running.stop(signal.SIGINT) == 130
        assert not opened.exists()
    async with program("login", "-c", str(file), **env) as running:
        await eventually(lambda: opened.exists() and opened.read_text())
        redirected = await cloud_account.allow(opened.read_text().strip())
        assert (await cloud_account.http.get(redirected)).status_code == 200
        assert await running.ended() == 0
        assert (tmp_path / "state" / "tokens.json").exists()


async def test_paste(cloud_account: Account, tmp_path: Path) -> None:
    """The redirected address is taken from standard input, on a machine that no browser comes back to."""
    async with program("login", "--paste", "-c", str(config(cloud_account, tmp_path, 1))) as running:
        await eventually(lambda: len(running.out) >= 4)
        address = next(line.strip() for line in running.out if "/authorize?" in line)
        running.type(await cloud_account.allow(address) + "\n")
        assert await running.ended() == 0
        assert (tmp_path / "state" / "tokens.json").exists()
        assert CLIENT_SECRET not in "".join(running.out + running.err)


async def test_paste_interrupted(cloud_account: Account, tmp_path: Path) -> None:
    """Ctrl-C ends a login that waits for the address, without another key."""
    async with program("login", "--paste", "-c", str(config(cloud_account, tmp_path, 1))) as running:
        await eventually(lambda: any("/authorize?" in line for line in running.out))
        assert await running.stop(signal.SIGINT) == 130
        assert not [line for line in running.err if "Traceback" in line or "Fatal" in line]
