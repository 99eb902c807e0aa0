"""The MQTT broker inside `uhome2mqtt demo`: nothing to install as root, nothing left behind.

iotcore (rumqttd, in a child process) is the broker. A listener of rumqttd speaks one version of
MQTT, and a client of another version hangs on it; so both listeners hide on loopback behind one
public port, which reads which version a client's CONNECT asks for and carries the bytes on.

Measured with iotcore 0.4.0 (`tests/demo/test_broker.py` pins each line). It keeps retained messages,
wills, the session take-over, response topic, correlation data, user properties, message expiry. It does not:

- honour Retain As Published, No Local or Retain Handling of an MQTT 5 subscription,
- deliver a message that has MQTT 5 properties to a client of 3.1.1: it closes the connection of that client,
- take MQTT 3.1 (level 3): it closes the connection, so the front refuses that in MQTT's own words,
- pass on a payload above the configured 1 MiB: it closes the sender's connection.

Once in some ten thousand connections, when many clients come and go, rumqttd hangs as a whole: it still accepts
connections and answers nothing. One that leaves a client without an answer is ended, and another takes its place:
clients connect again, and what was retained is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import importlib.util
import socket
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from uhome2mqtt.tasks import cancelled

MAX_PAYLOAD = 1 << 20
MQTT_5 = 5
CONNECT_SECONDS = 10.0  # for the whole CONNECT packet
ANSWER_SECONDS = 5.0  # for the first bytes that rumqttd answers
CLOSE_SECONDS = 5.0  # for the last bytes to a client that is going
START_SECONDS = 10.0
STOP_SECONDS = 5.0
POLL_SECONDS = 0.01
START_ATTEMPTS = 5  # a port found free can be taken before rumqttd binds it
CHUNK = 1 << 16
QUICKACK = getattr(socket, "TCP_QUICKACK", socket.TCP_NODELAY)  # Linux has it; elsewhere this changes nothing

CONNECT = 0x10
LENGTH_GOES_ON = 0x80
LISTENERS = {(b"MQTT", 4): "v4", (b"MQTT", 5): "v5"}  # protocol name and level, rumqttd's word for it
REFUSED_OLD = bytes((0x20, 2, 0, 1))  # CONNACK in MQTT 3.1's words: unacceptable protocol version
REFUSED_NEW = bytes((0x20, 3, 0, 0x84, 0))  # CONNACK in MQTT 5's words: unsupported protocol version

# rumqttd cannot be stopped, only its process can. iotcore's own `Broker` starts one, too, but only a
# SIGTERM ends it, which waits for 5 s where Python has a SIGTERM handler (coverage), and it shares our
# terminal. Here the end of standard input is the end: also when this process dies of kill -9.
CHILD = """
import logging, os, sys, threading
from iotcore import IotCoreBroker

def end_with_parent():
    os.read(0, 1)
    os._exit(0)

threading.Thread(target=end_with_parent, daemon=True).start()
# rumqttd logs each packet inside of error spans
logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
try:
    IotCoreBroker(config_path=sys.argv[1]).run_forever()
except OSError as error:
    sys.exit(str(error))
