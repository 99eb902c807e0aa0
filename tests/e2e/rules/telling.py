"""Rules about what is told of a command."""

from __future__ import annotations

import json

from tests.support.account import BACK, FRONT, GARAGE
from tests.support.ear import properties
from tests.support.patience import eventually
from uhome2mqtt.simulator.household import HALL_LIGHT

from .cell import LONGEST, Cell

DOORS = {"front_door": FRONT, "back_door": BACK, "garage": GARAGE}


async def never_executed(cell: Cell) -> None:
    """Let the cloud accept every command and execute none."""
    await cell.account.control("PATCH", "quirks", {"accepted_not_executed": 1})


async def no_optimism(cell: Cell) -> None:
    """Unlock three doors that do not move, jam one, open one by hand, and leave the third to the end of the bridge."""
    await never_executed(cell)
    async with cell.bridge():
        since = cell.ear.now
        for device in DOORS:
            await cell.say(f"{device}/lock/set", "UNLOCK")
            await cell.outcome(device, "accepted", since)
        # Each has been looked at twice, and is as locked as before.
        await eventually(lambda: all(asked(cell, device) >= 3 for device in DOORS.values()), LONGEST)
        for device in DOORS:
            assert cell.ear.payloads(f"{device}/lock", since) == ["UNLOCKING"]
        await cell.account.by_hand(FRONT, jam=True)
        await cell.account.by_hand(BACK, states={"st.lock.lockState": "Unlocked"})
        await cell.ear.until("front_door/lock", "JAMMED", since, LONGEST)
        await cell.outcome("back_door", "confirmed", since)
    await cell.outcome("garage", "unconfirmed", since)
    await cell.ear.until("garage/lock", "LOCKED", since, LONGEST)
    assert cell.ear.payloads("front_door/lock", since) == ["UNLOCKING", "JAMMED"]
    assert cell.ear.payloads("back_door/lock", since) == ["UNLOCKING", "UNLOCKED"]
    assert cell.ear.payloads("garage/lock", since) == ["UNLOCKING", "LOCKED"]


def queries(cell: Cell) -> list[set[str]]:
    """Give the devices of each query so far."""
    return [set(request["devices"]) for request in cell.account.requests("Query")]


def asked(cell: Cell, device: str) -> int:
    """Count the queries for a device."""
    return sum(device in devices for devices in queries(cell))


async def confirmation(cell: Cell) -> None:
    """See who is asked while commands are pending, and what ends that."""
    async with cell.bridge():
        polled = len(queries(cell))
        await cell.say("front_door/lock/set", "UNLOCK")
        await cell.outcome("front_door", "confirmed")
        looks = asked(cell, FRONT)
        await never_executed(cell)
        # A refusal holds all looks back for some seconds, so that when it is over all are due at the same moment.
        await cell.account.fault("rate_limited", operation="Command", count=1, retry_after=1)
        await cell.say("hall_light/switch/set", "ON")
        await cell.sent(2)
        for device in ("back_door", "garage"):
            await cell.say(f"{device}/lock/set", "UNLOCK")
            await cell.outcome(device, "accepted")
        await cell.account.by_hand(GARAGE, states={"st.doorSensor.sensorState": "Open"})
        await eventually(lambda: {HALL_LIGHT, BACK, GARAGE} in queries(cell), LONGEST)
        await cell.ear.until("garage", lambda text: json.loads(text).get("door") == "open", deadline=LONGEST)
        document = cell.ear.documents("garage")[-1]
        assert (document["source"], document["pending"]) == ("confirm", {"lock": "UNLOCK"})
        assert cell.ear.events("garage/result") == ["accepted"]
        for device in (BACK, GARAGE):
            await cell.account.by_hand(device, states={"st.lock.lockState": "Unlocked"})
        for name in ("back_door", "garage"):
            confirmed = await cell.outcome(name, "confirmed")
            assert confirmed["reason"] == "query"
    assert asked(cell, FRONT) == looks
    others = [devices - {HALL_LIGHT, BACK, GARAGE} for devices in queries(cell)[polled + looks - 1 :]]
    assert not any(others)


async def reply(cell: Cell) -> None:
    """Give a command that comes true and one that is no command, and be told."""
    async with cell.bridge():
        for device, payload, event in (("garage", "UNLOCK", "confirmed"), ("front_door", "SESAME", "refused")):
            told = await answered(cell, device, payload, event)
            assert told["payload"] == payload
            assert told["transaction"] == f"number {device}"


async def answered(cell: Cell, device: str, payload: str, event: str) -> dict[str, object]:
    """Give a command and wait for its end where the cell's version has it."""
    given = json.dumps({"value": payload, "transaction": f"number {device}"})
    if cell.protocol != "5":
        await cell.say(f"{device}/lock/set", given)
        return await cell.outcome(device, event)
    where, correlation = f"answers/to/{device}", device.encode() + b"\x00\xff"
    wishes = properties(ResponseTopic=cell.ear.topic(where), CorrelationData=correlation)
    await cell.say(f"{device}/lock/set", given, properties=wishes)
    told = await cell.ear.until_event(where, event, deadline=LONGEST)
    assert cell.ear.payloads(where) == cell.ear.payloads(f"{device}/result")[-1:]
    answers = [heard for heard in cell.ear.heard if heard.topic == cell.ear.topic(where)]
    assert [answer.correlation for answer in answers] == [correlation]
    return told
