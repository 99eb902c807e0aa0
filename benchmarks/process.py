"""Processes that are measured."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.process import environment

PYTHON = os.environ.get("BENCHMARK_PYTHON", sys.executable)
"""The interpreter that runs what is measured: one whose environment has what users install, and no more."""
ROOT = Path(__file__).parent.parent
TICKS = os.sysconf("SC_CLK_TCK")
MALLOC = {"MALLOC_MMAP_THRESHOLD_": "131072"}
"""What the image and the units tell the C library."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process has used: seconds of CPU, bytes of memory now and at most."""

    cpu: float
    memory: int
    most: int


def usage(pid: int) -> Usage:
    """Read it from the system."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, most = (int(lines[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))
    return Usage(cpu=(int(words[11]) + int(words[12])) / TICKS, memory=now, most=most)


@asynccontextmanager
async def running(directory: Path, *arguments: str) -> AsyncIterator[int]:
    """Run a Python program as long as the context lasts, its output in a file; gives its process id."""
    with (directory / "output").open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            PYTHON, *arguments,
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, env=environment() | MALLOC, cwd=ROOT,
        )  # fmt: skip
    try:
        yield process.pid
        if process.returncode is not None:
            raise RuntimeError(f"it ended with {process.returncode}:\n{(directory / 'output').read_text()[-2000:]}")
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.wait()
