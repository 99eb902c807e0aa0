"""A web server that always gives the same answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from uhome2mqtt.tasks import cancelled


@dataclass(slots=True, kw_only=True)
class Answers:
    """Where it listens, and the requests that came."""

    port: int
    requests: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@asynccontextmanager
async def answering(status: str, *headers: str, body: str = "", first: str = "HTTP/1.1 ") -> AsyncIterator[Answers]:
    """Answer everybody with a status line and headers, and hang up; `first`: what the line begins with."""
    lines = (f"{first}{status}", *headers, f"Content-Length: {len(body)}", "Connection: close", "", body)

    under_way: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            served.requests.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write("\r\n".join(lines).encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        under_way.add(task := asyncio.create_task(answer(reader, writer)))
        task.add_done_callback(under_way.discard)

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    served = Answers(port=server.sockets[0].getsockname()[1])
    async with server:
        yield served
        # Whoever speaks another protocol is waited for in vain.
        await cancelled(list(under_way))
