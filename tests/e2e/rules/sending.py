"""Rules about what is sent, when, and how often."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime
from itertools import pairwise

from tests.support.account import BACK, FRONT, GARAGE
from tests.support.patience import eventually
from uhome2mqtt.simulator.household import HALL_LIGHT

from .cell import LONGEST, Cell


async def always(cell: Cell) -> None:
    """Lock what is locked, what is in passage mode, and what is out of reach."""
    await cell.account.by_hand(BACK, states={"st.lock.lockMode": 1})
    async with cell.bridge():
        await cell.account.by_hand(GARAGE, online=False)
        # One report alone is not believed, and who asks too soon is not heard.
        while cell.ear.payloads("garage/connectivity")[-1] != "offline":
            await cell.say("garage/get", "")
            await asyncio.sleep(0.5)
        held = await cell.stage.held()
        assert (held["front_door/lock"], held["front_door/mode"]) == ("LOCKED", "normal")
        assert (held["back_door/lock"], held["back_door/mode"]) == ("LOCKED", "passage")
        for device in ("front_door", "back_door", "garage"):
            await cell.say(f"{device}/lock/set", "LOCK")
        await cell.say("front_door/mode/set", "normal")
        warned = await cell.outcome("back_door", "accepted")
        assert "passage mode" in warned["message"]
        rejected = await cell.outcome("garage", "rejected")
        assert rejected["reason"] == "DEVICE_OFFLINE"
        wanted = [(FRONT, "lock"), (FRONT, "setMode"), (BACK, "lock"), (GARAGE, "lock")]
        assert sorted(await cell.sent(4)) == wanted


async def at_once(cell: Cell) -> None:
    """Let a query and a command hang, and give others."""
    async with cell.bridge():
        await cell.account.fault("timeout", operation="Query", count=1)
        await cell.say("hall_light/get", "")
        await eventually(lambda: cell.account.requests("Query")[-1]["devices"] == [HALL_LIGHT], LONGEST)
        await cell.account.fault("timeout", operation="Command", count=1)
        await cell.say("back_door/lock/set", "UNLOCK")
        assert await cell.sent(1) == [(BACK, "unlock")]
        await cell.say("back_door/lock/set", "LOCK")
        for payload in ("UNLOCK", "LOCK", "UNLOCK"):
            await cell.say("front_door/lock/set", payload)
        await cell.outcome("front_door", "confirmed")
        # Neither the query nor the other lock's command has been answered yet: both hang until the bridge stops.
        assert cell.ear.events("back_door/result") == []
        assert cell.ear.events("front_door/result").count("accepted") == 3
    order = [(BACK, "unlock"), (FRONT, "unlock"), (FRONT, "lock"), (FRONT, "unlock")]
    assert cell.account.commands() == order


LATENCY = 0.3
SLIDES = 100


async def slider(cell: Cell) -> None:
    """Move a slider for a second, over a cloud that is slow."""
    loop = asyncio.get_running_loop()
    async with cell.bridge():
        await cell.account.control("PATCH", "quirks", {"latency": LATENCY})
        began = loop.time()
        for level in (*range(1, SLIDES), 73):
            await cell.say("dining_room/brightness/set", str(level))
            await asyncio.sleep(0.01)
        await cell.stage.fence(1)
        took = loop.time() - began
        await cell.ear.until_event("dining_room/result", "confirmed", deadline=LONGEST)
        ends = [found for found in cell.ear.documents("dining_room/result") if found["event_type"] != "accepted"]
        assert Counter(found["event_type"] for found in ends) == {"superseded": SLIDES - 1, "confirmed": 1}
        assert ends[-1]["payload"] == "73"
    requests = cell.account.requests("Command")
    assert requests[-1]["commands"][0]["arguments"] == {"level": 73}
    # The cloud took so long for each: the next one came when it had answered.
    came = [datetime.fromisoformat(request["time"]).timestamp() for request in requests]
    assert min(later - earlier for earlier, later in pairwise(came)) > LATENCY * 0.95
    assert 2 <= len(requests) <= 2 + took / LATENCY


async def once_more(cell: Cell) -> None:
    """Let requests fail in each way, once and for good."""
    # The only cell in which the bridge itself must lose its patience.
    async with cell.bridge(uhome={"timeout": 3}):
        for device, kind in (("front_door", "gateway_500"), ("back_door", "timeout")):
            await cell.account.fault(kind, operation="Command", count=1)
            await cell.say(f"{device}/lock/set", "UNLOCK")
            await cell.outcome(device, "confirmed")
        assert cell.account.commands() == [(FRONT, "unlock")] * 2 + [(BACK, "unlock")] * 2
        await cell.account.fault("rate_limited", operation="Command", count=1, retry_after=2)
        await cell.say("garage/lock/set", "UNLOCK")
        await cell.outcome("garage", "accepted")
        refused, taken = (datetime.fromisoformat(found["time"]) for found in cell.account.requests("Command")[4:])
        assert (taken - refused).total_seconds() > 1.9
        await cell.account.fault("rate_limited", operation="Command", count=1, retry_after=6)
        await cell.say("hall_light/switch/set", "ON")
        rejected = await cell.outcome("hall_light", "rejected")
        assert rejected["reason"] == "HTTP_429"
        assert cell.account.commands()[4:] == [(GARAGE, "unlock")] * 2 + [(HALL_LIGHT, "on")]
        # Twice is the most, also for a command of which nobody knows whether it was executed.
        await cell.account.fault("gateway_500", operation="Command")
        await cell.say("coffee_machine/switch/set", "ON")
        await cell.sent(9)
        await cell.say("hall_light/switch/set", "OFF")
        await cell.sent(11)
        assert [name for _, name in cell.account.commands()[7:]] == ["on", "on", "off", "off"]
