"""Start, stop, death, and what lasts."""

from __future__ import annotations

import json
import signal
import time

import pytest

from tests.support.account import FRONT
from tests.support.stage import Stage

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
async def test_clean_stop(stage: Stage, how: signal.Signals) -> None:
    """Asked to stop, the bridge says offline, ends what is pending, and exits with 0 within five seconds."""
    bridge = await stage.up()
    stage.account.cloud.quirks.change({"accepted_not_executed": 1.0})
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "accepted", since)
    began = time.monotonic()
    assert await bridge.stop(how) == 0
    assert time.monotonic() - began < 5
    await stage.ear.until("bridge/state", "offline", since)
    ended = await stage.ear.until_event("front_door/result", "unconfirmed", since)
    assert ended["reason"] == "BRIDGE_STOPPED"
    assert stage.ear.heard[-1].topic == stage.ear.topic("bridge/state")
    assert bridge.logged("stopped")
    assert not bridge.logged("internal_error")


async def test_killed(stage: Stage) -> None:
    """When the bridge is killed its will says offline."""
    bridge = await stage.up()
    since = stage.ear.now
    assert await bridge.stop(signal.SIGKILL) == -signal.SIGKILL
    await stage.ear.until("bridge/state", "offline", since)
    assert (await stage.held())["bridge/state"] == "offline"


async def test_restart(stage: Stage) -> None:
    """A device renamed while the bridge is down keeps its topics and entity ids, with its new name shown."""
    bridge = await stage.up()
    before = await stage.held()
    assert await bridge.stop() == 0
    await stage.account.by_hand(FRONT, name="Main Entrance")
    since = stage.ear.now
    await bridge.start()
    await stage.complete(since)
    after = await stage.held()
    assert after.keys() == before.keys()
    config = "ha/device/uhome2mqtt_0c7fed100001/config"
    was, now = json.loads(before[config]), json.loads(after[config])
    assert now["device"]["name"] == "Main Entrance"
    assert now["device"]["identifiers"] == was["device"]["identifiers"]
    assert {key: component["unique_id"] for key, component in now["components"].items()} == {
        key: component["unique_id"] for key, component in was["components"].items()
    }


async def test_restart_without_state(stage: Stage) -> None:
    """A bridge whose state directory is lost finds its topics in what the broker retains."""
    bridge = await stage.up()
    assert await bridge.stop() == 0
    (stage.state_dir / "devices.json").unlink()
    await stage.account.by_hand(FRONT, name="Main Entrance")
    before = (await stage.held()).keys()
    since = stage.ear.now
    await bridge.start()
    await stage.complete(since)
    assert (await stage.held()).keys() == before


async def test_removed_while_down(stage: Stage) -> None:
    """A device that left the account while the bridge was down goes only after a second list without it."""
    bridge = await stage.up()
    assert await bridge.stop() == 0
    await stage.account.control("DELETE", f"devices/{FRONT}")
    since = stage.ear.now
    await bridge.start()
    await stage.ear.until("back_door/lock", "LOCKED", since)
    assert "ha/device/uhome2mqtt_0c7fed100001/config" in await stage.held()


async def test_broker_hangs(stage: Stage) -> None:
    """A broker that no longer answers does not keep the bridge from ending in time."""
    bridge = await stage.up()
    stage.broker.send(signal.SIGSTOP)
    try:
        assert await bridge.stop() == 0
    finally:
        stage.broker.send(signal.SIGCONT)
