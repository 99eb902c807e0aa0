"""The composition of the running bridge: the only place that knows the engine and all edges."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias, assert_never

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
    HealthMeasured,
    IdentificationFailed,
    IdentifyAccount,
    ListDevices,
    ManageUsers,
    MeasureHealth,
    Note,
    NotificationReceived,
    Now,
    Publish,
    PushNotRegistered,
    PushRegistered,
    QueryEnded,
    QueryFailed,
    QueryStates,
    RegisterPush,
    SavePins,
    SendCommand,
    SetLogLevel,
    Started,
    StatesReported,
    StopRequested,
    Tick,
    UsersAnswered,
    UsersFailed,
)
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.model import Device, Failure, FailureKind, Notification, Source
from uhome2mqtt.push_secrets import PushSecrets
from uhome2mqtt.state_dir import StateDir

QUERIES_AT_ONCE = 4
CONFIRMATIONS_AT_ONCE = 4
"""Slots of their own: who waits for a bolt does not wait for the poll of a thousand others."""
USERS_AT_ONCE = 4
"""Requests about keypad codes: all connections together are twenty, and a command must not wait for one."""
SAVE_REQUESTS_EVERY = 900.0
"""Seconds between two writes of the request counts: flash memory wears, and a crash may cost a few counts."""
STOP_WITHIN = 3.0
"""Seconds for the last publishes; a user waits five for the process to end."""
LONGEST_SLEEP = 10.0
"""Seconds; the loop's own clock stands still while the machine sleeps, so that afterwards nothing wakes in time."""
BREATHE_EVERY = 0.01
"""Seconds of events after which the edges get their turn: a flood of notifications must not keep commands waiting."""
NOTIFICATIONS_AT_ONCE = 64
"""More are not taken: whoever sends faster than they can be dealt with must not fill the memory."""
FAILED_BATCHES = 3
"""Parts of a query that get no answer until the others are not asked."""
AFTER_FAULT = 5.0
CANCEL_AGAIN = 1.5
"""Seconds; longer than the goodbye to the broker takes."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
"""Goes on while the machine sleeps, where the system has such a clock: an old state must not look fresh after it."""


Work: TypeAlias = Callable[[], Coroutine[None, None, None]]
"""Something that goes on as long as the bridge runs; it is begun again should it end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAddress:
    """Where the cloud sends notifications, by the secret in use, and the secrets that they carry."""

    address: Callable[[str], str]
    secrets: PushSecrets


def now() -> Now:
    """Read both clocks."""
    return Now(monotonic=time.clock_gettime(_CLOCK), utc=datetime.now(UTC))


