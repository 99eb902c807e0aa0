"""Telling somebody at a terminal what is being waited for."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

AFTER = 1.0
"""Seconds; what is quicker needs no words."""


async def told(work: Mapping[str, Coroutine[Any, Any, T]]) -> list[T]:
    """Do several things at once, and say on a terminal every few seconds which are not done yet."""
    tasks = {asyncio.create_task(coroutine): name for name, coroutine in work.items()}
    waiting: set[asyncio.Task[T]] = set(tasks)
    terminal = sys.stderr.isatty()
    try:
        pause = AFTER
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=pause if terminal else None)
            if waiting:
                names = ", ".join(name for task, name in tasks.items() if task in waiting)
                sys.stderr.write(f"… {names}\n")
                sys.stderr.flush()
            pause = 3 * AFTER
        return [task.result() for task in tasks]
    finally:
        for task in waiting:
            task.cancel()
