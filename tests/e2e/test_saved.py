"""A broker that is killed, and comes back with what it had saved before."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path

import pytest

from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.e2e


async def nothing_below(stage: Stage, level: str) -> None:
    """Wait until the broker holds nothing of a device."""
    for _ in range(100):
        if not any(topic.split("/")[0] == level for topic in await stage.held()):
            return
        await asyncio.sleep(0.1)
    raise AssertionError(await stage.held())


async def test_killed_after_a_rename(tmp_path: Path) -> None:
    """A lock whose topic was cleared claims nothing there any more, nor after the broker has lost that it was."""
    saved = tmp_path / "saved"
    saved.mkdir()
    settings = ("allow_anonymous true", "persistence true", f"persistence_location {saved}/")
    with Mosquitto(tmp_path, *settings) as broker:
        async with staged(tmp_path, broker) as stage:
            bridge = await stage.up()
            broker.send(signal.SIGUSR1)
            await eventually((saved / "mosquitto.db").exists)
            since = stage.ear.now
            rename = json.dumps({"device": "front_door", "topic": "entrance"})
            await stage.ear.say("bridge/request/device/rename", rename)
            await stage.ear.until("entrance/availability", "online", since)
            await nothing_below(stage, "front_door")
            await asyncio.to_thread(broker.end, signal.SIGKILL)
            broker.start()
            await bridge.until_logged("cleared_again")
            await nothing_below(stage, "front_door")
            assert "entrance/lock" in await stage.held()
            assert bridge.logged("internal_error") == []
