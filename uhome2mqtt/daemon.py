"""The composition of the running bridge: the only place that knows the engine and all edges."""

from __future__ import annotations

import asyncio
import os
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import TypeAlias, assert_never

from uhome2mqtt import logs
from uhome2mqtt.broker import Broker
from uhome2mqtt.clock import now
from uhome2mqtt.cloud import Cloud
from uhome2mqtt.cloud_requests import CloudRequests, PushAddress
from uhome2mqtt.console import Desk
from uhome2mqtt.effects import (
    Answer,
    Effect,
    IdentifyAccount,
    ListDevices,
    LookFor,
    ManageUsers,
    MeasureHealth,
    Note,
    Observe,
    Publish,
    QueryStates,
    RegisterPush,
    SaveAnnounced,
    SavePins,
    SendCommand,
    SetLogLevel,
)
from uhome2mqtt.engine import ConfigChanged, Engine
from uhome2mqtt.errors import CloudError, StorageError
from uhome2mqtt.events import Event, HealthMeasured, NotificationReceived, Now, Started, StopRequested, Tick
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.metrics import Meters
from uhome2mqtt.model import Failure, FailureKind, Json, Notification
from uhome2mqtt.service import Service
from uhome2mqtt.state_dir import StateDir
from uhome2mqtt.tasks import cancelled

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
AFTER_FAULT = 5.0


