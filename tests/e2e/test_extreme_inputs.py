"""Messages as large, as odd and as many as a broker passes on: nothing moves, and every answer is short."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from tests.support.account import FRONT
from tests.support.ear import client, properties
from tests.support.patience import eventually
from tests.support.process import Bridge
from tests.support.stage import Stage
from uhome2mqtt.broker_client import LARGEST_COMMAND
from uhome2mqtt.topics import Topics

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
LONGEST_TOPIC = 65_535
LONGEST_ANSWER = 4096
"""Bytes of an answer or a line of the log; what is given is quoted in them, and cut."""
GROWTH = 16 * MIB
"""Bytes that the process may have grown by when it is quiet again: much less than what it was sent."""
COMMANDS = ("/set", "/get")

PAYLOADS: dict[str, bytes] = {
    "random": hashlib.shake_128(b"long").digest(MIB),
    "long transaction": json.dumps({"value": "UNLOCK", "transaction": "t" * MIB}).encode()[: MIB - 2] + b'"}',
    "long key": json.dumps({"u" * (MIB - 20): "UNLOCK"}).encode(),
    "deep": b'{"value":' * 100_000,
    "deep list": b"[" * MIB,
    "long number": b"9" * MIB,
    "no UTF-8": b"UNLOCK\xff" * 150_000,
    "NUL": b"UNLOCK\x00" * 150_000,
    "short random": hashlib.shake_128(b"short").digest(1000),
    "short deep": b'{"value":' * 1500,
    "short number": b'{"value": ' + b"9" * 16_000 + b"}",
    "short exponent": b'{"value": "UNLOCK", "sent_at": 1e999999999}',
    "short key": json.dumps({"value": "UNLOCK", "u" * 16_000: 1}).encode(),
    "half a pair": b'{"value": "\\ud800UNLOCK"}',
    "encoded half a pair": b"\xed\xa0\x80UNLOCK",
    "BOM": b"\xef\xbb\xbfUNLOCK",
    "trailing NUL": b"UNLOCK\x00",
    "other encoding": "UNLOCK".encode("utf-16"),
    "empty": b"",
}
TOPICS = (
    "front_door/lock/set",
    "front_door/set",
    "back_door/mode/set",
    "bedside_lamp/light/set",
    "front_door/get",
    "cellar/lock/set",
    "bridge/request/refresh",
    "bridge/request/log_level",
    "bridge/request/lock_users/add",
    "bridge/request/notification",
    "bridge/request/nothing",
    "bridge/presence",
    "ha/status",
    "ha/device/somebody/config",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a process holds: bytes of memory, and descriptors."""

    memory: int
    descriptors: int


@dataclass(slots=True, kw_only=True)
class House:
    """A bridge at work, and how it was before anything was said."""

    stage: Stage
    bridge: Bridge
    since: int
    held: Mapping[str, str]
    before: Holding

    def answers(self) -> list[tuple[str, str]]:
        """Give what the bridge itself has said since then, without the topics that others speak on."""
        base = f"{self.stage.ear.base}/"
        heard = ((each.topic.removeprefix(base), each.payload) for each in self.stage.ear.heard[self.since :])
        others = ("bridge/request", "bridge/presence", "ha/status", "ha/device/somebody")
        return [(topic, said) for topic, said in heard if not topic.startswith(others) and not is_command(topic)]

    async def expect_unharmed(self, *, sent: int = 0) -> None:
        """Expect short answers, the memory and the topics of before, and a bridge that obeys at once."""
        ear = self.stage.ear
        await self.stage.fence(1)
        assert self.stage.account.commands() == [(FRONT, "lock")] * sent
        since = ear.now
        await ear.say("front_door/lock/set", "LOCK")
        await ear.until_event("front_door/result", "accepted", since, deadline=10)
        assert self.stage.account.commands() == [(FRONT, "lock")] * (sent + 1)
        assert [said[:200] for topic, said in self.answers() if len(topic) + len(said) > LONGEST_ANSWER] == []
        assert [line[:200] for line in self.bridge.err if len(line) > LONGEST_ANSWER] == []
        for event in ("internal_error", "publish_refused", "library_message", "broker_unreachable"):
            assert self.bridge.logged(event) == []
        await ear.until_event("front_door/result", "confirmed", since)
        held = await self.stage.held()
        assert held.keys() == self.held.keys()
        assert held["bridge/state"] == "online"
        await eventually(lambda: held_by(self.bridge).descriptors <= self.before.descriptors)
        assert held_by(self.bridge).memory < self.before.memory + GROWTH


def held_by(bridge: Bridge) -> Holding:
    """Look at the process."""
    process = Path(f"/proc/{bridge.pid}")
    pages = int((process / "statm").read_text().split()[1])
    return Holding(memory=pages * 4096, descriptors=len(list((process / "fd").iterdir())))


def is_command(topic: str) -> bool:
    """Tell whether this is what somebody asks of the bridge."""
    return topic.endswith(COMMANDS)


@pytest.fixture
async def house(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> House:
    """Start a bridge, and let it have carried out a command: what it needs for that it keeps."""
    # As in the units and the image: large blocks are given back.
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "131072")
    bridge = await stage.up(polling={"interval": 3600})
    await stage.ear.say("hall_light/switch/set", "ON")
    await stage.ear.until_event("hall_light/result", "confirmed")
    stage.account.cloud.requests.clear()
    await stage.ear.say("front_door/lock/set", b"x" * MIB)
    await stage.ear.until_event("front_door/result", "refused")
    return House(stage=stage, bridge=bridge, since=stage.ear.now, held=await stage.held(), before=held_by(bridge))


