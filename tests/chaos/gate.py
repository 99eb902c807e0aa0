"""A TCP relay whose way can be half-open, closed, torn or slow, and is mended again."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from tests.support.patience import free_port
from uhome2mqtt.tasks import cancelled

CHUNK = 65536


class Way(StrEnum):
    """What becomes of the bytes, and of whoever connects."""

    OPEN = "open"
    HALF_OPEN = "half_open"
    """Bytes and goodbyes vanish, both ways; whoever connects is let in and hears nothing."""
    REFUSED = "refused"
    """Nobody listens, and who was connected is cut off."""
    RESET = "reset"
    """Who is connected, or connects, is reset."""
    SLOW = "slow"
    """Every piece is late by `delay`."""
    LATE = "late"
    """Every piece is on its way until `delay` after the next turn, and arrives even if its sender has closed since.

    A sender who resets takes it back: what has not been sent, nobody sends again.
    """


@dataclass(slots=True, kw_only=True, eq=False)
class Link:
    """One connection with its two ends; `lost`: some of its bytes have vanished, so that it never works again."""

    ends: list[asyncio.StreamWriter]
    lost: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some bytes, none at the end of a direction; `late`: by how much after the way has changed, if it was late."""

    content: bytes = b""
    late: float | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class Gate:
    """Carries the connections of one port to another; `turns`: since when it has been how, in seconds since 1970."""

    target: int
    port: int = field(default_factory=free_port)
    way: Way = Way.OPEN
    delay: float = 0.0
    turns: list[tuple[float, Way]] = field(default_factory=list)
    _links: set[Link] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None
    _passes: asyncio.Event = field(default_factory=asyncio.Event)

    async def turn(self, way: Way, delay: float = 0.0) -> None:
        """Change what becomes of the bytes from now on."""
        self.way, self.delay = way, delay
        self.turns.append((time.time(), way))
        if way is Way.LATE:
            self._passes.clear()
        else:
            self._passes.set()
        if way in {Way.REFUSED, Way.RESET}:
            self._tear()
        if way is Way.REFUSED:
            self._close()
        elif self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    def spoiled(self, begin: float, end: float) -> bool:
        """Tell whether it was anything but open at a moment between two."""
        ends = [at for at, _ in self.turns[1:]] + [end]
        return any(
            way is not Way.OPEN and at <= end and over >= begin
            for (at, way), over in zip(self.turns, ends, strict=True)
        )

    async def aclose(self) -> None:
        """Let nobody in any more, and hang up on everybody."""
        self._close()
        self._tear()
        await cancelled(self._tasks)
        await asyncio.sleep(0)

    def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    def _tear(self) -> None:
        for link in self._links:
            for end in link.ends:
                _reset(end)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(task := asyncio.create_task(self._serve(reader, writer)))
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = Link(ends=[writer], lost=self.way is Way.HALF_OPEN)
        self._links.add(link)
        try:
            with suppress(OSError):
                await self._carry_all(link, reader, writer)
        finally:
            for end in link.ends:
                end.transport.abort()
            self._links.discard(link)

    async def _carry_all(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.way is Way.RESET:
            _reset(writer)
        elif link.lost:
            while await reader.read(CHUNK):
                pass
        else:
            down_reader, down_writer = await asyncio.open_connection("127.0.0.1", self.target)
            link.ends.append(down_writer)
            await asyncio.gather(
                self._carry(link, reader, writer, down_writer), self._carry(link, down_reader, down_writer, writer)
            )

    async def _carry(
        self, link: Link, reader: asyncio.StreamReader, own: asyncio.StreamWriter, other: asyncio.StreamWriter
    ) -> None:
        """Carry one direction to its end, of which the other side hears unless the link is lost."""
        pieces: asyncio.Queue[Piece] = asyncio.Queue()
        delivery = asyncio.create_task(self._deliver(link, pieces, other))
        try:
            while chunk := await reader.read(CHUNK):
                late = self.delay if self.way is Way.LATE else None
                if self.way is Way.SLOW:
                    await asyncio.sleep(self.delay)
                link.lost |= self.way is Way.HALF_OPEN
                pieces.put_nowait(Piece(content=chunk, late=late))
            pieces.put_nowait(Piece())
            await delivery
        except OSError:
            if not link.lost:
                _reset(other)
        finally:
            await cancelled([delivery])
        own.close()
        if not link.lost and self.way is not Way.HALF_OPEN:
            other.close()

    async def _deliver(self, link: Link, pieces: asyncio.Queue[Piece], other: asyncio.StreamWriter) -> None:
        """Hand over piece by piece, in order; those that are late once the way has changed."""
        while (piece := await pieces.get()).content:
            if piece.late is not None and not self._passes.is_set():
                await self._passes.wait()
                await asyncio.sleep(piece.late)
            if not link.lost:
                other.write(piece.content)
                await other.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Hang up so that the other end meets a reset, not an orderly end."""
    if (connection := writer.get_extra_info("socket")) is not None:
        with suppress(OSError):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@asynccontextmanager
async def gate(target: int) -> AsyncIterator[Gate]:
    """Open a gate to a port as long as the context lasts."""
    opened = Gate(target=target)
    await opened.turn(Way.OPEN)
    try:
        yield opened
    finally:
        await opened.aclose()
