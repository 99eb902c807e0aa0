"""The web server itself: where it listens, how it waits and ends."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.conftest import Logged
from tests.support.account import new_http
from tests.support.patience import eventually, free_port, listening
from uhome2mqtt.web import WebServer, listen, server, serving


async def hello(_request: Request) -> Response:
    """Answer at once."""
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", hello)])


async def test_localhost() -> None:
    """Every address of `localhost` that this machine has is listened on, with one port."""
    sockets = await listen("localhost", 0)
    try:
        assert len({each.getsockname()[1] for each in sockets}) == 1
        assert "127.0.0.1" in {each.getsockname()[0] for each in sockets}
    finally:
        for each in sockets:
            each.close()


async def test_absent_address() -> None:
    """An address that this machine does not have is an error where there is no other."""
    with pytest.raises(OSError, match=r"assign|support"):
        await listen("192.0.2.1", 0)


async def test_name_with_an_absent_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a name with an address that this machine lacks, as `::1` where IPv6 is off, the others are listened on."""
    loop = asyncio.get_running_loop()

    async def addresses(_host: str, port: int, **_how: object) -> list[tuple[object, ...]]:
        stream = socket.SOCK_STREAM
        return [(socket.AF_INET, stream, 6, "", (address, port)) for address in ("192.0.2.1", "127.0.0.1")]

    monkeypatch.setattr(loop, "getaddrinfo", addresses)
    [only] = await listen("somewhere", 0)
    assert only.getsockname()[0] == "127.0.0.1"
    only.close()


async def test_one_address_taken() -> None:
    """A port that is taken on one of a name's addresses is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        await listen("localhost", taken.getsockname()[1])


async def test_taken_port(logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that is taken is waited for and complained of once; when it is free, the pages are there."""
    monkeypatch.setattr(server, "TRY_AGAIN", 0.05)
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        task = asyncio.create_task(WebServer(APP, "127.0.0.1", port).run())
        await eventually(lambda: logged("web_not_listening"))
        await asyncio.sleep(0.2)
    async with new_http(f"http://127.0.0.1:{port}") as http:
        await eventually(lambda: logged("web_listening"))
        assert (await http.get("/")).text == "hello"
    [complaint] = logged("web_not_listening")
    assert "web.port" in complaint["hint"]
    task.cancel()
    await asyncio.wait([task])
    assert not listening(port)


