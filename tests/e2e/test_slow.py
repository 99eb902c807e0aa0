"""Scenarios that wait for polls and for people: all are played at the same time, each on a stage of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.account import COFFEE, FRONT, GARAGE, HALL, account
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually, free_port
from tests.support.push import LOCK, receiving, status_of
from tests.support.scenes import log_in_by_paste
from tests.support.stage import Stage, staged
from uhome2mqtt.tasks import cancelled

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

Scenario = Callable[[Stage], Awaitable[None]]
Played = Mapping[Scenario, asyncio.Task[None]]


async def cloud_answers_500(stage: Stage) -> None:
    """Let the cloud fail for 25 seconds, while somebody uses the keypad."""
    await stage.up()
    since = stage.ear.now
    before = await stage.held()
    await stage.account.fault("gateway_500", seconds=25)
    await stage.account.by_hand(FRONT, states={"st.lock.lockState": "Unlocked"}, cause="keypad")
    await stage.ear.until("bridge/cloud", "degraded", since, deadline=15)
    during = await stage.held()
    assert during.keys() == before.keys()
    assert during["front_door/lock"] == "LOCKED"
    assert during["bridge/state"] == "online"
    await stage.ear.until("front_door/lock", "UNLOCKED", since, deadline=45)
    await stage.ear.until("bridge/cloud", "online", since)
    assert stage.ear.payloads("bridge/cloud", since) == ["degraded", "online"]
    heard = [(message.topic, message.payload) for message in stage.ear.heard[since:]]
    assert not [topic for topic, payload in heard if topic.endswith("/availability") or not payload]
    assert stage.ear.payloads("bridge/state", since) == []
    assert (await stage.held()).keys() == before.keys()


async def keypad(stage: Stage) -> None:
    """Open the garage and ask; unlock the front door and wait."""
    await stage.up()
    since = stage.ear.now
    await stage.account.by_hand(GARAGE, states={"st.doorSensor.sensorState": "Open"}, cause="hand")
    await stage.ear.say("garage/get", "")
    await stage.ear.until("garage/door", "open", since, deadline=5)
    await stage.account.by_hand(FRONT, states={"st.lock.lockState": "Unlocked"}, cause="keypad")
    await stage.ear.until("front_door/lock", "UNLOCKED", since, deadline=12)
    await stage.ear.until("front_door", lambda text: json.loads(text)["lock"] == "UNLOCKED", since)
    assert stage.ear.documents("front_door", since)[-1]["source"] == "query"
    assert stage.ear.events("front_door/result", since) == []


async def without_login(stage: Stage) -> None:
    """Start without a login, then log in."""
    bridge = stage.bridge()
    await bridge.start()
    await stage.ear.until("bridge/cloud", "unauthorized")
    required = await stage.ear.until_event("bridge/event", "authorization_required")
    assert "uhome2mqtt login" in required["hint"]
    await stage.ear.until("bridge/state", "online")
    await log_in_by_paste(stage)
    await stage.complete()
    await stage.ear.until("bridge/cloud", "online")
    await stage.ear.until_event("bridge/event", "authorization_restored")
    assert bridge.running
    assert len(stage.ear.events("bridge/event")) == 2 + 7


async def login_revoked(stage: Stage) -> None:
    """End the login at the cloud, then log in anew."""
    bridge = await stage.up()
    since = stage.ear.now
    await stage.account.control("POST", "revoke")
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    failed = await stage.ear.until_event("front_door/result", "failed", since)
    assert "login" in failed["message"] or failed["reason"] == "invalid_grant"
    await stage.ear.until("bridge/cloud", "unauthorized", since)
    await stage.ear.until_event("bridge/event", "authorization_required", since)
    asked = len(stage.account.requests("token"))
    await stage.ear.say("garage/lock/set", "UNLOCK")
    failed = await stage.ear.until_event("garage/result", "failed", since)
    assert failed["reason"] == "LOGIN_NEEDED"
    assert len(stage.account.requests("token")) == asked
    assert (await stage.held())["front_door/availability"] == "online"
    await log_in_by_paste(stage)
    await stage.ear.until("bridge/cloud", "online", since, deadline=15)
    await stage.ear.until_event("bridge/event", "authorization_restored", since)
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "confirmed", since)
    assert bridge.running


async def started_before_the_cloud(stage: Stage) -> None:
    """Start with the cloud down and something retained of an earlier run, then let the cloud come."""
    port = free_port()
    await stage.ear.say("front_door/lock", "LOCKED", retain=True)
    async with account(port) as stage.account:
        await stage.log_in()
    bridge = stage.bridge()
    await bridge.start()
    await stage.ear.until("bridge/cloud", "offline")
    await bridge.until_logged("cloud_offline")
    retained = await stage.held()
    assert retained["bridge/state"] == "online"
    assert retained["front_door/lock"] == "LOCKED"
    assert "bridge/devices" not in retained
    async with account(port) as stage.account:
        await stage.log_in()
        await stage.complete()
        await stage.ear.until("bridge/cloud", "online")
        await stage.aclose()


USED = {"front_door": FRONT, "garage": GARAGE, "hall_light": HALL, "coffee_machine": COFFEE}
TURNED = {"Locked": "Unlocked", "Unlocked": "Locked", "on": "off", "off": "on"}


async def use_everything(stage: Stage) -> None:
    """Use four devices by hand, and ask for each when a push would have come."""
    for device in USED.values():
        states = (await stage.account.control("GET", f"devices/{device}"))["states"]
        name = LOCK if LOCK in states else "st.switch.switch"
        await stage.account.by_hand(device, states={name: TURNED[states[name]]}, cause="hand")
    await asyncio.sleep(2.5)
    for level in USED:
        await stage.ear.say(f"{level}/get", "")


async def push_dies(stage: Stage) -> None:
    """Let notifications prove themselves, die while registration keeps succeeding, and come back."""
    house = await receiving(stage, {"polling": {"interval_push_healthy": 40}})
    await use_everything(stage)
    await stage.ear.until("bridge/info", lambda text: status_of(text) == "healthy")
    assert json.loads((await stage.held())["bridge/info"])["poll_interval"] == 40
    registered, since = len(stage.account.requests("Set")), stage.ear.now
    await stage.account.control("PATCH", "quirks", {"push_mode": "dead"})
    await use_everything(stage)
    event = await stage.ear.until_event("bridge/event", "push_unhealthy", since, deadline=45)
    assert event["evidence"][-2:] == ["miss", "miss"]
    info = json.loads((await stage.held())["bridge/info"])
    assert (info["push"], info["poll_interval"]) == ("unhealthy", 10)
    await eventually(lambda: len(stage.account.requests("Set")) == registered + 1)
    stage.secrets.add(house.secret)
    await stage.account.control("PATCH", "quirks", {"push_mode": "on"})
    await use_everything(stage)
    await stage.ear.until_event("bridge/event", "push_restored", since)
    assert house.push_events(since) == ["push_unhealthy", "push_restored"]


SCENARIOS: tuple[Scenario, ...] = (
    cloud_answers_500,
    keypad,
    without_login,
    login_revoked,
    started_before_the_cloud,
    push_dies,
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    """Play all scenarios; each test waits for the end of its own."""

    async def play(scenario: Scenario, directory: Path) -> None:
        async with staged(directory, mosquitto) as stage:
            await scenario(stage)

    playing = {
        scenario: asyncio.create_task(play(scenario, tmp_path_factory.mktemp("scenario"))) for scenario in SCENARIOS
    }
    yield playing
    await cancelled(playing.values())


async def test_cloud_answers_500(played: Played) -> None:
    """While the cloud answers 500 nothing is lost and nothing is unavailable; then the state is current again."""
    await played[cloud_answers_500]


async def test_keypad(played: Played) -> None:
    """What happens at the door itself is on the topics with the next poll, or at once when somebody asks."""
    await played[keypad]


async def test_without_login(played: Played) -> None:
    """Without a login the bridge says so, and is online soon after somebody has logged in elsewhere."""
    await played[without_login]


async def test_login_revoked(played: Played) -> None:
    """A login that the cloud has ended is reported, commands fail with the reason, and a new login heals it."""
    await played[login_revoked]


async def test_started_before_the_cloud(played: Played) -> None:
    """A bridge that starts before the cloud is there says offline, removes nothing, and goes on when it is there."""
    await played[started_before_the_cloud]


async def test_push_dies(played: Played) -> None:
    """Push that dies silently is found out by two changes, is told, is registered anew, and recovers by itself."""
    await played[push_dies]
