"""Keypad codes over MQTT: from a request to the lock's list of users, and where a code may be seen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.test_contradiction import Played, Scenario, playing
from tests.e2e.test_requests import ask
from tests.support.account import BACK, FRONT
from tests.support.ear import properties
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually
from tests.support.process import Bridge
from tests.support.stage import Stage

pytestmark = pytest.mark.e2e

AT_ONCE = pytest.mark.asyncio(loop_scope="module")
"""Of a test that waits for the end of a scenario: all are played at the same time."""

BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])

OWNER, GUEST = 4026531840, 8031091
GUEST_CODE = "31415926"
CODE, OTHER_CODE = 73519864, 82640957
ADA: dict[str, Any] = {"device": "front_door", "name": "Ada", "type": "permanent", "password": CODE}
CLEANER: dict[str, Any] = {
    "device": "front_door",
    "name": "Cleaner",
    "type": "temporary",
    "password": str(CODE),
    "daterange": ["2026-01-01 08:00", "2036-01-01 20:00"],
    "weeks": [5, 1, 3],
    "timerange": ["09:00", "12:30"],
    "limit": 12,
}
SCHEDULE: dict[str, Any] = {
    "daterange": ["2026-01-01 08:00", "2036-01-01 20:00"],
    "weeks": [1, 3, 5],
    "timerange": ["09:00", "12:30"],
    "limit": 12,
}


USUAL: dict[str, Any] = {"lock_users": {"enabled": True}, "polling": {"interval": 3600}}


async def up(stage: Stage, **changes: Any) -> Bridge:
    """Start a bridge that manages codes and does not poll."""
    return await stage.up(**{**USUAL, **changes})


async def hurry(stage: Stage) -> None:
    """Let the locks show users, and hear of them, sooner than usual."""
    await stage.account.control("PATCH", "quirks", {"user_list_delay": 0.3, "user_sync_delay": 0.3})


def orders(stage: Stage) -> list[tuple[str, dict[str, Any]]]:
    """Give what the cloud was asked about lock users, as name and arguments; a code is `***` there."""
    commands = [command for entry in stage.account.requests("Command") for command in entry["commands"]]
    return [(each["name"], each.get("arguments", {})) for each in commands if each["capability"] == "st.lockUser"]


async def users(stage: Stage, device: str = FRONT) -> dict[int, dict[str, Any]]:
    """Give the users that a lock really has, by their ids."""
    return {user["id"]: user for user in (await stage.account.control("GET", f"devices/{device}"))["users"]}


def seen(stage: Stage, code: object) -> set[str]:
    """Name every topic on which a code was heard, `log` for the bridge's output and `state` for its files."""
    text = str(code)
    found = {heard.topic.removeprefix(f"{stage.ear.base}/") for heard in stage.ear.heard if text in heard.payload}
    if any(text in line for program in stage.programs for line in (*program.out, *program.err)):
        found.add("log")
    if any(text in file.read_text() for file in stage.state_dir.iterdir() if file.is_file()):
        found.add("state")
    return found


async def kept(stage: Stage, *codes: object) -> list[str]:
    """Name the topics on which the broker keeps a request, an answer or a code."""
    retained = await stage.held()
    shown = [topic for topic, payload in retained.items() if any(str(code) in payload for code in codes)]
    return shown + [topic for topic in retained if topic.startswith(("bridge/request", "bridge/response"))]


