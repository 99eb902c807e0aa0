"""Whoever supervises a process by systemd's protocol: a socket, and what arrives there."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .patience import eventually


class Supervisor:
    """Keeps every datagram with the time of its arrival."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(0)
        self._socket.bind(f"\0{address[1:]}" if address.startswith("@") else address)
        self._told: list[tuple[float, str]] = []

    @property
    def told(self) -> list[str]:
        """All assignments so far, in their order."""
        return [assignment for _, text in self._taken() for assignment in text.split("\n")]

    @property
    def statuses(self) -> list[str]:
        return [each.removeprefix("STATUS=") for each in self.told if each.startswith("STATUS=")]

    def signs(self, name: str = "WATCHDOG=1") -> list[float]:
        """Give when an assignment arrived."""
        return [at for at, text in self._taken() if name in text.split("\n")]

    async def until_told(self, assignment: str, count: int = 1) -> None:
        """Wait until something has been told so many times."""
        try:
            await eventually(lambda: self.told.count(assignment) >= count)
        except TimeoutError:
            raise AssertionError(self.told) from None

    async def until_status(self, words: str) -> str:
        """Wait for a status with some words in it, the latest."""
        await eventually(lambda: self.statuses and words in self.statuses[-1])
        return self.statuses[-1]

    def close(self) -> None:
        self._socket.close()

    def _taken(self) -> list[tuple[float, str]]:
        while True:
            try:
                self._told.append((time.monotonic(), self._socket.recv(4096).decode()))
            except BlockingIOError:
                return self._told


@contextmanager
def supervisor(directory: Path, address: str = "") -> Iterator[Supervisor]:
    """Listen as systemd does."""
    listening = Supervisor(address or str(directory / "notify"))
    try:
        yield listening
    finally:
        listening.close()
