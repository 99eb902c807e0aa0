"""The console behind a reverse proxy that puts a prefix before all paths."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from playwright.async_api import Page, expect

from tests.browser.console import LOCK, TOKEN, Console
from tests.support.account import FRONT, GARAGE
from tests.support.stage import Stage
from uhome2mqtt.tasks import cancelled

pytestmark = pytest.mark.browser

PREFIX = "/u-tec"


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, as it comes."""
    with suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


async def one_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Pass on one request and its answer, however long that lasts."""
    first, rest = (await reader.readuntil(b"\r\n")).split(b" ", 1)
    if not rest.startswith(PREFIX.encode() + b"/"):
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()
        return
    head = (await reader.readuntil(b"\r\n\r\n")).replace(b"keep-alive", b"close")
    there, passing = await asyncio.open_connection("127.0.0.1", port)
    passing.write(first + b" " + rest.removeprefix(PREFIX.encode()) + b"X-Forwarded-For: 192.0.2.1\r\n" + head)
    await asyncio.gather(carry(reader, passing), carry(there, writer))


@asynccontextmanager
async def proxied(port: int) -> AsyncIterator[str]:
    """Run a reverse proxy, and give the address at which the bridge is behind it."""
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def serve() -> None:
            with suppress(asyncio.IncompleteReadError, OSError):
                await one_request(reader, writer, port)
            writer.close()

        tasks.add(asyncio.create_task(serve()))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://localhost:{server.sockets[0].getsockname()[1]}{PREFIX}/"
    finally:
        server.close()
        await cancelled(tasks)


async def test_prefix(stage: Stage, page: Page) -> None:
    """Behind a prefix the token is asked for, and page, files, events, commands and requests all find their way."""
    async with Console.running(stage, page, web={"token": TOKEN}) as console, proxied(console.port) as address:
        await page.goto(address)
        await page.get_by_label("Token of the web pages").fill(TOKEN)
        await page.get_by_role("button", name="Continue").click()
        await expect(console.card("Front Door")).to_be_visible()
        assert page.url == address
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await console.confirm_unlock("Front Door")
        await expect(console.card("Front Door")).to_contain_text("Unlock: confirmed")
        await stage.account.by_hand(GARAGE, states={LOCK: "Unlocked"})
        await expect(console.card("Garage").get_by_text("Unlocked", exact=True)).to_be_visible()
        await console.device("Garage")
        await page.reload()
        await expect(page.get_by_role("img", name="Timeline of")).to_be_visible()
        await console.bridge_page()
        await page.get_by_role("button", name="Query all devices").click()
        await expect(page.get_by_text("Asked for 7 devices.").first).to_be_visible()
        await page.get_by_role("link", name="Log in again").click()
        await expect(page.get_by_role("status")).to_contain_text("Connected to U home")
        assert page.url == f"{address}connect"
        assert asked
        assert [url for url in asked if url.startswith("http") and not url.startswith(address)] == []
        assert stage.account.commands() == [(FRONT, "unlock")]
