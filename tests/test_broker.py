"""The connection to a real broker, and what it makes of every way in which one can be wrong."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.conftest import Logged
from tests.support.ear import Ear, client, ear, held, properties
from tests.support.mosquitto import Mosquitto, refusing
from tests.support.patience import eventually, free_port
from tests.support.relay import Cut, refuse_5, relay, websocket
from tests.support.sockets import delays
from uhome2mqtt import broker_client, broker_refusals
from uhome2mqtt.broker import EVENTS_KEPT, Broker
from uhome2mqtt.broker_client import IN_FLIGHT, Link
from uhome2mqtt.demo.broker import _rumqttd
from uhome2mqtt.effects import Publish
from uhome2mqtt.events import (
    BrokerConnected,
    BrokerDisconnected,
    ConfigCleared,
    Event,
    HomeAssistantStarted,
    MessageReceived,
    Reply,
)
from uhome2mqtt.tasks import cancelled

BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])
E = TypeVar("E", bound=Event)

SESSION_TAKEN_OVER = b"\xe0\x02\x8e\x00"
"""A DISCONNECT of MQTT 5; mosquitto 2.0 hangs up without a word."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the broker one second for its answers."""
    monkeypatch.setattr(broker_client, "ANSWER_WITHIN", 1.0)


def link(port: int, base: str, **changes: Any) -> Link:
    """Describe a broker on loopback and a bridge on a base topic."""
    usual = Link(
        host="127.0.0.1",
        port=port,
        transport="tcp",
        path=None,
        tls=None,
        username=None,
        password=None,
        client_id=f"bridge-{base}",
        keepalive=30,
        protocols=("5", "3.1.1"),
        qos=1,
        will_topic=f"{base}/bridge/state",
        shared_topics=(f"{base}/bridge/presence", f"{base}/bridge/state"),
        command_filters=(f"{base}/+/+/set", f"{base}/+/get"),
        read_back_filters=(f"{base}/#", f"{base}-ha/device/+/config"),
        config_filters=(f"{base}-ha/device/+/config",),
        status_topic=f"{base}-ha/status",
    )
    return replace(usual, **changes)


class Bridge:
    """A broker edge at work, and what it has told."""

    def __init__(self, described: Link) -> None:
        self.told: list[Event] = []
        self.broker = Broker(described, self.told.append)

    def all(self, kind: type[E]) -> list[E]:
        return [event for event in self.told if isinstance(event, kind)]

    async def until(self, kind: type[E], count: int = 1, deadline: float = 60.0) -> E:
        """Wait for the given number of events of a kind and give the last of them."""
        return (await eventually(lambda: self.all(kind)[count - 1 : count], deadline))[0]


@asynccontextmanager
async def at_work(described: Link) -> AsyncIterator[Bridge]:
    """Run a broker edge as long as the context lasts."""
    bridge = Bridge(described)
    task = asyncio.create_task(bridge.broker.run())
    try:
        yield bridge
    finally:
        await cancelled([task])


