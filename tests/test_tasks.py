"""Tasks end when they are cancelled, also those that lose a cancellation."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from uhome2mqtt import tasks
from uhome2mqtt.tasks import cancelled


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
