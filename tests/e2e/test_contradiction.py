"""Locks that do otherwise than they were told or have said; all scenarios are played at the same time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.test_requests import ask, get
from tests.support.account import BACK, FRONT
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually
from tests.support.process import Bridge
from tests.support.stage import Stage, staged
from uhome2mqtt.tasks import cancelled

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

Scenario = Callable[[Stage, Bridge], Awaitable[None]]
Played = Mapping[Scenario, asyncio.Task[None]]

STARTS_AT_ONCE = 2
UNPOLLED: dict[str, Any] = {"polling": {"interval": 3600}}
PASSAGE_WARNING = "the lock is in passage mode, in which it may ignore this command"


async def outcome(stage: Stage, device: str, key: str, payload: str, event: str = "confirmed") -> dict[str, Any]:
    """Give a command and wait for what becomes of it."""
    since = stage.ear.now
    await stage.ear.say(f"{device}/{key}/set", payload)

    def found() -> dict[str, Any] | None:
        documents = stage.ear.documents(f"{device}/result", since)
        return next((each for each in documents if (each["payload"], each["event_type"]) == (payload, event)), None)

    try:
        result = await eventually(found)
    except TimeoutError:
        raise AssertionError(stage.ear.documents(f"{device}/result", since)) from None
    assert result is not None
    return result


async def health(stage: Stage, **wanted: object) -> None:
    """Wait until the bridge's health tells so many contradictions, or so many commands of an outcome."""

    def shown(text: str) -> bool:
        document = json.loads(text)
        counts = {**document["commands"], "contradictions": document["contradictions"]}
        return wanted.items() <= counts.items()

    await stage.ear.until("bridge/health", shown)


async def contradicted(stage: Stage, bridge: Bridge, reported: str, device: str = "front_door") -> None:
    """Expect one doubt in the log and in the bridge's health, which is told after the next outcome."""
    [line] = bridge.logged("confirmed_state_contradicted")
    assert (line["device"], line["reported"]) == (device, {"st.lock.lockstate": reported})
    await outcome(stage, device, "lock", "SESAME", "refused")
    await health(stage, contradictions=1)


def queries(stage: Stage) -> list[list[str]]:
    """Give the devices of each query that has reached the cloud."""
    return [entry["devices"] for entry in stage.account.requests("Query")]


async def opened_by_hand(stage: Stage, bridge: Bridge) -> None:
    """Lock, open by hand, and ask for the lock."""
    await outcome(stage, "front_door", "lock", "LOCK")
    await stage.account.by_hand(FRONT, states={"st.lock.lockState": "Unlocked"}, cause="hand")
    before, since = queries(stage), stage.ear.now
    await get(stage, "front_door")
    await stage.ear.until("front_door/lock", "UNLOCKED", since)
    assert queries(stage) == [*before, [FRONT], [FRONT]]
    assert stage.ear.payloads("front_door/lock", since) == ["UNLOCKED"]
    await stage.ear.until("front_door", lambda text: json.loads(text)["lock"] == "UNLOCKED", since)
    await contradicted(stage, bridge, "Unlocked")
    assert stage.account.commands() == [(FRONT, "lock")]
    assert len(queries(stage)) == len(before) + 2


async def opened_before_refresh(stage: Stage, bridge: Bridge) -> None:
    """Do the same with a question for all devices, over MQTT 3.1.1."""
    await outcome(stage, "back_door", "lock", "LOCK")
    await stage.account.by_hand(BACK, states={"st.lock.lockState": "Unlocked"}, cause="hand")
    await stage.account.by_hand(FRONT, states={"st.lock.lockState": "Unlocked"}, cause="key")
    before, since = queries(stage), stage.ear.now
    assert (await ask(stage, "refresh"))["data"] == {"devices": 7}
    await stage.ear.until("back_door/lock", "UNLOCKED", since)
    assert stage.ear.payloads("front_door/lock", since) == ["UNLOCKED"]
    everybody, deciding = queries(stage)[len(before) :]
    assert (len(everybody), deciding) == (7, [BACK])
    await contradicted(stage, bridge, "Unlocked", "back_door")


async def opened_before_poll(stage: Stage, bridge: Bridge) -> None:
    """Unlock with a slow bolt, so that the next poll is near, lock by hand, and wait for that poll."""
    await stage.account.control("PATCH", "quirks", {"bolt_seconds": 3.5})
    await outcome(stage, "front_door", "lock", "UNLOCK")
    await stage.account.by_hand(FRONT, states={"st.lock.lockState": "Locked"}, cause="hand")
    before, since = queries(stage), stage.ear.now
    await stage.ear.until("front_door/lock", "LOCKED", since, deadline=15)
    everybody, deciding = queries(stage)[len(before) :]
    assert (len(everybody), deciding) == (7, [FRONT])
    await contradicted(stage, bridge, "Locked")


