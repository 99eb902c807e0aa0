"""A disk on which every write takes long."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from tests.chaos.scene import SHIM
from tests.support.patience import eventually
from tests.support.process import Bridge
from tests.support.stage import Stage

pytestmark = pytest.mark.e2e

SECONDS = 3.0


async def started(stage: Stage) -> tuple[Bridge, Path]:
    """Start a bridge whose disk is slow while a file is there, which is given, too."""
    await stage.log_in()
    bridge = stage.bridge()
    path = os.pathsep.join([str(SHIM), *filter(None, [os.environ.get("PYTHONPATH")])])
    await bridge.start(PYTHONPATH=path, CHAOS_DIRECTORY=str(stage.directory))
    await stage.complete()
    return bridge, stage.directory / "slow-disk"


async def test_slow_disk(stage: Stage) -> None:
    """A command does not wait for a disk that takes seconds, and what was to be kept is on it in the end."""
    bridge, sign = await started(stage)
    sign.write_text(str(SECONDS))
    rename = {"device": "hall_light", "name": "Lamp"}
    since, began = stage.ear.now, time.monotonic()
    await stage.ear.say("bridge/request/device/rename", json.dumps(rename))
    await stage.ear.until("bridge/response/device/rename", lambda text: json.loads(text)["status"] == "ok", since)
    await stage.ear.say("hall_light/switch/set", "ON")
    await stage.ear.until_event("hall_light/result", "accepted", since)
    assert time.monotonic() - began < SECONDS
    sign.unlink()
    await eventually(lambda: "Lamp" in (stage.state_dir / "devices.json").read_text())
    assert await bridge.stop() == 0


async def test_slow_disk_at_the_end(stage: Stage) -> None:
    """Nor does the end of the bridge, which comes within the five seconds that a service is given."""
    bridge, sign = await started(stage)
    sign.write_text(str(SECONDS))
    assert await bridge.stop() == 0
    assert "offline" in stage.ear.payloads("bridge/state")
