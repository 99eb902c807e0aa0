"""Who is let in, how TLS begins, and how long either may take."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.conftest import Logged
from tests.support.account import new_http
from tests.support.patience import eventually
from tests.web.site import closed
from uhome2mqtt.web import door, listen, serving

ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def hello(request: Request) -> Response:
    """Answer at once."""
    return PlainTextResponse(f"hello over {request.url.scheme}")


APP = Starlette(routes=[Route("/", hello)])


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for localhost, with its key in the same file."""
    directory = tmp_path_factory.mktemp("certificate")
    file, key = directory / "web.pem", directory / "web.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *names, "-keyout", key, "-out", file], check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    return file


@asynccontextmanager
async def encrypted(certificate: Path) -> AsyncIterator[int]:
    """Serve over TLS, and give the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    sockets = await listen("127.0.0.1", 0)
    async with serving(APP, sockets, context):
        yield sockets[0].getsockname()[1]


async def asked(port: int, certificate: Path) -> str:
    """Ask over TLS."""
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with httpx.AsyncClient(trust_env=False, verify=trusting) as http:
        return (await http.get(f"https://localhost:{port}/")).text


@pytest.mark.parametrize(("limit", "most"), [("CONNECTIONS", 3), ("FROM_ONE_ADDRESS", 3)])
async def test_crowd(limit: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More connections than are meant are closed as they come, and there is room again when others have gone."""
    monkeypatch.setattr(door, limit, most)
    sockets = await listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    async with serving(APP, sockets), new_http(f"http://127.0.0.1:{port}") as http:
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(most + 5)]
        async with asyncio.timeout(5):
            for reader, _ in crowd[most:]:
                assert await closed(reader) == b""
        for _, writer in crowd:
            writer.close()
        await asyncio.sleep(0.1)
        assert (await http.get("/")).text == "hello over http"


async def test_tls(certificate: Path) -> None:
    """With a certificate the pages are served over TLS."""
    async with encrypted(certificate) as port:
        assert await asked(port, certificate) == "hello over https"


@pytest.mark.parametrize("limit", ["CONNECTIONS", "FROM_ONE_ADDRESS"])
async def test_crowd_before_tls(certificate: Path, limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections count before TLS is agreed on, and those that never begin it are closed after five seconds."""
    assert door.HANDSHAKE_WITHIN == 5
    monkeypatch.setattr(door, "HANDSHAKE_WITHIN", 3.0)
    monkeypatch.setattr(door, limit, 3)
    async with encrypted(certificate) as port, asyncio.timeout(30):
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
        began = asyncio.get_running_loop().time()
        for reader, _ in crowd[3:]:
            assert await closed(reader) == b""
        assert asyncio.get_running_loop().time() - began < 2.5
        for reader, _ in crowd[:3]:
            assert await closed(reader) == b""
        for _, writer in crowd:
            writer.close()
        assert await asked(port, certificate) == "hello over https"


async def test_no_handshake(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who does not speak TLS or breaks it off loses the connection and its place, and nothing is said of it."""
    monkeypatch.setattr(door, "FROM_ONE_ADDRESS", 1)
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: said.append(context))
    async with encrypted(certificate) as port, asyncio.timeout(4):
        for words in (ASK, b"\x16\x03\x01\x00\x05hello", b"\x16\x03\x01\x02\x00\x01", b""):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(words)
            await asyncio.sleep(0.1)
            if len(words) < 10:
                writer.write_eof()
            await closed(reader)
            writer.close()
            await asyncio.sleep(0.05)
        reset = socket.create_connection(("127.0.0.1", port))
        reset.sendall(b"\x16")
        await asyncio.sleep(0.05)
        reset.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reset.close()
        await asyncio.sleep(0.05)
        assert await asked(port, certificate) == "hello over https"
    gc.collect()
    assert said == []


async def test_request_with_the_handshake(certificate: Path) -> None:
    """A request that comes together with the last of the handshake is answered."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cafile=str(certificate))
    client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    async with encrypted(certificate) as port, asyncio.timeout(5):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(65536))
        client.write(ASK)
        writer.write(outgoing.read())
        answer = b""
        while not answer.endswith(b"hello over https"):
            try:
                answer += client.read(65536)
            except ssl.SSLWantReadError:
                incoming.write(await reader.read(65536))
        writer.close()


async def test_no_goodbye(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not answer TLS's goodbye does not keep its place for that."""
    monkeypatch.setattr(door, "FROM_ONE_ADDRESS", 1)
    monkeypatch.setattr(door, "GOODBYE_WITHIN", 0.3)
    context = ssl.create_default_context(cafile=str(certificate))

    def ask() -> ssl.SSLSocket:
        connection = socket.create_connection(("127.0.0.1", port), timeout=5)
        wrapped = context.wrap_socket(connection, server_hostname="localhost")
        wrapped.sendall(ASK)
        return wrapped

    async with encrypted(certificate) as port:
        mute = await asyncio.to_thread(ask)
        await asyncio.sleep(0.8)
        assert await asked(port, certificate) == "hello over https"
        mute.close()


async def test_end_during_handshakes(certificate: Path) -> None:
    """The end does not wait for handshakes that are under way, and leaves none behind."""
    loop = asyncio.get_running_loop()
    async with encrypted(certificate) as port:
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(20)]
        await asyncio.sleep(0.1)
        began = loop.time()
    assert loop.time() - began < door.HANDSHAKE_WITHIN - 1
    async with asyncio.timeout(5):
        for reader, writer in crowd:
            assert await closed(reader) == b""
            writer.close()


async def test_no_descriptors(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has nothing left for a connection this is said once, and who waits is let in later."""
    monkeypatch.setattr(door, "ACCEPT_AGAIN", 0.05)
    sockets = await listen("127.0.0.1", 0)
    address = sockets[0].getsockname()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serving(APP, sockets), asyncio.timeout(5):
        await asyncio.sleep(0)
        client = socket.socket()
        client.settimeout(0)
        last = os.dup(client.fileno())
        resource.setrlimit(resource.RLIMIT_NOFILE, (last + 1, limits[1]))
        try:
            await asyncio.get_running_loop().sock_connect(client, address)
            await eventually(lambda: logged("web_not_accepting"))
            await asyncio.sleep(0.2)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            os.close(last)
        reader, writer = await asyncio.open_connection(sock=client)
        writer.write(ASK)
        assert (await closed(reader)).endswith(b"hello over http")
        writer.close()
    [line] = [line for line in logged("web_not_accepting") if line["level"] != "debug"]
    assert len(logged("web_accepting")) == 1
    assert line["why"] == "Too many open files"
