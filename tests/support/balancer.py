"""A TCP load balancer in front of the nodes of a cluster: the first that accepts a connection gets it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from .patience import free_port


class Listening(Protocol):
    """A node as far as a balancer knows it."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


@dataclass(slots=True, kw_only=True)
class Balancer:
    """Carries connections to nodes, tried in their order; `taken`: which node each connection went to."""

    nodes: Sequence[Listening]
    port: int
    taken: list[Listening] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection until either end hangs up."""
        self.writers.append(writer)
        for node in self.nodes:
            with suppress(OSError):
                down_reader, down_writer = await asyncio.open_connection(node.host, node.port)
                break
        else:
            writer.transport.abort()
            return
        self.taken.append(node)
        self.writers.append(down_writer)
        there = asyncio.create_task(_carry(reader, down_writer))
        back = asyncio.create_task(_carry(down_reader, writer))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        for end in (down_writer, writer):
            end.transport.abort()
        await asyncio.gather(there, back)


@asynccontextmanager
async def balancer(nodes: Sequence[Listening]) -> AsyncIterator[Balancer]:
    """Balance a free port over nodes."""
    balancing = Balancer(nodes=nodes, port=free_port())
    server = await asyncio.start_server(balancing.serve, "127.0.0.1", balancing.port)
    try:
        yield balancing
    finally:
        server.close()
        for writer in balancing.writers:
            writer.transport.abort()
        await asyncio.sleep(0.1)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
