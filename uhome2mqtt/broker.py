"""The connection to the MQTT broker: it is kept, whatever happens, and tells what arrives."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

import aiomqtt
from aiomqtt import ProtocolVersion
from paho.mqtt.client import MQTT_CLEAN_START_FIRST_ONLY
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from uhome2mqtt import logs
from uhome2mqtt.arrivals import received
from uhome2mqtt.errors import BrokerError
from uhome2mqtt.events import (
    BrokerConnected,
    BrokerDisconnected,
    ConfigCleared,
    Event,
    HomeAssistantStarted,
    Publish,
)

QUIET = 0.3
"""Seconds without another retained message after which the broker is taken to have sent all."""
LONGEST_READ_BACK = 10.0
ANSWER_WITHIN = 10.0
"""Seconds for the broker to answer anything."""
GOODBYE_WITHIN = 1.0
"""Seconds for the broker to take our leave: the process wants to end."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
IN_FLIGHT = 20
"""Publishes that wait for their acknowledgement at the same time."""
EVENTS_KEPT = 100
"""Events that wait for a connection, the newest."""
SETTLED_AFTER = 10.0
"""Seconds after which a connection counts as good, so that the next loss is answered at once."""

VERSIONS = {"5": ProtocolVersion.V5, "3.1.1": ProtocolVersion.V311}
UNSUPPORTED_VERSION = 132
NEVER_RETAINED = 2
"""Retain handling: nothing that is retained already."""
REFUSED = 0x80
"""Reason codes from here on are refusals."""


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
    command_filters: tuple[str, ...]
    read_back_filters: tuple[str, ...]
    config_filters: tuple[str, ...]
    status_topic: str | None


