"""The connection to the MQTT broker: it is kept, whatever happens, and tells what arrives."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from uhome2mqtt import logs
from uhome2mqtt.arrivals import received
from uhome2mqtt.awake import Awake
from uhome2mqtt.broker_client import (
    LARGEST_COMMAND,
    SESSION_TAKEN_OVER,
    UNSUPPORTED_VERSION,
    Client,
    Link,
    explained,
    may_speak_another,
    new_client,
    reason_code,
)
from uhome2mqtt.broker_limits import Limits, packet_size
from uhome2mqtt.broker_refusals import Refusals
from uhome2mqtt.broker_retained import ReadBack
from uhome2mqtt.broker_subscriptions import Subscriptions
from uhome2mqtt.effects import Publish
from uhome2mqtt.events import (
    BridgeHeard,
    BrokerConnected,
    BrokerDisconnected,
    ConfigCleared,
    Event,
    HomeAssistantStarted,
)
from uhome2mqtt.metrics import Meters
from uhome2mqtt.packed import Packed
from uhome2mqtt.tasks import failures_of

GOODBYE_WITHIN = 1.0
"""Seconds for the broker to take our leave: the process wants to end."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
EVENTS_KEPT = 100
"""Events that wait for a connection, the newest."""
SETTLED_AFTER = 10.0
"""Seconds after which a connection counts as good, so that the next loss is answered at once."""
BRIEF_TWICE = 2
"""Connections in a row that were lost at once: another client may have the same id."""


