"""The parts of the chaos suite: what does not notice a lie, or breaks nothing, would prove nothing."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.support.patience import free_port
from uhome2mqtt.simulator import demo_household

from .gate import Gate, Way, gate
from .truth import ABOUT, ANY, BRIDGE, differences, keys, level

BASE = "home"


def honest() -> dict[str, str]:
    """Give what a bridge that tells the truth retains."""
    held = {f"{BASE}/{topic}": "{}" if payload is ANY else str(payload) for topic, payload in BRIDGE.items()}
    for device in demo_household():
        values = {key: "now" if value is ANY else value for key, value in keys(device).items()}
        own = f"{BASE}/{level(device)}"
        held |= {f"{own}/{key}": json.dumps(v) if isinstance(v, dict) else str(v) for key, v in values.items()}
        held |= {own: json.dumps({**values, **dict.fromkeys(ABOUT)}), f"{own}/availability": "online"}
        held[f"{BASE}/ha/device/uhome2mqtt_{device.id.replace(':', '').lower()}/config"] = "{}"
    return {**held, f"{BASE}/ha/device/{BASE}_bridge/config": "{}"}


def test_truth() -> None:
    """Nothing is found where all that is retained is true."""
    assert differences(demo_household(), honest(), BASE) == []


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("home/front_door/lock", "UNLOCKED"),
        ("home/dining_room/light", '{"state":"ON","brightness":100,"color_mode":"brightness"}'),
        ("home/front_door/lock/set", "UNLOCK"),
        ("home/cellar/lock", "LOCKED"),
        ("home/bridge/cloud", "offline"),
        ("elsewhere", "x"),
    ],
)
def test_lies(topic: str, payload: str) -> None:
    """What is wrong, or should not be retained at all, is found, by its topic."""
    assert topic in " ".join(differences(demo_household(), {**honest(), topic: payload}, BASE))


def test_missing() -> None:
    """What is not retained although it should be is found."""
    held = honest()
    del held["home/garage/door"]
    assert any(
        found.startswith("home/garage/door is not retained") for found in differences(demo_household(), held, BASE)
    )


def test_document() -> None:
    """A document that does not say what the single keys say is found."""
    held = honest()
    held["home/garage"] = held["home/garage"].replace("LOCKED", "JAMMED")
    [found] = differences(demo_household(), held, BASE)
    assert "JAMMED" in found


@asynccontextmanager
async def echoed() -> AsyncIterator[Gate]:
    """Serve an echo behind a gate."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(1024):
            writer.write(chunk)
        writer.close()

    port = free_port()
    async with await asyncio.start_server(echo, "127.0.0.1", port), gate(port) as opened:
        yield opened


async def ping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """Send something and give what comes back within half a second."""
    writer.write(b"ping")
    async with asyncio.timeout(0.5):
        return await reader.read(1024)


async def test_half_open() -> None:
    """What is sent through a half-open gate vanishes, and so it does on that connection when the gate is open again."""
    async with echoed() as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        assert await ping(reader, writer) == b"ping"
        await opened.turn(Way.HALF_OPEN)
        with pytest.raises(TimeoutError):
            await ping(reader, writer)
        await opened.turn(Way.OPEN)
        with pytest.raises(TimeoutError):
            await ping(reader, writer)
        other, its_writer = await asyncio.open_connection("127.0.0.1", opened.port)
        assert await ping(other, its_writer) == b"ping"
        writer.close()
        its_writer.close()


@pytest.mark.parametrize("way", [Way.REFUSED, Way.RESET])
async def test_torn(way: Way) -> None:
    """A gate that refuses or resets ends the connections that there are, and lets nobody talk until it is open."""
    async with echoed() as opened:
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        assert await ping(reader, writer) == b"ping"
        await opened.turn(way)
        with pytest.raises(ConnectionError):
            await reader.read()
        writer.close()
        with pytest.raises(ConnectionError):
            await ping(*await asyncio.open_connection("127.0.0.1", opened.port))
        await opened.turn(Way.OPEN)
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        assert await ping(reader, writer) == b"ping"
        writer.close()


@pytest.mark.parametrize("end", ["closed", "reset"])
async def test_late(end: str) -> None:
    """What was sent through a late gate arrives when it is open, unless its sender has reset the connection."""
    arrived = asyncio.Event()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(1024):
            arrived.set()
        writer.close()

    port = free_port()
    async with await asyncio.start_server(hear, "127.0.0.1", port), gate(port) as opened:
        await opened.turn(Way.LATE, delay=0.1)
        _, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        writer.write(b"late")
        await asyncio.sleep(0.1)
        if end == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()
        await asyncio.sleep(0.1)
        assert not arrived.is_set()
        await opened.turn(Way.OPEN)
        await asyncio.sleep(0.3)
        assert arrived.is_set() == (end == "closed")


async def test_spoiled() -> None:
    """A gate knows when it was not open."""
    async with echoed() as opened:
        begin = time.time()
        assert not opened.spoiled(begin - 1.0, begin)
        await opened.turn(Way.SLOW, delay=0.1)
        await opened.turn(Way.OPEN)
        end = time.time()
        assert opened.spoiled(begin, end)
        assert opened.spoiled(begin, end + 1.0)
        assert not opened.spoiled(end, end + 1.0)


async def test_slow() -> None:
    """What passes a slow gate comes late, and whole."""
    async with echoed() as opened:
        await opened.turn(Way.SLOW, delay=0.1)
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        began = asyncio.get_running_loop().time()
        assert await ping(reader, writer) == b"ping"
        assert asyncio.get_running_loop().time() - began >= 0.2
        writer.close()