async def test_no_delay(mosquitto: Mosquitto, listener: Ear) -> None:
    """A message leaves at once, instead of waiting for the acknowledgement of the one before."""
    ours = delays(peer=mosquitto.port)
    async with at_work(link(mosquitto.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        assert sorted(delays(peer=mosquitto.port)) == sorted([*ours, False])


async def test_read_back(mosquitto: Mosquitto, listener: Ear) -> None:
    """The first connection tells what the broker retains of ours, and nothing of others; later ones tell nothing."""
    base = listener.base
    await listener.say("front_door/lock", "LOCKED", retain=True)
    await listener.say("front_door/result", "passing by")
    async with client(mosquitto) as other:
        await other.publish(f"{base}-ha/device/x/config", "{}", qos=1, retain=True)
        await other.publish(f"{base}-ha/sensor/x/config", "{}", qos=1, retain=True)
    async with relay(mosquitto.port) as line, at_work(link(line.port, base)) as bridge:
        first = await bridge.until(BrokerConnected)
        assert first.protocol == "5"
        assert first.retained == {f"{base}/front_door/lock": b"LOCKED", f"{base}-ha/device/x/config": b"{}"}
        line.cut()
        await bridge.until(BrokerDisconnected)
        assert (await bridge.until(BrokerConnected, 2)).retained is None


@pytest.mark.usefixtures("impatient")
async def test_read_back_again(mosquitto: Mosquitto, listener: Ear) -> None:
    """A connection that is lost between reading back and subscribing has told nothing: the next one reads again."""
    await listener.say("front_door/lock", "LOCKED", retain=True)
    subscribes = iter([True])

    def cut(number: int, chunk: bytes) -> bytes | Cut:
        # The first connection is the main one; the second reads back.
        return Cut() if number == 1 and chunk[0] == 0x82 and next(subscribes, False) else chunk

    async with relay(mosquitto.port, cut) as line, at_work(link(line.port, listener.base)) as bridge:
        connected = await bridge.until(BrokerConnected)
        assert connected.retained is not None
        assert connected.retained[listener.topic("front_door/lock")] == b"LOCKED"
        assert line.connections == 4


@pytest.mark.usefixtures("impatient")
async def test_read_back_refused(mosquitto: Mosquitto, listener: Ear, logged: Logged) -> None:
    """A broker that cannot be read back is used all the same, and read back at the next connection."""
    await listener.say("front_door/lock", "LOCKED", retain=True)

    def cut(number: int, chunk: bytes) -> bytes | Cut:
        return Cut() if number == 2 else chunk

    async with relay(mosquitto.port, cut) as line, at_work(link(line.port, listener.base)) as bridge:
        assert (await bridge.until(BrokerConnected, deadline=15)).retained == {}
        line.cut()
        again = await bridge.until(BrokerConnected, 2)
        assert again.retained is not None
        assert listener.topic("front_door/lock") in again.retained
    assert [line["level"] for line in logged("read_back_failed")] == ["warning"]
    assert len(logged("read_back_done")) == 1


@BOTH
async def test_messages(mosquitto: Mosquitto, listener: Ear, protocol: str) -> None:
    """Commands arrive once, in their order; what is not subscribed to does not."""
    async with at_work(link(mosquitto.port, listener.base, protocols=(protocol,))) as bridge:
        assert (await bridge.until(BrokerConnected)).protocol == protocol
        await listener.say("front_door/lock/set", "1")
        await listener.say("front_door/lock", "no command")
        await listener.say("front_door/get", b"\xff", qos=2)
        await listener.say("front_door/lock/set", "", qos=0)
        await bridge.until(MessageReceived, 3)
        assert [(message.topic, message.payload) for message in bridge.all(MessageReceived)] == [
            (listener.topic("front_door/lock/set"), b"1"),
            (listener.topic("front_door/get"), b"\xff"),
            (listener.topic("front_door/lock/set"), b""),
        ]
        assert not any(message.retained for message in bridge.all(MessageReceived))


@BOTH
async def test_retained_command(mosquitto: Mosquitto, listener: Ear, protocol: str) -> None:
    """A command that the broker retained carries its flag; under MQTT 5 a live one does, too."""
    await listener.say("front_door/lock/set", "old", retain=True)
    async with at_work(link(mosquitto.port, listener.base, protocols=(protocol,))) as bridge:
        await bridge.until(BrokerConnected)
        await listener.say("front_door/lock/set", "new", retain=True)
        await bridge.until(MessageReceived, 2)
        flags = [(message.payload, message.retained) for message in bridge.all(MessageReceived)]
        assert flags == [(b"old", True), (b"new", protocol == "5")]
    await listener.say("front_door/lock/set", "", retain=True)


async def test_properties(mosquitto: Mosquitto, listener: Ear) -> None:
    """Response topic, correlation data and expiry of MQTT 5 arrive; a response topic nobody can publish to does not."""
    async with at_work(link(mosquitto.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        wishes = properties(ResponseTopic="answers", CorrelationData=b"7", MessageExpiryInterval=20)
        await listener.say("front_door/lock/set", "LOCK", properties=wishes)
        await listener.say("front_door/lock/set", "LOCK", properties=properties(ResponseTopic="no/correlation"))
        await bridge.until(MessageReceived, 2)
        first, second = bridge.all(MessageReceived)
        assert first.reply == Reply(topic="answers", correlation=b"7")
        assert first.expiry == 20
        assert second.reply == Reply(topic="no/correlation")
        assert second.expiry is None


@pytest.mark.parametrize("topic", ["a/" * 250 + "a", "$SYS/x", "a" * 1025])
async def test_unusable_response_topic(mosquitto: Mosquitto, listener: Ear, topic: str) -> None:
    """A response topic for which a broker might hang up on us is none; the message itself is told of."""
    async with at_work(link(mosquitto.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        await listener.say("front_door/lock/set", "LOCK", properties=properties(ResponseTopic=topic))
        assert (await bridge.until(MessageReceived)).reply is None
        assert bridge.all(BrokerDisconnected) == []


async def test_own_messages(mosquitto: Mosquitto, listener: Ear) -> None:
    """Under MQTT 5 the bridge does not hear itself, whatever response topic a message names."""
    async with at_work(link(mosquitto.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        bridge.broker.publish(Publish(topic=listener.topic("front_door/lock/set"), content="UNLOCK", retain=False))
        await listener.until("front_door/lock/set", "UNLOCK")
        await listener.say("front_door/lock/set", "LOCK")
        assert (await bridge.until(MessageReceived)).payload == b"LOCK"


async def test_birth(mosquitto: Mosquitto, listener: Ear) -> None:
    """Home Assistant has started when it says so now, not when the broker remembers it or when it leaves."""
    status = f"{listener.base}-ha/status"
    async with client(mosquitto) as assistant:
        await assistant.publish(status, "online", qos=1, retain=True)
        async with at_work(link(mosquitto.port, listener.base)) as bridge:
            await bridge.until(BrokerConnected)
            await assistant.publish(status, "offline", qos=1)
            await assistant.publish(status, "online", qos=1)
            await bridge.until(HomeAssistantStarted)
            await listener.say("front_door/get", "")
            await bridge.until(MessageReceived)
            assert len(bridge.all(HomeAssistantStarted)) == 1
        await assistant.publish(status, "", qos=1, retain=True)


@BOTH
async def test_config_cleared(mosquitto: Mosquitto, listener: Ear, protocol: str) -> None:
    """A config topic that somebody empties is told; what is retained there, or written anew, is nothing new."""
    kept, deleted = (f"{listener.base}-ha/device/{name}/config" for name in ("kept", "deleted"))
    async with client(mosquitto) as assistant:
        for topic in (kept, deleted):
            await assistant.publish(topic, "{}", qos=1, retain=True)
        async with at_work(link(mosquitto.port, listener.base, protocols=(protocol,))) as bridge:
            await bridge.until(BrokerConnected)
            bridge.broker.publish(Publish(topic=kept, content='{"device":{}}', qos=1))
            await bridge.broker.flushed()
            await assistant.publish(kept, '{"device":{"name":"x"}}', qos=1, retain=True)
            await assistant.publish(deleted, "", qos=1, retain=True)
            assert await bridge.until(ConfigCleared) == ConfigCleared(topic=deleted)
            await listener.say("front_door/get", "")
            await bridge.until(MessageReceived)
            assert len(bridge.all(ConfigCleared)) == len(bridge.all(MessageReceived)) == 1
        await assistant.publish(kept, "", qos=1, retain=True)


async def test_clears_that_were_on_their_way(mosquitto: Mosquitto, listener: Ear) -> None:
    """What is to be gone is gone after the next connection, if the last one was lost before the broker heard of it."""
    topics = [listener.topic(f"gone/{number}") for number in range(50)]
    async with client(mosquitto) as somebody:
        for topic in topics:
            await somebody.publish(topic, "here", qos=1, retain=True)
    first = iter([True])

    def cut(_number: int, chunk: bytes) -> bytes | Cut:
        # Whatever carries one of the topics, but for the subscriptions.
        return Cut() if b"gone/" in chunk and chunk[0] & 0xF0 == 0x30 and next(first, False) else chunk

    async with (
        relay(mosquitto.port, cut) as line,
        at_work(link(line.port, listener.base, read_back_filters=())) as bridge,
    ):
        await bridge.until(BrokerConnected)
        for topic in topics:
            bridge.broker.publish(Publish(topic=topic, content="", qos=1))
        await bridge.until(BrokerDisconnected)
        await bridge.until(BrokerConnected, 2)
        bridge.broker.publish(Publish(topic=topics[0], content="again", qos=1))
        await bridge.broker.flushed()
    assert await held(mosquitto, f"{listener.base}/gone") == {topics[0]: "again"}
    async with client(mosquitto) as somebody:
        await somebody.publish(topics[0], "", qos=1, retain=True)


async def test_publish(mosquitto: Mosquitto, listener: Ear) -> None:
    """Messages are published in their order, with the QoS that they or the configuration name, and flushed."""
    async with at_work(link(mosquitto.port, listener.base, qos=2)) as bridge:
        await bridge.until(BrokerConnected)
        for number in range(300):
            bridge.broker.publish(Publish(topic=listener.topic("x/y"), content=str(number), retain=False))
        bridge.broker.publish(Publish(topic=listener.topic("x/kept"), content="1", qos=0))
        async with asyncio.timeout(10):
            await bridge.broker.flushed()
        await listener.until("x/kept", "1")
        await listener.until("x/y", "299")
        assert listener.payloads("x/y") == [str(number) for number in range(300)]
        assert (await held(mosquitto, f"{listener.base}/x"))[listener.topic("x/kept")] == "1"


async def test_publish_without_connection(mosquitto: Mosquitto, listener: Ear) -> None:
    """Without a connection what is retained is dropped, and the newest events wait until there is one."""
    bridge = Bridge(link(mosquitto.port, listener.base))
    bridge.broker.publish(Publish(topic=listener.topic("state"), content="old"))
    for number in range(EVENTS_KEPT + 5):
        bridge.broker.publish(Publish(topic=listener.topic("event"), content=str(number), retain=False))
    async with asyncio.timeout(1):
        await bridge.broker.flushed()
    task = asyncio.create_task(bridge.broker.run())
    await listener.until("event", str(EVENTS_KEPT + 4))
    assert listener.payloads("event") == [str(number) for number in range(5, EVENTS_KEPT + 5)]
    assert listener.payloads("state") == []
    await cancelled([task])


async def test_backlog(tmp_path: Path) -> None:
    """At the end retained messages that wait behind a slow broker are left out, and events are not."""
    with Mosquitto(tmp_path) as slow:
        async with ear(slow, "home") as listener, at_work(link(slow.port, "home")) as bridge:
            await bridge.until(BrokerConnected)
            slow.send(signal.SIGSTOP)
            for number in range(60):
                bridge.broker.publish(Publish(topic="home/x/state", content=str(number)))
            await asyncio.sleep(0)
            bridge.broker.drop_backlog()
            await asyncio.sleep(0)
            bridge.broker.publish(Publish(topic="home/x/event", content="last", retain=False))
            slow.send(signal.SIGCONT)
            async with asyncio.timeout(5):
                await bridge.broker.flushed()
            await listener.until("x/event", "last")
            assert len(listener.payloads("x/state")) <= IN_FLIGHT
            assert len(bridge.told) == 1


async def test_lost_while_publishing(mosquitto: Mosquitto, listener: Ear) -> None:
    """Events that a lost connection has not taken are published over the next; states are asserted by the engine."""

    def swallow(number: int, chunk: bytes) -> bytes | Cut:
        return b"" if number == 1 and chunk[0] >> 4 == 3 else chunk

    async with relay(mosquitto.port, swallow) as line, at_work(link(line.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        for number in range(60):
            bridge.broker.publish(Publish(topic=listener.topic("x/event"), content=str(number), retain=number % 2 == 0))
        line.cut()
        await bridge.until(BrokerConnected, 2)
        await listener.until("x/event", "59")
        assert all(int(payload) % 2 for payload in listener.payloads("x/event"))


async def test_impossible_topic(mosquitto: Mosquitto, listener: Ear, logged: Logged) -> None:
    """A topic that cannot be published to costs that message only."""
    async with at_work(link(mosquitto.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        bridge.broker.publish(Publish(topic="a/+/b", content="x", retain=False))
        bridge.broker.publish(Publish(topic=listener.topic("fine"), content="x", retain=False))
        await listener.until("fine", "x")
    assert [line["topic"] for line in logged("publish_refused")] == ["a/+/b"]


async def test_will(mosquitto: Mosquitto, listener: Ear) -> None:
    """When the connection breaks without a goodbye the broker says offline, retained."""
    async with relay(mosquitto.port) as line, at_work(link(line.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        line.cut()
        await listener.until("bridge/state", "offline")
        assert (await held(mosquitto, f"{listener.base}/bridge")) == {listener.topic("bridge/state"): "offline"}


@pytest.mark.parametrize(
    "answer", [b"\x20\x02\x00\x01", b"\x20\x03\x00\x84\x00"], ids=["in 3.1.1's words", "in 5's words"]
)
async def test_old_broker(mosquitto: Mosquitto, listener: Ear, logged: Logged, answer: bytes) -> None:
    """A broker that refuses MQTT 5 is spoken to in 3.1.1, and from then on at once."""
    async with relay(mosquitto.port, refuse_5(answer)) as line, at_work(link(line.port, listener.base)) as bridge:
        assert (await bridge.until(BrokerConnected)).protocol == "3.1.1"
        before = line.connections
        line.cut()
        assert (await bridge.until(BrokerConnected, 2)).protocol == "3.1.1"
        assert line.connections == before + 1
    assert len(logged("broker_unreachable")) == 2


@pytest.mark.usefixtures("impatient")
async def test_silent_broker(listener: Ear) -> None:
    """A broker that says nothing to MQTT 5 is spoken to in 3.1.1 after a while."""
    async with _rumqttd() as ports, at_work(link(ports["v4"], listener.base)) as bridge:
        assert (await bridge.until(BrokerConnected, deadline=20)).protocol == "3.1.1"


@pytest.mark.usefixtures("impatient")
async def test_silent_network(mosquitto: Mosquitto, listener: Ear) -> None:
    """A network that was silent does not make the broker one that does not speak MQTT 5."""
    silent = {3}

    def vanish(number: int, chunk: bytes) -> bytes | Cut:
        return b"" if number in silent else chunk

    async with relay(mosquitto.port, vanish) as line, at_work(link(line.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        line.cut()
        assert (await bridge.until(BrokerConnected, 2, deadline=20)).protocol == "5"
        assert line.connections == 5


@pytest.mark.usefixtures("impatient")
async def test_silent_at_first(mosquitto: Mosquitto, listener: Ear) -> None:
    """Nor does it at the start."""
    async with (
        relay(mosquitto.port, lambda number, chunk: b"" if number == 1 else chunk) as line,
        at_work(link(line.port, listener.base)) as bridge,
    ):
        assert (await bridge.until(BrokerConnected, deadline=20)).protocol == "5"


@pytest.mark.usefixtures("impatient")
async def test_older_broker(mosquitto: Mosquitto, listener: Ear) -> None:
    """A broker in the place of one that spoke MQTT 5, and that is silent to it, is spoken to in 3.1.1 at last."""

    def older(number: int, chunk: bytes) -> bytes | Cut:
        return b"" if number > 2 and b"\x00\x04MQTT\x05" in chunk else chunk

    async with relay(mosquitto.port, older) as line, at_work(link(line.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        line.cut()
        assert (await bridge.until(BrokerConnected, 2, deadline=30)).protocol == "3.1.1"
        before = line.connections
        line.cut()
        assert (await bridge.until(BrokerConnected, 3)).protocol == "3.1.1"
        assert line.connections == before + 1


async def test_only_5(mosquitto: Mosquitto, listener: Ear, logged: Logged) -> None:
    """A version that the user has chosen is not replaced by another."""
    hook = refuse_5(b"\x20\x03\x00\x84\x00")
    async with (
        relay(mosquitto.port, hook) as line,
        at_work(link(line.port, listener.base, protocols=("5",))) as bridge,
    ):
        await eventually(lambda: line.connections >= 3)
        assert bridge.told == []
    assert "Unsupported protocol version" in logged("broker_unreachable")[0]["why"]


def set_password(file: Path, password: str) -> None:
    """Let the broker know the bridge by a password."""
    subprocess.run(["mosquitto_passwd", "-b", str(file), "bridge", password], check=True)


@BOTH
async def test_wrong_password(tmp_path: Path, logged: Logged, protocol: str) -> None:
    """A wrong password is explained once, tried again, and works as soon as the broker knows it."""
    passwords = tmp_path / "passwords"
    passwords.touch(0o600)
    set_password(passwords, "the-old-one")
    with Mosquitto(tmp_path, "allow_anonymous false", f"password_file {passwords}") as broker:
        described = link(broker.port, "home", username="bridge", password="the-new-one", protocols=(protocol,))
        async with at_work(described) as bridge:
            await eventually(lambda: len(logged("broker_unreachable")) >= 2)
            set_password(passwords, "the-new-one")
            broker.end()
            broker.start()
            await bridge.until(BrokerConnected)
    lines = logged("broker_unreachable")
    assert [line["level"] for line in lines] == ["warning", *["debug"] * (len(lines) - 1)]
    assert "mqtt.password" in lines[0]["why"]


async def test_subscription_refused(tmp_path: Path, logged: Logged) -> None:
    """A subscription that the broker's access rules refuse is named, and the rest works."""
    options = refusing(tmp_path, "home/+/get")
    with Mosquitto(tmp_path, *options) as broker:
        for protocol in ("5", "3.1.1"):
            async with at_work(link(broker.port, "home", protocols=(protocol,))) as bridge:
                await bridge.until(BrokerConnected)
                async with client(broker) as other:
                    await other.publish("home/front_door/lock/set", "LOCK", qos=1)
                await bridge.until(MessageReceived)
    assert [(line["level"], line["topic"]) for line in logged("subscription_refused")] == [("error", "home/+/get")] * 2


@BOTH
async def test_subscription_granted_later(tmp_path: Path, logged: Logged, protocol: str) -> None:
    """What a cluster refuses and grants a moment later is asked for again, on the same connection."""
    wanted, forbidden = b"home/+/+/set", b"deny/+/+/set"
    attempts: list[bytes] = []

    def another_at_first(_number: int, chunk: bytes) -> bytes:
        if wanted not in chunk:
            return chunk
        attempts.append(chunk)
        return chunk.replace(wanted, forbidden) if len(attempts) == 1 else chunk

    with Mosquitto(tmp_path, *refusing(tmp_path, forbidden.decode())) as broker:
        async with (
            relay(broker.port, another_at_first) as line,
            at_work(link(line.port, "home", protocols=(protocol,))) as bridge,
            client(broker) as other,
        ):
            await bridge.until(BrokerConnected)
            await other.publish("home/front_door/lock/set", "LOCK", qos=1)
            await eventually(lambda: logged("subscription_granted"))
            await other.publish("home/front_door/lock/set", "UNLOCK", qos=1)
            assert (await bridge.until(MessageReceived)).payload == b"UNLOCK"
    assert [line["topic"] for line in logged("subscription_refused")] == [wanted.decode()]
    assert [line["topic"] for line in logged("subscription_granted")] == [wanted.decode()]
    assert len(logged("broker_connected")) == 1


async def test_event_on_its_way(mosquitto: Mosquitto, listener: Ear) -> None:
    """An event that vanished on its way, with the connection half-open, is told over the next one; once is enough."""
    vanished: list[bytes] = []
    half_open = [False]

    def hook(_number: int, chunk: bytes) -> bytes:
        if half_open[0]:
            vanished.append(chunk)
        return b"" if half_open[0] else chunk

    told = Publish(topic=f"{listener.base}/front_door/result", content="confirmed", retain=False)
    async with relay(mosquitto.port, hook) as line, at_work(link(line.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        half_open[0] = True
        bridge.broker.publish(told)
        await eventually(lambda: any(b"confirmed" in chunk for chunk in vanished))
        half_open[0] = False
        line.cut()
        await bridge.until(BrokerConnected, 2)
        await listener.until("front_door/result", "confirmed")
        line.cut()
        await bridge.until(BrokerConnected, 3)
        await bridge.broker.flushed()
    assert listener.payloads("front_door/result") == ["confirmed"]


async def test_publish_refused(tmp_path: Path, logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the broker's rules keep from being retained is there once they allow it, as it was told last."""
    monkeypatch.setattr(broker_refusals, "FIRST_PAUSE", 0.2)
    monkeypatch.setattr(broker_refusals, "SETTLED_AFTER", 0.5)
    rules = tmp_path / "access"
    rules.write_text("topic read #\ntopic write marker/#\n")
    rules.chmod(0o600)
    with Mosquitto(tmp_path, "allow_anonymous true", f"acl_file {rules}") as broker:
        async with at_work(link(broker.port, "home")) as bridge:
            await bridge.until(BrokerConnected)
            for word in ("LOCKED", "UNLOCKED"):
                bridge.broker.publish(Publish(topic="home/front_door/lock", content=word))
            bridge.broker.publish(Publish(topic="home/garage/lock", content="LOCKED"))
            bridge.broker.publish(Publish(topic="home/front_door/result", content="{}", retain=False))
            await bridge.broker.flushed()
            assert await held(broker, "home") == {}
            rules.write_text("topic readwrite #\n")
            broker.send(signal.SIGHUP)
            await eventually(lambda: logged("publish_allowed"))
            told = {"home/front_door/lock": "UNLOCKED", "home/garage/lock": "LOCKED"}
            assert await held(broker, "home") == told
    # One for what is retained, and one for what is lost.
    assert [line["level"] for line in logged("publish_not_allowed")].count("error") == 2
    assert len(logged("broker_connected")) == 1


async def test_take_over(mosquitto: Mosquitto, listener: Ear, logged: Logged) -> None:
    """When the broker gives another client the bridge's id and says so, the log says what to do about it."""
    async with relay(mosquitto.port) as line, at_work(link(line.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        line.say(SESSION_TAKEN_OVER)
        await bridge.until(BrokerDisconnected)
    assert "mqtt.client_id" in logged("broker_unreachable")[0]["why"]


@pytest.mark.usefixtures("impatient")
async def test_another_client_id(mosquitto: Mosquitto, listener: Ear) -> None:
    """After two connections that were lost at once the id has a suffix; where that is refused, the next has none."""
    connects: list[bool] = []

    def pinned(_number: int, chunk: bytes) -> bytes | Cut:
        name = f"bridge-{listener.base}".encode()
        if b"MQTT" not in chunk or name not in chunk or name + b"-read" in chunk:
            return chunk
        connects.append(suffixed := name + b"-" in chunk)
        # Not authorized, as MQTT 5 says it.
        return Cut(b"\x20\x03\x00\x87\x00") if suffixed else chunk

    async with relay(mosquitto.port, pinned) as line, at_work(link(line.port, listener.base)) as bridge:
        for count in (1, 2):
            await bridge.until(BrokerConnected, count)
            line.cut()
            await bridge.until(BrokerDisconnected, count)
        await bridge.until(BrokerConnected, 3, 20)
    assert connects == [False, False, True, False]


async def test_another_way(mosquitto: Mosquitto, listener: Ear) -> None:
    """A configuration that is read again before there is a connection changes nothing but what it says."""
    described = link(mosquitto.port, listener.base)
    bridge = Bridge(described)
    bridge.broker.relink(replace(described, keepalive=60))
    task = asyncio.create_task(bridge.broker.run())
    assert (await bridge.until(BrokerConnected)).protocol == "5"
    bridge.broker.relink(replace(described, protocols=("3.1.1",)))
    assert bridge.all(BrokerDisconnected) == []
    await cancelled([task])


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_hung_up(tmp_path: Path, listener: Ear, logged: Logged, protocol: str) -> None:
    """A broker that hangs up without a word is said to, and what may be the cause if it does so all the time."""
    with Mosquitto(tmp_path, "allow_anonymous true") as broker:
        async with at_work(link(broker.port, listener.base, protocols=(protocol,))) as bridge:
            await bridge.until(BrokerConnected)
            broker.end(signal.SIGKILL)
            await bridge.until(BrokerDisconnected)
    why = logged("broker_unreachable")[0]["why"]
    assert why.startswith("the broker closed the connection; ")
    assert "mqtt.client_id" in why


@pytest.mark.parametrize("host", ["nobody..here", "a" * 70])
async def test_unusable_host(listener: Ear, logged: Logged, host: str) -> None:
    """A host name that no resolver can be asked for is a broker out of reach, not the end."""
    async with at_work(link(1883, listener.base, host=host)) as bridge:
        await eventually(lambda: logged("broker_unreachable"))
        assert bridge.told == []


async def test_nobody_there(listener: Ear, logged: Logged) -> None:
    """A broker that is not there is asked again and again, ever less often, and complained of once."""
    async with at_work(link(free_port(), listener.base)):
        await eventually(lambda: len(logged("broker_unreachable")) >= 3)
    lines = logged("broker_unreachable")
    assert [line["tries"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["level"] for line in lines].count("warning") == 1
    assert {line["why"] for line in lines} == {"Connection refused"}


async def test_websocket(mosquitto: Mosquitto, listener: Ear) -> None:
    """MQTT goes over WebSocket as well, on the path that is configured."""
    async with websocket(mosquitto.port) as asked:
        port = int(asked[0].rpartition(":")[2])
        described = link(port, listener.base, transport="websockets", path="/my/mqtt")
        async with at_work(described) as bridge:
            assert (await bridge.until(BrokerConnected)).protocol == "5"
            bridge.broker.publish(Publish(topic=listener.topic("state"), content="x" * 1000))
            await listener.until("state", "x" * 1000)
            await listener.say("front_door/lock/set", "LOCK")
            assert (await bridge.until(MessageReceived)).payload == b"LOCK"
        assert set(asked[1:]) == {"/my/mqtt"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the client library leaves its socket
async def test_not_a_websocket(mosquitto: Mosquitto, listener: Ear, logged: Logged) -> None:
    """A port that does not speak WebSocket is a broker out of reach."""
    async with at_work(link(mosquitto.port, listener.base, transport="websockets", path="/mqtt")):
        await eventually(lambda: logged("broker_unreachable"), deadline=15)
    gc.collect()  # the sockets are warned of here and not in the next test


async def test_goodbye_not_taken(tmp_path: Path) -> None:
    """A broker that takes nothing any more, not even a goodbye, does not hold up the end."""
    with Mosquitto(tmp_path) as broker:
        bridge = Bridge(link(broker.port, "home"))
        task = asyncio.create_task(bridge.broker.run())
        await bridge.until(BrokerConnected)
        broker.send(signal.SIGSTOP)
        for number in range(200):
            bridge.broker.publish(Publish(topic="home/big", content=f"{number} {'x' * 200_000}", qos=0))
        await asyncio.sleep(0)
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await bridge.broker.flushed()
        async with asyncio.timeout(3):
            await cancelled([task])
        broker.send(signal.SIGCONT)
