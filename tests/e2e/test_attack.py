"""Somebody attacks the address of notifications while somebody else gives commands."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.support.account import FRONT
from tests.support.push import PATH, Receiving, receiving
from tests.support.stage import Stage
from uhome2mqtt.tasks import cancelled

pytestmark = pytest.mark.e2e

COMMANDS = 20
ATTACKERS = 12
"""Of each kind; together as many connections as one address may have."""
MEMORY = 24 * 1024 * 1024
"""Bytes that the process may grow by: what a few dozen connections need, and some leeway for the allocator."""


class Attacker:
    """One client that does not know the secret, or pretends to be slow."""

    def __init__(self, house: Receiving) -> None:
        self.port = int(house.url.rsplit(":", 1)[1].split("/")[0])
        self.answers: list[bytes] = []

    async def connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def _request(self, head: str, pieces: Sequence[bytes] = (), pause: float = 0.0) -> None:
        reader, writer = await self.connected()
        try:
            writer.write(f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\n{head}\r\n".encode())
            for piece in pieces:
                await asyncio.sleep(pause)
                writer.write(piece)
                await writer.drain()
            self.answers.append(await reader.readline())
        finally:
            writer.close()

    async def wrong_secret(self) -> None:
        """Guess, as fast as it goes."""
        await self._request("Authorization: Bearer guessed\r\nContent-Length: 2\r\nConnection: close\r\n", [b"{}"])

    async def large_body(self) -> None:
        """Send megabytes that nobody wants."""
        head = "Authorization: Bearer guessed\r\nContent-Length: 50000000\r\n"
        await self._request(head, [b"[" * 65536] * 40)

    async def slow_head(self) -> None:
        """Send a header, one letter at a time."""
        await self._request("X-Slow: ", [b"x"] * 100, pause=0.2)

    async def slow_body(self) -> None:
        """Promise a body and dribble it."""
        await self._request("Content-Length: 1000\r\n", [b" "] * 100, pause=0.2)

    async def silent(self) -> None:
        """Connect, and say nothing."""
        reader, writer = await self.connected()
        try:
            await reader.read()
        finally:
            writer.close()


async def _again_and_again(attack: Callable[[], Awaitable[None]]) -> None:
    while True:
        with suppress(OSError):
            await attack()
        await asyncio.sleep(0)


@asynccontextmanager
async def under_attack(house: Receiving) -> AsyncIterator[Attacker]:
    """Attack in every way as long as the context lasts."""
    attacker = Attacker(house)
    kinds = (attacker.wrong_secret, attacker.large_body, attacker.slow_head, attacker.slow_body, attacker.silent)
    tasks = [asyncio.create_task(_again_and_again(kind)) for kind in kinds for _ in range(ATTACKERS)]
    try:
        yield attacker
    finally:
        await cancelled(tasks)


async def latencies(stage: Stage) -> list[float]:
    """Give commands one after the other; how many seconds each took until the cloud had accepted it."""
    taken = []
    for number in range(COMMANDS):
        since, began = stage.ear.now, time.monotonic()
        await stage.ear.say("hall_light/switch/set", ("ON", "OFF")[number % 2])
        await stage.ear.until_event("hall_light/result", "accepted", since)
        taken.append(time.monotonic() - began)
        await stage.ear.until_event("hall_light/result", "confirmed", since)
    return taken


def resident(house: Receiving) -> int:
    """Give the bytes that the process holds."""
    [pid] = [child for child in Path("/proc").iterdir() if child.name.isdigit() and _is(child, house)]
    pages = int((pid / "statm").read_text().split()[1])
    return pages * 4096


def _is(process: Path, house: Receiving) -> bool:
    with suppress(OSError):
        return str(house.bridge.config) in (process / "cmdline").read_text()
    return False


async def test_commands_under_attack(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong secrets, huge, slow and missing bodies cost a command next to nothing, and no memory stays behind."""
    house = await receiving(stage)
    await stage.account.control("PATCH", "quirks", {"switch_seconds": 0.0, "push_delay": [0, 0]})
    calm, before = await latencies(stage), resident(house)
    async with under_attack(house) as attacker:
        await asyncio.sleep(1)
        attacked, during = await latencies(stage), resident(house)
        pushed = json.dumps([{"id": FRONT, "states": {"st.lock": {"lockState": "Unlocked"}}}])
        since = stage.ear.now
        assert (await house.post(pushed)).status_code == 200
        await stage.ear.until("front_door/lock", "UNLOCKED", since)
    medians = statistics.median(calm) * 1000, statistics.median(attacked) * 1000
    worst = max(calm) * 1000, max(attacked) * 1000
    refused = sum(answer.startswith(b"HTTP/1.1 401") for answer in attacker.answers)
    with capsys.disabled():
        sys.stdout.write(
            f"\ncommand to accepted: median {medians[0]:.0f} ms calm, {medians[1]:.0f} ms under attack;"
            f" worst {worst[0]:.0f} and {worst[1]:.0f} ms; {refused} refused; {(during - before) / 2**20:+.1f} MiB\n"
        )
    assert refused > 10 * ATTACKERS
    assert not [answer for answer in attacker.answers if answer.startswith(b"HTTP/1.1 2")]
    assert during - before < MEMORY
    # The attackers share the machine with the bridge, so that this is far more than it costs by itself.
    assert max(attacked) < 10
    assert not house.bridge.logged("internal_error")
    assert len(house.bridge.logged("notification_refused")) <= 3
