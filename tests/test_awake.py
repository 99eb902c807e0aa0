"""A process that stands still."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from tests.support.patience import eventually
from uhome2mqtt import awake
from uhome2mqtt.awake import Awake
from uhome2mqtt.clock import now


@pytest.fixture(autouse=True)
def attentive(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the clock more often than usual."""
    monkeypatch.setattr(awake, "EVERY", 0.05)
    monkeypatch.setattr(awake, "LATE", 0.3)
    monkeypatch.setattr(awake, "STOOD_STILL", 1.0)


def work(seconds: float) -> None:
    """Be busy for so long, by the processor's time."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


async def test_stood_still() -> None:
    """Whoever stands still finds out for how long, and what is read then may have waited since before that."""
    looking = Awake()
    watching = asyncio.create_task(looking.watch())
    await asyncio.sleep(0.2)
    assert looking.waited_since() is None
    before = now().monotonic
    threading.Event().wait(1.5)
    since = looking.waited_since()
    assert since is not None
    assert before - 0.3 < since <= before
    assert await watching > 1.2
    # Until somebody looks again: what comes next may have waited as long.
    assert looking.waited_since() == since


async def test_busy() -> None:
    """Whoever works does not stand still, but what is read next may have waited for that long."""
    looking = Awake()
    watching = asyncio.create_task(looking.watch())
    await asyncio.sleep(0.2)
    work(0.6)
    assert looking.waited_since() is not None
    await eventually(lambda: watching.done() or looking.waited_since() is None)
    assert not watching.done()
    watching.cancel()