"""
LISTENER = """
[{version}.1]
name = "{version}"
listen = "127.0.0.1:{port}"
next_connection_delay_ms = 1
[{version}.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 100
dynamic_filters = true
"""
ROUTER = """
id = 0
[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
"""


class EmbeddedBrokerError(Exception):
    """The embedded broker cannot start; the text says why and what to do."""


class NotMqttError(Exception):
    """The first bytes of a connection are no CONNECT packet that we can place."""


@dataclass(slots=True, kw_only=True)
class EmbeddedBroker:
    """Where the running broker listens, for MQTT 3.1.1 and 5 alike, without credentials.

    `replaced` counts how often all connections and all that was retained were lost since rumqttd hung or ended.
    """

    host: str
    port: int
    replaced: int = 0


@contextlib.asynccontextmanager
async def embedded_broker(*, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[EmbeddedBroker]:
    """Run a broker on `host` and `port` (0 = any free one) until the block ends.

    Raises EmbeddedBrokerError when iotcore is missing, does not start, or the port cannot be had.
    """
    front = _Front()
    server = await _listen(front, host, port)
    broker = EmbeddedBroker(host=host, port=server.sockets[0].getsockname()[1])
    async with server, contextlib.AsyncExitStack() as child:
        front.upstream = await child.enter_async_context(_rumqttd())
        keeping = asyncio.create_task(_keep(front, child, broker))
        try:
            await server.start_serving()
            yield broker
        finally:
            server.close()
            await cancelled([keeping])
            await front.close()


async def _keep(front: _Front, child: contextlib.AsyncExitStack, broker: EmbeddedBroker) -> None:
    """Put another rumqttd in the place of one that hangs or has ended."""
    while True:
        await front.unanswered.wait()
        front.upstream = {}
        await child.aclose()
        with contextlib.suppress(EmbeddedBrokerError):
            front.upstream = await child.enter_async_context(_rumqttd())
            front.unanswered.clear()
            broker.replaced += 1


async def _listen(front: _Front, host: str, port: int) -> asyncio.Server:
    try:
        return await asyncio.start_server(front.accept, host, port, start_serving=False)
    except OSError as error:
        why = "is already in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
        raise EmbeddedBrokerError(
            f"port {port} on {host} {why}: stop the program that listens there, "
            "or choose another port with --mqtt-port (0 takes any free one)"
        ) from error


@dataclass(slots=True)
class _Front:
    """The public port: finds out the version that a client speaks, then only carries bytes."""

    upstream: dict[str, int] = field(default_factory=dict)
    unanswered: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A client that goes away, or that never says a whole CONNECT, is nobody's error.
        with contextlib.suppress(OSError, EOFError, TimeoutError, NotMqttError):
            await self._connect(reader, writer)
        await _end(writer)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(CONNECT_SECONDS):
            packet, name, level = await read_connect(reader)
        if (name, level) in LISTENERS:
            await self._join(packet, reader, writer, LISTENERS[name, level])
        elif (name, level) == (b"MQIsdp", 3):
            writer.write(REFUSED_OLD)
        elif name == b"MQTT" and level > MQTT_5:
            writer.write(REFUSED_NEW)

    async def _join(self, packet: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        """Be the client towards the listener of a name until either side ends.

        The end of the client's bytes is passed on as it came: rumqttd then publishes the will, and what it
        still has to say goes out. The end of rumqttd's bytes ends the client's connection.
        """
        if not self.upstream:
            return
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self.upstream[name])
        except (OSError, TimeoutError):
            self.unanswered.set()
            return
        try:
            up_writer.write(packet)
            async with asyncio.timeout(ANSWER_SECONDS):
                writer.write(await up_reader.read(CHUNK))
            await _both_ways(reader, writer, up_reader, up_writer)
        except TimeoutError:
            self.unanswered.set()
        finally:
            up_writer.close()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


async def read_connect(reader: asyncio.StreamReader) -> tuple[bytes, bytes, int]:
    """Read one CONNECT packet: all its bytes, the protocol's name and its level.

    Raises NotMqttError as soon as the bytes cannot be a CONNECT, EOFError when they end too early.
    """
    header = await reader.readexactly(1)
    if header[0] != CONNECT:
        raise NotMqttError
    length = 0
    for shift in (0, 7, 14, 21):
        header += await reader.readexactly(1)
        length |= (header[-1] & 0x7F) << shift
        if not header[-1] & LENGTH_GOES_ON:
            break
    if length > MAX_PAYLOAD:
        raise NotMqttError
    body = await reader.readexactly(length)
    end = 2 + int.from_bytes(body[:2])
    if len(body) <= end:
        raise NotMqttError
    return header + body, body[2:end], body[end]


async def _both_ways(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    up_reader: asyncio.StreamReader,
    up_writer: asyncio.StreamWriter,
) -> None:
    """Carry bytes both ways until rumqttd's end, and for some time after the client's."""
    up = asyncio.create_task(_carry(reader, up_writer, came_by=writer))
    down = asyncio.create_task(_carry(up_reader, writer, came_by=up_writer))
    try:
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
        if not down.done():
            await asyncio.wait((down,), timeout=CLOSE_SECONDS)
    finally:
        up.cancel()
        down.cancel()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, came_by: asyncio.StreamWriter) -> None:
    """Carry bytes one way, no faster than they are taken, and then the end of them."""
    with contextlib.suppress(OSError):
        while chunk := await reader.read(CHUNK):
            writer.write(chunk)
            await writer.drain()
            # rumqttd leaves Nagle's algorithm on: its second small packet waits for our acknowledgement
            # of the first, which without this would come 40 ms late.
            came_by.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)
    with contextlib.suppress(OSError):
        writer.write_eof()


async def _end(writer: asyncio.StreamWriter) -> None:
    """Close a connection, with time for its last bytes to be taken."""
    writer.close()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(CLOSE_SECONDS):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def _rumqttd() -> AsyncIterator[dict[str, int]]:
    """Run iotcore's rumqttd in a child process; yields the port of the listener of each version."""
    if importlib.util.find_spec("iotcore") is None:
        raise EmbeddedBrokerError("the embedded broker is not installed: pip install 'uhome2mqtt[demo]'")
    reasons = []
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for _ in range(START_ATTEMPTS):
            ports = dict(zip(LISTENERS.values(), free_ports(len(LISTENERS)), strict=True))
            async with _child(directory, ports) as process:
                if await _listens(process, ports):
                    yield ports
                    return
            reasons += (directory / "errors").read_text().splitlines()
    raise EmbeddedBrokerError(f"the embedded broker did not start in {START_ATTEMPTS} attempts: {' / '.join(reasons)}")


@contextlib.asynccontextmanager
async def _child(directory: Path, ports: dict[str, int]) -> AsyncIterator[Process]:
    config = directory / "rumqttd.toml"
    config.write_text(ROUTER + "".join(LISTENER.format(version=v, port=p) for v, p in ports.items()))
    with (directory / "errors").open("w") as errors:
        # A session of its own: Ctrl-C in a terminal goes to every process of the foreground, and the
        # bridge still needs its broker to say that it is offline.
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-P", "-c", CHILD, str(config),
            stdin=asyncio.subprocess.PIPE, stdout=errors, stderr=errors, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        cast("asyncio.StreamWriter", process.stdin).close()  # it is a pipe, as asked for above
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _listens(process: Process, ports: dict[str, int]) -> bool:
    """Wait until rumqttd takes connections on all ports; False if it ended or is not getting there."""
    waiting = list(ports.values())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while waiting and process.returncode is None:
                await asyncio.sleep(POLL_SECONDS)
                with contextlib.suppress(ConnectionError):
                    _, writer = await asyncio.open_connection("127.0.0.1", waiting[-1])
                    writer.close()
                    waiting.pop()
    return not waiting and process.returncode is None


def free_ports(count: int) -> list[int]:
    """Find loopback ports that nobody uses now; somebody may before we do."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
