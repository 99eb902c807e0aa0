"""Broker and cloud go away and come back."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator, Mapping
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.support.account import Account, account
from tests.support.ear import Ear, ear
from tests.support.mosquitto import Mosquitto
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.e2e

CHANGING = ("/last_reported", "bridge/info", "bridge/health")


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """Prepare a broker that a test may kill; it is not started."""
    broker = Mosquitto(tmp_path)
    yield broker
    broker.end()


def lasting(retained: Mapping[str, str]) -> dict[str, str]:
    """Leave out the times in what is retained."""
    lasting = {topic: payload for topic, payload in retained.items() if not topic.endswith(CHANGING)}
    for topic, payload in lasting.items():
        if "/" not in topic:
            lasting[topic] = json.dumps({**json.loads(payload), "last_reported": None, "source": None})
    return lasting


async def test_broker_killed(tmp_path: Path, own_broker: Mosquitto) -> None:
    """A broker that is killed and comes back empty holds everything again, and commands work."""
    own_broker.start()
    async with staged(tmp_path, own_broker) as stage:
        bridge = await stage.up()
        await stage.ear.until("bridge/info", lambda text: json.loads(text)["account"])
        before = await stage.held()
        own_broker.end(signal.SIGKILL)
        await bridge.until_logged("broker_unreachable")
        since = stage.ear.now
        own_broker.start()
        # The bridge's own state is the last that is asserted; the ear may come back too late to hear it live.
        await stage.ear.until("bridge/state", "online", since)
        after = await stage.held()
        assert lasting(after) == lasting(before)
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        await stage.ear.until_event("front_door/result", "confirmed", since)
        assert [line["level"] for line in bridge.logged("broker_unreachable")].count("warning") == 1


async def test_cloud_gone(stage: Stage) -> None:
    """A cloud that fails again and again is offline, commands fail at once with the reason, and it comes back."""
    await stage.up()
    since = stage.ear.now
    await stage.account.fault("status", operation="Command", status=404)
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    rejected = await stage.ear.until_event("front_door/result", "rejected", since)
    assert rejected["reason"] == "HTTP_404"
    await stage.account.control("DELETE", "faults")
    await stage.account.fault("reset")
    for device in ("front_door", "back_door", "garage"):
        await stage.ear.say(f"{device}/get", "")
    await stage.ear.until("bridge/cloud", "offline", since)
    assert (await stage.held())["front_door/availability"] == "online"
    await stage.account.control("DELETE", "faults")
    await stage.ear.say("hall_light/get", "")
    await stage.ear.until("bridge/cloud", "online", since)


async def test_started_before_the_broker(tmp_path: Path, own_broker: Mosquitto, cloud_account: Account) -> None:
    """A bridge that starts before its broker waits for it and says so once."""
    prepared = Stage(directory=tmp_path, broker=own_broker, account=cloud_account, ear=Ear(own_broker, "home"))
    async with aclosing(prepared) as stage:
        await stage.log_in()
        bridge = stage.bridge()
        await bridge.start()
        await bridge.until_logged("broker_unreachable", 2)
        levels = [line["level"] for line in bridge.logged("broker_unreachable")]
        assert levels[0] == "warning"
        assert set(levels[1:]) == {"debug"}
        own_broker.start()
        async with ear(own_broker, "home") as stage.ear:
            await stage.complete()
            await stage.ear.until("bridge/state", "online")
    assert stage.leaks() == []


async def test_both_away(tmp_path: Path, own_broker: Mosquitto) -> None:
    """With neither broker nor cloud the bridge stays, and ends cleanly when it is asked to."""
    async with account() as served:
        prepared = Stage(directory=tmp_path, broker=own_broker, account=served, ear=Ear(own_broker, "home"))
        await prepared.log_in()
    async with aclosing(prepared) as stage:
        bridge = stage.bridge()
        await bridge.start()
        await asyncio.gather(bridge.until_logged("broker_unreachable"), bridge.until_logged("cloud_offline"))
        assert await bridge.stop() == 0