class Broker:
    """The one connection of the bridge; `tell` takes its events."""

    def __init__(self, link: Link, tell: Callable[[Event], None]) -> None:
        self._link = link
        self._tell = tell
        self._outbox: deque[Publish] = deque()
        self._unsent: list[Publish] = []
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._connected = False
        self._in_flight = 0
        self._read = False
        self._protocol = 0
        self._best = len(link.protocols) - 1
        self._log = logs.get_logger()

    def publish(self, message: Publish) -> None:
        """Publish in order, soon.

        Without a connection only events wait for the next one, which asserts all that is retained anyway: a login
        that is needed, or the end of a command, must not go unheard because the broker was away. So do clears that
        were on their way when the last connection was lost.
        """
        if self._connected or not message.retain:
            self._outbox.append(message)
            self._wanted.set()
        if self._connected:
            self._idle.clear()
        elif sum(not waiting.retain for waiting in self._outbox) > EVENTS_KEPT:
            self._outbox.remove(next(waiting for waiting in self._outbox if not waiting.retain))

    async def flushed(self) -> None:
        """Wait until everything has been published."""
        await self._idle.wait()

    def drop_backlog(self) -> None:
        """Leave out retained messages that still wait: the process ends, and the next one asserts them all."""
        self._outbox = deque(message for message in self._outbox if not message.retain)
        self._settle()

    async def run(self) -> None:
        """Stay connected until cancelled."""
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            began = loop.time()
            try:
                await self._session()
            except aiomqtt.MqttError as problem:
                settled = self._connected and loop.time() - began > SETTLED_AFTER
                failures = 1 if settled else failures + 1
                self._lost(problem, failures)
            pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, guards nothing

    async def _session(self) -> None:
        """Hold one connection until it is lost."""
        version = self._link.protocols[self._protocol]
        client = _client(self._link, version, self._link.client_id, self._will())
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as problem:
            self._try_other_protocol(problem)
            raise
        except UnicodeError as problem:  # a host name that no resolver can be asked for
            raise aiomqtt.MqttError(str(problem)) from None
        async with _entered(client):
            self._best = min(self._best, self._protocol)
            retained, complete = (None, True) if self._read else await self._read_back(version)
            await self._subscribe(client, version)
            # Not before it is told: what has been read for nobody is read again.
            self._connected, self._read = True, complete
            self._log.info("broker_connected", host=self._link.host, port=self._link.port, protocol=version)
            self._tell(BrokerConnected(protocol=version, retained=retained))
            await _until_one_fails(self._receive(client), self._send(client, version))

    def _lost(self, problem: aiomqtt.MqttError, failures: int) -> None:
        """Clean up after a connection, and say once for each outage what is wrong."""
        if self._connected:
            self._connected = False
            self._protocol = self._best
            self._tell(BrokerDisconnected())
        events = [message for message in self._outbox if not message.retain][-EVENTS_KEPT:]
        # Nobody asserts what is to be gone.
        clears = [*self._unsent, *filter(_is_clear, self._outbox)]
        self._outbox, self._unsent = deque(clears + events), []
        self._idle.set()
        say = self._log.warning if failures == 1 else self._log.debug
        say("broker_unreachable", host=self._link.host, port=self._link.port, why=_explained(problem), tries=failures)

    def _try_other_protocol(self, problem: aiomqtt.MqttError) -> None:
        """Go on to the next version where the broker may not speak this one."""
        if _may_speak_another(problem):
            self._protocol = (self._protocol + 1) % len(self._link.protocols)

    def _will(self) -> aiomqtt.Will:
        return aiomqtt.Will(self._link.will_topic, "offline", qos=1, retain=True)

    async def _read_back(self, version: str) -> tuple[dict[str, bytes], bool]:
        """Collect what the broker retains, over a connection of its own; gives it, and whether that worked.

        On the main connection the wide subscriptions would overlap with those for commands, and a broker may then
        deliver a command twice.
        """
        retained: dict[str, bytes] = {}
        try:
            client = _client(self._link, version, f"{self._link.client_id}-read")
            await _read(client, self._link.read_back_filters, retained)
        except aiomqtt.MqttError as problem:
            self._log.warning("read_back_failed", why=_explained(problem), hint="tried again at the next connection")
            return retained, False
        return retained, True

    async def _subscribe(self, client: aiomqtt.Client, version: str) -> None:
        link = self._link
        for topic in (*link.command_filters, *link.config_filters, *([link.status_topic] if link.status_topic else ())):
            if version == "5":
                commands = topic in link.command_filters
                # With the flag as published, a command that its sender marks as retained is known even when it is live.
                # Of configs only what changes from now on is of interest.
                options = SubscribeOptions(
                    qos=1,
                    noLocal=True,
                    retainAsPublished=commands,
                    retainHandling=NEVER_RETAINED if topic in link.config_filters else 0,
                )
                codes = await client.subscribe(topic, options=options)
            else:
                codes = await client.subscribe(topic, qos=1)
            if any(_value(code) >= REFUSED for code in codes):
                self._log.error("subscription_refused", topic=topic, hint="check the broker's access rules")

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic = str(message.topic)
            if topic == self._link.status_topic:
                if message.payload == b"online" and not message.retain:
                    self._tell(HomeAssistantStarted())
            elif any(message.topic.matches(config) for config in self._link.config_filters):
                if not message.payload:
                    self._tell(ConfigCleared(topic=topic))
            else:
                self._tell(received(topic, message))

    async def _send(self, client: aiomqtt.Client, version: str) -> None:
        """Publish what is in the outbox in order, with so many in flight that no acknowledgement is waited for."""
        window = asyncio.Semaphore(IN_FLIGHT)

        def published(_task: asyncio.Task[None]) -> None:
            window.release()
            self._in_flight -= 1
            self._settle()

        async with asyncio.TaskGroup() as tasks:
            while True:
                await window.acquire()
                while not self._outbox:
                    self._wanted.clear()
                    await self._wanted.wait()
                self._in_flight += 1
                task = tasks.create_task(self._publish(client, self._outbox.popleft(), version))
                task.add_done_callback(published)

    def _settle(self) -> None:
        if not self._outbox and not self._in_flight:
            self._idle.set()

    async def _publish(self, client: aiomqtt.Client, message: Publish, version: str) -> None:
        properties = None
        if message.correlation is not None and version == "5":
            properties = Properties(PacketTypes.PUBLISH)
            properties.CorrelationData = message.correlation
        qos = self._link.qos if message.qos is None else message.qos
        if _is_clear(message):
            self._unsent.append(message)
        try:
            await client.publish(message.topic, message.payload, qos, message.retain, properties)
        except ValueError as problem:
            self._log.error("publish_refused", topic=message.topic, why=str(problem))
        # Where the connection is lost meanwhile, this is not reached.
        if _is_clear(message):
            self._unsent.remove(message)