async def wrong_once(stage: Stage, bridge: Bridge) -> None:
    """Lock, and let the cloud say once that the lock is open."""
    await outcome(stage, "front_door", "lock", "LOCK")
    states = [{"capability": "st.lock", "name": "lockState", "value": "Unlocked"}]
    body = json.dumps({"payload": {"devices": [{"id": FRONT, "states": states}]}})
    await stage.account.fault("not_json", operation="Query", body=body, count=1)
    before, since = queries(stage), stage.ear.now
    answer = await get(stage, "front_door")
    assert answer["data"]["state"]["lock"] == "LOCKED"
    await eventually(lambda: queries(stage) == [*before, [FRONT], [FRONT]])
    await contradicted(stage, bridge, "Unlocked")
    assert len(queries(stage)) == len(before) + 2
    assert stage.ear.payloads("front_door/lock", since) == []
    assert {document["lock"] for document in stage.ear.documents("front_door", since)} <= {"LOCKED"}
    assert (await stage.held())["front_door/lock"] == "LOCKED"


async def jammed(stage: Stage, bridge: Bridge) -> None:
    """Let the bolt jam at its next movement, lock again, and then let it jam for good."""
    await stage.account.by_hand(FRONT, jam="next")
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until("front_door/lock", "JAMMED", since)
    assert stage.ear.payloads("front_door/lock", since) == ["UNLOCKING", "JAMMED"]
    assert stage.ear.events("front_door/result", since) == ["accepted"]
    await outcome(stage, "front_door", "lock", "LOCK")
    assert stage.ear.events("front_door/result", since) == ["accepted", "superseded", "accepted", "confirmed"]
    assert stage.ear.payloads("front_door/lock", since)[2:] == ["LOCKING", "LOCKED"]
    assert stage.account.commands() == [(FRONT, "unlock"), (FRONT, "lock")]
    before, since = len(queries(stage)), stage.ear.now
    await stage.account.by_hand(FRONT, jam=True)
    await get(stage, "front_door")
    await stage.ear.until("front_door/lock", "JAMMED", since)
    assert len(queries(stage)) == before + 2
    await contradicted(stage, bridge, "Jammed")
    await health(stage, accepted=2, superseded=1, confirmed=1, unconfirmed=0, refused=1)


async def passage_mode(stage: Stage, bridge: Bridge) -> None:
    """Set passage mode, tell the lock to lock, which it ignores, and to unlock."""
    since = stage.ear.now
    await outcome(stage, "front_door", "mode", "passage")
    assert stage.ear.payloads("front_door/mode", since) == ["passage"]
    await stage.ear.until("front_door/lock", "UNLOCKED", since)
    assert bridge.logged("lock_in_passage_mode") == []
    accepted = await outcome(stage, "front_door", "lock", "LOCK", "accepted")
    assert accepted["message"] == PASSAGE_WARNING
    confirmed = await outcome(stage, "front_door", "lock", "UNLOCK")
    assert confirmed["message"] is None
    events = [(each["payload"], each["event_type"]) for each in stage.ear.documents("front_door/result", since)]
    assert events[2:] == [
        ("LOCK", "accepted"),
        ("LOCK", "superseded"),
        ("UNLOCK", "accepted"),
        ("UNLOCK", "confirmed"),
    ]
    assert stage.ear.documents("front_door/result", since)[4]["message"] == PASSAGE_WARNING
    assert stage.ear.payloads("front_door/lock", since) == ["UNLOCKED", "LOCKING", "UNLOCKING", "UNLOCKED"]
    assert stage.account.commands() == [(FRONT, "setMode"), (FRONT, "lock"), (FRONT, "unlock")]
    assert [line["payload"] for line in bridge.logged("lock_in_passage_mode")] == ["LOCK", "UNLOCK"]
    await health(stage, accepted=3, confirmed=2, superseded=1, contradictions=0)


async def auto_lock(stage: Stage, bridge: Bridge) -> None:
    """Unlock a lock that locks itself soon after."""
    await stage.account.control("PATCH", "quirks", {"bolt_seconds": 0.2})
    await stage.account.by_hand(FRONT, autoLock=5.0)
    since = stage.ear.now
    await outcome(stage, "front_door", "lock", "UNLOCK")
    before, lock = queries(stage), stage.account.cloud.house.devices[FRONT]
    await eventually(lambda: lock.states["st.lock.lockState"] == "Locked")
    await get(stage, "front_door")
    await stage.ear.until("front_door/lock", "LOCKED", since)
    assert queries(stage) == [*before, [FRONT], [FRONT]]
    assert stage.ear.payloads("front_door/lock", since) == ["UNLOCKING", "UNLOCKED", "LOCKED"]
    assert stage.ear.events("front_door/result", since) == ["accepted", "confirmed"]
    assert stage.account.commands() == [(FRONT, "unlock")]
    await contradicted(stage, bridge, "Locked")
    await health(stage, accepted=1, confirmed=1, superseded=0, refused=1)


