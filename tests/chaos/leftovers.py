"""What a broker that is killed brings back: topics that were cleared after it had saved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress

import aiomqtt

from tests.support.patience import eventually
from uhome2mqtt.simulator import demo_household
from uhome2mqtt.simulator.dice import Dice

from .scene import Scene

LAMP = "bedside_lamp"
"""Nobody commands it."""
PLUG = "Guest Plug"
PATIENCE = 120.0
"""Seconds: another fault may keep the bridge from it for so long."""
AGAIN = 3.0
"""Seconds after which it is asked once more."""


async def leave_behind(scene: Scene, dice: Dice) -> None:
    """Have the broker save what a device shows that is then renamed, or removed."""
    if dice.chance(0.5):
        level = f"lamp_{dice.number(10, 99)}"
        await _until(scene, _renamed(scene, LAMP, level), f"{level}/light", cleared=False)
        await scene.save()
        await _until(scene, _renamed(scene, level, LAMP), f"{level}/light", cleared=True)
    else:
        house, plug = scene.stage.account.cloud.house, demo_household()[-1]
        plug.id, plug.name = f"84:F7:03:30:01:{dice.number(10, 99)}", PLUG
        house.add(plug)
        await _until(scene, _discovered(scene), "guest_plug/switch", cleared=False)
        await scene.save()
        await scene.stage.account.control("DELETE", f"devices/{plug.id}")
        await _until(scene, _discovered(scene), "guest_plug/switch", cleared=True)


def _renamed(scene: Scene, device: str, level: str) -> Callable[[], Awaitable[None]]:
    request = json.dumps({"device": device, "topic": level})
    return lambda: scene.stage.ear.say("bridge/request/device/rename", request)


def _discovered(scene: Scene) -> Callable[[], Awaitable[None]]:
    return lambda: scene.stage.ear.say("bridge/request/discover", "")


async def _until(scene: Scene, ask: Callable[[], Awaitable[None]], topic: str, *, cleared: bool) -> None:
    """Ask again and again, until something is told on a topic or it is cleared."""
    ear, since = scene.stage.ear, scene.stage.ear.now
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(aiomqtt.MqttError, TimeoutError):
                await ask()
                await eventually(lambda: any((not text) == cleared for text in ear.payloads(topic, since)), AGAIN)
                return
            await asyncio.sleep(0.25)
