"""A client of an MQTT broker: how it is set up, what a broker's words mean, and what a broker retains."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Collection
from contextlib import ExitStack
from contextvars import ContextVar
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Self, cast

import aiomqtt
from aiomqtt import ProtocolVersion
from paho.mqtt import client as paho
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from uhome2mqtt.errors import BrokerError

QUIET = 0.3
"""Seconds without another retained message after which the broker is taken to have sent all."""
LONGEST_READ_BACK = 10.0
ANSWER_WITHIN = 10.0
"""Seconds for the broker to answer anything."""
IN_FLIGHT = 20
"""Publishes that wait for their acknowledgement at the same time."""

LARGEST_COMMAND, LARGEST_RETAINED = 4 * 1024**2, 64 * 1024**2
"""Bytes of a packet that a broker may send where commands come in, and where what is retained is read (MQTT 5)."""

VERSIONS = {"5": ProtocolVersion.V5, "3.1.1": ProtocolVersion.V311}
UNSPECIFIED = 128
PROTOCOL_ERROR = 130
UNSUPPORTED_VERSION = 132
SESSION_TAKEN_OVER = 142
PACKET_TOO_LARGE = 149
NEVER_RETAINED = 2
"""Retain handling: nothing that is retained already."""
REFUSED = 0x80
"""Reason codes from here on are refusals."""
AT_ONCE = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
"""What is written leaves at once, instead of waiting for the acknowledgement of what was written before."""
_number: ContextVar[int] = ContextVar("number of the message that this task publishes")
_ERRNO = re.compile(r"\[Errno -?\d+\] ")
"""How an operating system's error begins when the client library hands it on as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where the broker is and what is said to it."""

    host: str
    port: int
    transport: Literal["tcp", "websockets"]
    path: str | None
    tls: ssl.SSLContext | None
    username: str | None
    password: str | None
    client_id: str
    keepalive: int
    protocols: tuple[str, ...]
    qos: int
    will_topic: str
    shared_topics: tuple[str, ...]
    command_filters: tuple[str, ...]
    read_back_filters: tuple[str, ...]
    config_filters: tuple[str, ...]
    status_topic: str | None


