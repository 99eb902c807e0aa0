"""Ending tasks for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable, Iterator
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


async def failures_of(*work: Coroutine[Any, Any, None]) -> list[BaseException]:
    """Run together until one fails, end the others for certain, and give what went wrong, the first first.

    A group of tasks would not do: one whose cancellation is lost would never let it end.
    """
    tasks = [asyncio.create_task(coroutine) for coroutine in work]
    done: set[asyncio.Task[None]] = set()
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await cancelled(tasks)
        found = [*_failures(task for task in tasks if task in done), *_failures(set(tasks) - done)]
    return found


def _failures(tasks: Iterable[asyncio.Task[None]]) -> Iterator[BaseException]:
    for task in tasks:
        failure = None if task.cancelled() else task.exception()
        if failure is not None:
            yield from _leaves(failure)


def _leaves(failure: BaseException) -> Iterator[BaseException]:
    if isinstance(failure, BaseExceptionGroup):
        for each in failure.exceptions:
            yield from _leaves(each)
    else:
        yield failure
