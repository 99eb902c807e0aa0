"""A broker, or whoever speaks in its place, that sends what is no MQTT."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Logged
from tests.support.ear import Ear, client
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually, free_port
from tests.support.relay import Cut, relay
from tests.support.sockets import delays
from tests.test_broker import at_work, link
from uhome2mqtt import broker_client
from uhome2mqtt.broker_client import LARGEST_COMMAND
from uhome2mqtt.events import BrokerConnected, BrokerDisconnected, MessageReceived


def text(data: bytes) -> bytes:
    """Write a text with its length in front."""
    return len(data).to_bytes(2) + data


def packet(first: int, body: bytes) -> bytes:
    """Write a short packet."""
    return bytes((first, len(body))) + body


UNLOCK = b"\x00UNLOCK"
MALFORMED = {
    "a topic that ends too early": packet(0x30, b"\x00\x10a"),
    "no topic": packet(0x30, b""),
    "a reserved type": packet(0x00, b""),
    "an authentication that nobody began": packet(0xF0, b""),
    "a length of five bytes": b"\x30\xff\xff\xff\xff\x7f",
    "a topic with a wildcard": packet(0x30, text(b"base/+/set") + UNLOCK),
    "a topic that is no UTF-8": packet(0x30, text(b"base/\xff/set") + UNLOCK),
    "half a pair in a topic": packet(0x30, text(b"base/\xed\xa0\x80/set") + UNLOCK),
    "an empty topic": packet(0x30, text(b"") + UNLOCK),
    "an alias that was not allowed": packet(0x30, text(b"") + b"\x03\x23\x00\x05UNLOCK"),
    "an unknown property": packet(0x30, text(b"base/front/get") + b"\x02\x7f\x00"),
    "properties that end too late": packet(0x30, text(b"base/front/get") + b"\x7f\x00"),
    "a response topic that is no UTF-8": packet(0x30, text(b"base/front/get") + b"\x05\x08\x00\x02\xff\xfe"),
    "a quality of 3": packet(0x36, text(b"base/front/get") + b"\x00\x01\x00"),
    "a second greeting": packet(0x20, b"\x00\x00\x00"),
    "what only clients say": packet(0x10, b"\x00\x04MQTT\x05\x00\x00\x1e\x00\x00\x00"),
}


@pytest.mark.parametrize("what", MALFORMED)
async def test_malformed(mosquitto: Mosquitto, listener: Ear, what: str) -> None:
    """The connection is given up, and closed; the next one works, and nothing of the malformed packet is told."""
    async with relay(mosquitto.port) as line, at_work(link(line.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        as_before, last = line.hook, line.connections
        line.hook = lambda number, chunk: chunk if number <= last else Cut()
        line.say(MALFORMED[what])
        await bridge.until(BrokerDisconnected)
        await eventually(lambda: delays(peer=line.port) == [])
        line.hook = as_before
        await bridge.until(BrokerConnected, 2)
        await listener.say("front/lock/set", "LOCK")
        told = await bridge.until(MessageReceived)
        assert (told.topic, told.payload) == (listener.topic("front/lock/set"), b"LOCK")


async def test_unexpected(mosquitto: Mosquitto, listener: Ear) -> None:
    """Acknowledgements of what nobody has sent change nothing."""
    mid = b"\x27\x0f"
    async with relay(mosquitto.port) as line, at_work(link(line.port, listener.base)) as bridge:
        await bridge.until(BrokerConnected)
        line.say(packet(0x40, mid) + packet(0x90, mid + b"\x00\x00") + packet(0x62, mid))
        await listener.say("front/lock/set", "LOCK")
        await bridge.until(MessageReceived)
        assert bridge.all(BrokerDisconnected) == []


async def test_silence(listener: Ear, logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to a broker that takes them and says nothing are closed: the next attempt needs their descriptors."""
    monkeypatch.setattr(broker_client, "ANSWER_WITHIN", 0.5)
    taken: list[asyncio.StreamWriter] = []
    port = free_port()
    server = await asyncio.start_server(lambda _reader, writer: taken.append(writer), "127.0.0.1", port)
    async with at_work(link(port, listener.base)):
        await eventually(lambda: logged("broker_unreachable") and len(taken) > 1)
        assert len(delays(peer=port)) <= 1
    await eventually(lambda: delays(peer=port) == [])
    for writer in taken:
        writer.close()
    server.close()


@pytest.mark.parametrize(("size", "arrives"), [(LARGEST_COMMAND - 1000, True), (LARGEST_COMMAND + 1, False)])
async def test_largest(mosquitto: Mosquitto, listener: Ear, size: int, *, arrives: bool) -> None:
    """What is far too large for any command stays at the broker, and what comes after it arrives."""
    async with at_work(link(mosquitto.port, listener.base, protocols=("5",))) as bridge:
        await bridge.until(BrokerConnected)
        async with client(mosquitto) as other:
            await other.publish(listener.topic("front/lock/set"), b"x" * size, qos=1)
            await other.publish(listener.topic("front/lock/set"), b"LOCK", qos=1)
        await eventually(lambda: any(told.payload == b"LOCK" for told in bridge.all(MessageReceived)))
        assert len(bridge.all(MessageReceived)) == 1 + arrives
