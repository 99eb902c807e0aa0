"""Tasks end when they are cancelled, also those that lose a cancellation."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from uhome2mqtt import tasks
from uhome2mqtt.tasks import cancelled, failures_of


class Deaf:
    """Work that loses its first cancellations, as `asyncio.wait_for` of Python 3.11 may."""

    def __init__(self, lost: int) -> None:
        self.lost, self.heard = lost, 0

    async def run(self) -> None:
        while self.heard < self.lost:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            self.heard += 1
        await asyncio.Event().wait()


@pytest.mark.parametrize("lost", [0, 1, 3])
async def test_lost_cancellation(monkeypatch: pytest.MonkeyPatch, lost: int) -> None:
    """A task is cancelled until it ends, and others beside it are not waited for any longer."""
    monkeypatch.setattr(tasks, "CANCEL_AGAIN", 0.01)
    deaf = Deaf(lost)
    running = [asyncio.create_task(deaf.run()), asyncio.create_task(asyncio.sleep(60))]
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await cancelled(running)
    assert all(task.cancelled() for task in running)
    assert deaf.heard == lost


async def test_nothing_to_cancel() -> None:
    """No task, or one that has ended by itself, is nothing to wait for."""
    done = asyncio.create_task(asyncio.sleep(0))
    await done
    async with asyncio.timeout(5):
        await cancelled([])
        await cancelled([done])
    assert not done.cancelled()


async def fail(problem: Exception, after: float = 0.0) -> None:
    """Fail after a while."""
    await asyncio.sleep(after)
    raise problem


async def test_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of work that is done together the first failure ends all, also what loses its cancellation, and is told first."""
    monkeypatch.setattr(tasks, "CANCEL_AGAIN", 0.01)
    deaf, first = Deaf(2), ValueError("first")

    async def fail_at_the_end() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ExceptionGroup("several", [KeyError("second"), ExceptionGroup("more", [OSError("third")])])

    async with asyncio.timeout(5):
        failures = await failures_of(fail_at_the_end(), deaf.run(), fail(first, 0.05), asyncio.sleep(60))
    assert failures[0] is first
    assert [type(failure) for failure in failures] == [ValueError, KeyError, OSError]
    assert deaf.heard == 2


async def test_failures_of_what_is_cancelled() -> None:
    """Whoever is cancelled while others work for him ends them, too."""
    deaf = Deaf(0)
    working = asyncio.create_task(failures_of(deaf.run(), asyncio.sleep(60)))
    await asyncio.sleep(0.01)
    await cancelled([working])
    assert working.cancelled()