@BOTH
async def test_list_and_get(stage: Stage, protocol: str) -> None:
    """The users of a lock are listed; the code of one goes to the response topic of the one who asks, alone."""
    bridge = await up(stage, mqtt={"protocol": protocol})
    listed = await ask(stage, "lock_users/list", {"device": "front_door", "transaction": "t"})
    owner = {"id": OWNER, "name": "Owner", "type": 1, "status": 1, "sync_status": 1}
    guest = {"id": GUEST, "name": "Guest-02", "type": 0, "status": 1, "sync_status": 1}
    assert listed["data"] == {"device": "front_door", "users": [owner, guest]}
    assert (listed["status"], listed["error"], listed["transaction"]) == ("ok", None, "t")
    wishes = properties(ResponseTopic=stage.ear.topic("my/answers"), CorrelationData=b"\x00a")
    got = await ask(stage, "lock_users/get", {"device": FRONT, "id": GUEST}, properties=wishes)
    assert got["data"] == {"device": "front_door", "user": guest | {"password": "***"}}
    assert orders(stage) == [("list", {}), ("get", {"id": GUEST})]
    if protocol == "5":
        [private] = await eventually(lambda: stage.ear.documents("my/answers"))
        assert private["data"]["user"] == guest | {"password": int(GUEST_CODE)}
        assert next(each for each in stage.ear.heard if each.topic.endswith("my/answers")).correlation == b"\x00a"
    assert await bridge.stop() == 0
    assert seen(stage, GUEST_CODE) == ({"my/answers"} if protocol == "5" else set())
    assert await kept(stage, GUEST_CODE) == []


async def test_reveal_codes(stage: Stage) -> None:
    """Where the configuration says so a code is shown to all, but not of a request that has a response topic."""
    await up(stage, lock_users={"enabled": True, "reveal_codes": True})
    got = await ask(stage, "lock_users/get", {"device": "front_door", "id": str(GUEST)})
    assert got["data"]["user"]["password"] == int(GUEST_CODE)
    wishes = properties(ResponseTopic=stage.ear.topic("my/answers"))
    got = await ask(stage, "lock_users/get", {"device": "front_door", "id": GUEST}, properties=wishes)
    assert got["data"]["user"]["password"] == "***"
    await eventually(lambda: stage.ear.documents("my/answers"))
    assert seen(stage, GUEST_CODE) == {"bridge/response/lock_users/get", "my/answers"}
    assert len([heard for heard in stage.ear.heard if GUEST_CODE in heard.payload]) == 2
    assert await kept(stage, GUEST_CODE) == []


async def life_of_a_code(stage: Stage, bridge: Bridge) -> None:
    """Add, change and delete a code."""
    await hurry(stage)
    added = await ask(stage, "lock_users/add", ADA)
    [number] = (await users(stage)).keys() - {OWNER, GUEST}
    told = {"id": number, "name": "Ada", "type": 0, "status": 1, "sync_status": 1}
    assert added["data"] == {"device": "front_door", "id": number, "user": told}
    assert (await users(stage))[number] == told | {"password": CODE}
    changed = await ask(stage, "lock_users/update", CLEANER | {"id": number, "password": OTHER_CODE})
    after = told | {"name": "Cleaner", "type": 2}
    assert changed["data"] == {"device": "front_door", "id": number, "user": after | SCHEDULE | {"password": "***"}}
    assert (await users(stage))[number] == after | SCHEDULE | {"password": OTHER_CODE}
    deleted = await ask(stage, "lock_users/delete", {"device": "front_door", "id": number})
    assert deleted["data"] == {"device": "front_door", "id": number}
    assert (await users(stage)).keys() == {OWNER, GUEST}
    sent = [(name, arguments) for name, arguments in orders(stage) if name in {"add", "update", "delete"}]
    assert sent == [
        ("add", {"name": "Ada", "type": 0, "password": "***"}),
        ("update", {"id": number, "name": "Cleaner", "type": 2, "password": "***", **SCHEDULE}),
        ("delete", {"id": number}),
    ]
    assert await bridge.stop() == 0
    assert seen(stage, CODE) == {"bridge/request/lock_users/add"}
    assert seen(stage, OTHER_CODE) == {"bridge/request/lock_users/update"}
    assert await kept(stage, CODE, OTHER_CODE) == []


async def schedule(stage: Stage, _bridge: Bridge) -> None:
    """Add a temporary code of which only the dates are given."""
    await hurry(stage)
    wanted = {name: value for name, value in CLEANER.items() if name not in {"weeks", "timerange", "limit"}}
    added = await ask(stage, "lock_users/add", wanted)
    at_lock = (await users(stage))[added["data"]["id"]]
    always = {"weeks": [0, 1, 2, 3, 4, 5, 6], "timerange": ["00:00", "23:59"], "limit": 0}
    schedule = {"daterange": SCHEDULE["daterange"], **always}
    assert {name: at_lock[name] for name in schedule} == schedule
    assert (at_lock["type"], at_lock["password"]) == (2, CODE)
    assert orders(stage)[1] == ("add", {"name": "Cleaner", "type": 2, "password": "***", **schedule})