async def test_end_in_time() -> None:
    """The end does not wait for a client that keeps its connection open, nor for an answer that never comes."""
    asked = asyncio.Event()

    async def never(_request: Request) -> Response:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    sockets = await listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    async with new_http(f"http://127.0.0.1:{port}") as http:
        async with serving(Starlette(routes=[Route("/", hello), Route("/never", never)]), sockets):
            assert (await http.get("/")).text == "hello"
            waiting = asyncio.create_task(http.get("/never"))
            await asked.wait()
            began = asyncio.get_running_loop().time()
        assert asyncio.get_running_loop().time() - began < 2.5
        [outcome] = await asyncio.gather(waiting, return_exceptions=True)
        # Cut off or answered with an error, as it comes.
        assert isinstance(outcome, httpx.HTTPError) or getattr(outcome, "status_code", None) == 500


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Make a certificate for localhost, with its key in the same file."""
    file, key = tmp_path / "web.pem", tmp_path / "web.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *names, "-keyout", key, "-out", file], check=True, capture_output=True)
    file.write_text(file.read_text() + key.read_text())
    return file


async def echo(request: Request) -> Response:
    """Answer with what was sent."""
    return Response(await request.body())


async def closed(reader: asyncio.StreamReader) -> bytes:
    """Wait until the other end has hung up, and give what it said."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: x\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
    ],
)
async def test_silent_client(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not finish its request, or begins none, loses its connection; others are served meanwhile."""
    monkeypatch.setattr(server, "REQUEST_WITHIN", 0.5)
    sockets = await listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    application = Starlette(routes=[Route("/", echo, methods=["GET", "POST"])])
    async with serving(application, sockets), new_http(f"http://127.0.0.1:{port}") as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(said)
        assert (await http.post("/", content=b"whole")).text == "whole"
        async with asyncio.timeout(5):
            assert await closed(reader) == b""
        writer.close()


async def test_slow_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has asked may wait for the answer, and ask again on the same connection."""
    monkeypatch.setattr(server, "REQUEST_WITHIN", 0.2)

    async def slow(request: Request) -> Response:
        await asyncio.sleep(0.5)
        return Response(await request.body())

    sockets = await listen("127.0.0.1", 0)
    async with (
        serving(Starlette(routes=[Route("/", slow, methods=["POST"])]), sockets),
        new_http(f"http://127.0.0.1:{sockets[0].getsockname()[1]}") as http,
    ):
        for text in ("one", "two"):
            assert (await http.post("/", content=text.encode())).text == text


@pytest.mark.parametrize(("limit", "most"), [("CONNECTIONS", 3), ("FROM_ONE_ADDRESS", 3)])
async def test_crowd(limit: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """More connections than are meant are closed as they come, and there is room again when others have gone."""
    monkeypatch.setattr(server, limit, most)
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
        assert (await http.get("/")).text == "hello"


async def refused(_request: Request) -> Response:
    """Answer without a look at the body."""
    return PlainTextResponse("no", 403)


REFUSED = Starlette(routes=[Route("/", refused, methods=["POST"]), Route("/hello", hello)])


async def test_unwanted_body() -> None:
    """A client that sends on after its answer can read that, and asks again on the same connection."""
    sockets = await listen("127.0.0.1", 0)
    async with serving(REFUSED, sockets), new_http(f"http://127.0.0.1:{sockets[0].getsockname()[1]}") as http:
        for _ in range(3):
            assert (await http.post("/", content=b"x" * server.LARGEST_REST)).text == "no"
            assert (await http.get("/hello")).text == "hello"


async def unwanted(port: int, pieces: int) -> tuple[bytes, int]:
    """Get refused, then send on in pieces of 64 KiB; give the answer, and how many were sent before the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999999\r\n\r\n")
    answer, sent = await reader.readuntil(b"no"), 0
    with suppress(ConnectionError):
        while sent < pieces and not reader.at_eof():
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 1
            # The other end must have had the chance to say that it is enough.
            await asyncio.sleep(0.02)
    writer.close()
    return answer, sent


async def test_endless_unwanted_body() -> None:
    """Whoever sends more than a mebibyte after the answer is cut off."""
    sockets = await listen("127.0.0.1", 0)
    async with serving(REFUSED, sockets), asyncio.timeout(10):
        answer, sent = await unwanted(sockets[0].getsockname()[1], 1000)
    assert answer.startswith(b"HTTP/1.1 403")
    assert 16 <= sent < 30


async def test_slow_unwanted_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sends on for too long is cut off, too: the time counts from the beginning of the request."""
    monkeypatch.setattr(server, "REQUEST_WITHIN", 0.1)
    monkeypatch.setattr(server, "LARGEST_REST", 1e9)
    sockets = await listen("127.0.0.1", 0)
    async with serving(REFUSED, sockets), asyncio.timeout(10):
        _, sent = await unwanted(sockets[0].getsockname()[1], 1000)
    assert sent < 30


async def test_after_an_unwanted_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the rest of a body has come, the next request on the connection has all the time again."""
    monkeypatch.setattr(server, "REQUEST_WITHIN", 0.5)
    sockets = await listen("127.0.0.1", 0)
    async with serving(REFUSED, sockets), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", sockets[0].getsockname()[1])
        for _ in range(4):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nx")
            assert await reader.readuntil(b"no")
            await asyncio.sleep(0.3)
            writer.write(b"x")
        # Nor does it last for ever.
        assert await closed(reader) == b""
        writer.close()


async def test_nobody_is_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without trusted proxies nobody is believed, whatever the environment says to uvicorn."""
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")

    async def asker(request: Request) -> Response:
        return PlainTextResponse(f"{request.url.scheme} {request.client.host if request.client else None}")

    application = Starlette(routes=[Route("/", asker)])
    headers = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    for proxies, answer in (((), "http 127.0.0.1"), (("127.0.0.1",), "https 203.0.113.9")):
        sockets = await listen("127.0.0.1", 0)
        async with (
            serving(application, sockets, trusted_proxies=proxies),
            new_http(f"http://127.0.0.1:{sockets[0].getsockname()[1]}") as http,
        ):
            assert (await http.get("/", headers=headers)).text == answer


async def test_tls(certificate: Path) -> None:
    """With a certificate the pages are served over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    sockets = await listen("127.0.0.1", 0)
    trusting = ssl.create_default_context(cafile=str(certificate))
    async with (
        serving(APP, sockets, context),
        httpx.AsyncClient(trust_env=False, verify=trusting) as http,
    ):
        assert (await http.get(f"https://localhost:{sockets[0].getsockname()[1]}/")).text == "hello"


async def test_large_head() -> None:
    """A request whose headers do not end is given up, instead of being collected."""
    sockets = await listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    async with serving(APP, sockets):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * (1024 * 1024))
        async with asyncio.timeout(5):
            assert (await reader.read(12)).startswith(b"HTTP/1.1 4")
        writer.close()
