"""The proxies of the environment are used by all that speaks to the vendor, and left out where that is asked for."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.account import Account
from tests.support.patience import free_port
from tests.support.sockets import departures
from uhome2mqtt import oauth
from uhome2mqtt.cloud import Cloud, http_client
from uhome2mqtt.errors import CloudError
from uhome2mqtt.model import FailureKind
from uhome2mqtt.refresh_worker import refresher
from uhome2mqtt.tokens import Tokens


@dataclass(slots=True, kw_only=True)
class Proxy:
    """A forward proxy for http; it is asked for tunnels, too, and answers as told."""

    url: str = ""
    tunnel: bytes = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
    asked: list[str] = field(default_factory=list)
    dropping: list[tuple[bool, float]] = field(default_factory=list)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            method, target, _ = head.split(" ", 2)
            self.asked.append(f"{method} {target}")
            self.dropping += departures(writer.get_extra_info("sockname")[1])
            writer.write(self.tunnel if method == "CONNECT" else await _forwarded(head, target, reader))
        writer.close()


async def _forwarded(head: str, target: str, reader: asyncio.StreamReader) -> bytes:
    """Pass a request on in its own name and give the answer to its end."""
    there = urlsplit(target)
    method, _, rest = head.partition(" ")
    lines = [line for line in rest.split("\r\n")[1:-2] if not line.lower().startswith(("connection:", "proxy-"))]
    length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
    down_reader, down_writer = await asyncio.open_connection(there.hostname, there.port)
    own = "\r\n".join([f"{method} {there.path} HTTP/1.1", *lines, "Connection: close", "", ""])
    down_writer.write(own.encode() + await reader.readexactly(length))
    answer = await down_reader.read(-1)
    down_writer.close()
    return answer


@asynccontextmanager
async def proxy() -> AsyncIterator[Proxy]:
    """Run a proxy."""
    serving = Proxy()
    async with await asyncio.start_server(serving, "127.0.0.1", 0) as server:
        serving.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield serving


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the proxies of whoever runs the tests."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


async def request(account: Account, directory: Path) -> str:
    """Ask the cloud."""
    tokens = Tokens(directory, account.client(), account.http)
    tokens.store(account.grant())
    async with http_client(5) as http:
        await Cloud(http, tokens, url=f"{account.url}/action", timeout=5).account()
    return "/action"


async def login(account: Account, _directory: Path) -> str:
    """Trade a code for tokens."""
    client = account.client()
    redirected = await account.allow(oauth.authorize_url(client, "s"))
    async with http_client(5) as http:
        await oauth.exchange(http, client, oauth.code_of(oauth.query_of(redirected)))
    return "/token"


async def renewal(account: Account, directory: Path) -> str:
    """Renew the login in its process."""
    async with http_client(5) as http:
        worker = refresher(directory, account.client(), http)
        tokens = Tokens(directory, account.client(), http, refresher=worker)
        tokens.store(account.grant())
        await tokens.renew(await tokens.access_token())
    return "/token"


@pytest.mark.parametrize("work", [request, login, renewal])
@pytest.mark.parametrize(
    ("variable", "left_out", "used"),
    [
        ("HTTP_PROXY", "", True),
        ("http_proxy", "", True),
        ("ALL_PROXY", "", True),
        ("HTTP_PROXY", "example.org, 127.0.0.1", False),
        ("HTTP_PROXY", "*", False),
        ("HTTPS_PROXY", "", False),
    ],
)
async def test_proxy(
    cloud_account: Account,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    work: Callable[[Account, Path], Coroutine[Any, Any, str]],
    variable: str,
    left_out: str,
    *,
    used: bool,
) -> None:
    """Requests, logins and renewals go through the proxy that the environment names, unless NO_PROXY has the host."""
    async with proxy() as between:
        monkeypatch.setenv(variable, between.url)
        monkeypatch.setenv("NO_PROXY", left_out)
        path = await work(cloud_account, tmp_path)
    assert between.asked == ([f"POST {cloud_account.url}{path}"] if used else [])


async def test_nothing_waits_for_a_proxy(
    cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not leave for a proxy is dropped like what could not leave for the cloud, in a tunnel, too."""
    tokens = Tokens(tmp_path, cloud_account.client(), cloud_account.http)
    async with proxy() as between:
        monkeypatch.setenv("ALL_PROXY", between.url)
        await request(cloud_account, tmp_path)
        async with http_client(5) as http:
            with pytest.raises(CloudError):
                await Cloud(http, tokens, url="https://cloud.example/action", timeout=5).account()
    assert between.asked == [f"POST {cloud_account.url}/action", "CONNECT cloud.example:443"]
    assert between.dropping == [(True, 5.0)] * 2


async def test_proxy_away(cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy that is away the cloud is out of reach; nothing goes around it."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    for work in (request, login, renewal):
        with pytest.raises(CloudError) as caught:
            await work(cloud_account, tmp_path)
        assert caught.value.failure.kind is FailureKind.UNREACHABLE
    assert cloud_account.requests("Get") == []
    assert cloud_account.requests("token") == []


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad\r\n\r\n",
        b"",
        b"?",
    ],
)
async def test_no_tunnel(
    cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    """A proxy that opens no tunnel to an https address has carried nothing: the cloud is out of reach."""
    tokens = Tokens(tmp_path, cloud_account.client(), cloud_account.http)
    tokens.store(cloud_account.grant())
    async with proxy() as between:
        between.tunnel = answer
        monkeypatch.setenv("HTTPS_PROXY", between.url.replace("//", "//user:password@"))
        async with http_client(5) as http:
            with pytest.raises(CloudError) as caught:
                await Cloud(http, tokens, url="https://cloud.example/action", timeout=5).account()
    assert between.asked == ["CONNECT cloud.example:443"]
    assert caught.value.failure.kind is FailureKind.UNREACHABLE
    assert "password" not in str(caught.value)
