"""The composition of the running bridge: the only place that knows the engine and all edges."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import assert_never

from uhome2mqtt import logs
from uhome2mqtt.broker import Broker
from uhome2mqtt.cloud import Cloud
from uhome2mqtt.engine import Engine
from uhome2mqtt.errors import CloudError, StorageError
from uhome2mqtt.events import (
    AccountIdentified,
    CommandAnswered,
    CommandFailed,
    DeviceListFailed,
    DevicesListed,
    Effect,
    Event,
    IdentifyAccount,
    ListDevices,
    Note,
    Now,
    Publish,
    QueryEnded,
    QueryFailed,
    QueryStates,
    SavePins,
    SendCommand,
    Started,
    StatesReported,
    StopRequested,
    Tick,
)
from uhome2mqtt.model import Device, Failure, FailureKind
from uhome2mqtt.state_dir import StateDir

QUERIES_AT_ONCE = 4
STOP_WITHIN = 3.0
"""Seconds for the last publishes; a user waits five for the process to end."""
LONGEST_SLEEP = 3600.0
AFTER_FAULT = 5.0
CANCEL_AGAIN = 1.5
"""Seconds; longer than the goodbye to the broker takes."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where the system has such a clock: an old state must not look fresh after it."""


def now() -> Now:
    """Read both clocks."""
    return Now(monotonic=time.clock_gettime(_CLOCK), utc=datetime.now(UTC))


class Daemon:
    """Carries events to the engine and its effects to the edges."""

    def __init__(self, engine: Engine, cloud: Cloud, state: StateDir, batch_size: int) -> None:
        self._engine = engine
        self._cloud = cloud
        self._state = state
        self._batch_size = batch_size
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._query_slots = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._pins: SavePins | None = None
        self._requests: set[asyncio.Task[None]] = set()
        self._log = logs.get_logger()

    def tell(self, event: Event) -> None:
        """Take an event from an edge."""
        self._events.put_nowait(event)

    async def run(self, broker: Broker, stopping: asyncio.Event) -> None:
        """Run until `stopping` is set, then end every command, publish what is due and leave."""
        self._broker = broker
        async with asyncio.TaskGroup() as tasks:
            connection = tasks.create_task(self._stay_connected(), name="broker")
            engine = tasks.create_task(self._work(), name="engine")
            self.tell(Started())
            await stopping.wait()
            engine.cancel()
            broker.drop_backlog()
            await self._supervise(self._handle(StopRequested()))
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN):
                    await broker.flushed()
            await _cancelled({connection, *self._requests})
        self._log.info("stopped")

    async def _stay_connected(self) -> None:
        """Keep the connection to the broker, also after a fault of our own."""
        while True:
            await self._supervise(self._broker.run())
            await asyncio.sleep(AFTER_FAULT)

    async def _work(self) -> None:
        while True:
            await self._supervise(self._handle(await self._next_event()))

    async def _next_event(self) -> Event:
        """Wait for an event or the engine's next deadline; a flood of the former does not delay the latter."""
        wait = self._engine.wake_at - now().monotonic
        if wait <= 0:
            return Tick()
        try:
            async with asyncio.timeout(min(wait, LONGEST_SLEEP)):
                return await self._events.get()
        except TimeoutError:
            return Tick()

    async def _handle(self, event: Event) -> None:
        for effect in self._engine.handle(event, now()):
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Publish():
                self._broker.publish(effect)
            case SendCommand():
                self._request(
                    self._send(effect), lambda why: self.tell(CommandFailed(command=effect.command, failure=why))
                )
            case QueryStates():
                self._request(self._query(effect))
            case ListDevices():
                self._request(self._list(), lambda why: self.tell(DeviceListFailed(failure=why)))
            case IdentifyAccount():
                self._request(self._identify())
            case SavePins():
                self._pins = effect
                self._request(self._save())
            case Note():
                getattr(self._log, effect.level)(effect.event, **effect.fields)
            case _:
                assert_never(effect)

    def _request(self, work: Coroutine[None, None, None], failed: Callable[[Failure], None] | None = None) -> None:
        task = asyncio.create_task(self._supervise(work, failed))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)

    async def _supervise(
        self, work: Coroutine[None, None, None], failed: Callable[[Failure], None] | None = None
    ) -> None:
        """Let no failure, and no fault of our own, end the bridge or leave anybody waiting for an answer."""
        failure: Failure | None = None
        try:
            await work
        except CloudError as problem:
            failure = problem.failure
        except Exception as fault:  # noqa: BLE001 - the one place: a door must stay commandable whatever is wrong
            self._log.error("internal_error", exc_info=fault)
            failure = Failure(kind=FailureKind.UNCERTAIN, code="INTERNAL_ERROR", message=type(fault).__name__)
        if failure is not None and failed is not None:
            failed(failure)

    async def _send(self, effect: SendCommand) -> None:
        reply = await self._cloud.command(effect.device, effect.action)
        self.tell(CommandAnswered(command=effect.command, error=reply.error, report=reply.report))

    async def _query(self, effect: QueryStates) -> None:
        """Ask in batches, some at the same time; the end is told in any case."""
        size = self._batch_size
        batches = [effect.devices[start : start + size] for start in range(0, len(effect.devices), size)]
        try:
            await asyncio.gather(*(self._query_batch(effect, batch) for batch in batches))
        finally:
            self.tell(QueryEnded(query=effect.query))

    async def _query_batch(self, effect: QueryStates, batch: tuple[Device, ...]) -> None:
        async def ask() -> None:
            reports = await self._cloud.query(batch)
            self.tell(StatesReported(reports=reports, source=effect.source, query=effect.query))

        async with self._query_slots:
            await self._supervise(ask(), lambda why: self.tell(QueryFailed(query=effect.query, failure=why)))

    async def _list(self) -> None:
        self.tell(DevicesListed(devices=await self._cloud.list_devices()))

    async def _identify(self) -> None:
        account = await self._cloud.account()
        self.tell(AccountIdentified(account=hashlib.sha256(account.encode()).hexdigest()[:16]))

    async def _save(self) -> None:
        """Keep the newest pins; of several that wait, the last writes for all."""
        pins, self._pins = self._pins, None
        if pins is None:
            return
        try:
            self._state.save_pins(pins.pins)
        except StorageError as problem:
            self._log.error("pins_not_saved", why=str(problem))


async def _cancelled(tasks: set[asyncio.Task[None]]) -> None:
    """Cancel until all have ended: Python 3.11's `asyncio.wait_for` loses a cancellation that comes with its result."""
    while tasks:
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=CANCEL_AGAIN)
