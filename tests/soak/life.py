"""What happens around a bridge in the long run: what people do with it, and what breaks now and then."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial

import aiomqtt
import httpx

from tests.chaos.actors import Owner
from tests.chaos.faults import FAULTS
from tests.chaos.scene import Scene
from tests.support.account import new_http
from uhome2mqtt.simulator import demo_household
from uhome2mqtt.simulator.dice import Dice

TOKEN = "the-token-of-the-console"
CHANGES = {
    "uhome": {"timeout": 60},
    "mqtt": {"keepalive": 300},
    "polling": {"interval": 30, "interval_push_healthy": 60, "discovery_interval": 3600},
    "web": {"token": TOKEN},
    "notifications": {"rotate_every": 3600},
}
"""The usual intervals; what answers late at this speed has had no time at all, so that more is waited for."""
QUIRKS = {"expires_in": 3600, "bolt_seconds": 0.01, "switch_seconds": 0.003, "user_list_delay": 0.01}
"""The cloud's clock is ours: what takes it a while has to be quick."""
SCRAPES_EVERY = 0.5
"""Seconds."""

Happening = Callable[[Scene, Owner, Dice], Awaitable[None]]


async def console(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Let several people look at the console, and go away without a word."""
    url = f"http://127.0.0.1:{scene.web}"

    async def look(seconds: float) -> None:
        async with new_http(url) as http, asyncio.timeout(seconds):
            http.headers["Authorization"] = f"Bearer {TOKEN}"
            for page in ("", "connect", "api/house", "api/devices/front_door"):
                (await http.get(f"/{page}", follow_redirects=True)).raise_for_status()
            async with http.stream("GET", "/api/events") as events:
                async for _ in events.aiter_bytes():
                    pass

    lengths = [dice.between((0.2, 4.0)) for _ in range(dice.number(1, 6))]
    await asyncio.gather(*(_quietly(look(seconds)) for seconds in lengths))


async def home_assistant(scene: Scene, _owner: Owner, _dice: Dice) -> None:
    """Let Home Assistant start again, which is told everything anew."""
    await _quietly(scene.stage.ear.say("ha/status", "online"))


async def requests(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Ask the bridge for something."""
    name, body = dice.pick(
        [
            ("refresh", {}),
            ("discover", {}),
            ("reassert", {}),
            ("health_check", {}),
            ("notifications/register", {}),
            ("lock_users/list", {"device": "front_door"}),
            ("lock_users/get", {"device": "front_door", "id": 1}),
            ("device/rename", {"device": "hall_light", "name": f"Hall {dice.number(2, 99)}"}),
            ("device/rename", {"device": "hall_light", "name": None}),
            ("no/such/request", {"x": "y" * 1000}),
        ]
    )
    await _quietly(scene.stage.ear.say(f"bridge/request/{name}", json.dumps(body)))


async def guest(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Let somebody plug in a plug, and take it away again."""
    plug = demo_household()[-1]
    plug.id, plug.name = f"84:F7:03:30:01:{dice.number(10, 99)}", "Guest Plug"
    scene.stage.account.cloud.house.add(plug)
    await _quietly(scene.stage.ear.say("bridge/request/discover", ""))
    await asyncio.sleep(dice.between((1.0, 4.0)))
    await scene.stage.account.control("DELETE", f"devices/{plug.id}")
    await _quietly(scene.stage.ear.say("bridge/request/discover", ""))


async def strangers(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Let somebody send what makes no sense, to devices that are there and to some that are not."""
    for _ in range(dice.number(1, 30)):
        level = dice.pick(["front_door", "garage", f"nobody_{dice.number(1, 10_000)}"])
        payload = dice.pick(["", "OPEN", "{", "[" * 2_000, "x" * 20_000, '{"value": null}'])
        await _quietly(scene.stage.ear.say(f"{level}/lock/set", payload))


async def fault(scene: Scene, owner: Owner, dice: Dice, *, names: Mapping[str, int]) -> None:
    """Let one thing break, as chaos has it."""
    await FAULTS[dice.pick([name for name, weight in names.items() for _ in range(weight)])](scene, owner, dice)


BREAKS = {
    "broker_restarted": 2,
    "broker_half_open": 1,
    "broker_reset": 2,
    "broker_refuses_publishes": 1,
    "cloud_500": 2,
    "cloud_429": 1,
    "cloud_timeout": 1,
    "cloud_half_open": 1,
    "cloud_refused": 2,
    "cloud_reset": 1,
    "no_names": 1,
    "token_revoked": 2,
    "login_revoked": 1,
    "flood": 1,
}
"""How often each fault comes, beside the others. None of those that end the process, or its clock: it has to be one."""

HAPPENINGS: Mapping[str, tuple[int, Happening]] = {
    "console": (6, console),
    "requests": (6, requests),
    "home_assistant": (2, home_assistant),
    "guest": (2, guest),
    "strangers": (2, strangers),
    "fault": (8, partial(fault, names=BREAKS)),
}


async def live(scene: Scene, owner: Owner, dice: Dice, seconds: float) -> int:
    """Let one thing after the other happen for so long; gives how many did."""
    until, count = time.monotonic() + seconds, 0
    names = [name for name, (weight, _) in HAPPENINGS.items() for _ in range(weight)]
    while time.monotonic() < until:
        await HAPPENINGS[dice.pick(names)][1](scene, owner, dice)
        await asyncio.sleep(dice.between((0.0, 2.0)))
        count += 1
    return count


async def scrape(scene: Scene) -> None:
    """Let Prometheus ask for the metrics, until cancelled."""
    while True:
        await asyncio.sleep(SCRAPES_EVERY)
        await _quietly(scene.metrics())


async def mind_the_login(scene: Scene) -> None:
    """Log in again whenever the bridge says that it has no login any more, until cancelled.

    A renewal whose answer is lost costs the login, where the cloud ends a refresh token as it gives the next one.
    """
    heard = 0
    while True:
        await asyncio.sleep(1.0)
        states, heard = scene.stage.ear.payloads("bridge/cloud", heard), scene.stage.ear.now
        if states[-1:] == ["unauthorized"]:
            await scene.stage.log_in()


async def _quietly(what: Awaitable[object]) -> None:
    """Do something whose failure is the fault's that is under way."""
    with suppress(aiomqtt.MqttError, httpx.HTTPError, TimeoutError):
        await what