class Client(aiomqtt.Client):
    """A client that hears what the broker announces and what it answers to a message; the library's own keeps that.

    It listens to the callbacks of the client below, whose interface is public and documented. Where there is no such
    client, in another release of the library, refusals stay unheard, and nothing else changes.

    It leaves no connection open, which the library's own does where the broker is silent, or says what it cannot bear.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._refusals: dict[int, int] = {}
        self.in_flight = IN_FLIGHT
        self.largest_packet: int | None = None
        inner = getattr(self, "_client", None)
        self._inner = inner if isinstance(inner, paho.Client) else None
        if self._inner is not None:
            self._listen(self._inner)

    def _listen(self, inner: paho.Client) -> None:
        send, acknowledged, connected = inner.publish, inner.on_publish, inner.on_connect

        def publish(*arguments: Any, **options: Any) -> paho.MQTTMessageInfo:
            info = send(*arguments, **options)
            _number.set(info.mid)
            return info

        def on_publish(*arguments: Any) -> None:
            number = next((each for each in arguments if type(each) is int), 0)
            code = max((code_value(each) for each in arguments if isinstance(each, ReasonCode)), default=0)
            if code >= REFUSED:
                self._refusals[number] = code
            if acknowledged is not None:
                cast("Callable[..., None]", acknowledged)(*arguments)

        def on_connect(*arguments: Any) -> None:
            announced = next((each for each in arguments if isinstance(each, Properties)), None)
            self.in_flight = min(IN_FLIGHT, getattr(announced, "ReceiveMaximum", IN_FLIGHT))
            self.largest_packet = getattr(announced, "MaximumPacketSize", None)
            if connected is not None:
                cast("Callable[..., None]", connected)(*arguments)

        # The library calls this one by its name.
        vars(inner)["publish"] = publish
        inner.on_publish, inner.on_connect = on_publish, on_connect

    async def __aenter__(self) -> Self:
        with ExitStack() as unless_connected:
            unless_connected.callback(self._hang_up)
            await super().__aenter__()
            unless_connected.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await super().__aexit__(kind, error, trace)
        finally:
            self._hang_up()

    def _hang_up(self) -> None:
        """Close the connection, if there still is one: whatever is in it would be read again and again."""
        inner = self._inner
        if inner is not None and (line := inner.socket()) is not None:
            for leave in (inner.on_socket_unregister_write, inner.on_socket_close):
                if leave is not None:
                    leave(inner, None, line)
            inner.on_socket_unregister_write = inner.on_socket_close = None
            line.close()

    async def deliver(
        self, topic: str, payload: bytes, qos: int, *, retain: bool, properties: Properties | None = None
    ) -> int:
        """Publish a message and give the reason code of its acknowledgement; 0 where there is none."""
        _number.set(0)
        await self.publish(topic, payload, qos, retain, properties)
        return self._refusals.pop(_number.get(), 0)


def new_client(
    link: Link, version: str, client_id: str, will: aiomqtt.Will | None = None, largest: int = LARGEST_RETAINED
) -> Client:
    """Make a client, not yet connected; `largest`: bytes of a packet, of which the broker sends no larger ones."""
    five = version == "5"
    about = Properties(PacketTypes.CONNECT)
    about.MaximumPacketSize = largest
    client = Client(
        link.host,
        link.port,
        username=link.username,
        password=link.password,
        identifier=client_id,
        protocol=VERSIONS[version],
        will=will,
        clean_session=None if five else True,
        # 3.1.1 has no clean start, and this is how the client library is told that none is given.
        clean_start=True if five else MQTT_CLEAN_START_FIRST_ONLY,
        transport=link.transport,
        websocket_path=link.path,
        tls_context=link.tls,
        keepalive=link.keepalive,
        timeout=ANSWER_WITHIN,
        socket_options=AT_ONCE,
        properties=about if five else None,
    )
    client.pending_calls_threshold = 2 * IN_FLIGHT
    return client


async def read_retained(link: Link, filters: Collection[str]) -> dict[str, bytes]:
    """Give what the broker retains on some topics, over a short connection; or raise BrokerError."""
    why = ""
    for version in link.protocols:
        retained: dict[str, bytes] = {}
        try:
            refused = await read_into(new_client(link, version, link.client_id), filters, retained)
        except (aiomqtt.MqttError, UnicodeError) as problem:
            why = explained(problem)
            if not may_speak_another(problem):
                break
        else:
            if refused:
                why = f"the broker does not let this user read {', '.join(refused)}: see its access rules"
                break
            return retained
    raise BrokerError(f"the broker at {link.host}:{link.port} (mqtt.url) cannot be asked: {why}")


async def read_into(client: aiomqtt.Client, filters: Collection[str], retained: dict[str, bytes]) -> list[str]:
    """Collect what is retained; gives the filters that were refused."""
    refused, topics = [], list(filters)
    async with client:
        # One filter in each packet, since some brokers take but a few; so many packets that no answer is waited for.
        for start in range(0, len(topics), IN_FLIGHT):
            some = topics[start : start + IN_FLIGHT]
            answers = await asyncio.gather(*(client.subscribe(topic) for topic in some))
            codes = zip(some, answers, strict=True)
            refused += [topic for topic, granted in codes if any(code_value(code) >= REFUSED for code in granted)]
        await _collect(client, retained)
    return refused


async def _collect(client: aiomqtt.Client, retained: dict[str, bytes]) -> None:
    """Take retained messages until none has come for a while."""
    messages, loop = aiter(client.messages), asyncio.get_running_loop()
    last = loop.time() + LONGEST_READ_BACK
    while loop.time() < last:
        try:
            async with asyncio.timeout(QUIET):
                message = await anext(messages)
        except TimeoutError:
            return
        if message.retain and isinstance(message.payload, bytes):
            retained[str(message.topic)] = message.payload


def may_speak_another(problem: BaseException) -> bool:
    """Tell whether the broker may not speak this version of MQTT: some refuse it, some say nothing."""
    return "timed out" in str(problem) or reason_code(problem) == UNSUPPORTED_VERSION


def explained(problem: BaseException) -> str:
    """Say what a person can do about the refusals that a person can do something about."""
    hints = {
        # What the client library says of any connection that has ended without a word.
        UNSPECIFIED: "the broker closed the connection; if that happens again and again, another client may have the"
        " same mqtt.client_id",
        134: "user name or password are wrong: see mqtt.username and mqtt.password",
        135: "the broker does not let this user in: see mqtt.username, mqtt.password and the broker's access rules",
        PACKET_TOO_LARGE: "a message is larger than the broker takes: it is left out from now on",
        SESSION_TAKEN_OVER: "another client connected with the same client id: give each bridge its own mqtt.client_id",
    }
    # A connection that is lost while it is in use fails with what was being done; its cause is what the broker said.
    reason = problem.__cause__ or problem
    return hints.get(reason_code(reason)) or _ERRNO.sub("", str(reason))


def reason_code(problem: BaseException) -> int:
    """Give the number that the broker gave as its reason; -1 without one."""
    return code_value(problem.rc) if isinstance(problem, aiomqtt.MqttCodeError) else -1


def code_value(code: object) -> int:
    """Give the number of a reason code in any of the client library's forms."""
    if isinstance(code, ReasonCode):
        return int(code.value)
    return code if isinstance(code, int) else -1