INVALID: tuple[tuple[Mapping[str, object], str], ...] = (
    ({"password": 735}, "password has 3 digits"),
    ({"password": "07351986"}, "password begins with 0"),
    ({"password": "7351a864"}, "password holds other characters than digits"),
    ({"password": 7351986442}, "password has 10 digits"),
    ({"password": [CODE]}, "password is a list"),
    ({"name": " "}, "name is blank"),
    ({"type": 1}, "type 1 is the owner"),
    ({"code": CODE}, "'code' is unknown: did you mean password?"),
    ({"limit": 3}, "limit: a schedule needs type"),
    ({"type": 2}, "daterange is missing"),
    ({"device": "cellar"}, "UNKNOWN_DEVICE: 'cellar'"),
    ({"device": "hall_light"}, "hall_light is no lock"),
)


async def test_invalid(stage: Stage) -> None:
    """What no lock could take is refused with the reason, nothing is sent, and no answer repeats a code."""
    bridge = await up(stage)
    for number, (change, why) in enumerate(INVALID):
        kind, more = ("update", {"id": GUEST}) if number % 2 else ("add", {})
        answer = await ask(stage, f"lock_users/{kind}", {**ADA, **more, **change})
        assert answer["status"] == "error"
        assert answer["error"].startswith(why)
    for kind in ("get", "update", "delete"):
        answer = await ask(stage, f"lock_users/{kind}", ADA | {"id": "x"} if kind == "update" else {"device": FRONT})
        assert answer["error"].startswith("id is ")
    for payload in (str(CODE), f"[{CODE}]", json.dumps([{"password": CODE}])):
        assert (await ask(stage, "lock_users/add", payload))["error"].endswith("not a JSON object")
    assert orders(stage) == []
    assert await bridge.stop() == 0
    asked_on = {"bridge/request/lock_users/add", "bridge/request/lock_users/update"}
    for code in (CODE, "07351986", "7351a864", 7351986442):
        assert seen(stage, code) <= asked_on


async def answer_waits_for_the_lock(stage: Stage, _bridge: Bridge) -> None:
    """Add a code at a slow lock, and ask for other things meanwhile."""
    await stage.account.control("PATCH", "quirks", {"user_list_delay": 0.7, "user_sync_delay": 2.0})
    since = stage.ear.now
    await stage.ear.say("bridge/request/lock_users/add", json.dumps(ADA))
    await stage.ear.say("bridge/request/lock_users/list", '{"device": "front_door"}')
    await stage.ear.say("bridge/request/lock_users/list", '{"device": "back_door"}')
    await eventually(lambda: "add" in [name for name, _ in orders(stage)])
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "confirmed", since)
    await stage.ear.until("bridge/response/lock_users/add", lambda _: True, since)
    await stage.ear.until("bridge/response/lock_users/list", lambda text: '"front_door"' in text, since)
    added, lists = (stage.ear.documents(f"bridge/response/lock_users/{kind}", since) for kind in ("add", "list"))
    assert added[0]["data"]["user"]["sync_status"] == 1
    assert sorted(found["data"]["device"] for found in lists) == ["back_door", "front_door"]
    topics = [heard.topic.removeprefix(f"{stage.ear.base}/") for heard in stage.ear.heard[since:]]
    for earlier in ("front_door/result", "bridge/response/lock_users/list"):
        assert topics.index(earlier) < topics.index("bridge/response/lock_users/add")
    assert seen(stage, CODE) == {"bridge/request/lock_users/add"}


