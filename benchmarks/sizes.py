"""What accounts of several sizes cost: at the start, and in an ordinary day in which nothing happens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmarks.process import usage
from benchmarks.scene import BASE, Scene, household, scene
from benchmarks.table import table
from tests.support.patience import eventually

SIZES = (10, 1_000, 10_000)
LONGEST_START = 900.0
SETTLED = 40.0
"""Seconds after which what is retained has been told, and Home Assistant's second telling is over."""
POLL_INTERVAL = 30.0
"""Seconds between two polls, as the bridge has it when nothing is configured."""
DAY = 86400
MIB = 1 << 20

HEAD = (
    "devices",
    "online after (s)",
    "all states after (s)",
    "CPU until then (s)",
    "messages at start",
    "MB at start",
    "memory (MiB)",
    "at most (MiB)",
    "CPU (%)",
    "CPU for a poll (ms)",
    "requests a day",
)


@dataclass(slots=True, kw_only=True)
class Start:
    """What a subscriber is sent at the start; `states`: topic levels of the devices whose state is known."""

    messages: int = 0
    size: int = 0
    online: float | None = None
    states: set[str] = field(default_factory=set)

    def heard(self, topic: str, payload: bytes, at: float) -> None:
        """Take a message in."""
        self.messages += 1
        self.size += len(topic) + len(payload)
        if topic == f"{BASE}/bridge/state" and payload == b"online" and self.online is None:
            self.online = at
        if topic.endswith(("/lock", "/switch", "/light")) and payload not in {b"None", b'{"state":null}'}:
            self.states.add(topic.split("/")[1])


def queries(stage: Scene) -> int:
    """Count the requests for states that have come; the cloud keeps only the latest of all."""
    sequence: int = stage.account.cloud.requests.since()[-1]["sequence"]
    return sequence


async def measure_one(size: int, window: float) -> tuple[str, ...]:
    """Run a bridge with so many devices and give its row of the table."""
    async with scene(household(size)) as stage:
        start = Start()
        stage.heard = start.heard
        began = time.perf_counter()
        async with stage.bridge(stage.document()) as pid:
            await eventually(lambda: start.online and len(start.states) == size, LONGEST_START)
            complete, messages, sent, used = time.perf_counter(), start.messages, start.size, usage(pid).cpu
            await asyncio.sleep(SETTLED)
            before, asked = usage(pid), queries(stage)
            await asyncio.sleep(window)
            after, requests = usage(pid), queries(stage) - asked
        polls = max(1.0, window / POLL_INTERVAL)
        return (
            f"{size:,}",
            f"{(start.online or 0) - began:.1f}",
            f"{complete - began:.1f}",
            f"{used:.1f}",
            f"{messages:,}",
            f"{sent / 1e6:.1f}",
            f"{after.memory / MIB:.0f}",
            f"{after.most / MIB:.0f}",
            f"{100 * (after.cpu - before.cpu) / window:.2f}",
            f"{1000 * (after.cpu - before.cpu) / polls:.0f}",
            f"{requests * DAY / window:,.0f}",
        )


async def measure(sizes: Iterable[int], window: float) -> str:
    """Measure all sizes, each watched for so many seconds, and give the table."""
    return table(HEAD, [await measure_one(size, window) for size in sizes])
