"""A bridge's engine in a world that stands still until a test moves it.

The driver records every effect, plays a broker that keeps what is retained, wakes the engine when it wants to be woken,
and holds every test to the laws that are always true: no two requests of one device in flight, nothing sent that has
ended or whose time has passed, exactly one final outcome, nothing unchanged published twice in a session but once more
for each birth of Home Assistant, for each reassertion and for each config that replaced another, and nothing asked in
the background while the cloud has said that it was asked too often.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from uhome2mqtt.effects import (
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
from uhome2mqtt.engine import ConfigChanged, Engine, EngineConfig
from uhome2mqtt.errors import LOGIN_NEEDED
from uhome2mqtt.events import (
    BrokerConnected,
    BrokerDisconnected,
    CommandAnswered,
    CommandFailed,
    ConfigCleared,
    DeviceListFailed,
    DevicesListed,
    Event,
    HomeAssistantStarted,
    IdentificationFailed,
    MessageReceived,
    NotificationReceived,
    Now,
    PushNotRegistered,
    PushRegistered,
    QueryEnded,
    QueryFailed,
    Started,
    StatesReported,
    StillHeld,
    Tick,
    UsersAnswered,
    UsersFailed,
)
from uhome2mqtt.model import (
    Announced,
    Device,
    DeviceError,
    Failure,
    FailureKind,
    Json,
    LockUser,
    Notification,
    Outcome,
    Pin,
    Report,
    Source,
    UsersReply,
)
from uhome2mqtt.topics import Topics

from .reports import report_of

BASE = "uhome2mqtt"
SECRET = "secret-of-the-registration"
TOPICS = Topics(base=BASE, discovery_prefix="homeassistant")
START = 1000.1
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

FRONT = Device(id="0C:7F:ED:10:00:01", name="Front", category="SmartLock", handle_type="utec-lock", model="U-Bolt")
BACK = Device(id="0C:7F:ED:10:00:02", name="Back", category="SmartLock", handle_type="utec-lock-sensor")
LAMP = Device(id="7C:DF:A1:20:00:05", name="Lamp", category="LIGHT", handle_type="utec-dimmer")
PLUG = Device(id="7C:DF:A1:20:00:04", name="Plug", category="SmartPlug", handle_type="utec-switch")

FINAL = {f"command_{outcome}" for outcome in Outcome if outcome is not Outcome.ACCEPTED}


def failure(kind: FailureKind, retry_after: float | None = None) -> Failure:
    """Compose a failure whose code names its kind; an authorization is missing because nobody has logged in."""
    code = LOGIN_NEEDED if kind is FailureKind.AUTHORIZATION else f"{kind}_code"
    return Failure(kind=kind, code=code, message=f"{kind} message", retry_after=retry_after)


def number_of(note: Note) -> int:
    """Read the number of a command out of the id that the log shows."""
    return int(str(note.fields["id"]).rpartition("-")[2])


def running(
    *devices: Device, config: EngineConfig | None = None, pins: Mapping[str, Pin] | None = None, protocol: str = "5"
) -> Driver:
    """Give a bridge that is connected, knows these devices, and whose first poll has ended without a report."""
    house = Driver(config=config, pins=pins, chance=1.0)
    house.take(Started())
    house.connect({}, protocol=protocol)
    house.listed(*devices)
    house.end_queries()
    # The wait after the first poll is as long as the others.
    house.chance = 0.5
    return house


class Driver:
    """An engine, its clock, its broker and its cloud."""

    def __init__(
        self,
        *,
        config: EngineConfig | None = None,
        pins: Mapping[str, Pin] | None = None,
        announced: Announced | None = None,
        chance: float = 0.5,
    ) -> None:
        self.config = config or EngineConfig(topics=TOPICS)
        self.chance = chance
        self.engine = Engine(self.config, pins or {}, lambda: self.chance, lambda given: given == SECRET, announced)
        self.registering = False
        self.registrations: list[tuple[float, RegisterPush]] = []
        self.monotonic = START
        self.connected = False
        self.devices: dict[str, Device] = {}
        self.broker: dict[str, str] = {}
        self.published: list[Publish] = []
        self.sent: list[SendCommand] = []
        self.sent_at: dict[int, float] = {}
        self.users: list[ManageUsers] = []
        self.jobs_in_flight: dict[int, ManageUsers] = {}
        self.levels: list[str] = []
        self.asked: list[tuple[float, QueryStates]] = []
        self.notes: list[Note] = []
        self.observed: list[Observe] = []
        self.lists: list[float] = []
        self.identified = 0
        self.measured = 0
        self.pins: Mapping[str, Pin] = {}
        self.sought: tuple[str, ...] = ()
        self.announced = announced or Announced()
        self.open: dict[int, QueryStates] = {}
        self.in_flight: dict[int, SendCommand] = {}
        self.ended: Counter[int] = Counter()
        self.deadlines: dict[int, float] = {}
        self.marked = START
        self.held_until = 0.0
        self._told: dict[str, str] = {}
        self._replaced: set[str] = set()
        self._repeated: set[str] | None = None

    # --- time ---

    @property
    def now(self) -> Now:
        return Now(monotonic=self.monotonic, utc=NOON + timedelta(seconds=self.monotonic - START))

    def _to_reassert(self, event: Event | ConfigChanged) -> bool:
        """Tell whether everything may be published once more: somebody asks for it, or the time may have come."""
        if isinstance(event, MessageReceived):
            return event.topic == TOPICS.bridge_request("reassert")
        return isinstance(event, Tick) and self.config.reassert_every is not None

    def take(self, event: Event | ConfigChanged) -> list[Effect]:
        """Let something happen, and record what the engine wants done."""
        if isinstance(event, BrokerConnected | BrokerDisconnected):
            self.connected = isinstance(event, BrokerConnected)
            self._told = {}
        if isinstance(event, ConfigCleared):
            self.broker.pop(event.topic, None)
            self._told.pop(event.topic, None)
        if isinstance(event, HomeAssistantStarted) or self._to_reassert(event):
            self._repeated = set()
        if isinstance(event, DeviceListFailed | QueryFailed | CommandFailed | UsersFailed):
            self._refused(event.failure)
        effects = self.engine.handle(event, self.now)
        for effect in effects:
            if isinstance(effect, Note) and effect.event == "command_received":
                self._admitted(event, effect)
            if isinstance(effect, Note) and effect.event in FINAL and number_of(effect) in self.deadlines:
                self._ended(effect)
        # What an earlier run left may be said again by a device that is new to this one.
        fresh = any(isinstance(effect, Publish) and '"device_added"' in effect.payload for effect in effects)
        for effect in effects:
            self._record(effect, fresh=fresh)
        return effects

    def configure(self, **changes: Any) -> list[Effect]:
        """Let the configuration be read again, with changes."""
        self.config = replace(self.config, **changes)
        return self.take(ConfigChanged(config=self.config, applied=tuple(changes)))

    def advance(self, seconds: float) -> None:
        """Let time pass, and wake the engine whenever it wants to be woken."""
        until = self.monotonic + seconds
        while self.engine.wake_at <= until:
            self.monotonic = max(self.monotonic, self.engine.wake_at)
            self.take(Tick())
            assert self.engine.wake_at > self.monotonic, "the engine wants to be woken in its past"
        self.monotonic = until

    # --- the broker ---

    def connect(self, retained: Mapping[str, str] | None = None, *, protocol: str = "5") -> list[Effect]:
        """Connect; `retained` is what the broker holds of an earlier run."""
        self.broker.update(retained or {})
        raw = None if retained is None else {topic: payload.encode() for topic, payload in retained.items()}
        return self.take(BrokerConnected(protocol=protocol, retained=raw))

    def reconnect(self) -> list[Effect]:
        self.take(BrokerDisconnected())
        return self.connect()

    def restored(self, saved: Mapping[str, str]) -> None:
        """Kill the broker: it comes back with what it had saved, and is looked at."""
        self.take(BrokerDisconnected())
        self.broker, self.sought = dict(saved), ()
        self.connect()
        self.look()

    def look(self) -> None:
        """Tell what the broker holds of what was looked for last."""
        held = {topic: self.broker[topic].encode() for topic in self.sought if topic in self.broker}
        self.take(StillHeld(held=held))

    def forget(self) -> None:
        """Let somebody else have written over what was published: that may be published again."""
        self._told = {}

    def say(self, topic: str, payload: str | bytes | Json, **how: Any) -> list[Effect]:
        """Publish a message below the base topic; what is neither text nor bytes is written as JSON."""
        text = payload if isinstance(payload, str | bytes) else json.dumps(payload)
        raw = text.encode() if isinstance(text, str) else text
        return self.take(MessageReceived(topic=f"{BASE}/{topic}", payload=raw, **how))

    def __getitem__(self, topic: str) -> str:
        """Read what the broker holds below the base topic."""
        return self.broker[f"{BASE}/{topic}"]

    def document(self, level: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self[level])
        return document

    def below(self, level: str) -> set[str]:
        """Name what the broker holds of a device."""
        start = f"{BASE}/{level}"
        return {topic for topic in self.broker if topic == start or topic.startswith(f"{start}/")}

    def config_of(self, device: Device) -> dict[str, Any]:
        """Read the discovery payload of a device."""
        node = f"uhome2mqtt_{device.id.replace(':', '').lower()}"
        config: dict[str, Any] = json.loads(self.broker[TOPICS.discovery(node)])
        return config

    def history(self, topic: str) -> list[str]:
        """Give everything that was ever published on a topic below the base topic."""
        return [publish.payload for publish in self.published if publish.topic == f"{BASE}/{topic}"]

    def results(self, level: str) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.history(f"{level}/result")]

    def outcomes(self, level: str) -> list[str]:
        """Give the outcomes of a device's commands as `rejected DEVICE_OFFLINE`."""
        return [" ".join(filter(None, (each["event_type"], each["reason"]))) for each in self.results(level)]

    def responses(self, name: str) -> list[dict[str, Any]]:
        """Give the answers to requests of a name."""
        return [json.loads(payload) for payload in self.history(f"bridge/response/{name}")]

    def bridge_events(self) -> list[dict[str, Any]]:
        return [json.loads(payload) for payload in self.history("bridge/event")]

    def noted(self, event: str) -> list[Note]:
        return [note for note in self.notes if note.event == event]

    # --- the cloud ---

    def listed(self, *devices: Device) -> list[Effect]:
        """Answer with a device list."""
        self.devices |= {device.name.casefold(): device for device in devices}
        return self.take(DevicesListed(devices=devices))

    def registered(self, kind: FailureKind | None = None, retry_after: float | None = None) -> None:
        """Answer the registration that is under way, with a failure if a kind is given."""
        assert self.registering, "nothing is being registered"
        self.registering = False
        why = None if kind is None else failure(kind, retry_after)
        self.take(PushRegistered() if why is None else PushNotRegistered(failure=why))

    def not_identified(self, kind: FailureKind = FailureKind.UNREACHABLE, retry_after: float | None = None) -> None:
        """Answer the question whose account it is with a failure."""
        self.take(IdentificationFailed(failure=failure(kind, retry_after)))

    def list_failed(self, kind: FailureKind = FailureKind.UNREACHABLE, retry_after: float | None = None) -> None:
        self.take(DeviceListFailed(failure=failure(kind, retry_after)))

    def report(self, level: str, error: str | None = None, /, **states: Json) -> list[Effect]:
        """Push a report of the device with this name."""
        report = report_of(self.devices[level], error, **states)
        return self.notified(report)

    def notified(self, *reports: Report, changed: tuple[str, ...] = (), deleted: tuple[str, ...] = ()) -> list[Effect]:
        """Let a notification arrive."""
        notification = Notification(reports=reports, changed=changed, deleted=deleted)
        return self.take(NotificationReceived(notification=notification))

    def answer(self, level: str, error: str | None = None, /, **states: Json) -> None:
        """Answer all open queries with one report, and end them."""
        report = report_of(self.devices[level], error, **states)
        for number, query in list(self.open.items()):
            self.take(StatesReported(reports=(report,), source=query.source, query=number))
        self.end_queries()

    def end_queries(self, kind: FailureKind | None = None, retry_after: float | None = None) -> None:
        """End all open queries, as failures if a kind is given."""
        while self.open:
            number, _ = self.open.popitem()
            if kind is not None:
                self.take(QueryFailed(query=number, failure=failure(kind, retry_after)))
            self.take(QueryEnded(query=number))

    def accept(self, error: str | None = None, report: Report | None = None) -> list[Effect]:
        """Answer the oldest request in flight."""
        refusal = None if error is None else DeviceError(code=error, message="so says the cloud")
        return self.take(CommandAnswered(command=self._landed(), error=refusal, report=report))

    def fail(self, kind: FailureKind, retry_after: float | None = None) -> list[Effect]:
        """Fail the oldest request in flight."""
        return self.take(CommandFailed(command=self._landed(), failure=failure(kind, retry_after)))

    def users_answer(
        self, *users: LockUser, error: str | None = None, user: LockUser | None = None, listed: bool = True
    ) -> None:
        """Answer the oldest question about the codes of a lock."""
        refusal = None if error is None else DeviceError(code=error, message="so says the cloud")
        reply = UsersReply(error=refusal, users=users if listed and user is None else None, user=user)
        self.take(UsersAnswered(job=self._job_landed(), reply=reply))

    def users_fail(self, kind: FailureKind, retry_after: float | None = None) -> None:
        """Fail the oldest request about the codes of a lock."""
        self.take(UsersFailed(job=self._job_landed(), failure=failure(kind, retry_after)))

    def asked_of_locks(self) -> list[str]:
        """Give what was asked about codes so far as `Front list`."""
        return [f"{effect.device.name} {effect.action.name}" for effect in self.users]

    def commands(self) -> list[str]:
        """Give what was sent so far as `Front unlock`."""
        return [f"{effect.device.name} {effect.action.name}" for effect in self.sent]

    def looks(self, source: Source = Source.CONFIRM) -> list[float]:
        """Give when states were asked for, in seconds since the last moment that `mark` named."""
        return [round(at - self.marked, 6) for at, query in self.asked if query.source is source]

    def mark(self) -> None:
        """Count from now on."""
        self.marked = self.monotonic
        self.asked.clear()
        self.lists.clear()

    # --- records and laws ---

    def _landed(self) -> int:
        number = next(iter(self.in_flight))
        del self.in_flight[number]
        return number

    def _job_landed(self) -> int:
        number = next(iter(self.jobs_in_flight))
        del self.jobs_in_flight[number]
        return number

    def _managed(self, effect: ManageUsers) -> None:
        assert self.monotonic < effect.not_after, "something about codes was sent after its time"
        orders = {"add", "update", "delete"}
        flying = {other.device.id for other in self.jobs_in_flight.values() if other.action.name in orders}
        assert effect.action.name not in orders or effect.device.id not in flying, "two changes of one lock in flight"
        self.users.append(effect)
        self.jobs_in_flight[effect.job] = effect

    def _admitted(self, message: Event | ConfigChanged, note: Note) -> None:
        """Know until when a command may be sent; one that was kept for a while is let in without its message."""
        left = self.config.max_age
        if isinstance(message, MessageReceived):
            assert not message.retained, "a retained message became a command"
            left = left if message.expiry is None else min(message.expiry, left)
            left -= 0.0 if message.since is None else self.monotonic - message.since
            assert left > 0, "a message whose time may have passed became a command"
        self.deadlines[number_of(note)] = self.monotonic + left

    def _ended(self, note: Note) -> None:
        number = number_of(note)
        self.ended[number] += 1
        assert self.ended[number] == 1, "a command ended twice"
        self.in_flight.pop(number, None)

    def _refused(self, failure: Failure) -> None:
        """Know for how long, at the least, nothing may be asked in the background."""
        if failure.kind is FailureKind.RATE_LIMITED:
            wanted = 60.0 if failure.retry_after is None else min(failure.retry_after, 3600.0)
            self.held_until = max(self.held_until, self.monotonic + wanted)

    def _record(self, effect: Effect, *, fresh: bool) -> None:
        background = isinstance(effect, QueryStates) and effect.source is Source.QUERY
        if background or isinstance(effect, ListDevices | IdentifyAccount | RegisterPush):
            assert self.monotonic >= self.held_until, "something was asked in the background during a hold"
        match effect:
            case Publish():
                self._published(effect, fresh=fresh)
            case LookFor():
                self.sought = effect.topics
            case SendCommand():
                self._sent(effect)
            case QueryStates():
                self.asked.append((self.monotonic, effect))
                self.open[effect.query] = effect
            case ListDevices():
                self.lists.append(self.monotonic)
            case RegisterPush():
                assert not self.registering, "two registrations at a time"
                self.registering = True
                self.registrations.append((self.monotonic, effect))
            case IdentifyAccount():
                self.identified += 1
            case MeasureHealth():
                self.measured += 1
            case SavePins():
                self.pins = effect.pins
            case SaveAnnounced():
                self.announced = effect.announced
            case ManageUsers():
                self._managed(effect)
            case SetLogLevel():
                self.levels.append(effect.level)
            case Note():
                self.notes.append(effect)
            case Observe():
                self.observed.append(effect)

    def _published(self, publish: Publish, *, fresh: bool) -> None:
        self.published.append(publish)
        if not publish.retain or not self.connected:
            return
        if publish.payload:
            before = self._told.get(publish.topic)
            if before == publish.payload and publish.topic in self._replaced:
                self._replaced.discard(publish.topic)
            elif not fresh and before == publish.payload:
                assert self._repeated is not None, f"{publish.topic} was published twice"
                assert publish.topic not in self._repeated, f"{publish.topic} was published thrice"
                self._repeated.add(publish.topic)
            if publish.topic == TOPICS.bridge_state:
                self._repeated = None
            if before not in {None, publish.payload} and publish.topic.endswith("/config"):
                self._replaced.add(publish.topic)
            self.broker[publish.topic] = self._told[publish.topic] = publish.payload
        else:
            self.broker.pop(publish.topic, None)
            self._told.pop(publish.topic, None)

    def _sent(self, effect: SendCommand) -> None:
        assert self.monotonic < self.deadlines[effect.command], "a command was sent after its time"
        assert effect.command not in self.ended, "a command was sent after its end"
        flying = {other.device.id for other in self.in_flight.values()}
        assert effect.device.id not in flying, "two requests of one device in flight"
        self.sent.append(effect)
        self.sent_at[effect.command] = self.monotonic
        self.in_flight[effect.command] = effect