async def same_name_twice(stage: Stage, _bridge: Bridge) -> None:
    """Add two users at once, with the name of a third."""
    await hurry(stage)
    since = stage.ear.now
    for code in (CODE, OTHER_CODE):
        await stage.ear.say("bridge/request/lock_users/add", json.dumps(ADA | {"name": "Guest-02", "password": code}))
    answers = await eventually(lambda: answered(stage, "add", 2, since))
    at_lock = await users(stage)
    assert [at_lock[found["data"]["id"]]["password"] for found in answers] == [CODE, OTHER_CODE]
    assert len(at_lock) == 4


def answered(stage: Stage, kind: str, count: int, since: int) -> list[dict[str, Any]]:
    """Give the answers to requests of a kind once there are so many."""
    found = stage.ear.documents(f"bridge/response/lock_users/{kind}", since)
    return found if len(found) >= count else []


@pytest.mark.parametrize("where", ["envelope", "device"])
async def test_error_that_repeats_the_code(stage: Stage, where: str) -> None:
    """The cloud's refusal is told in its own words but for the code, whether it is of the request or of the device."""
    bridge = await up(stage)
    why = f"password {CODE} is taken"
    error = {"code": "BAD-REQUEST", "message": why}
    faults: dict[str, dict[str, Any]] = {
        "envelope": {"kind": "error_envelope", **error},
        "device": {"kind": "not_json", "body": json.dumps({"payload": {"devices": [{"id": FRONT, "error": error}]}})},
    }
    # Packed, and so the true one: the answer to the list that comes first.
    await stage.account.fault("gzip", operation="Command", count=1)
    await stage.account.fault(**faults[where], operation="Command", count=1)
    answer = await ask(stage, "lock_users/add", ADA)
    assert answer["error"] == "BAD-REQUEST: password *** is taken"
    assert answer["data"] == {"device": "front_door"}
    assert [name for name, _ in orders(stage)] == ["list", "add"]
    assert await bridge.stop() == 0
    assert seen(stage, CODE) == {"bridge/request/lock_users/add"}


async def dead_token(stage: Stage, _bridge: Bridge) -> None:
    """Add a code after the cloud has forgotten the token."""
    await hurry(stage)
    tokens = json.loads((stage.state_dir / "tokens.json").read_text())
    stage.account.cloud.grants.log_out(tokens["access_token"])
    answer = await ask(stage, "lock_users/add", ADA)
    assert answer["status"] == "ok"
    assert [entry["outcome"] for entry in stage.account.requests("Command")][:3] == ["INVALID_TOKEN", "ok", "ok"]
    assert len(stage.account.requests("token")) == 1
    assert stage.ear.events("bridge/event") == ["device_added"] * 7


async def test_offline(stage: Stage) -> None:
    """Of a lock out of reach the request says what the cloud says: an error, nothing at all, or what it remembers."""
    await up(stage)
    await stage.account.by_hand(BACK, online=False)
    for quirk, list_error, delete_error in (
        ("error", "DEVICE_OFFLINE: ", "DEVICE_OFFLINE: "),
        ("absent", "NO_ANSWER: ", "NO_LIST: "),
        ("cached", None, "UNKNOWN_USER: the cloud shows no user 17"),
    ):
        await stage.account.control("PATCH", "quirks", {"offline_lock_users": quirk})
        found = await ask(stage, "lock_users/list", {"device": "back_door"})
        assert (found["error"] or "").startswith(list_error or "")
        assert ("users" in found["data"], found["status"] == "ok") == (list_error is None,) * 2
        stranger = {"device": BACK, "id": 17}
        assert (await ask(stage, "lock_users/delete", stranger))["error"].startswith(delete_error)
        unknown = await ask(stage, "lock_users/update", ADA | stranger)
        assert unknown["error"] == "BAD-REQUEST: Unknown lock user id"
    assert {name for name, _ in orders(stage)} == {"list", "get"}
    refused = await ask(stage, "lock_users/add", ADA | {"device": BACK})
    assert refused["error"].startswith("DEVICE_OFFLINE: ")
    assert [name for name, _ in orders(stage)][-2:] == ["list", "add"]
    assert (await users(stage, BACK)).keys() == {OWNER, GUEST}


