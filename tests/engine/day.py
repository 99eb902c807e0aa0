"""Whole days of a household: what the bridge asks of the cloud, and how soon it shows what people do.

usage: python -m tests.engine.day    (prints the table of docs/polling.md)

People turn keys and press switches. The cloud knows it at once, answers in 0.4 s, and tells of it or not, as the regime
has it. Counted is one day from midnight to midnight; before it the bridge has been running for an hour, or, where push
works, for six. People, network and the bridge's own chance are seeded; people do the same in every regime.
"""

from __future__ import annotations

import heapq
import json
import math
import sys
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial

from uhome2mqtt.effects import Effect, IdentifyAccount, ListDevices, Publish, QueryStates, RegisterPush
from uhome2mqtt.engine import ConfigChanged, EngineConfig
from uhome2mqtt.events import (
    AccountIdentified,
    BrokerConnected,
    DeviceListFailed,
    DevicesListed,
    Event,
    IdentificationFailed,
    NotificationReceived,
    PushNotRegistered,
    PushRegistered,
    QueryEnded,
    QueryFailed,
    Started,
    StatesReported,
    Tick,
)
from uhome2mqtt.model import Device, Discovery, Failure, FailureKind, Notification, PushStatus, Report
from uhome2mqtt.simulator.dice import Dice

from .driver import BACK, FRONT, LAMP, PLUG, START, TOPICS, Driver, failure
from .reports import report_of

HOUR, DAY = 3600.0, 86400.0
CLOSING = 1200.0
"""Seconds after the counted day in which nobody does anything, so that what was done late is still seen."""
LATENCY, TIME_OUT = 0.4, 10.0
AWAY_AFTER = 3
"""Requests in a row without any answer, after which the cloud is away."""
BATCH = 20
"""Devices in one request."""
SEED = 20260131
HALF = 0.5

VISITS, OTHERS = 15, 30
"""In a day: a lock opened and, a while later, locked; and something switched. Together 60 changes."""
STAY = (20.0, 300.0)
"""Seconds between opening and locking."""
BUSY = (0.3,) * 6 + (2.0, 3.0, 2.0) + (1.0,) * 7 + (2.0, 3.0, 3.0, 2.0, 2.0, 1.5) + (1.0, 0.5)
"""How much is done in each hour of the day."""

HEAD = (
    "| | requests | queries | device lists | registrations | changes shown | half within | 95 % within | all within "
    "| untrue for at most | unknown |"
)
RULE = "| --- " * 11 + "|"