def resident_memory() -> int | None:
    """Give the bytes of memory that the process holds; None where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


class Daemon:
    """Carries events to the engine and its effects to the edges."""

    def __init__(
        self,
        engine: Engine,
        cloud: Cloud,
        state: StateDir,
        ledger: Ledger,
        batch_size: int,
        push: PushAddress | None = None,
    ) -> None:
        self._engine = engine
        self._cloud = cloud
        self._state = state
        self._ledger = ledger
        self._batch_size = batch_size
        self._push = push
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._notifications = 0
        self._query_slots = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._confirm_slots = asyncio.Semaphore(CONFIRMATIONS_AT_ONCE)
        self._users_slots = asyncio.Semaphore(USERS_AT_ONCE)
        self._outbox: list[SendCommand] = []
        self._save_requests_at = 0.0
        self._pins: SavePins | None = None
        self.stopped_at = 0.0
        self._requests: set[asyncio.Task[None]] = set()
        self._sending: set[asyncio.Task[None]] = set()
        self._log = logs.get_logger()

    def tell(self, event: Event) -> None:
        """Take an event from an edge."""
        self._events.put_nowait(event)

    def notify(self, notification: Notification) -> bool:
        """Take a notification, unless too many wait already."""
        if self._notifications >= NOTIFICATIONS_AT_ONCE:
            return False
        self._notifications += 1
        self.tell(NotificationReceived(notification=notification))
        return True

    async def run(self, broker: Broker, stopping: asyncio.Event, beside: Sequence[Work] = ()) -> None:
        """Run until `stopping` is set, then end every command, publish what is due and leave.

        `beside`: what else goes on as long as the bridge runs.
        """
        self._broker = broker
        async with asyncio.TaskGroup() as tasks:
            lasting = {tasks.create_task(self._keep_up(work)) for work in (broker.run, *beside)}
            engine = tasks.create_task(self._work(), name="engine")
            self.tell(Started())
            await stopping.wait()
            self.stopped_at = time.monotonic()
            engine.cancel()
            self._outbox.clear()
            # Their commands end now: none may leave later, say when a token has come.
            for sending in self._sending:
                sending.cancel()
            broker.drop_backlog()
            await self._supervise(self._handle(StopRequested()))
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN):
                    await broker.flushed()
            await _cancelled(lasting | self._requests)
            self._keep_counts()
        self._log.info("stopped")

    async def _keep_up(self, work: Work) -> None:
        """Keep something going, also after a fault of our own."""
        while True:
            await self._supervise(work())
            await asyncio.sleep(AFTER_FAULT)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        breathed = loop.time()
        while True:
            await self._supervise(self._handle(await self._next_event()))
            if loop.time() > breathed + BREATHE_EVERY:
                await asyncio.sleep(0)
                breathed = loop.time()

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
        if isinstance(event, NotificationReceived):
            self._notifications -= 1
        for effect in self._engine.handle(event, now()):
            self._perform(effect)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Publish():
                self._broker.publish(effect)
            case SendCommand():
                self._post(effect)
            case QueryStates():
                self._request(self._query(effect))
            case ManageUsers():
                self._manage_users(effect)
            case ListDevices():
                self._request(self._list(), lambda why: self.tell(DeviceListFailed(failure=why)))
            case RegisterPush():
                self._request(self._register(effect), lambda why: self.tell(PushNotRegistered(failure=why)))
            case IdentifyAccount():
                self._request(self._identify(), lambda why: self.tell(IdentificationFailed(failure=why)))
            case MeasureHealth():
                self._measure()
            case SetLogLevel():
                logs.set_level(effect.level)
            case SavePins():
                self._pins = effect
                self._request(self._save())
            case Note():
                getattr(self._log, effect.level)(effect.event, **effect.fields)
            case _:
                assert_never(effect)

    def _request(
        self, work: Coroutine[None, None, None], failed: Callable[[Failure], None] | None = None
    ) -> asyncio.Task[None]:
        task = asyncio.create_task(self._supervise(work, failed))
        self._requests.add(task)
        task.add_done_callback(self._requests.discard)
        return task

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

    def _post(self, effect: SendCommand) -> None:
        """Send a command with those of other devices that arrive in the same moment; nobody waits for company."""
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._dispatch)
        self._outbox.append(effect)

    def _dispatch(self) -> None:
        outbox, self._outbox = self._outbox, []
        for start in range(0, len(outbox), self._batch_size):
            self._send(tuple(outbox[start : start + self._batch_size]))

    def _send(self, effects: tuple[SendCommand, ...]) -> None:
        def failed(why: Failure) -> None:
            if why.kind is FailureKind.REJECTED and len(effects) > 1:
                # Refused as a whole, so that none was executed: one of them must not take the others along.
                for effect in effects:
                    self._send((effect,))
                return
            for effect in effects:
                self.tell(CommandFailed(command=effect.command, failure=why))

        self._sending.add(task := self._request(self._ask(effects), failed))
        task.add_done_callback(self._sending.discard)

    async def _ask(self, effects: tuple[SendCommand, ...]) -> None:
        not_after = min(effect.not_after for effect in effects)
        orders = [(effect.device, effect.action) for effect in effects]
        replies = await self._cloud.commands(orders, lambda: not_after - now().monotonic)
        for effect in effects:
            reply = replies[effect.device.id]
            self.tell(CommandAnswered(command=effect.command, error=reply.error, report=reply.report))

    def _manage_users(self, effect: ManageUsers) -> None:
        async def ask() -> None:
            left = effect.not_after
            async with self._users_slots:
                reply = await self._cloud.lock_users(effect.device, effect.action, lambda: left - now().monotonic)
            self.tell(UsersAnswered(job=effect.job, reply=reply))

        task = self._request(ask(), lambda why: self.tell(UsersFailed(job=effect.job, failure=why)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _query(self, effect: QueryStates) -> None:
        """Ask in batches, some at the same time, until one is too many for the cloud or it seems to be away.

        The end is told in any case.
        """
        size = self._batch_size
        batches = [effect.devices[start : start + size] for start in range(0, len(effect.devices), size)]
        slots = self._confirm_slots if effect.source is Source.CONFIRM else self._query_slots
        patience = 1 if effect.probe else FAILED_BATCHES

        def failed(why: Failure) -> None:
            nonlocal patience
            patience -= FAILED_BATCHES if why.kind is FailureKind.RATE_LIMITED else 1
            self.tell(QueryFailed(query=effect.query, failure=why))

        async def ask(batch: tuple[Device, ...]) -> None:
            async with slots:
                if patience > 0:
                    await self._supervise(self._query_batch(effect, batch), failed)

        try:
            if effect.probe:
                await ask(batches.pop(0))
            await asyncio.gather(*map(ask, batches))
        finally:
            self.tell(QueryEnded(query=effect.query))

    async def _query_batch(self, effect: QueryStates, batch: tuple[Device, ...]) -> None:
        reports = await self._cloud.query(batch)
        self.tell(StatesReported(reports=reports, source=effect.source, query=effect.query))

    async def _list(self) -> None:
        self.tell(DevicesListed(devices=await self._cloud.list_devices()))

    async def _register(self, effect: RegisterPush) -> None:
        if self._push is None:
            raise ValueError("there is no address for notifications")
        secret = self._push.secrets.to_register(renew=effect.renew)
        await self._cloud.register_notifications(self._push.address(secret), secret)
        self._push.secrets.registered(secret)
        self.tell(PushRegistered())

    async def _identify(self) -> None:
        account = await self._cloud.account()
        self.tell(AccountIdentified(account=hashlib.sha256(account.encode()).hexdigest()[:16]))

    def _measure(self) -> None:
        self.tell(HealthMeasured(requests=self._ledger.snapshot(), memory=resident_memory()))
        if time.monotonic() >= self._save_requests_at:
            self._save_requests_at = time.monotonic() + SAVE_REQUESTS_EVERY
            self._keep_counts()

    def _keep_counts(self) -> None:
        try:
            self._state.save_requests(self._ledger.encode())
        except StorageError as problem:
            self._log.error("request_counts_not_saved", why=str(problem))

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
