"""Real brokers that take only so much: large messages, many of them at a time, and other releases of the library."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import aiomqtt
import pytest

from tests.conftest import Logged
from tests.support.ear import Ear, held
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually
from tests.support.relay import Cut, relay
from tests.test_broker import BOTH, Bridge, at_work, link
from uhome2mqtt import broker_limits
from uhome2mqtt.broker_client import IN_FLIGHT
from uhome2mqtt.effects import Publish
from uhome2mqtt.events import BrokerConnected, BrokerDisconnected

ANYBODY = "allow_anonymous true"
TOO_LARGE = b"\xe0\x02\x95\x00"
"""A DISCONNECT of MQTT 5."""
LARGE = "x" * 6000


async def say(bridge: Bridge, large: str = LARGE, base: str = "home") -> None:
    """Publish what should be retained: a large message among small ones."""
    for topic, payload in (("a", "1"), ("large", large), ("lock", "LOCKED")):
        bridge.broker.publish(Publish(topic=f"{base}/{topic}", content=payload))
    await bridge.broker.flushed()


@pytest.mark.parametrize(("protocol", "announced", "expected"), [("5", 5, 5), ("5", 100, IN_FLIGHT), ("3.1.1", 5, 20)])
async def test_receive_maximum(tmp_path: Path, protocol: str, announced: int, expected: int) -> None:
    """No more messages wait for their acknowledgement than the broker says it takes."""
    sent = bytearray()

    def listen(_number: int, chunk: bytes) -> bytes:
        sent.extend(chunk)
        return chunk

    with Mosquitto(tmp_path, ANYBODY, f"max_inflight_messages {announced}") as broker:
        async with (
            relay(broker.port, listen) as line,
            at_work(link(line.port, "home", protocols=(protocol,))) as bridge,
        ):
            await bridge.until(BrokerConnected)
            broker.send(signal.SIGSTOP)
            for number in range(60):
                bridge.broker.publish(Publish(topic="home/x/event", content=str(number), retain=False))
            await eventually(lambda: sent.count(b"home/x/event") >= expected)
            await asyncio.sleep(0.2)
            assert sent.count(b"home/x/event") == expected
            broker.send(signal.SIGCONT)
            await bridge.broker.flushed()
            assert sent.count(b"home/x/event") == 60


async def test_quality_of_what_is_large(mosquitto: Mosquitto, listener: Ear) -> None:
    """What is large is published with the configured quality of service, like all else."""
    base = listener.base
    async with at_work(link(mosquitto.port, base, qos=0)) as bridge:
        await bridge.until(BrokerConnected)
        await say(bridge, base=base)
        await listener.until("large", LARGE)
    assert [heard.qos for heard in listener.heard if heard.topic == listener.topic("large")] == [0]


async def test_too_large(tmp_path: Path, logged: Logged) -> None:
    """What the broker says it does not take is told in the log and left out, what stood there goes; the rest stays."""
    with Mosquitto(tmp_path, ANYBODY, "max_packet_size 2000") as broker:
        async with at_work(link(broker.port, "home", qos=0)) as bridge:
            await bridge.until(BrokerConnected)
            await say(bridge, "small")
            await say(bridge)
            assert await held(broker, "home") == {"home/a": "1", "home/lock": "LOCKED"}
            await say(bridge)
            await say(bridge, "small")
            assert (await held(broker, "home"))["home/large"] == "small"
            bridge.broker.publish(Publish(topic="home/x/config", content="{}"))
            bridge.broker.publish(Publish(topic="home/x/config", content=LARGE))
            bridge.broker.publish(Publish(topic="home/event", content=LARGE, retain=False))
            await bridge.broker.flushed()
            assert (await held(broker, "home"))["home/x/config"] == "{}"
            assert bridge.all(BrokerDisconnected) == []
    lines = logged("publish_too_large")
    assert [line["topic"] for line in lines if line["level"] == "error"] == [
        "home/large",
        "home/x/config",
        "home/event",
    ]
    assert lines[0]["size"] == 2 + len("home/large") + 1 + len(LARGE) + 1 + 2
    assert lines[0]["limit"] == 2000
    assert logged("publish_not_allowed") == []


@pytest.mark.parametrize("excess", [0, 1])
async def test_exact_size(tmp_path: Path, logged: Logged, excess: int) -> None:
    """A message of exactly the size that the broker takes is published, one that is a byte larger is not."""
    payload = "x" * (2000 - 2 - len("home/large") - 2 - 1 - 1 - 2 + excess)
    with Mosquitto(tmp_path, ANYBODY, "max_packet_size 2000") as broker:
        async with at_work(link(broker.port, "home")) as bridge:
            await bridge.until(BrokerConnected)
            await say(bridge, payload)
            assert ("home/large" in await held(broker, "home")) is not excess
            assert len(logged("publish_too_large")) == excess


async def test_hung_up_on(mosquitto: Mosquitto, listener: Ear, logged: Logged) -> None:
    """After a broker has hung up and said that a packet was too large, the connection stands without that one."""
    base = listener.base

    def cut(_number: int, chunk: bytes) -> bytes | Cut:
        return Cut(TOO_LARGE) if b"xxxx" in chunk else chunk

    async with relay(mosquitto.port, cut) as line, at_work(link(line.port, base)) as bridge:
        await bridge.until(BrokerConnected)
        await say(bridge, base=base)
        await bridge.until(BrokerConnected, 2)
        await say(bridge, base=base)
        await listener.until("lock", "LOCKED")
        assert len(bridge.all(BrokerDisconnected)) == 1
    assert "larger than the broker takes" in logged("broker_unreachable")[0]["why"]
    assert [line["topic"] for line in logged("publish_too_large")] == [f"{base}/large"]


@pytest.mark.parametrize(
    ("protocol", "setting", "qos"),
    [("3.1.1", "max_packet_size", 0), ("3.1.1", "max_packet_size", 1), ("5", "message_size_limit", 1)],
)
async def test_hung_up_without_a_word(tmp_path: Path, logged: Logged, protocol: str, setting: str, qos: int) -> None:
    """Where a broker only hangs up, or says what the library does not understand, the third connection stands."""
    with Mosquitto(tmp_path, ANYBODY, f"{setting} 5000") as broker:
        async with at_work(link(broker.port, "home", protocols=(protocol,), qos=qos)) as bridge:
            for count in (1, 2, 3):
                await bridge.until(BrokerConnected, count)
                await say(bridge)
            assert await held(broker, "home") == {
                "home/a": "1",
                "home/lock": "LOCKED",
                "home/bridge/state": "offline",
            }
            assert len(bridge.all(BrokerDisconnected)) == 2
    assert [line["topic"] for line in logged("publish_too_large")] == ["home/large"]


@BOTH
async def test_lost_by_chance(mosquitto: Mosquitto, listener: Ear, logged: Logged, protocol: str) -> None:
    """A connection that is lost with a large message under way does not make the message too large."""
    base, lost = listener.base, {0, 2}
    attempts: list[bytes] = []

    def cut(_number: int, chunk: bytes) -> bytes | Cut:
        if b"xxxx" not in chunk or b"/large" not in chunk:
            return chunk
        attempts.append(chunk)
        return Cut() if len(attempts) - 1 in lost else chunk

    async with relay(mosquitto.port, cut) as line, at_work(link(line.port, base, protocols=(protocol,))) as bridge:
        for count in (1, 2):
            await bridge.until(BrokerConnected, count, 30)
            await say(bridge, base=base)
        line.cut()
        for count in (3, 4):
            await bridge.until(BrokerConnected, count, 30)
            await say(bridge, base=base)
        assert (await held(mosquitto, base))[f"{base}/large"] == LARGE
    assert logged("publish_too_large") == []


async def test_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a broker has not taken is tried again after a day, at the next connection."""
    with Mosquitto(tmp_path, ANYBODY, "message_size_limit 5000") as broker:
        async with relay(broker.port) as line, at_work(link(line.port, "home")) as bridge:
            for count in (1, 2):
                await bridge.until(BrokerConnected, count)
                await say(bridge)
            await bridge.until(BrokerConnected, 3)
            broker.end()
            (tmp_path / f"mosquitto-{broker.port}.conf").write_text(f"listener {broker.port} 127.0.0.1\n{ANYBODY}\n")
            broker.start()
            await bridge.until(BrokerConnected, 4)
            await say(bridge)
            assert "home/large" not in await held(broker, "home")
            monkeypatch.setattr(broker_limits, "LEARNED_FOR", 0.0)
            line.cut()
            await bridge.until(BrokerConnected, 5)
            await say(bridge)
            assert (await held(broker, "home"))["home/large"] == LARGE


RENAMED = {"_pending_call": "_waiting_call", "_on_publish": "_acknowledged", "_on_connect": "_let_in"}


@pytest.mark.parametrize(
    ("names", "behaviour"),
    [(RENAMED, "test_publish_refused"), (RENAMED, "test_receive_maximum"), ({"_client": "_paho"}, "test_publish")],
    ids=["refusals", "limits", "nothing that can be listened to"],
)
def test_another_release(tmp_path: Path, names: dict[str, str], behaviour: str) -> None:
    """Refusals and limits are heard, and in any case messages published, where the library names its inside anew."""
    package = Path(aiomqtt.__file__).parent
    shutil.copytree(package, tmp_path / "aiomqtt")
    for file in (tmp_path / "aiomqtt").glob("*.py"):
        text = file.read_text()
        for old, new in names.items():
            text = re.sub(rf"\b{old}\b", new, text)
        file.write_text(text)
    tests = "test_broker_limits.py" if behaviour == "test_receive_maximum" else "test_broker.py"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
    chosen = f"{Path(__file__).parent / tests}::{behaviour}"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    ended = subprocess.run([*command, chosen], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout
