"""Rules about what must never reach a lock."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import urlsplit

from tests.support.account import BACK, FRONT, GARAGE
from tests.support.ear import properties
from tests.support.patience import eventually, free_port
from tests.support.relay import Relay
from tests.support.sessions import leave_session
from uhome2mqtt.simulator.household import HALL_LIGHT

from .cell import Cell

MAX_AGE = 30.0
"""Seconds: `commands.max_age` where nothing is configured."""

POISON = {
    "front_door/lock/set": "UNLOCK",
    "front_door/set": '{"lock": "UNLOCK"}',
    "back_door/mode/set": "passage",
    "dining_room/light/set": "ON",
    "garage/get": "now",
}


async def retained(cell: Cell) -> None:
    """Retain commands before the bridge connects, and one while it is connected.

    Where the broker hides the flag of a live message, that one is a command like any other when it is sent; what stays
    on the topic is not.
    """
    for topic, payload in POISON.items():
        await cell.say(topic, payload, retain=True)
    hidden = [] if cell.shows_live_flag else [(HALL_LIGHT, "on")]
    async with cell.bridge():
        for device, count in (("front_door", 2), ("back_door", 1), ("dining_room", 1), ("garage", 1)):
            assert set(await cell.refusals(device, count)) == {"RETAINED"}
        await cell.stage.fence(1)
        held = await cell.stage.held()
        assert not POISON.keys() & held.keys()
        assert cell.account.commands() == []
        await cell.say("hall_light/switch/set", "ON", retain=True)
        await cell.outcome("hall_light", "accepted" if hidden else "refused")
    async with cell.bridge():
        assert await cell.refusals("hall_light") == ["RETAINED"]
        await cell.stage.fence(2)
        held = await cell.stage.held()
        assert "hall_light/switch/set" not in held
    assert cell.account.commands() == hidden


class Road:
    """The only way to the cloud; while it is closed nobody can connect."""

    def __init__(self, url: str) -> None:
        self.relay = Relay(target=urlsplit(url).port or 0, port=free_port())
        self.url = f"http://127.0.0.1:{self.relay.port}"
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self.relay.serve, "127.0.0.1", self.relay.port)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.relay.cut()
        await asyncio.sleep(0)


async def not_later(cell: Cell) -> None:
    """Command while the bridge is away, with a queue at the broker that has its name, and while the cloud is away."""
    name, road = f"{cell.ear.base}-bridge", Road(cell.account.url)
    changes: dict[str, Any] = {"mqtt": {"client_id": name}, "uhome": {"api_url": f"{road.url}/action"}}
    await road.open()
    try:
        async with cell.bridge(**changes):
            pass
        # With this session the broker keeps commands for the bridge, which must not want them.
        await leave_session(cell.stage.broker, cell.version, name, cell.ear.topic("+/+/set"))
        for qos in (1, 2):
            await cell.say("front_door/lock/set", "UNLOCK", qos=qos)
        async with cell.bridge(**changes):
            await cell.stage.fence(1)
            assert cell.account.commands() == []
            await road.close()
            await cell.say("back_door/lock/set", "UNLOCK")
            failed = await cell.outcome("back_door", "failed")
            assert failed["seconds"] < MAX_AGE
            await road.open()
            await cell.say("garage/lock/set", "UNLOCK")
            await cell.outcome("garage", "confirmed")
        assert cell.account.commands() == [(GARAGE, "unlock")]
    finally:
        await road.close()


async def duplicate(cell: Cell) -> None:
    """Repeat a transaction in each form, and the value without it."""
    given = '{"value": "%s", "transaction": "t-%d"}'
    async with cell.bridge():
        await cell.say("front_door/lock/set", given % ("UNLOCK", 1))
        await cell.say("front_door/lock/set", given % ("UNLOCK", 1))
        await cell.say("front_door/set", '{"lock": "UNLOCK", "transaction": "t-1"}')
        await cell.say("front_door/lock/set", given % ("LOCK", 1))
        assert await cell.refusals("front_door", 3) == ["DUPLICATE"] * 3
        # Neither the same value nor the same transaction for another device makes a repetition.
        await cell.say("front_door/lock/set", given % ("UNLOCK", 2))
        await cell.say("front_door/lock/set", "UNLOCK")
        await cell.say("front_door/lock/set", "UNLOCK")
        await cell.say("back_door/lock/set", given % ("UNLOCK", 1))
        await cell.outcome("front_door", "confirmed")
        assert sorted(await cell.sent(5)) == [(FRONT, "unlock")] * 4 + [(BACK, "unlock")]
        assert await cell.refusals("front_door", 3) == ["DUPLICATE"] * 3


async def expired(cell: Cell) -> None:
    """Give commands that are too old when they come, and one whose time passes behind another command."""
    async with cell.bridge():
        for age in (MAX_AGE + 1, 86_400, -86_400):
            await cell.say("back_door/lock/set", sent_at("UNLOCK", age))
        assert await cell.refusals("back_door", 3) == ["EXPIRED"] * 3
        # The next ones wait behind this one: one of them until its time has passed, the other not so long.
        await cell.account.fault("slow", operation="Command", delay=4, count=1)
        await cell.say("front_door/lock/set", "LOCK")
        await eventually(cell.account.commands)
        await say_living(cell, "front_door/lock/set", "UNLOCK", seconds=2)
        await say_living(cell, "front_door/lock/set", "LOCK", seconds=25)
        assert await cell.refusals("front_door") == ["EXPIRED"]
        await cell.outcome("front_door", "confirmed")
    assert cell.account.commands() == [(FRONT, "lock")] * 2


async def say_living(cell: Cell, topic: str, payload: str, seconds: int) -> None:
    """Publish a command that is good for some seconds, in the words of the cell's version."""
    if cell.protocol == "5":
        await cell.say(topic, payload, properties=properties(MessageExpiryInterval=seconds))
    else:
        await cell.say(topic, sent_at(payload, MAX_AGE - seconds))


def sent_at(value: str, age: float) -> str:
    """Compose a command that was given some seconds ago."""
    return f'{{"value": "{value}", "sent_at": {time.time() - age}}}'
