"""Two bridges on one base topic, at a real broker: one works, and the other one takes over."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

import pytest

from tests.support.account import FRONT
from tests.support.patience import eventually, free_port
from tests.support.process import Bridge
from tests.support.stage import Stage

pytestmark = pytest.mark.e2e


def spare(stage: Stage, **changes: Any) -> Bridge:
    """Prepare a second bridge, with a state directory of its own."""
    directory = stage.directory / "spare"
    stage.account.log_in(directory)
    return stage.bridge(state_dir=str(directory), **changes)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_takes_over(stage: Stage, protocol: str, how: signal.Signals) -> None:
    """The second one stands by, executes no command and publishes nothing; when the first has gone it does both."""
    port = free_port()
    first = await stage.up(mqtt={"protocol": protocol})
    second = spare(stage, mqtt={"protocol": protocol}, web={"port": port})
    await second.start()
    await second.until_logged("standing_by")
    await first.until_logged("other_bridge_found")
    before = dict(await stage.held())
    await stage.ear.until("bridge/health", lambda text: json.loads(text)["problems"]["other_bridge"] == "ON")
    ready = await stage.account.http.get(f"http://127.0.0.1:{port}/readyz")
    assert (ready.status_code, "stands by" in ready.text) == (503, True)
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "confirmed", since)
    assert stage.ear.events("front_door/result", since) == ["accepted", "confirmed"]
    assert stage.account.commands() == [(FRONT, "unlock")]
    assert (await stage.held()).keys() == before.keys()
    since = stage.ear.now
    await first.stop(how)
    await second.until_logged("taken_over")
    await stage.ear.until("bridge/state", "online", since)
    await stage.complete(since)
    await stage.ear.say("front_door/lock/set", "LOCK")
    await stage.ear.until_event("front_door/result", "confirmed", since)
    assert (await stage.held()).keys() == before.keys()
    assert await second.stop() == 0
    await stage.ear.until("bridge/state", lambda _: stage.ear.payloads("bridge/state")[-1] == "offline", since)


async def test_the_spare_ends(stage: Stage) -> None:
    """When the spare is killed its will calls the bridge offline, and the one that works contradicts."""
    first = await stage.up()
    second = spare(stage)
    await second.start()
    await second.until_logged("standing_by")
    since = stage.ear.now
    await second.stop(signal.SIGKILL)
    await stage.ear.until("bridge/state", "offline", since)
    await stage.ear.until("bridge/state", "online", since)
    assert (await stage.held())["bridge/state"] == "online"
    await stage.fence(1)
    assert await first.stop() == 0


async def test_one_client_id(stage: Stage) -> None:
    """Two with one client id throw each other out, as the broker wants it, but not for ever: then one stands by."""
    first = await stage.up(mqtt={"client_id": f"twin-{stage.ear.base}"})
    second = spare(stage, mqtt={"client_id": f"twin-{stage.ear.base}"})
    await second.start()
    await eventually(lambda: first.logged("standing_by") or second.logged("standing_by"), 60)
    await stage.ear.until("bridge/health", lambda text: json.loads(text)["problems"]["other_bridge"] == "ON")
    connected = len(first.logged("broker_connected")) + len(second.logged("broker_connected"))
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "confirmed", since)
    assert stage.account.commands() == [(FRONT, "unlock")]
    await asyncio.sleep(5)
    assert len(first.logged("broker_connected")) + len(second.logged("broker_connected")) == connected


async def test_left_online(stage: Stage) -> None:
    """Where the broker still holds that a bridge is online which is not, the next one works after two seconds."""
    await stage.ear.say("bridge/state", "online", retain=True)
    bridge = await stage.up()
    assert bridge.logged("standing_by") == []
    roles = [document["role"] for document in stage.ear.documents("bridge/presence")]
    assert roles[:2] == ["asking", "active"]
