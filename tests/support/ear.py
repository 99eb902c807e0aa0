"""A client that hears everything below a base topic, remembers it in order, and publishes for the tests."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import uuid4

import aiomqtt
from aiomqtt import ProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from uhome2mqtt.tasks import cancelled

from .patience import eventually

MARKER = "ear/marker"
"""What the ear says to itself, and does not remember; nobody else listens there."""

Wanted = str | Callable[[str], bool]


class Server(Protocol):
    """A broker as far as its clients know it: a loopback port."""

    @property
    def port(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """One message as it arrived, `at`: in seconds since 1970."""

    topic: str
    payload: str
    retained: bool
    qos: int
    correlation: bytes | None
    at: float


class Ear:
    """Everything heard so far, oldest first; topics are given below the base topic."""

    def __init__(self, broker: Server, base: str, version: ProtocolVersion = ProtocolVersion.V5) -> None:
        self.broker = broker
        self.base = base
        self.version = version
        self.heard: list[Heard] = []
        self.connected = asyncio.Event()
        self._client: aiomqtt.Client | None = None
        self._marker = asyncio.Event()

    def topic(self, topic: str) -> str:
        return f"{self.base}/{topic}"

    @property
    def now(self) -> int:
        """Mark this moment, to ask for what is heard after it."""
        return len(self.heard)

    def payloads(self, topic: str, since: int = 0) -> list[str]:
        """Give the payloads heard on a topic."""
        return [heard.payload for heard in self.heard[since:] if heard.topic == self.topic(topic)]

    def documents(self, topic: str, since: int = 0) -> list[dict[str, Any]]:
        """Give the JSON objects heard on a topic."""
        return [json.loads(payload) for payload in self.payloads(topic, since) if payload]

    def events(self, topic: str, since: int = 0) -> list[str]:
        """Give the event types heard on a result or event topic."""
        return [document["event_type"] for document in self.documents(topic, since)]

    async def until(self, topic: str, wanted: Wanted, since: int = 0, deadline: float = 60.0) -> None:
        """Wait until a payload, or one that satisfies a function, has been heard on a topic."""
        fits = wanted if callable(wanted) else wanted.__eq__
        try:
            await eventually(lambda: any(fits(payload) for payload in self.payloads(topic, since)), deadline)
        except TimeoutError:
            heard = self.payloads(topic, since)
            raise AssertionError(f"{topic}: {len(heard)} heard, the last of them {heard[-20:]}") from None
        await self.settle()

    async def settle(self) -> None:
        """Let what was published in the same moment arrive as well: a marker behind it comes back."""
        if self._client is None or not self.connected.is_set():
            return
        self._marker.clear()
        with suppress(aiomqtt.MqttError, TimeoutError):
            async with asyncio.timeout(5):
                await self._client.publish(self.topic(MARKER), b"", qos=1)
                await self._marker.wait()

    async def until_event(self, topic: str, wanted: str, since: int = 0, deadline: float = 60.0) -> dict[str, Any]:
        """Wait for an event type on a result or event topic and give its document."""
        await self.until(topic, lambda text: json.loads(text)["event_type"] == wanted, since, deadline)
        return next(found for found in self.documents(topic, since) if found["event_type"] == wanted)

    async def say(self, topic: str, payload: str | bytes, **options: Any) -> None:
        """Publish below the base topic, QoS 1 unless told otherwise."""
        async with asyncio.timeout(30):
            await self.connected.wait()
        assert self._client is not None
        await self._client.publish(self.topic(topic), payload, **{"qos": 1, **options})

    async def listen(self) -> None:
        """Listen until cancelled, over as many connections as it takes."""
        while True:
            with suppress(aiomqtt.MqttError):
                async with client(self.broker, self.version) as self._client:
                    await self._client.subscribe(f"{self.base}/#", qos=1)
                    self.connected.set()
                    async for message in self._client.messages:
                        if str(message.topic) == self.topic(MARKER):
                            self._marker.set()
                        else:
                            self.heard.append(_heard(message))
            self.connected.clear()
            await asyncio.sleep(0.05)


@asynccontextmanager
async def ear(broker: Server, base: str, version: ProtocolVersion = ProtocolVersion.V5) -> AsyncIterator[Ear]:
    """Listen as long as the context lasts."""
    listener = Ear(broker, base, version)
    task = asyncio.create_task(listener.listen())
    await eventually(lambda: task.done() or listener.connected.is_set())
    yield listener
    await cancelled([task])


def client(broker: Server | int, version: ProtocolVersion = ProtocolVersion.V5, **options: Any) -> aiomqtt.Client:
    """Make a client of a broker or of a port, not yet connected."""
    port = broker if isinstance(broker, int) else broker.port
    # Without this a publish waits 40 ms behind every acknowledgement.
    at_once = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
    return aiomqtt.Client("127.0.0.1", port, protocol=version, timeout=5, socket_options=at_once, **options)


def properties(**values: Any) -> Properties:
    """Make the MQTT 5 properties of a message."""
    make: Any = Properties  # paho leaves it untyped
    made: Properties = make(PacketTypes.PUBLISH)
    for name, value in values.items():
        setattr(made, name, value)
    return made


async def held(broker: Server | int, base: str, deadline: float = 60.0) -> Mapping[str, str]:
    """Give what the broker retains below a base topic; a marker behind it says that it was all."""
    marker = f"marker/{uuid4()}"
    found: dict[str, str] = {}
    async with client(broker) as reader, asyncio.timeout(deadline):
        await reader.subscribe([(marker, 1), (f"{base}/#", 1)])
        await reader.publish(marker, "all", qos=1)
        async for message in reader.messages:
            if str(message.topic) == marker:
                break
            found[str(message.topic)] = _heard(message).payload
    return found


def _heard(message: aiomqtt.Message) -> Heard:
    return Heard(
        topic=str(message.topic),
        payload=message.payload.decode(errors="replace"),
        retained=message.retain,
        qos=message.qos,
        correlation=getattr(message.properties, "CorrelationData", None),
        at=time.time(),
    )