class Broker:
    """The one connection of the bridge; `tell` takes its events."""

    def __init__(self, link: Link, tell: Callable[[Event], None], meters: Meters | None = None) -> None:
        self._meters = meters or Meters()
        self._link = link
        self._tell = tell
        self._outbox: deque[Publish] = deque()
        self._unsent: list[Publish] = []
        self._refusals = Refusals(self.publish)
        self._awake = Awake()
        self._limits = Limits()
        self._read_back = ReadBack(tell)
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._connected = False
        self._in_flight = 0
        self._read = False
        self._suffix = ""
        self._brief = 0
        self._protocol = 0
        self._best = 0
        self._outage = logs.Outage()
        self._log = logs.get_logger()

    def relink(self, link: Link) -> None:
        """Connect another way from the next time on; nothing is disconnected for that."""
        if link.protocols != self._link.protocols:
            self._protocol = self._best = 0
        self._link = link

    def publish(self, message: Publish) -> None:
        """Publish in order, soon.

        Without a connection only events wait for the next one, which asserts all that is retained anyway: a login
        that is needed, or the end of a command, must not go unheard because the broker was away. So do events and
        clears that were on their way, and not acknowledged, when the last connection was lost.
        """
        if self._connected or not message.retain:
            self._outbox.append(message)
            self._wanted.set()
        if self._connected:
            self._refusals.queued(message)
            self._idle.clear()
        elif sum(not waiting.retain for waiting in self._outbox) > EVENTS_KEPT:
            self._outbox.remove(next(waiting for waiting in self._outbox if not waiting.retain))

    def look_for(self, topics: tuple[str, ...]) -> None:
        """Look, over this connection, whether the broker holds anything on these topics, and tell it."""
        self._read_back.look_for(topics)

    @property
    def waiting(self) -> int:
        """How many messages are still to be sent."""
        return len(self._outbox)

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
            lost: aiomqtt.MqttError | None = None
            try:
                await self._session()
            except aiomqtt.MqttError as problem:
                lost = problem
                settled = self._connected and loop.time() - began > SETTLED_AFTER
                failures = 1 if settled else failures + 1
                self._brief = 0 if settled else self._brief + self._connected
                self._complain(problem, failures)
            finally:
                # Also at a fault of our own, after which this is begun again.
                self._ended(lost)
            pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - spreads reconnects, guards nothing

    async def _session(self) -> None:
        """Hold one connection until it is lost."""
        client, version = await self._connect()
        async with _entered(client):
            retained, complete = (None, True) if self._read else await self._read_back.everything(self._link, version)
            subscriptions = Subscriptions(self._link, client, version)
            await subscriptions.ask()
            # Not before it is told: what has been read for nobody is read again.
            self._connected, self._read = True, complete
            self._refusals.connected(self._outbox)
            self._limits.connected(client.largest_packet)
            where = {"host": self._link.host, "port": self._link.port}
            self._log.info("broker_connected", **where, protocol=version, **self._outage.over())
            self._meters.connected()
            self._tell(BrokerConnected(protocol=version, retained=retained))
            failures = await failures_of(
                self._receive(client),
                self._send(client, version),
                subscriptions.keep_asking(),
                self._refusals.keep_trying(),
                self._end_when_stood_still(),
                self._read_back.keep_looking(self._link, version),
            )
            # A fault of our own before the loss of the connection that it may have led to.
            raise next((each for each in failures if not isinstance(each, aiomqtt.MqttError)), failures[0])

    async def _connect(self) -> tuple[Client, str]:
        """Connect in the best version of MQTT that the broker still speaks; gives that, too."""
        client, version = await self._enter()
        if self._best < self._protocol:
            # It answers: what was silent before may have been the network. It is asked once more, and then believed.
            async with _entered(client):
                self._protocol, self._best = self._best, self._protocol
            client, version = await self._enter()
        self._best = min(self._best, self._protocol)
        return client, version

    async def _enter(self) -> tuple[Client, str]:
        """Connect in the version whose turn it is."""
        version = self._link.protocols[self._protocol]
        client_id = self._link.client_id + self._suffix
        client = new_client(self._link, version, client_id, self._will(), LARGEST_COMMAND)
        self._suffix = ""
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as problem:
            self._try_other_protocol(problem)
            raise
        except UnicodeError as problem:  # a host name that no resolver can be asked for
            raise aiomqtt.MqttError(str(problem)) from None
        return client, version

    def _ended(self, problem: aiomqtt.MqttError | None) -> None:
        """Clean up after a connection; `problem`: what the broker or the network said, None for anything else."""
        code = -1 if problem is None else reason_code(problem.__cause__ or problem)
        if self._connected and (code == SESSION_TAKEN_OVER or self._brief >= BRIEF_TWICE):
            # Two clients with one id throw each other out for ever, and not every broker says so. With another id two
            # bridges find out who works.
            self._suffix = f"-{random.randrange(16**6):06x}"  # noqa: S311 - tells two apart, guards nothing
            self._brief = 0
        if self._connected:
            self._connected = False
            self._protocol = self._best
            self._meters.disconnected(code, str(problem))
            self._tell(BrokerDisconnected())
        self._read_back.ended()
        self._limits.ended(problem)
        # What a bridge says of itself is true at that moment only.
        left = [*self._unsent, *self._refusals.lost(), *self._outbox]
        kept = [message for message in left if message.topic not in self._link.shared_topics]
        events = [message for message in kept if not message.retain][-EVENTS_KEPT:]
        # Nobody asserts what is to be gone.
        clears = [*filter(_is_clear, left)]
        self._outbox, self._unsent = deque(clears + events), []
        self._idle.set()

    def _complain(self, problem: aiomqtt.MqttError, failures: int) -> None:
        """Say once for each outage what is wrong."""
        say = self._log.debug if self._outage.lasts() else self._log.warning
        say("broker_unreachable", host=self._link.host, port=self._link.port, why=explained(problem), tries=failures)

    def _try_other_protocol(self, problem: aiomqtt.MqttError) -> None:
        """Go on to the next version where the broker may not speak this one."""
        if may_speak_another(problem):
            self._protocol = (self._protocol + 1) % len(self._link.protocols)
            if reason_code(problem) == UNSUPPORTED_VERSION:
                self._best = self._protocol

    def _will(self) -> aiomqtt.Will:
        return aiomqtt.Will(self._link.will_topic, "offline", qos=1, retain=True)

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            self._meters.received()
            topic = str(message.topic)
            if topic == self._link.status_topic:
                if message.payload == b"online" and not message.retain:
                    self._tell(HomeAssistantStarted())
            elif topic in self._link.shared_topics:
                if not message.retain:
                    self._tell(BridgeHeard(topic=topic, payload=bytes(message.payload)))
            elif any(message.topic.matches(config) for config in self._link.config_filters):
                if not message.payload:
                    self._tell(ConfigCleared(topic=topic))
            else:
                self._tell(received(topic, message, self._awake.waited_since()))

    async def _end_when_stood_still(self) -> None:
        """Leave all behind that came while the process stood still: of what age it is nobody knows."""
        stood = await self._awake.watch()
        raise aiomqtt.MqttError(f"the process stood still for {stood:.0f} s: what came meanwhile is left behind")

    async def _send(self, client: Client, version: str) -> None:
        """Publish what is in the outbox in order, with so many in flight that no acknowledgement is waited for.

        A broker that wants fewer gets fewer.
        """
        window = asyncio.Semaphore(client.in_flight)

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

    async def _publish(self, client: Client, message: Publish, version: str) -> None:
        code = 0
        if asserted_by_nobody := _is_clear(message) or not message.retain:
            self._unsent.append(message)
        try:
            code = await self._deliver(client, message, version)
        except ValueError as problem:
            self._log.error("publish_refused", topic=message.topic, why=str(problem))
        # Where the connection is lost meanwhile, this is not reached.
        self._refusals.acknowledged(message, code)
        if asserted_by_nobody:
            self._unsent.remove(message)

    async def _deliver(self, client: Client, message: Publish, version: str) -> int:
        """Publish a message, unless the broker does not take one of its size; gives the broker's reason code."""
        topic, content, properties = message.topic, message.content, None
        if message.correlation is not None and version == "5":
            properties = Properties(PacketTypes.PUBLISH)
            properties.CorrelationData = message.correlation
        qos = self._link.qos if message.qos is None else message.qos
        payload = content.encoded if isinstance(content, Packed) else content.encode()
        size, acknowledged = packet_size(topic, len(payload), qos, properties, version), qos > 0
        if self._limits.takes(topic, size):
            with (
                self._limits.under_way(topic, size, acknowledged=acknowledged),
                self._meters.publishing(message.caused_at, acknowledged=acknowledged),
            ):
                return await client.deliver(topic, payload, qos, retain=message.retain, properties=properties)
        if message.retain and self._limits.leaves(topic):
            return await client.deliver(topic, b"", qos, retain=True)
        return 0


@asynccontextmanager
async def _entered(client: aiomqtt.Client) -> AsyncIterator[None]:
    """Leave a client that has been entered already; a goodbye that nobody takes changes nothing."""
    try:
        yield
    finally:
        client.timeout = GOODBYE_WITHIN
        with suppress(aiomqtt.MqttError):
            await client.__aexit__(None, None, None)


def _is_clear(message: Publish) -> bool:
    return message.retain and not message.content
