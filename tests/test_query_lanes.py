"""Commands and confirmations have ways of their own to the cloud, past the poll of a large account and lock users."""

from __future__ import annotations

import asyncio
import json

from tests.support.account import FRONT
from tests.support.patience import eventually
from tests.support.stage import Stage, in_process
from uhome2mqtt.cloud_requests import CONFIRMATIONS_AT_ONCE, QUERIES_AT_ONCE, USERS_AT_ONCE

SWITCHES = {
    "front_door/lock": "UNLOCK",
    "back_door/lock": "UNLOCK",
    "garage/lock": "UNLOCK",
    "hall_light/switch": "ON",
    "coffee_machine/switch": "ON",
    "dining_room/light": '{"state": "ON"}',
}
GETS = ["back_door", "garage", "hall_light", "dining_room", "bedside_lamp", "coffee_machine"]


def queries(stage: Stage) -> int:
    """Count the queries that the cloud has been asked."""
    return len(stage.account.requests("Query"))


async def test_confirmation_overtakes_poll(stage: Stage) -> None:
    """A command is confirmed while all queries of a poll hang, and more of them wait for their turn."""
    await stage.log_in()
    async with in_process(stage, uhome={"timeout": 60, "query_batch_size": 1}):
        await stage.complete()
        before = queries(stage)
        await stage.account.fault("timeout", operation="Query", count=QUERIES_AT_ONCE)
        for device in GETS:
            await stage.ear.say(f"{device}/get", "")
        await eventually(lambda: queries(stage) == before + QUERIES_AT_ONCE)
        since = stage.ear.now
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        outcome = await stage.ear.until_event("front_door/result", "confirmed", since, deadline=5)
        asked = [device for entry in stage.account.requests("Query")[before:] for device in entry["devices"]]
    assert outcome["reason"] == "query"
    assert asked[QUERIES_AT_ONCE:] == [FRONT] * (len(asked) - QUERIES_AT_ONCE)


async def test_confirmations_are_bounded(stage: Stage) -> None:
    """Many commands at once ask for their results a few at a time, and a poll does not wait for them."""
    await stage.log_in()
    async with in_process(stage, uhome={"timeout": 60, "query_batch_size": 1}):
        await stage.complete()
        before = queries(stage)
        await stage.account.fault("timeout", operation="Query", count=CONFIRMATIONS_AT_ONCE)
        for topic, payload in SWITCHES.items():
            await stage.ear.say(f"{topic}/set", payload)
        await eventually(lambda: len(stage.account.commands()) == len(SWITCHES))
        await eventually(lambda: queries(stage) == before + CONFIRMATIONS_AT_ONCE)
        # Longer than the next look at each of them is away.
        await asyncio.sleep(1.5)
        assert queries(stage) == before + CONFIRMATIONS_AT_ONCE
        await stage.ear.say("bedside_lamp/get", "")
        await eventually(lambda: queries(stage) == before + CONFIRMATIONS_AT_ONCE + 1)


async def test_refused_poll(stage: Stage) -> None:
    """A poll of which one part is too many for the cloud does not ask for the rest, and commands go on."""
    await stage.log_in()
    await stage.account.fault("rate_limited", operation="Query", retry_after=60)
    async with in_process(stage, uhome={"query_batch_size": 1}):
        await stage.ear.until("bridge/health", lambda text: json.loads(text)["budget"]["refusals"] > 0)
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        await stage.ear.until_event("front_door/result", "accepted")
        assert 1 <= queries(stage) <= QUERIES_AT_ONCE


async def test_commands_overtake_lock_users(stage: Stage) -> None:
    """A command is sent and confirmed while requests about keypad codes hang; of these a few are made at a time."""
    await stage.log_in()
    async with in_process(stage, uhome={"timeout": 60}, lock_users={"enabled": True}):
        await stage.complete()
        await stage.account.fault("timeout", operation="Command", count=USERS_AT_ONCE)
        for _ in range(2):
            for device in ("front_door", "back_door", "garage"):
                await stage.ear.say("bridge/request/lock_users/list", json.dumps({"device": device}))
        await eventually(lambda: len(stage.account.commands()) == USERS_AT_ONCE)
        since = stage.ear.now
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        await stage.ear.until_event("front_door/result", "confirmed", since)
        sent = [name for _, name in stage.account.commands()]
    assert sent == ["list"] * USERS_AT_ONCE + ["unlock"]
