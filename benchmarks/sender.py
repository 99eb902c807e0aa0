"""A process that posts as fast as it is answered, and costs little: it must not be the limit of what is measured.

usage: python -m benchmarks.sender < job    {"url": …, "secret": …, "seconds": …, "connections": [[body, …], …]}

Each connection posts its bodies in turn, over and over, each once the one before was answered. Says when it began, how
many posts were answered, and seconds of CPU.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from itertools import cycle
from typing import Any
from urllib.parse import urlsplit

LENGTH = re.compile(rb"(?i)content-length: (\d+)")


class Posting(asyncio.Protocol):
    """One connection; `ended` has how many posts were answered, or why there was no answer."""

    def __init__(self, requests: Iterator[bytes], until: float) -> None:
        self._requests = requests
        self._until = until
        self._transport: asyncio.WriteTransport | None = None
        self._received = b""
        self._done = 0
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.WriteTransport):
            self._transport = transport
            transport.write(next(self._requests))

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        if not end or length is None or len(body) < int(length[1]) or self._transport is None:
            return
        if not head.startswith(b"HTTP/1.1 200 "):
            self._end(RuntimeError(self._received.decode()))
            return
        self._received = b""
        self._done += 1
        if time.perf_counter() < self._until:
            self._transport.write(next(self._requests))
        else:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionResetError())

    def _end(self, problem: Exception | None = None) -> None:
        if problem is None:
            self.ended.set_result(self._done)
        else:
            self.ended.set_exception(problem)
        if self._transport is not None:
            self._transport.close()


def post(job: dict[str, Any], body: str) -> bytes:
    """Write a request."""
    there = urlsplit(job["url"])
    lines = (
        f"POST {there.path} HTTP/1.1",
        f"Host: {there.netloc}",
        f"Authorization: Bearer {job['secret']}",
        "Content-Type: application/json",
        f"Content-Length: {len(body.encode())}",
    )
    return "\r\n".join((*lines, "", body)).encode()


async def work(job: dict[str, Any]) -> dict[str, float]:
    """Do the job."""
    loop = asyncio.get_running_loop()
    began, cpu = time.perf_counter(), time.process_time()
    until, there = began + job["seconds"], urlsplit(job["url"])

    async def go_on(bodies: list[str]) -> int:
        requests = cycle([post(job, body) for body in bodies])
        _, posting = await loop.create_connection(lambda: Posting(requests, until), there.hostname, there.port)
        return await posting.ended

    done = sum(await asyncio.gather(*map(go_on, job["connections"])))
    return {"began": began, "took": time.perf_counter() - began, "done": done, "cpu": time.process_time() - cpu}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(work(json.load(sys.stdin)))))