async def never_executed(stage: Stage, bridge: Bridge) -> None:
    """Add and delete codes while the cloud forgets what it accepts, then stop."""
    await stage.account.control("PATCH", "quirks", {"accepted_not_executed": 1.0})
    since = stage.ear.now
    await stage.ear.say("bridge/request/lock_users/add", json.dumps(ADA))
    await stage.ear.say("bridge/request/lock_users/delete", f'{{"device": "back_door", "id": {GUEST}}}')
    # For each lock the one before the change, and two looks for it.
    await eventually(lambda: [name for name, _ in orders(stage)].count("list") >= 6)
    assert stage.ear.payloads("bridge/response/lock_users/add", since) == []
    assert await bridge.stop() == 0
    await stage.ear.until("bridge/state", "offline", since)
    for kind in ("add", "delete"):
        [found] = stage.ear.documents(f"bridge/response/lock_users/{kind}", since)
        assert found["error"] == "the bridge stops; the order had been sent"


async def test_cloud_says_nothing(stage: Stage) -> None:
    """Where the cloud leaves a request about codes unanswered a command does not wait, and a stop tells what was sent.

    Nothing is sent after that.
    """
    bridge = await up(stage, uhome={"timeout": 60})
    await stage.account.fault("timeout", operation="Command", count=1)
    since = stage.ear.now
    await stage.ear.say("bridge/request/lock_users/add", json.dumps(ADA))
    await eventually(lambda: orders(stage) == [("list", {})])
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "accepted", since)
    assert stage.ear.documents("bridge/response/lock_users/add", since) == []
    assert await bridge.stop() == 0
    await stage.ear.until("bridge/response/lock_users/add", lambda _: True, since)
    [found] = stage.ear.documents("bridge/response/lock_users/add", since)
    assert found["error"] == "the bridge stops"
    await asyncio.sleep(0.2)
    assert orders(stage) == [("list", {})]
    assert seen(stage, CODE) == {"bridge/request/lock_users/add"}


@BOTH
async def test_retained(stage: Stage, protocol: str) -> None:
    """A code that the broker kept in a request adds nobody and is gone from the broker."""
    await stage.ear.say("bridge/request/lock_users/add", json.dumps(ADA), retain=True)
    await up(stage, mqtt={"protocol": protocol})
    await stage.ear.until("bridge/response/lock_users/add", lambda text: "RETAINED" in text)
    await stage.fence(1)
    assert await kept(stage, CODE) == []
    assert orders(stage) == []
    assert seen(stage, CODE) == {"bridge/request/lock_users/add"}


SCENARIOS: Mapping[Scenario, Mapping[str, Any]] = dict.fromkeys(
    (life_of_a_code, schedule, answer_waits_for_the_lock, same_name_twice, dead_token, never_executed), USUAL
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    """Play the scenarios that take their time; each test waits for the end of its own."""
    async with playing(SCENARIOS, mosquitto, tmp_path_factory) as tasks:
        yield tasks


@AT_ONCE
async def test_life_of_a_code(played: Played) -> None:
    """A code is added, changed and deleted at the lock, each answered when that shows, and seen by nobody."""
    await played[life_of_a_code]


@AT_ONCE
async def test_schedule(played: Played) -> None:
    """A temporary code of which only the dates are given comes to the lock with a whole schedule all the same."""
    await played[schedule]


@AT_ONCE
async def test_answer_waits_for_the_lock(played: Played) -> None:
    """An addition is answered when the lock has it; questions and commands do not wait for that."""
    await played[answer_waits_for_the_lock]


@AT_ONCE
async def test_same_name_twice(played: Played) -> None:
    """Who was added is told by comparing lists, also of two with the name of a third who was there before."""
    await played[same_name_twice]


@AT_ONCE
async def test_dead_token(played: Played) -> None:
    """A request for which the cloud does not accept the token any longer is made again with a new one, by itself."""
    await played[dead_token]


@AT_ONCE
async def test_never_executed(played: Played) -> None:
    """What the cloud accepts and does not carry out is never told as done: it is looked for until the bridge stops."""
    await played[never_executed]
