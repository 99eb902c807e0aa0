"""A TCP relay that can be told to break what it carries, and one that speaks WebSocket in front."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from uhome2mqtt.tasks import cancelled

from .patience import free_port

WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
BINARY, CLOSE = 2, 8


@dataclass(frozen=True, slots=True)
class Cut:
    """Say something to the client and hang up."""

    answer: bytes = b""


Hook = Callable[[int, bytes], bytes | Cut]


@dataclass(slots=True, kw_only=True)
class Relay:
    """Carries bytes to a port; `hook` sees what clients send, with the number of their connection from 1."""

    target: int
    port: int
    hook: Hook = lambda _number, chunk: chunk
    connections: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection, which is hung up at the end in any case."""
        self.writers.append(writer)
        self.tasks.add(task := asyncio.create_task(self.serve(reader, writer)))
        task.add_done_callback(self.tasks.discard)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection to its end."""
        self.connections += 1
        number = self.connections
        down_reader, down_writer = await asyncio.open_connection("127.0.0.1", self.target)
        self.writers.append(down_writer)
        back = asyncio.create_task(_carry(down_reader, writer))
        try:
            with suppress(OSError):
                while chunk := await reader.read(65536):
                    passed = self.hook(number, chunk)
                    if isinstance(passed, Cut):
                        back.cancel()
                        writer.write(passed.answer)
                        break
                    down_writer.write(passed)
        finally:
            for end in (down_writer, writer):
                end.close()

    def say(self, words: bytes) -> None:
        """Say something to everybody in the server's name."""
        for writer in self.writers:
            writer.write(words)

    def cut(self) -> None:
        """Hang up on everybody."""
        for writer in self.writers:
            writer.transport.abort()


@asynccontextmanager
async def relay(target: int, hook: Hook | None = None) -> AsyncIterator[Relay]:
    """Relay a free port to `target`."""
    carrying = Relay(target=target, port=free_port())
    if hook is not None:
        carrying.hook = hook
    server = await asyncio.start_server(carrying.accept, "127.0.0.1", carrying.port)
    try:
        yield carrying
    finally:
        server.close()
        carrying.cut()
        await cancelled(carrying.tasks)
        carrying.cut()
        await asyncio.sleep(0)


def refuse_5(answer: bytes) -> Hook:
    """Make a hook that answers every CONNECT of MQTT 5 with the same bytes."""

    def hook(_number: int, chunk: bytes) -> bytes | Cut:
        return Cut(answer) if b"\x00\x04MQTT\x05" in chunk else chunk

    return hook


@asynccontextmanager
async def websocket(target: int) -> AsyncIterator[list[str]]:
    """Serve WebSocket in front of `target`; gives a list of the address and, as they come, the paths asked for."""
    port = free_port()
    asked = [f"ws://127.0.0.1:{port}"]
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        asked.append(head.split()[1])
        lines = (line.partition(": ") for line in head.splitlines()[1:])
        key = {name.lower(): value for name, _, value in lines}["sec-websocket-key"]
        accept = base64.b64encode(hashlib.sha1(key.encode() + WEBSOCKET, usedforsecurity=False).digest()).decode()
        writer.write(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n".encode()
        )
        down_reader, down_writer = await asyncio.open_connection("127.0.0.1", target)
        writers.append(down_writer)
        back = asyncio.create_task(_carry(down_reader, writer, framed=True))
        with suppress(OSError, EOFError):
            while (frame := await _frame(reader)) is not None:
                down_writer.write(frame)
        down_writer.close()
        await back
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield asked
    finally:
        server.close()
        for writer in writers:
            writer.transport.abort()
        await asyncio.sleep(0)


async def _frame(reader: asyncio.StreamReader) -> bytes | None:
    """Read one frame of a client; None at its end."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length > 125:
        length = int.from_bytes(await reader.readexactly(2 if length == 126 else 8))
    mask = await reader.readexactly(4)
    payload = await reader.readexactly(length)
    if first & 0x0F == CLOSE:
        return None
    return bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, framed: bool = False) -> None:
    with suppress(OSError):
        while chunk := await reader.read(60_000):
            length = bytes((len(chunk),)) if len(chunk) < 126 else b"\x7e" + len(chunk).to_bytes(2)
            writer.write(bytes((0x80 | BINARY,)) + length + chunk if framed else chunk)
    with suppress(OSError, RuntimeError):
        writer.write_eof()
