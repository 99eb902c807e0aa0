"""The web server itself: where it listens, how it waits and ends."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.conftest import Logged
from tests.support.account import new_http
from tests.support.patience import eventually, free_port, listening
from tests.support.sockets import delays
from tests.web.site import closed
from uhome2mqtt.tasks import cancelled
from uhome2mqtt.web import WebServer, door, listen, protocol, server, serving


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
    [complaint] = [line for line in logged("web_not_listening") if line["level"] != "debug"]
    assert [line["seconds"] >= 0 for line in logged("web_listening")] == [True]
    assert "web.port" in complaint["hint"]
    await cancelled([task])
    assert not listening(port)


async def test_no_delay() -> None:
    """An answer leaves at once, instead of waiting for the acknowledgement of the one before."""
    sockets = await listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    async with new_http(f"http://127.0.0.1:{port}") as http, serving(APP, sockets):
        assert (await http.get("/")).text == "hello"
        assert delays(local=port) == [False]


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
        assert asyncio.get_running_loop().time() - began < 15
        [outcome] = await asyncio.gather(waiting, return_exceptions=True)
        # Cut off or answered with an error, as it comes.
        assert isinstance(outcome, httpx.HTTPError) or getattr(outcome, "status_code", None) == 500


async def echo(request: Request) -> Response:
    """Answer with what was sent."""
    return Response(await request.body())


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
    monkeypatch.setattr(protocol, "REQUEST_WITHIN", 0.5)
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
    monkeypatch.setattr(protocol, "REQUEST_WITHIN", 0.2)

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


async def refused(_request: Request) -> Response:
    """Answer without a look at the body."""
    return PlainTextResponse("no", 403)


REFUSED = Starlette(routes=[Route("/", refused, methods=["POST"]), Route("/hello", hello)])


async def test_unwanted_body() -> None:
    """A client that sends on after its answer can read that, and asks again on the same connection."""
    sockets = await listen("127.0.0.1", 0)
    async with serving(REFUSED, sockets), new_http(f"http://127.0.0.1:{sockets[0].getsockname()[1]}") as http:
        for _ in range(3):
            assert (await http.post("/", content=b"x" * protocol.LARGEST_REST)).text == "no"
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
    """Whoever has an answer and goes on sending, however slowly, is cut off after two seconds, not after ten."""
    monkeypatch.setattr(protocol, "LARGEST_REST", 1e9)
    sockets = await listen("127.0.0.1", 0)
    loop = asyncio.get_running_loop()
    async with serving(REFUSED, sockets), asyncio.timeout(8):
        began = loop.time()
        await unwanted(sockets[0].getsockname()[1], 1000)
        assert protocol.REST_WITHIN - 0.1 < loop.time() - began < protocol.REST_WITHIN + 1


async def test_unwanted_body_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has an answer that closes the connection, and neither sends the rest nor hangs up, is cut off as well."""
    monkeypatch.setattr(protocol, "REST_WITHIN", 0.3)
    monkeypatch.setattr(door, "FROM_ONE_ADDRESS", 1)
    sockets = await listen("127.0.0.1", 0)
    port = sockets[0].getsockname()[1]
    async with serving(REFUSED, sockets), asyncio.timeout(5), new_http(f"http://127.0.0.1:{port}") as http:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 9\r\n\r\n")
        assert (await closed(reader)).endswith(b"no")
        await asyncio.sleep(0.6)
        assert (await http.get("/hello")).text == "hello"
        writer.close()


async def test_after_an_unwanted_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the rest of a body has come, the next request on the connection has all the time again."""
    monkeypatch.setattr(protocol, "REQUEST_WITHIN", 0.5)
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
