"""From the start of the process until it is online, beside a program that only imports, connects and says so."""

from __future__ import annotations

import asyncio
import time

from benchmarks.bare import ALIVE
from benchmarks.process import usage
from benchmarks.scene import BASE, Scene, household, scene
from benchmarks.table import compared, median, table

DEVICES = 10
LONGEST = 60.0
HEAD = ("", "bridge", "bare", "ratio")


async def measure(times: int) -> str:
    """Start each so many times, in turns, and give the table."""
    bridge: list[tuple[float, float]] = []
    bare: list[tuple[float, float]] = []
    async with scene(household(DEVICES)) as stage:
        for _ in range(times):
            bridge.append(await _bridge(stage))
            bare.append(await _bare(stage))
    (bridge_wall, bridge_cpu), (bare_wall, bare_cpu) = zip(*bridge, strict=True), zip(*bare, strict=True)
    rows = [
        compared("start to `online`, median", median(bridge_wall), median(bare_wall), "s"),
        compared("start to `online`, longest", max(bridge_wall), max(bare_wall), "s"),
        compared("CPU until then, median", median(bridge_cpu), median(bare_cpu), "s"),
    ]
    return table(HEAD, rows)


async def _bridge(stage: Scene) -> tuple[float, float]:
    """Start a bridge that knows its login and nothing else; gives seconds and seconds of CPU."""
    for name in ("devices.json", "discovery.json"):
        (stage.directory / "state" / name).unlink(missing_ok=True)
    online = _said(stage, f"{BASE}/bridge/state")
    began = time.perf_counter()
    async with stage.bridge(stage.document()) as pid, asyncio.timeout(LONGEST):
        return await online - began, usage(pid).cpu


async def _bare(stage: Scene) -> tuple[float, float]:
    online = _said(stage, ALIVE)
    began = time.perf_counter()
    async with stage.bare(0) as pid, asyncio.timeout(LONGEST):
        return await online - began, usage(pid).cpu


def _said(stage: Scene, wanted: str) -> asyncio.Future[float]:
    """Wait for `online` on a topic."""
    coming: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def heard(topic: str, payload: bytes, at: float) -> None:
        if topic == wanted and payload == b"online" and not coming.done():
            coming.set_result(at)

    stage.heard = heard
    return coming