Span = tuple[float, float]
"""From and to, in seconds, of times of day since midnight."""
ALWAYS: tuple[Span, ...] = ((-math.inf, math.inf),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Regime:
    """How the cloud behaves.

    `delay`: least and most seconds until a notification arrives, None without push. `silences`: when none is sent.
    `outages`: when no request succeeds, because of what `trouble` says. `refuses`: whether registrations are rejected.
    `limit`: requests that are borne in any hour. `before`: for how long the bridge has been running at midnight.
    """

    title: str
    delay: Span | None = None
    silences: tuple[Span, ...] = ()
    outages: tuple[Span, ...] = ()
    trouble: FailureKind = FailureKind.UNCERTAIN
    refuses: bool = False
    limit: int | None = None
    before: float = HOUR


SWIFT, EVENING = (0.2, 1.0), 6 * HOUR
NO_PUSH = Regime(title="no push")
HEALTHY = Regime(title="push works", delay=SWIFT, before=EVENING)
DEAD = Regime(title="push is registered, but nothing ever comes", delay=SWIFT, silences=ALWAYS)
DYING = Regime(
    title="push works, but for 6 h from noon on", delay=SWIFT, silences=((12 * HOUR, 18 * HOUR),), before=EVENING
)
LATE = Regime(title="push comes 30 to 60 s late", delay=(30.0, 60.0))
REFUSED = Regime(title="the cloud takes no registration", delay=SWIFT, refuses=True)
FLAPPING = Regime(
    title="no push; the cloud fails for 10 min of every hour",
    outages=tuple((hour * HOUR + 1200.0, hour * HOUR + 1800.0) for hour in range(24)),
)
AWAY = Regime(
    title="no push; the cloud is out of reach all day", outages=((0.0, math.inf),), trouble=FailureKind.UNREACHABLE
)
LIMITED = Regime(title="no push; the cloud bears 60 requests an hour", limit=60)
REGIMES = (NO_PUSH, HEALTHY, DEAD, DYING, LATE, REFUSED, FLAPPING, AWAY, LIMITED)


@dataclass(slots=True, kw_only=True)
class Thing:
    """A device as it really is, as the bridge was last told, and as it is shown.

    `on`: locked, or switched on. `awaited`: when it was changed, until that is shown or undone.
    """

    device: Device
    key: str
    on: bool = True
    said: bool | None = None
    shown: bool | None = None
    awaited: float | None = None
    wrong_since: float | None = None
    unknown_since: float | None = None

    @property
    def topic(self) -> str:
        return TOPICS.key(self.device.name.casefold(), self.key)

    @property
    def report(self) -> Report:
        if self.key == "lock":
            return report_of(self.device, lock="Locked" if self.on else "Unlocked", health="Online")
        return report_of(self.device, switch="on" if self.on else "off", health="Online")

    def hear(self, report: Report) -> None:
        """Take note of what the bridge is told."""
        self.said = not {"Locked", "on"}.isdisjoint(map(str, report.states.values()))

    def read(self, payload: str) -> None:
        """Take note of what is shown, and see to it that it is what was last told, or nothing."""
        word = json.loads(payload)["state"] if self.key == "light" else payload
        self.shown = {"LOCKED": True, "UNLOCKED": False, "ON": True, "OFF": False}.get(word)
        assert self.shown in {self.said, None}, "something was claimed that was not reported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Poll:
    """A query of all devices; times since midnight."""

    asked: float
    ended: float
    succeeded: bool


def _life() -> Iterator[tuple[float, Device]]:
    """Give what people do on two days, as seconds since the second midnight and the device."""
    dice = Dice(SEED, "people")
    for midnight in (-DAY, 0.0):
        for _ in range(VISITS):
            at, lock = midnight + _moment(dice), FRONT if dice.chance(HALF) else BACK
            yield at, lock
            yield at + dice.between(STAY), lock
        for _ in range(OTHERS):
            yield midnight + _moment(dice), PLUG if dice.chance(HALF) else LAMP


def _moment(dice: Dice) -> float:
    """Choose a time of day."""
    left, hour = dice.between((0.0, sum(BUSY))), 0
    while left >= BUSY[hour]:
        left, hour = left - BUSY[hour], hour + 1
    return (hour + left / BUSY[hour]) * HOUR


def _within(spans: Sequence[Span], at: float) -> bool:
    return any(begin <= at < end for begin, end in spans)


class Day(Driver):
    """A bridge that lives through a day, held to the driver's laws and to these.

    Nothing is claimed that was not reported, nothing untrue stays for ever, and while the cloud is away one request at
    a time asks whether it is back. Of the day is kept: `requests` by kind, `polls`, `statuses`: how push did, `delays`:
    when something was changed and how much later that was shown, `wrong`: for how long something untrue was claimed at
    the most, `unknown`: for how long something was unknown, all devices together. Times since midnight.
    """

    def __init__(self, regime: Regime) -> None:
        config = EngineConfig(topics=TOPICS, push=regime.delay is not None, discovery=Discovery.OFF, json_state=False)
        super().__init__(config=config)
        self.regime = regime
        self.requests: Counter[str] = Counter()
        self.polls: list[Poll] = []
        self.statuses: list[tuple[float, PushStatus]] = []
        self.changes = 0
        self.delays: list[tuple[float, float]] = []
        self.wrong = self.unknown = 0.0
        things = (FRONT, "lock"), (BACK, "lock"), (PLUG, "switch"), (LAMP, "light")
        self.things = {device.id: Thing(device=device, key=key) for device, key in things}
        self._by_topic = {thing.topic: thing for thing in self.things.values()}
        self._midnight = START + regime.before
        self._luck, self._network = Dice(SEED, "bridge"), Dice(SEED, "network")
        self._agenda: list[tuple[float, int, Callable[[], object]]] = []
        self._order = 0
        self._borne: deque[float] = deque()
        self._under_way: Counter[str] = Counter()
        self._unanswered = 0

    @property
    def t(self) -> float:
        """Seconds since midnight."""
        return self.monotonic - self._midnight

    def live(self) -> Day:
        """Live through the hours before the day, and the day."""
        for at, device in _life():
            if self.t <= at < DAY:
                self._later(at - self.t, partial(self._change, self.things[device.id]))
        self._later(DAY + CLOSING - self.t, self._close)
        self.take(Started())
        self.take(BrokerConnected(protocol="5", retained={}))
        while self._agenda:
            self.monotonic = max(self.monotonic, min(self.engine.wake_at, self._agenda[0][0]))
            if self.engine.wake_at <= self.monotonic:
                self.take(Tick())
                assert self.engine.wake_at > self.monotonic, "the engine wants to be woken in its past"
            else:
                heapq.heappop(self._agenda)[2]()
        return self

    def take(self, event: Event | ConfigChanged) -> list[Effect]:
        """Let something happen, and let the cloud hear what the engine asks for."""
        self.chance = self._luck.between((0.0, 1.0))
        match event:
            case StatesReported(reports=reports) | NotificationReceived(notification=Notification(reports=reports)):
                for report in reports:
                    self.things[report.device_id].hear(report)
        effects = super().take(event)
        for effect in effects:
            self._hear(effect)
        # What a driver keeps for tests to look at is too much in a day.
        for kept in (self.published, self.notes, self.asked, self.open):
            kept.clear()
        return effects

    # --- the household ---

    def _change(self, thing: Thing) -> None:
        """Let somebody turn or switch something, of which the cloud may tell."""
        thing.on = not thing.on
        # What is undone before it was shown is not waited for, and neither is the undoing.
        thing.awaited = None if thing.shown is thing.on else self.t
        self.changes += self.t >= 0
        self._weigh(thing)
        if self.regime.delay and not self.regime.refuses and not _within(self.regime.silences, self.t):
            told = NotificationReceived(notification=Notification(reports=(thing.report,)))
            self._later(self._network.between(self.regime.delay), partial(self.take, told))

    def _weigh(self, thing: Thing) -> None:
        """Hold what is shown of a device against what is true."""
        if thing.awaited is not None and thing.shown is thing.on:
            if thing.awaited >= 0:
                self.delays.append((thing.awaited, self.t - thing.awaited))
            thing.awaited = None
        wrong, unknown = thing.shown is (not thing.on), thing.shown is None
        if thing.wrong_since is not None and not wrong and self.t >= 0:
            self.wrong = max(self.wrong, self.t - thing.wrong_since)
        if thing.unknown_since is not None and not unknown:
            self.unknown += max(0.0, min(self.t, DAY) - max(0.0, thing.unknown_since))
        thing.wrong_since = (thing.wrong_since or self.t) if wrong else None
        thing.unknown_since = (thing.unknown_since or self.t) if unknown else None

    def _close(self) -> None:
        """End the day; what is unknown now has been so up to here."""
        self._agenda.clear()
        for thing in self.things.values():
            assert thing.wrong_since is None, "something untrue was claimed for ever"
            self.unknown += DAY - max(0.0, DAY if thing.unknown_since is None else thing.unknown_since)

    # --- the cloud ---

    def _hear(self, effect: Effect) -> None:
        match effect:
            case Publish(topic=topic, payload=payload) if topic in self._by_topic:
                self._by_topic[topic].read(payload)
                self._weigh(self._by_topic[topic])
            case QueryStates():
                self._query(effect)
            case ListDevices():
                listed = DevicesListed(devices=tuple(thing.device for thing in self.things.values()))
                self._ask("list", lambda: [listed], lambda why: [DeviceListFailed(failure=why)])
            case IdentifyAccount():
                identified = AccountIdentified(account="0123456789abcdef")
                self._ask("account", lambda: [identified], lambda why: [IdentificationFailed(failure=why)])
            case RegisterPush():
                self._ask("register", lambda: [PushRegistered()], lambda why: [PushNotRegistered(failure=why)])

    def _query(self, effect: QueryStates) -> None:
        ended, asked, whole = QueryEnded(query=effect.query), self.t, len(effect.devices) == len(self.things)
        assert len(effect.devices) <= BATCH

        def answer() -> list[Event]:
            reports = tuple(self.things[device.id].report for device in effect.devices)
            return [StatesReported(reports=reports, source=effect.source, query=effect.query), ended]

        def fail(why: Failure) -> list[Event]:
            return [QueryFailed(query=effect.query, failure=why), ended]

        def landed(*, succeeded: bool) -> None:
            self.polls += [Poll(asked=asked, ended=self.t, succeeded=succeeded)] if whole else []

        self._ask("query", answer, fail, landed)

    def _ask(
        self,
        kind: str,
        answer: Callable[[], list[Event]],
        fail: Callable[[Failure], list[Event]],
        landed: Callable[..., None] = lambda **_: None,
    ) -> None:
        """Let a request travel to the cloud, where what is true then is read, and its answer travel back."""
        alone = not self._under_way.total()
        assert alone or self._unanswered < AWAY_AFTER, f"{kind} beside {self._under_way} while the cloud is away"
        self._under_way[kind] += 1
        self.requests[kind] += 0 <= self.t < DAY
        seconds, trouble = self._fate(kind)

        def arrive() -> None:
            self._later(seconds / 2, partial(land, answer() if trouble is None else fail(failure(trouble))))

        def land(events: list[Event]) -> None:
            self._under_way[kind] -= 1
            self.registering &= kind != "register"
            if kind != "register":
                self._unanswered = 0 if trouble is not self.regime.trouble else self._unanswered + 1
            landed(succeeded=trouble is None)
            for event in events:
                self.take(event)
            if not self.statuses or self.engine.push.status is not self.statuses[-1][1]:
                self.statuses.append((self.t, self.engine.push.status))

        self._later(seconds / 2, arrive)

    def _fate(self, kind: str) -> tuple[float, FailureKind | None]:
        """Tell how many seconds a request takes, and how it fails."""
        if _within(self.regime.outages, self.t):
            return TIME_OUT if self._network.chance(HALF) else LATENCY, self.regime.trouble
        if kind == "register" and self.regime.refuses:
            return LATENCY, FailureKind.REJECTED
        while self._borne and self._borne[0] <= self.t - HOUR:
            self._borne.popleft()
        if self.regime.limit is not None and len(self._borne) >= self.regime.limit:
            return LATENCY, FailureKind.RATE_LIMITED
        self._borne.append(self.t)
        return LATENCY, None

    def _later(self, seconds: float, action: Callable[[], object]) -> None:
        self._order += 1
        heapq.heappush(self._agenda, (self.monotonic + seconds, self._order, action))


@cache
def lived(regime: Regime) -> Day:
    """Live a day, once for all who want to know of it."""
    return Day(regime).live()


def row(day: Day) -> str:
    """Write a day as a line of the table."""
    asked, delays = day.requests, sorted(delay for _, delay in day.delays)
    counts = (f"{count:,}" for count in (asked.total(), asked["query"], asked["list"], asked["register"]))
    shown = (_seconds(delays[math.ceil(part * len(delays)) - 1]) if delays else "-" for part in (0.5, 0.95, 1.0))
    unknown = f"{100 * day.unknown / DAY / len(day.things):.1f} %"
    wrong = _seconds(day.wrong) if day.wrong else "-"
    cells = (day.regime.title, *counts, f"{len(delays)} of {day.changes}", *shown, wrong, unknown)
    return f"| {' | '.join(cells)} |"


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def table() -> str:
    """Give the table of the documentation."""
    return "\n".join((HEAD, RULE, *(row(lived(regime)) for regime in REGIMES)))


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