@pytest.mark.parametrize("retain", [False, True])
async def test_payloads(house: House, *, retain: bool) -> None:
    """No payload but a plain command moves anything, on whatever topic; what is refused is told with its limit."""
    for payload in PAYLOADS.values():
        for topic in TOPICS:
            if retain and not is_command(topic) and not topic.startswith("bridge/request"):
                continue
            await house.stage.ear.say(topic, payload, retain=retain)
    if not retain:
        await house.stage.ear.say("bridge/request/health_check", "")
        await house.stage.ear.until("bridge/response/health_check", lambda _: True, house.since)
        why = [document["message"] for document in house.stage.ear.documents("front_door/result", house.since)]
        assert f"{MIB} bytes are too many: at most 16384 are read" in why
    await house.expect_unharmed()


def topics() -> list[str]:
    """Give topics below the base topic that are none of ours."""
    long = "x" * 60_000
    return [
        *("/set", "//set", "/lock/set", "front_door//set", "front_door/lock/set/", "/get", "//", "bridge/request/"),
        *("bridge/request//", "bridge/set", "bridge/lock/set", "bridge/get", "bridge/request/../refresh"),
        *("../front_door/lock/set", "../../set", "..%2ffront_door/lock/set", "./set", "front_door/../set"),
        *("$SYS/lock/set", "$share/lock/set", "front_door/$lock/set", "bridge/request/$SYS/broker"),
        *("FRONT_DOOR/lock/set", "front_door /lock/set", "front_d\u00f6or/lock/set", "front_door\u200b/lock/set"),
        *("\U0001f512/lock/set", "\ufeff/lock/set", "\u202e/\u202e/set", "\x01/lock/set", "front_door/\x7f/set"),
        *("front_door/lock\u2028/set", "front_door/lock/\x85set", "front_door/LOCK/set", "front_door/unlock/set"),
        *(f"{long}/lock/set", f"front_door/{long}/set", f"{long}/set", f"{long}/get", f"bridge/request/{long}"),
        *("\u00e4" * 30_000 + "/get", "1" * 5000 + "/set", "bridge/request/" + "a/" * 150, "a/" * 150 + "set"),
    ]


async def say_alone(stage: Stage, topic: str, payload: bytes, **options: Any) -> None:
    """Publish over a connection of its own: a broker may hang up on who does this."""
    with suppress(aiomqtt.MqttError, ValueError):
        async with client(stage.broker) as other:
            await other.publish(topic, payload, qos=1, **options)


@pytest.mark.parametrize("retain", [False, True])
async def test_topics(house: House, *, retain: bool) -> None:
    """Topics of every length and kind are no commands; they are refused in few words, if at all, and cleared."""
    stage = house.stage
    for topic in topics():
        await say_alone(stage, stage.ear.topic(topic), b"UNLOCK", retain=retain)
    for tail in ("/set", "/lock/set", "/get"):
        full = LONGEST_TOPIC - len(stage.ear.base) - 1 - len(tail)
        await say_alone(stage, stage.ear.topic("x" * full + tail), b"UNLOCK", retain=retain)
    full = LONGEST_TOPIC - len(stage.ear.topic("bridge/request/"))
    await say_alone(stage, stage.ear.topic("bridge/request/" + "x" * full), b"{}", retain=retain)
    if retain:
        # What is no command topic is not the bridge's to clear.
        await stage.fence(2)
        known = Topics(base=stage.ear.base, discovery_prefix="ha")
        for topic in (await stage.held()).keys() - house.held.keys():
            assert known.parse_command(stage.ear.topic(topic)) is None, topic
            await stage.ear.say(topic, "", retain=True)
    await house.expect_unharmed()


async def test_properties(house: House) -> None:
    """Whatever properties a command has, it is carried out once, and the bridge writes to no topic that is its own."""
    stage, topic = house.stage, house.stage.ear.topic("front_door/lock/set")
    kinds: tuple[dict[str, Any], ...] = (
        {"UserProperty": [("name", "value")] * 3000},
        {"UserProperty": ("n" * 65_535, "v" * 65_535)},
        {"ResponseTopic": "x" * 65_535},
        {"ResponseTopic": stage.ear.topic("front_door/lock/set"), "CorrelationData": b"UNLOCK"},
        {"ResponseTopic": stage.ear.topic("bridge/state")},
        {"ResponseTopic": "$SYS/broker/load"},
        {"ResponseTopic": stage.ear.topic("asked"), "CorrelationData": b"\xff" * 65_535},
        {"ContentType": "c" * 65_535, "PayloadFormatIndicator": 1},
    )
    for kind in kinds:
        async with client(stage.broker) as other:
            await other.publish(topic, b"LOCK", qos=1, properties=properties(**kind))
    await eventually(lambda: len(stage.account.commands()) == len(kinds))
    for impossible in ("a/+/b", "", "a\x00b"):
        await say_alone(stage, topic, b"x", properties=properties(ResponseTopic=impossible))
    asked = [each for each in stage.ear.heard if each.topic == stage.ear.topic("asked")]
    assert {each.correlation for each in asked} == {b"\xff" * 65_535}
    await house.expect_unharmed(sent=len(kinds))


async def test_far_too_large(house: House) -> None:
    """What is larger than any packet that the bridge takes never reaches it, and what comes after it does."""
    await house.stage.ear.say("front_door/lock/set", b"x" * (4 * LARGEST_COMMAND))
    await house.expect_unharmed()
    assert house.stage.ear.events("front_door/result", house.since).count("refused") == 1
