"""What all requests to the vendor share in reading replies: how long one may be, and when to come again."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx

from uhome2mqtt.errors import ProtocolError

ACCEPT = {"Accept": "application/json", "Accept-Encoding": "gzip"}
"""What is asked for, and all that is read; httpx would ask for more, and unpack it without a limit."""
LONGEST_WAIT = 86400.0
"""Seconds; a longer `Retry-After` is a mistake, and is taken for this."""
PIECE = 64 * 1024
"""Bytes; a received piece of this size may hold sixty million."""

_PLAIN = frozenset({"", "identity"})
_PACKED = frozenset({"gzip", "x-gzip"})
_GZIP = zlib.MAX_WBITS + 16


async def read_body(response: httpx.Response, limit: int) -> bytes:
    """Read a reply of at most `limit` bytes, unpacked; what is held meanwhile is bounded, whatever was sent.

    Raises ProtocolError for a longer one, and for one that is packed in an unknown way, badly, or not to its end.
    """
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _PLAIN | _PACKED:
        raise ProtocolError(f"the reply is encoded as nobody has asked for: {encoding[:40]!r}")
    packed = _Gunzip() if encoding in _PACKED else None
    body = bytearray()
    async for chunk in response.aiter_raw():
        for piece in (chunk,) if packed is None else packed.pieces(chunk):
            body += piece
            if len(body) > limit:
                raise ProtocolError(f"the reply is longer than {limit} bytes")
    if packed is not None:
        packed.end()
    return bytes(body)


class _Gunzip:
    """Unpacks gzip in pieces of bounded size."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        try:
            while piece := self._stream.decompress(chunk, PIECE):
                yield piece
                chunk = self._stream.unconsumed_tail
        except zlib.error as problem:
            raise ProtocolError(f"the reply's gzip is broken: {problem}") from None
        if self._stream.unused_data:
            raise ProtocolError("the reply's gzip is broken: more follows its end")

    def end(self) -> None:
        if not self._stream.eof:
            raise ProtocolError("the reply's gzip is broken: it ends early")


def retry_after(response: httpx.Response) -> float | None:
    """Give the seconds for which a reply asks to be left alone; None where it does not, or not readably.

    A date counts from the reply's own `Date`: the clock of this machine may be wrong.
    """
    value = response.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return min(float(value), LONGEST_WAIT)
    until, sent = _moment(value), _moment(response.headers.get("Date", ""))
    if until is None:
        return None
    return min(max(0.0, until - (time.time() if sent is None else sent)), LONGEST_WAIT)


def _moment(text: str) -> float | None:
    """Read an HTTP date, in seconds since 1970; one without a zone is Greenwich's, as they all are."""
    try:
        read: datetime = parsedate_to_datetime(text)
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
