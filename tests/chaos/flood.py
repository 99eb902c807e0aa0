"""More notifications than anybody can want: valid ones, forged ones, and some that make no sense."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress

import httpx

from tests.support.account import GARAGE, new_http
from uhome2mqtt.simulator.dice import Dice

from .invariants import FORGED
from .scene import Scene

AT_ONCE = 24
"""Requests that wait for their answer at the same time."""
LARGE = 60_000
"""Bytes, a little less than what is read of a notification at all."""
RUBBISH = (
    b"",
    b"{",
    b"null",
    b"\xff\xfe\x00",
    b"[" * 5_000,
    b'{"payload": {"devices": 7}}',
    b'[{"id": null, "states": []}]',
    b'{"header": {"name": "DeviceState"}, "payload": {"devices": [{"id": "\\ud800", "states": [{"value": 1e999}]}]}}',
)


async def flood(scene: Scene, dice: Dice, count: int, *, large: bool = False) -> Counter[int]:
    """Post so many notifications as fast as it goes; gives how many there were of each status."""
    registration = scene.stage.account.cloud.pusher.registration
    secret = "" if registration is None or registration.token is None else registration.token
    numbers, answers = iter(range(count)), Counter[int]()

    async def post() -> None:
        async with new_http(timeout=5.0) as http:
            for _ in numbers:
                content, bearer = _notification(scene, dice, secret, large=large)
                with suppress(httpx.HTTPError):
                    headers = {"Authorization": f"Bearer {bearer}"}
                    answers[(await http.post(scene.notifications, content=content, headers=headers)).status_code] += 1
                if not scene.bridge.running:
                    return

    await asyncio.gather(*(post() for _ in range(AT_ONCE)))
    return answers


def _notification(scene: Scene, dice: Dice, secret: str, *, large: bool) -> tuple[bytes, str]:
    """Make up one notification, with what it says that it comes from."""
    cloud = scene.stage.account.cloud
    device = dice.pick(list(cloud.house.devices.values()))
    true = [cloud.state_entry(device)]
    match dice.number(0, 2):
        case 0:
            return json.dumps(true).encode() + (b" " * LARGE if large else b""), secret
        case 1:
            states = [{"capability": "st.batteryLevel", "name": "level", "value": FORGED}]
            unlocked = [{"capability": "st.lock", "name": "lockState", "value": "Unlocked"}]
            return json.dumps([{"id": GARAGE, "states": states + unlocked}]).encode(), "guessed"
        case _:
            return dice.pick(RUBBISH) + (b" " * LARGE if large else b""), secret
