"""A reverse proxy, as it is set up in front of a bridge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Reverse:
    """Passes requests on to a port of this machine, each on a connection of its own.

    `prefix`: what it cuts off all paths. `version`: what it speaks to the bridge. `host`: what it makes of the Host
    header, None: passes it on. `added`: headers that it sets.
    """

    to: int
    prefix: str = ""
    version: str = "1.1"
    host: str | None = None
    added: Mapping[str, str] = field(default_factory=dict)
    port: int = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            method, target, _ = first.split(" ")
            headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            headers |= {"connection": "keep-alive"} | {name.lower(): text for name, text in self.added.items()}
            headers["host"] = headers["host"] if self.host is None else self.host
            if target.startswith(self.prefix):
                writer.write(await self._passed(f"{method} {target.removeprefix(self.prefix)}", headers, body))
        writer.close()

    async def _passed(self, asked: str, headers: Mapping[str, str], body: bytes) -> bytes:
        there, passing = await asyncio.open_connection("127.0.0.1", self.to)
        lines = [f"{asked} HTTP/{self.version}", *(f"{name}: {text}" for name, text in headers.items())]
        passing.write("\r\n".join([*lines, "", ""]).encode() + body)
        head = await there.readuntil(b"\r\n\r\n")
        length = next((line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), b":0")
        answer = head + await there.readexactly(int(length.partition(b":")[2]))
        passing.close()
        return answer.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


@asynccontextmanager
async def reverse_proxy(proxy: Reverse) -> AsyncIterator[str]:
    """Run a reverse proxy and give its address, with its prefix."""
    async with await asyncio.start_server(proxy, "127.0.0.1", 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{proxy.port}{proxy.prefix}"