Happening: TypeAlias = Event | ConfigChanged
"""What the engine takes."""
Work: TypeAlias = Callable[[], Coroutine[None, None, None]]
"""Something that goes on as long as the bridge runs; it is begun again should it end."""


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
        meters: Meters | None = None,
        service: Service | None = None,
        desk: Desk | None = None,
    ) -> None:
        self._meters = meters or Meters()
        self._engine = engine
        self._service = service
        self._desk = desk
        self._state = state
        self._ledger = ledger
        self._requests = CloudRequests(cloud, batch_size, push, self.tell, self._supervise)
        self._events: asyncio.PriorityQueue[tuple[bool, int, Happening]] = asyncio.PriorityQueue()
        self._numbers = count()
        self._notifications = 0
        self._save_requests_at = 0.0
        self._unsaved: dict[str, SavePins | SaveAnnounced] = {}
        self._outages: defaultdict[str, logs.Outage] = defaultdict(logs.Outage)
        self.stopped_at = 0.0
        self._saving: set[asyncio.Task[None]] = set()
        self._disk = asyncio.Lock()
        self._longest_sleep = LONGEST_SLEEP if service is None else min(LONGEST_SLEEP, service.interval)
        self._log = logs.get_logger()

    def tell(self, event: Happening) -> None:
        """Take an event from an edge; notifications wait for all others, however many there are."""
        self._events.put_nowait((isinstance(event, NotificationReceived), next(self._numbers), event))

    def notify(self, notification: Notification) -> bool:
        """Take a notification, unless too many wait already."""
        if self._notifications >= NOTIFICATIONS_AT_ONCE:
            return False
        self._notifications += 1
        self.tell(NotificationReceived(notification=notification, received=now().monotonic))
        return True

    def ask_for(self, devices: int) -> None:
        """Let a query be about so many devices at most."""
        self._requests.batch_size = devices

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
            if self._service is not None:
                self._service.stopping()
            engine.cancel()
            self._requests.end_orders()
            broker.drop_backlog()
            await self._supervise(self._handle(StopRequested()))
            # In time, or not at all: they can be done without.
            self._begin(self._save_counts())
            with suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN):
                    await broker.flushed()
                    await asyncio.gather(*self._saving)
            await cancelled(lasting | self._requests.tasks | self._saving)
        self._log.info("stopped")

    async def _keep_up(self, work: Work) -> None:
        """Keep something going, also after a fault of our own."""
        while True:
            await self._supervise(work())
            await asyncio.sleep(AFTER_FAULT)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        busy_since = loop.time()
        while True:
            idle = self._events.empty()
            event = await self._next_event()
            if idle:
                busy_since = loop.time()
            await self._supervise(self._handle(event))
            if self._service is not None:
                self._service.alive()
            if loop.time() > busy_since + BREATHE_EVERY:
                await asyncio.sleep(0)
                busy_since = loop.time()

    async def _next_event(self) -> Happening:
        """Wait for an event or the engine's next deadline; a flood of the former does not delay the latter."""
        wait = self._engine.wake_at - now().monotonic
        if wait <= 0:
            self._meters.woken(late=-wait)
            return Tick()
        loop, wait = asyncio.get_running_loop(), min(wait, self._longest_sleep)
        due = loop.time() + wait
        try:
            async with asyncio.timeout(wait):
                return (await self._events.get())[-1]
        except TimeoutError:
            self._meters.woken(late=loop.time() - due)
            return Tick()

    async def _handle(self, event: Happening) -> None:
        if isinstance(event, NotificationReceived):
            self._notifications -= 1
        began = time.perf_counter()
        effects = self._engine.handle(event, moment := now())
        self._meters.turned(event, time.perf_counter() - began)
        # A door first: whatever is to be told of it can wait for the length of a request's making.
        for effect in sorted(effects, key=lambda effect: not isinstance(effect, SendCommand)):
            self._perform(effect)
        if self._desk is not None:
            # Apart: doors must not wait for pages, nor for what is wrong with them.
            await self._supervise(self._show(self._desk, event, effects, moment))

    async def _show(self, desk: Desk, event: Happening, effects: Sequence[Effect], moment: Now) -> None:
        desk.turned(event, effects, self._engine.news, moment)

    def _perform(self, effect: Effect) -> None:
        match effect:
            case Publish():
                self._broker.publish(effect)
            case LookFor():
                self._broker.look_for(effect.topics)
            case SendCommand() | QueryStates() | ManageUsers() | ListDevices() | RegisterPush() | IdentifyAccount():
                self._requests.make(effect)
            case Answer():
                if self._desk is not None:
                    self._desk.answered(effect)
            case MeasureHealth():
                self._measure()
            case Observe():
                self._meters.command(effect)
            case SetLogLevel():
                logs.set_level(effect.level)
            case SavePins() | SaveAnnounced():
                self._unsaved[type(effect).__name__] = effect
                self._begin(self._save(type(effect).__name__))
            case Note():
                getattr(self._log, effect.level)(effect.event, **effect.fields)
            case _:
                assert_never(effect)

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

    def _measure(self) -> None:
        self.tell(HealthMeasured(requests=self._ledger.snapshot(), memory=resident_memory()))
        for what in self._unsaved:
            self._begin(self._save(what))
        if time.monotonic() >= self._save_requests_at:
            self._save_requests_at = time.monotonic() + SAVE_REQUESTS_EVERY
            self._begin(self._save_counts())

    def _keep_counts(self, counts: Mapping[str, Json]) -> None:
        self._write("request counts", lambda: self._state.save_requests(counts))

    def _begin(self, saving: Coroutine[None, None, None]) -> None:
        self._saving.add(task := asyncio.create_task(self._supervise(saving)))
        task.add_done_callback(self._saving.discard)

    async def _save_counts(self) -> None:
        counts = self._ledger.encode()
        async with self._disk:
            await asyncio.to_thread(self._keep_counts, counts)

    async def _save(self, what: str) -> None:
        """Keep the newest of its kind, while all else goes on: a worn memory card takes seconds for a write.

        Of several that wait, the last writes for all. What fails is tried again.
        """
        async with self._disk:
            effect = self._unsaved.get(what)
            kept = effect is not None and await asyncio.to_thread(self._wrote, effect)
            if kept and self._unsaved[what] is effect:
                del self._unsaved[what]

    def _wrote(self, effect: SavePins | SaveAnnounced) -> bool:
        if isinstance(effect, SavePins):
            return self._write("devices", lambda: self._state.save_pins(effect.pins))
        return self._write("discovery", lambda: self._state.save_announced(effect.announced))

    def _write(self, what: str, write: Callable[[], None]) -> bool:
        """Write something, and say at the beginning and at the end of it that this fails."""
        outage = self._outages[what]
        try:
            write()
        except StorageError as problem:
            say = self._log.debug if outage.lasts() else self._log.error
            say("state_not_saved", what=what, why=str(problem))
            return False
        if outage.under_way:
            self._log.info("state_saved", what=what, **outage.over())
        return True
