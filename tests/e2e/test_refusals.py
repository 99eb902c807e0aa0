"""What must never reach a lock."""

from __future__ import annotations

import json
import signal
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.account import FRONT
from tests.support.patience import eventually
from tests.support.stage import Stage

pytestmark = pytest.mark.e2e

BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


@BOTH
async def test_retained_before_start(stage: Stage, protocol: str) -> None:
    """An UNLOCK that the broker retained before the start is refused with RETAINED, cleared, and never executed."""
    await stage.ear.say("front_door/lock/set", "UNLOCK", retain=True)
    await stage.ear.say("front_door/set", '{"lock": "UNLOCK"}', retain=True)
    bridge = await stage.up(mqtt={"protocol": protocol})
    await eventually(lambda: len(stage.ear.payloads("front_door/result")) >= 2)
    assert {found["reason"] for found in stage.ear.documents("front_door/result")} == {"RETAINED"}
    await stage.fence(1)
    retained = await stage.held()
    assert not [topic for topic in retained if topic.endswith("/set")]
    assert await bridge.stop() == 0
    await bridge.start()
    await stage.ear.until("bridge/state", "online", stage.ear.now - 1)
    await stage.fence(2)
    assert stage.account.commands() == []
    assert json.loads(retained["bridge/info"])["mqtt_protocol"] == protocol


async def test_live_message_with_the_flag(stage: Stage) -> None:
    """Under MQTT 5 a live message with the retain flag is refused and cleared, too: it would come again."""
    await stage.up(mqtt={"protocol": "5"})
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK", retain=True)
    refused = await stage.ear.until_event("front_door/result", "refused", since)
    assert refused["reason"] == "RETAINED"
    await stage.fence(1)
    assert "front_door/lock/set" not in await stage.held()
    assert stage.account.commands() == []
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "confirmed", since)
    assert stage.account.commands() == [(FRONT, "unlock")]


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
@BOTH
async def test_down(stage: Stage, how: signal.Signals, protocol: str) -> None:
    """An UNLOCK that is published while the bridge is down never happens, whichever way it went down."""
    bridge = await stage.up(mqtt={"protocol": protocol})
    await bridge.stop(how)
    await stage.ear.until("bridge/state", "offline")
    await stage.ear.say("front_door/lock/set", "UNLOCK", qos=1)
    await stage.ear.say("front_door/lock/set", "UNLOCK", qos=2)
    since = stage.ear.now
    await bridge.start()
    await stage.ear.until("bridge/state", "online", since)
    await stage.ear.until("bridge/cloud", "online")
    await stage.fence(1)
    assert stage.account.commands() == []


async def test_flood(stage: Stage) -> None:
    """Two hundred messages of garbage reach no lock, are all refused, and the next command is prompt."""
    await stage.up()
    since = stage.ear.now
    keys = ("lock", "mode", "battery", "nothing", "light", "switch")
    for number in range(200):
        topic = f"front_door/{keys[number % len(keys)]}/set" if number % 7 else "front_door/set"
        await stage.ear.say(topic, _garbage(number), qos=number % 2)
    await eventually(lambda: len(stage.ear.payloads("front_door/result", since)) >= 200)
    assert set(stage.ear.events("front_door/result", since)) == {"refused"}
    assert stage.account.commands() == []
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "accepted", since, deadline=2)
    await stage.ear.until_event("front_door/result", "confirmed", since)


def _garbage(number: int) -> bytes:
    kinds = (
        b"",
        b"UNLOCK ",
        b"\xff\xfe",
        b"{",
        b'{"value": ["UNLOCK"]}',
        b"[" * 5000,
        b'{"lock": null}',
        b"x" * 20_000,
    )
    return kinds[number % len(kinds)] + (b"" if number % 3 else b"\x00")


async def test_unknown_device(stage: Stage) -> None:
    """A command for a device that does not exist is refused where everybody hears it."""
    await stage.up()
    await stage.ear.say("cellar/lock/set", "UNLOCK")
    refused = await stage.ear.until_event("bridge/event", "refused")
    assert (refused["reason"], refused["device"]) == ("UNKNOWN_DEVICE", "cellar")


async def test_not_allowed(stage: Stage) -> None:
    """What the configuration forbids is refused, by whatever topic it comes."""
    await stage.up(commands={"allow": {"lock": ["LOCK"]}})
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.say("front_door/set", '{"lock": "unlock"}')
    await eventually(lambda: len(stage.ear.payloads("front_door/result", since)) >= 2)
    assert {found["reason"] for found in stage.ear.documents("front_door/result", since)} == {"NOT_ALLOWED"}
    assert stage.account.commands() == []


WORDS = ["LOCK", "UNLOCK", "lock", "Unlock", "TOGGLE", "UNLOCKED", "unlocK", " UNLOCK", "UNLOCK\n", "UNLOC\u212a"]
VALUES = st.one_of(st.sampled_from(WORDS), st.none(), st.booleans(), st.integers(), st.text(max_size=8))
OBJECTS = st.dictionaries(st.sampled_from(["value", "lock", "transaction", "sent_at", "x"]), VALUES, max_size=3)
PAYLOADS = st.one_of(
    st.binary(max_size=64),
    st.sampled_from(WORDS).map(str.encode),
    OBJECTS.map(lambda document: json.dumps(document).encode()),
    st.text(max_size=32).map(lambda text: text.encode()),
)


@dataclass(slots=True, kw_only=True)
class Playing:
    """A stage with its bridge up, and the commands that may have reached the cloud by now."""

    stage: Stage
    allowed: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: int = 0


@pytest.fixture
async def playing(stage: Stage) -> Playing:
    """Start a bridge that all examples share."""
    await stage.up()
    return Playing(stage=stage)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=PAYLOADS)
async def test_arbitrary_payloads(playing: Playing, payload: bytes) -> None:
    """Whatever bytes are published on a set topic, the cloud sees a command only for what the contract calls one."""
    playing.examples += 1
    if (word := _wanted(payload)) is not None:
        playing.allowed[FRONT, word.lower()] += 1
    await playing.stage.ear.say("front_door/lock/set", payload)
    await playing.stage.fence(playing.examples)
    assert Counter(playing.stage.account.commands()) <= playing.allowed


def _wanted(payload: bytes) -> str | None:
    """Read a payload as the contract words it, by other means than the bridge's."""
    try:
        text = payload.decode()
        document = json.loads(text) if text.startswith("{") else {"value": text}
    except ValueError:
        return None
    value = document.get("value")
    odd = document.keys() - {"value", "transaction", "sent_at"}
    word = value.upper() if isinstance(value, str) and value.isascii() else None
    return word if word in {"LOCK", "UNLOCK"} and not odd else None
