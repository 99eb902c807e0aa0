"""Replies of bounded size, packed or not, and the wait that they ask for."""

from __future__ import annotations

import asyncio
import gzip
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.account import FRONT, Account, new_http
from uhome2mqtt import oauth
from uhome2mqtt.cloud import LARGEST_REPLY, Cloud
from uhome2mqtt.errors import CloudError, ProtocolError
from uhome2mqtt.model import Device
from uhome2mqtt.replies import ACCEPT, LONGEST_WAIT, PIECE, read_body, retry_after
from uhome2mqtt.tokens import Tokens

TEXT = b'{"payload": [1, 2, 3]}' * 50
PACKED = gzip.compress(TEXT, mtime=0)
LIMIT = 300_000


@asynccontextmanager
async def serving(head: str, body: bytes, pause_at: int = 0) -> AsyncIterator[str]:
    """Answer every request with these bytes, with a pause somewhere in the middle, and hang up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 200 OK\r\nConnection: close\r\n{head}\r\n".encode() + body[:pause_at])
        await writer.drain()
        await asyncio.sleep(0.01 if pause_at else 0)
        writer.write(body[pause_at:])
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def read(encoding: str | None, body: bytes, limit: int = LIMIT, pause_at: int = 0) -> bytes:
    """Read a reply over HTTP."""
    head = "" if encoding is None else f"Content-Encoding: {encoding}\r\n"
    async with (
        serving(head, body, pause_at) as url,
        new_http() as http,
        http.stream("GET", url, headers=ACCEPT) as response,
    ):
        return await read_body(response, limit)


@pytest.mark.parametrize("pause_at", [0, 1, 5, 30])
@pytest.mark.parametrize(
    ("encoding", "body", "expected"),
    [
        (None, TEXT, TEXT),
        ("identity", TEXT, TEXT),
        ("", TEXT, TEXT),
        ("gzip", PACKED, TEXT),
        (" GZIP ", PACKED, TEXT),
        ("x-gzip", PACKED, TEXT),
        ("gzip", gzip.compress(b"", mtime=0), b""),
        (None, b"", b""),
    ],
)
async def test_read(encoding: str | None, body: bytes, expected: bytes, pause_at: int) -> None:
    """A reply is read as it was before it was packed, however it is cut into pieces on the way."""
    assert await read(encoding, body, pause_at=pause_at) == expected


@pytest.mark.parametrize("size", [PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, LIMIT])
@pytest.mark.parametrize("packed", [True, False])
async def test_sizes(size: int, *, packed: bool) -> None:
    """Up to the limit a reply is read to its last byte, and one byte more is too long."""
    for length in (size, LIMIT + 1):
        text = bytes(number % 251 for number in range(length))
        work = read("gzip" if packed else None, gzip.compress(text) if packed else text)
        if length <= LIMIT:
            assert await work == text
        else:
            with pytest.raises(ProtocolError, match="longer than 300000 bytes"):
                await work


@pytest.mark.parametrize(
    ("encoding", "body", "why"),
    [
        ("br", b"\x0b\x02\x80hello\x03", "'br'"),
        ("deflate", zlib.compress(TEXT), "'deflate'"),
        ("zstd", b"\x28\xb5\x2f\xfd", "'zstd'"),
        ("gzip, gzip", gzip.compress(PACKED, mtime=0), "nobody has asked for"),
        ("x" * 5000, b"", "nobody has asked for"),
        ("gzip", TEXT, "broken"),
        ("gzip", zlib.compress(TEXT), "broken"),
        ("gzip", PACKED[:-8] + b"\0" * 8, "broken"),
        ("gzip", PACKED[:20] + b"\xff" * 20 + PACKED[40:], "broken"),
        ("gzip", PACKED[:-1], "ends early"),
        ("gzip", PACKED[:-9], "ends early"),
        ("gzip", PACKED[:5], "ends early"),
        ("gzip", b"", "ends early"),
        ("gzip", PACKED + b"more", "more follows"),
        ("gzip", PACKED + PACKED, "more follows"),
    ],
)
async def test_unreadable(encoding: str, body: bytes, why: str) -> None:
    """A reply that is packed as nobody has asked for, badly, or not to its end is no reply."""
    with pytest.raises(ProtocolError, match=why) as caught:
        await read(encoding, body)
    assert len(str(caught.value)) < 200


@given(body=st.binary(max_size=60) | st.binary(max_size=20).map(lambda tail: PACKED[:40] + tail))
async def test_any_bytes(body: bytes) -> None:
    """Whatever bytes are called gzip, they are read or refused."""
    response = httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(body))
    failures: list[ProtocolError] = []
    try:
        said = await read_body(response, LIMIT)
        assert said == gzip.decompress(body)
    except ProtocolError as problem:
        failures.append(problem)
    assert all("gzip is broken" in str(problem) for problem in failures)


async def peak(work: Callable[[], Coroutine[Any, Any, object]]) -> tuple[int, str]:
    """Let something fail, and give the most bytes that were in use meanwhile beside those before, and why it failed."""
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        with pytest.raises(CloudError) as caught:
            await work()
        return tracemalloc.get_traced_memory()[1] - before, str(caught.value)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", ["gzip_bomb", "huge"])
async def test_memory(cloud_account: Account, tmp_path: Path, kind: str) -> None:
    """A small reply that unpacks to a hundred megabytes costs no more memory than the largest that is read."""
    tokens = Tokens(tmp_path, cloud_account.client(), cloud_account.http)
    tokens.store(cloud_account.grant())
    cloud = Cloud(cloud_account.http, tokens, url=f"{cloud_account.url}/action", timeout=20)
    await cloud_account.fault(kind, size=100_000_000)
    most, why = await peak(lambda: cloud.query([Device(id=FRONT, name="")]))
    assert f"longer than {LARGEST_REPLY} bytes" in why
    assert most < 2 * LARGEST_REPLY
    most, why = await peak(lambda: oauth.refresh(cloud_account.http, cloud_account.client(), "r"))
    assert f"longer than {oauth.LARGEST_REPLY} bytes" in why
    assert most < LARGEST_REPLY / 2


SENT = "Wed, 21 Oct 2015 07:28:00 GMT"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("86401", LONGEST_WAIT),
        ("9" * 400, LONGEST_WAIT),
        (SENT, 0),
        ("Wed, 21 Oct 2015 07:29:30 GMT", 90),
        ("Wed, 21 Oct 2015 07:29:30 -0000", 90),
        ("Wednesday, 21-Oct-15 07:29:30 GMT", 90),
        ("Wed Oct 21 07:29:30 2015", 90),
        ("Wed, 21 Oct 2015 09:29:30 +0200", 90),
        ("Wed, 21 Oct 2015 07:27:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("\u0661\u0662", None),
        ("Wed, 21 Oct", None),
        ("Wed, 32 Oct 2015 07:28:00 GMT", None),
        ("Wed, 21 Oct 2015 07:28:00 +99999999", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    """A wait is read in seconds and as a date in any of its forms; it is never negative, nor longer than a day."""
    headers = [(b"Retry-After", value.encode()), (b"Date", SENT.encode())]
    assert retry_after(httpx.Response(429, headers=headers)) == seconds


@pytest.mark.parametrize("sent", [None, "yesterday"])
def test_retry_after_without_a_date(sent: str | None) -> None:
    """Where a reply does not say when it was sent, its date is held against the clock of this machine."""
    until = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 100))
    headers = {"Retry-After": until} if sent is None else {"Retry-After": until, "Date": sent}
    assert retry_after(httpx.Response(429, headers=headers)) == pytest.approx(99, abs=2)


@given(value=st.text(max_size=40), sent=st.text(max_size=40))
def test_any_retry_after(value: str, sent: str) -> None:
    """Whatever the headers say, the wait is none or one that can be waited for."""
    headers = [(b"Retry-After", value.encode()), (b"Date", sent.encode())]
    wait = retry_after(httpx.Response(429, headers=headers))
    assert wait is None or 0 <= wait <= LONGEST_WAIT
