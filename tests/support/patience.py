"""Waiting without fixed sleeps."""

from __future__ import annotations

import asyncio
import secrets
import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOWEST, HIGHEST = 20_000, 32_000
"""Below the ports that the system gives to outgoing connections: nobody takes one while its server restarts."""


async def eventually(holds: Callable[[], T], deadline: float = 60.0) -> T:
    """Wait until something holds and give what it gave; TimeoutError if it does not in time."""
    async with asyncio.timeout(deadline):
        while True:
            if result := holds():
                return result
            await asyncio.sleep(0.01)


def wait_until(holds: Callable[[], bool], deadline: float = 60.0) -> None:
    """Do the same outside of an event loop."""
    until = time.monotonic() + deadline
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.01)


def free_port() -> int:
    """Find a loopback port that nobody uses now."""
    while True:
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def listening(port: int) -> bool:
    """Tell whether somebody accepts connections on a loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
