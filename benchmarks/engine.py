"""What an event costs the engine, by the number of devices: among a thousand locks one must not be slower."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import count

from benchmarks.table import median, table
from uhome2mqtt.catalogue.attributes import HEALTH, SWITCH
from uhome2mqtt.effects import Effect, QueryStates, SendCommand
from uhome2mqtt.engine import Engine, EngineConfig
from uhome2mqtt.events import (
    BrokerConnected,
    CommandAnswered,
    DevicesListed,
    Event,
    HealthMeasured,
    MessageReceived,
    NotificationReceived,
    Now,
    QueryEnded,
    Started,
    StatesReported,
    Tick,
)
from uhome2mqtt.model import Device, Notification, Report
from uhome2mqtt.topics import Topics

SIZES = (10, 1_000, 10_000)
TOPICS = Topics(base="bench", discovery_prefix="homeassistant")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
BATCH = 20


class House:
    """An engine that is connected, knows so many plugs, and has the first report of each."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.seconds = 1000.0
        self.engine = Engine(EngineConfig(topics=TOPICS, push=True), {}, lambda: 0.5)
        self.take(Started())
        self.take(BrokerConnected(retained={}, protocol="5"))
        devices = tuple(device(number) for number in range(size))
        self.answered(self.take(DevicesListed(devices=devices)))
        # Until nothing of the start is left to be published.
        for _ in range(200):
            self.seconds += 0.2
            self.answered(self.take(Tick()))

    def answered(self, effects: Iterable[Effect]) -> None:
        """Answer what is asked."""
        for effect in effects:
            if isinstance(effect, QueryStates):
                self.report(effect)

    def report(self, query: QueryStates) -> None:
        """Answer a query in batches, as the cloud does."""
        for start in range(0, len(query.devices), BATCH):
            some = query.devices[start : start + BATCH]
            reports = tuple(Report(device_id=each.id, states={SWITCH: "on", HEALTH: "Online"}) for each in some)
            self.take(StatesReported(reports=reports, source=query.source, query=query.query))
        self.take(QueryEnded(query=query.query))

    def take(self, event: Event) -> list[Effect]:
        moment = Now(monotonic=self.seconds, utc=NOON + timedelta(seconds=self.seconds))
        return self.engine.handle(event, moment)


def device(number: int) -> Device:
    """Give one of many plugs."""
    return Device(
        id=f"84:F7:{number >> 16 & 255:02X}:{number >> 8 & 255:02X}:{number & 255:02X}:07",
        name=f"Plug {number}",
        category="SmartPlug",
        handle_type="utec-switch",
    )


def cost(step: Callable[[int], None], times: int, settled: Callable[[], None]) -> float:
    """Give the median microseconds of a step, whose rest is done outside of the measured time."""
    took = []
    for number in range(times):
        began = time.perf_counter()
        step(number)
        took.append(time.perf_counter() - began)
        settled()
    return median(took) * 1e6


def notification(house: House, times: int) -> float:
    """Let one device after the other change."""
    value = count()

    def step(number: int) -> None:
        house.seconds += 1
        states = {SWITCH: ("on", "off")[next(value) % 2]}
        report = Report(device_id=device(number % house.size).id, states=states)
        effects = house.take(NotificationReceived(notification=Notification(reports=(report,)), received=house.seconds))
        assert effects

    return cost(step, times, lambda: None)


def command(house: House, times: int) -> float:
    """Switch one device after the other, and let the cloud accept that and report it."""
    sent: list[SendCommand] = []

    def step(number: int) -> None:
        house.seconds += 1
        message = MessageReceived(topic=f"bench/plug_{number % house.size}/switch/set", payload=b"OFF")
        sent.extend(effect for effect in house.take(message) if isinstance(effect, SendCommand))
        assert sent

    def settled() -> None:
        for order in sent:
            states = {SWITCH: "off"}
            report = Report(device_id=order.device.id, states=states)
            house.take(CommandAnswered(command=order.command, error=None, report=report))
        sent.clear()

    return cost(step, times, settled)


def health(house: House, times: int) -> float:
    """Measure the bridge's own health, as it does each minute."""

    def step(_number: int) -> None:
        house.seconds += 1
        house.take(HealthMeasured(requests={}, memory=0))

    return cost(step, times, lambda: None)


def poll(house: House, times: int) -> float:
    """Take whole polls in that bring nothing new; the cost is given for one device."""
    took = []
    for _ in range(max(3, times // house.size)):
        query = _next_poll(house)
        began = time.perf_counter()
        house.report(query)
        took.append((time.perf_counter() - began) / house.size)
    return median(took) * 1e6


def _next_poll(house: House) -> QueryStates:
    """Let time pass until the engine asks for the states of all."""
    while True:
        house.seconds = max(house.seconds + 0.1, house.engine.wake_at)
        for effect in house.take(Tick()):
            if isinstance(effect, QueryStates):
                if len(effect.devices) == house.size:
                    return effect
                house.report(effect)


def measure(times: int) -> str:
    """Measure all sizes and give the table, in microseconds; the last column is what size does."""
    houses = [House(size) for size in SIZES]
    what = {
        "notification of one device": notification,
        "command for one device": command,
        "health of the bridge": health,
        "poll, for each device": poll,
    }
    head = ("microseconds of the engine for a", *(f"{size:,} devices" for size in SIZES), "most : least devices")
    rows = []
    for name, measured in what.items():
        figures = [measured(house, times) for house in houses]
        rows.append((name, *(f"{figure:,.0f}" for figure in figures), f"{figures[-1] / figures[0]:.2f}"))
    return table(head, rows)
