"""How much of the processor something costs, whatever else the machine does and however fast it is today."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable

CALM = 0.008
"""Seconds that the yardstick takes on the machine that the bounds of the tests are meant for."""


def cost(work: Callable[[], object], times: int = 1) -> float:
    """Give the seconds of the processor that some work takes, the least of several times, on that machine.

    What it costs to see which lines are run is left out, as is the search for garbage, which goes through all that the
    tests before have left; and where this machine is slower now it is not blamed on the work.
    """
    trace = sys.gettrace()
    sys.settrace(None)
    gc.disable()
    try:
        yardstick = [_seconds(_count)]
        taken = [_seconds(work) for _ in range(times)]
        yardstick.append(_seconds(_count))
    finally:
        gc.enable()
        sys.settrace(trace)
    return min(taken) / max(1.0, max(yardstick) / CALM)


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _count() -> int:
    """Do what takes long in Python and nowhere else."""
    total = 0
    for number in range(100_000):
        total += number
    return total