def _client(link: Link, version: str, client_id: str, will: aiomqtt.Will | None = None) -> aiomqtt.Client:
    five = version == "5"
    client = aiomqtt.Client(
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
    )
    client.pending_calls_threshold = 2 * IN_FLIGHT
    return client


async def read_retained(link: Link, filters: Collection[str]) -> dict[str, bytes]:
    """Give what the broker retains on some topics, over a short connection; or raise BrokerError."""
    why = ""
    for version in link.protocols:
        retained: dict[str, bytes] = {}
        try:
            refused = await _read(_client(link, version, link.client_id), filters, retained)
        except (aiomqtt.MqttError, UnicodeError) as problem:
            why = _explained(problem)
            if not _may_speak_another(problem):
                break
        else:
            if refused:
                why = f"the broker does not let this user read {', '.join(refused)}: see its access rules"
                break
            return retained
    raise BrokerError(f"the broker at {link.host}:{link.port} (mqtt.url) cannot be asked: {why}")


async def _read(client: aiomqtt.Client, filters: Collection[str], retained: dict[str, bytes]) -> list[str]:
    """Collect what is retained; gives the filters that were refused."""
    async with client:
        codes = [(topic, await client.subscribe(topic)) for topic in filters]
        await _collect(client, retained)
    return [topic for topic, granted in codes if any(_value(code) >= REFUSED for code in granted)]


@asynccontextmanager
async def _entered(client: aiomqtt.Client) -> AsyncIterator[None]:
    """Leave a client that has been entered already; a goodbye that nobody takes changes nothing."""
    try:
        yield
    finally:
        client.timeout = GOODBYE_WITHIN
        with suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


async def _until_one_fails(*work: Coroutine[None, None, None]) -> None:
    """Run together until one ends; its connection error is raised as it is, not in a group."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for coroutine in work:
                tasks.create_task(coroutine)
    except* aiomqtt.MqttError as lost:
        failure: BaseException = lost
        while isinstance(failure, BaseExceptionGroup):
            failure = failure.exceptions[0]
    raise failure


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


def _is_clear(message: Publish) -> bool:
    return message.retain and not message.payload


def _may_speak_another(problem: BaseException) -> bool:
    """Tell whether the broker may not speak this version of MQTT: some refuse it, some say nothing."""
    return "timed out" in str(problem) or _code(problem) == UNSUPPORTED_VERSION


def _explained(problem: BaseException) -> str:
    """Say what a person can do about the refusals that a person can do something about."""
    hints = {
        134: "user name or password are wrong: see mqtt.username and mqtt.password",
        135: "the broker does not let this user in: see mqtt.username, mqtt.password and the broker's access rules",
        142: "another client connected with the same client id: give each bridge its own mqtt.client_id",
    }
    # A connection that is lost while it is in use fails with what was being done; its cause is what the broker said.
    reason = problem.__cause__ or problem
    return hints.get(_code(reason), str(reason))


def _code(problem: BaseException) -> int:
    return _value(problem.rc) if isinstance(problem, aiomqtt.MqttCodeError) else -1


def _value(code: object) -> int:
    """Give the number of a reason code in any of the client library's forms."""
    if isinstance(code, ReasonCode):
        return int(code.value)
    return code if isinstance(code, int) else -1