async def out_of_reach(stage: Stage, bridge: Bridge) -> None:
    """Cut a lock off, command it, look twice, and let it come back."""
    await stage.account.by_hand(BACK, online=False)
    since = stage.ear.now
    rejected = await outcome(stage, "back_door", "lock", "UNLOCK", "rejected")
    assert rejected["reason"] == "DEVICE_OFFLINE"
    assert stage.ear.payloads("back_door/lock", since) == ["UNLOCKING", "LOCKED"]
    [line] = await bridge.until_logged("command_rejected")
    assert (line["level"], line["device"], line["reason"]) == ("warning", "back_door", "DEVICE_OFFLINE")
    await health(stage, rejected=1, confirmed=0)
    await get(stage, "back_door")
    assert stage.ear.payloads("back_door/connectivity", since) == []
    await ask(stage, "refresh")
    retained = await stage.held()
    assert [retained[f"back_door/{key}"] for key in ("lock", "connectivity", "availability")] == [
        "None",
        "offline",
        "online",
    ]
    assert json.loads(retained["back_door"])["last_known"] == {"lock": "LOCKED"}
    await stage.account.by_hand(BACK, online=True)
    await outcome(stage, "back_door", "lock", "UNLOCK")
    assert stage.ear.payloads("back_door/lock", since)[2:] == ["None", "UNLOCKING", "UNLOCKED"]
    assert stage.ear.payloads("back_door/connectivity", since) == ["offline", "online"]
    await health(stage, rejected=1, confirmed=1, contradictions=0)


SCENARIOS: Mapping[Scenario, Mapping[str, Any]] = {
    opened_before_poll: {"polling": {"interval": 10}},
    opened_by_hand: UNPOLLED,
    opened_before_refresh: {**UNPOLLED, "mqtt": {"protocol": "3.1.1"}},
    wrong_once: UNPOLLED,
    jammed: UNPOLLED,
    passage_mode: UNPOLLED,
    auto_lock: UNPOLLED,
    out_of_reach: UNPOLLED,
}


@asynccontextmanager
async def playing(
    scenarios: Mapping[Scenario, Mapping[str, Any]], mosquitto: Mosquitto, directories: pytest.TempPathFactory
) -> AsyncIterator[Played]:
    """Play scenarios at the same time, each on a stage of its own with a bridge that is configured for it."""
    starting = asyncio.Semaphore(STARTS_AT_ONCE)

    async def play(scenario: Scenario, directory: Path) -> None:
        async with staged(directory, mosquitto) as stage:
            async with starting:
                bridge = await stage.up(**scenarios[scenario])
            await scenario(stage, bridge)

    tasks = {scenario: asyncio.create_task(play(scenario, directories.mktemp("scenario"))) for scenario in scenarios}
    yield tasks
    await cancelled(tasks.values())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    """Play all scenarios; each test waits for the end of its own."""
    async with playing(SCENARIOS, mosquitto, tmp_path_factory) as tasks:
        yield tasks


async def test_opened_by_hand(played: Played) -> None:
    """A door that is opened right after its lock was confirmed shows as open after exactly one more query."""
    await played[opened_by_hand]


async def test_opened_before_refresh(played: Played) -> None:
    """Of all devices that a refresh shows, only the one that has just been confirmed is asked for once more."""
    await played[opened_before_refresh]


async def test_opened_before_poll(played: Played) -> None:
    """A poll that contradicts a confirmation leads to one more query, whose answer is shown."""
    await played[opened_before_poll]


async def test_wrong_once(played: Played) -> None:
    """A single report that a lock is open, which the next query does not bear out, is never shown."""
    await played[wrong_once]


async def test_jammed(played: Played) -> None:
    """A bolt that jams shows as such, whether a command moved it or it jammed after one that was confirmed."""
    await played[jammed]


async def test_passage_mode(played: Played) -> None:
    """In passage mode commands are sent with a warning, and a lock that ignores them is never shown as locked."""
    await played[passage_mode]


async def test_auto_lock(played: Played) -> None:
    """A lock that locks itself after a confirmed unlock shows as locked, and nobody is told of a failure."""
    await played[auto_lock]


async def test_out_of_reach(played: Played) -> None:
    """A command for a lock out of reach is rejected; the lock becomes unknown, stays commandable, and comes back."""
    await played[out_of_reach]
