"""A bridge whose process stands still for a while, as in a machine that sleeps."""

from __future__ import annotations

import asyncio
import signal

import httpx
import pytest

from tests.support.account import new_http
from tests.support.patience import eventually, free_port
from tests.support.stage import Stage

pytestmark = pytest.mark.e2e

MAX_AGE = 5
STANDS = 9.0
"""Seconds."""


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_commands_meanwhile(stage: Stage, protocol: str) -> None:
    """What was commanded while the bridge stood still is too old when it goes on; what is commanded then is done."""
    bridge = await stage.up(commands={"max_age": MAX_AGE}, mqtt={"protocol": protocol})
    bridge.send(signal.SIGSTOP)
    for number in range(60):
        await stage.ear.say(f"{('front_door', 'back_door', 'garage')[number % 3]}/lock/set", "UNLOCK")
    await asyncio.sleep(STANDS)
    bridge.send(signal.SIGCONT)
    await bridge.until_logged("broker_connected", 2)
    assert stage.account.commands() == []
    since = stage.ear.now
    await stage.ear.until("bridge/state", "online")
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "confirmed", since)
    assert [name for _, name in stage.account.commands()] == ["unlock"]
    assert set(stage.ear.events("back_door/result")) <= {"refused"}
    assert "stood still" in bridge.logged("broker_unreachable")[0]["why"]


async def test_asked_by_http(stage: Stage) -> None:
    """What was asked of the console's API meanwhile is too old as well, and is told so."""
    port = free_port()
    bridge = await stage.up(commands={"max_age": MAX_AGE}, web={"port": port})
    bridge.send(signal.SIGSTOP)
    async with new_http(timeout=30) as http:
        asking = asyncio.create_task(
            http.post(f"http://127.0.0.1:{port}/api/devices/front_door/set", json={"lock": "UNLOCK"})
        )
        await asyncio.sleep(STANDS)
        bridge.send(signal.SIGCONT)
        assert (await asking).status_code == httpx.codes.ACCEPTED
    [result] = await eventually(lambda: stage.ear.documents("front_door/result"))
    assert (result["event_type"], result["reason"]) == ("refused", "EXPIRED")
    assert stage.account.commands() == []


async def test_a_short_while(stage: Stage) -> None:
    """A bridge that stood still for a moment does what it was told meanwhile, over the connection that it has."""
    bridge = await stage.up()
    bridge.send(signal.SIGSTOP)
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await asyncio.sleep(3)
    bridge.send(signal.SIGCONT)
    await stage.ear.until_event("front_door/result", "confirmed")
    assert len(bridge.logged("broker_connected")) == 1
