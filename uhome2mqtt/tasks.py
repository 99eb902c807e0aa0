"""Ending tasks for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

CANCEL_AGAIN = 1.5
"""Seconds after which a task that goes on is cancelled once more; longer than the goodbye to the broker takes."""


async def cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Cancel until all have ended: Python 3.11's `asyncio.wait_for` loses a cancellation that comes with its result."""
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN)
