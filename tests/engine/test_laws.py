"""Laws that hold whatever happens, in whatever order.

Besides what is asserted here, the driver holds every step to its own laws: no command from a retained or expired
message, nothing sent after its end, one request of a device in flight, one final outcome, nothing unchanged published
twice, nothing asked in the background during a hold.
"""

from __future__ import annotations

import json

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from uhome2mqtt.catalogue.attributes import LOCK_STATE
from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.engine.evidence import Verdict
from uhome2mqtt.engine.house import DOUBT, House
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.events import (
    BrokerConnected,
    BrokerDisconnected,
    CommandAnswered,
    DevicesListed,
    HomeAssistantStarted,
    LoggedIn,
    MessageReceived,
    QueryEnded,
    QueryFailed,
    Reply,
    Started,
    StatesReported,
    StopRequested,
    UsersAnswered,
)
from uhome2mqtt.model import (
    Attribute,
    Device,
    DeviceError,
    Discovery,
    FailureKind,
    Json,
    Pin,
    Report,
    UsersReply,
    canonical,
    parse_json,
)
from uhome2mqtt.packed import unpacked
from uhome2mqtt.topics import GetTopic

from .driver import BACK, BASE, FRONT, LAMP, PLUG, TOPICS, Driver, failure, number_of
from .strategies import (
    CODE,
    LEVELS,
    asked,
    errors,
    kinds,
    left,
    lists,
    members,
    payloads,
    reports,
    requests,
    states,
    subjects,
    topics,
    users_replies,
    waits,
)

HOME = (FRONT, BACK, LAMP, PLUG)


class Bridge(RuleBasedStateMachine):
    """A bridge to which anything may happen."""

    @initialize(
        disabled=st.booleans(), json_state=st.booleans(), discovery=st.sampled_from(Discovery), push=st.booleans()
    )
    def begin(self, *, disabled: bool, json_state: bool, discovery: Discovery, push: bool) -> None:
        """Start with a pin for every device, so that its topic level is known here."""
        config = EngineConfig(
            topics=TOPICS,
            lock_users=True,
            allow={"back": ("LOCK",)},
            overrides={PLUG.id: Override(enabled=not disabled)},
            json_state=json_state,
            discovery=discovery,
            push=push,
        )
        self.house = Driver(config=config, pins={device_id: Pin(topic=level) for level, device_id in LEVELS.items()})
        self.locks: dict[str, Json] = {}
        self.read = False
        self.seen = self.told = 0
        self.pushed_locks: dict[str, Json] = {}
        self.arrived: dict[str, int] = {}
        self.unknown: dict[str, int] = {}
        self.requested = 0
        self.heard: list[tuple[str, Json, float]] = []
        self.house.take(Started())

    # --- what may happen ---

    @rule(devices=lists)
    def listed(self, devices: list[Device]) -> None:
        self.house.take(DevicesListed(devices=tuple(devices)))

    @rule()
    def all_listed(self) -> None:
        self.house.take(DevicesListed(devices=HOME))

    @rule(kind=kinds, retry_after=waits)
    def list_failed(self, kind: FailureKind, retry_after: float | None) -> None:
        self.house.list_failed(kind, retry_after)

    @precondition(lambda self: not self.house.connected)
    @rule(retained=left, protocol=st.sampled_from(["5", "3.1.1"]))
    def connected(self, retained: dict[str, str], protocol: str) -> None:
        if not self.read:
            self.house.broker.update(retained)
        raw = {topic: payload.encode() for topic, payload in retained.items()}
        self.house.take(BrokerConnected(protocol=protocol, retained=None if self.read else raw))
        self.read = True

    @rule()
    def logged_in(self) -> None:
        self.house.take(LoggedIn())

    @rule()
    def disconnected(self) -> None:
        self.house.take(BrokerDisconnected())

    @precondition(lambda self: self.house.connected)
    @rule()
    def reconnected(self) -> None:
        """Connect again; nothing may change by that but the protocol that `bridge/info` tells."""
        before = dict(self.house.broker)
        self.house.reconnect()
        late = (TOPICS.bridge_info, TOPICS.bridge_devices)  # the latter is told at the end of a query
        told = {topic: before[topic] for topic in late if topic in before}
        assert self.house.broker | told == before

    @rule()
    def home_assistant_started(self) -> None:
        self.house.take(HomeAssistantStarted())

    @rule(
        topic=topics,
        payload=payloads,
        retained=st.sampled_from([False, False, False, True]),
        expiry=st.sampled_from([None, None, 0.0, 1.5, 30.0, 1e6]),
        reply=st.none() | st.just(Reply(topic="answers", correlation=b"1")),
        waited=st.sampled_from([None, None, None, 5.0, 100.0]),
    )
    def message(
        self,
        *,
        topic: str,
        payload: bytes,
        retained: bool,
        expiry: float | None,
        reply: Reply | None,
        waited: float | None,
    ) -> None:
        asks = isinstance(TOPICS.parse_command(topic), GetTopic)
        payload = payload or b"x" if asks else payload  # an empty one may be the echo of a topic that was cleared
        self.requested += asks and not retained
        since = None if waited is None else self.house.monotonic - waited
        message = MessageReceived(
            topic=topic, payload=payload, since=since, retained=retained, expiry=expiry, reply=reply
        )
        self.house.take(message)

    @rule(
        name=requests,
        members=asked,
        retained=st.sampled_from([False, False, False, True]),
        expiry=st.sampled_from([None, None, 0.0, 1.5]),
        reply=st.none() | st.just(Reply(topic="answers", correlation=b"1")),
    )
    def asked(self, *, name: str, members: Json, retained: bool, expiry: float | None, reply: Reply | None) -> None:
        self.requested += 1
        self.house.say(f"bridge/request/{name}", members, retained=retained, expiry=expiry, reply=reply)

    @rule(level=st.sampled_from(sorted(LEVELS)))
    def got(self, level: str) -> None:
        self.requested += 1
        self.house.say(f"{level}/get", "{}")

    @precondition(lambda self: self.house.jobs_in_flight)
    @rule(reply=users_replies)
    def users_answered(self, reply: UsersReply) -> None:
        number = next(iter(self.house.jobs_in_flight))
        del self.house.jobs_in_flight[number]
        self.house.take(UsersAnswered(job=number, reply=reply))

    @precondition(lambda self: self.house.jobs_in_flight)
    @rule(kind=kinds, retry_after=waits)
    def users_failed(self, kind: FailureKind, retry_after: float | None) -> None:
        self.house.users_fail(kind, retry_after)

    @rule(level=st.sampled_from(["front", "back"]), word=st.sampled_from(["LOCK", "UNLOCK"]))
    def turned(self, level: str, word: str) -> None:
        self.house.say(f"{level}/lock/set", word)

    @rule(level=st.sampled_from(sorted(LEVELS)), order=members, expiry=st.sampled_from([None, 1.5]))
    def ordered(self, level: str, order: Json, expiry: float | None) -> None:
        self.house.say(f"{level}/set", order, expiry=expiry)

    @rule(
        level=st.sampled_from(sorted(LEVELS)),
        key=st.sampled_from(["lock", "mode", "light", "brightness", "switch"]),
        order=payloads,
    )
    def set_to(self, level: str, key: str, order: bytes) -> None:
        self.house.say(f"{level}/{key}/set", order)

    @rule(levels=st.lists(st.integers(0, 100), min_size=2, max_size=8))
    def slid(self, levels: list[int]) -> None:
        for level in levels:
            self.house.say("lamp/brightness/set", level)

    @rule(pushed=st.lists(reports, max_size=3), changed=st.lists(subjects), deleted=st.lists(subjects))
    def pushed(self, pushed: list[Report], changed: list[str], deleted: list[str]) -> None:
        self._reported(*pushed)
        self.pushed_locks |= {
            each.device_id: self.locks[each.device_id] for each in pushed if LOCK_STATE in each.states
        }
        self.house.notified(*pushed, changed=tuple(changed), deleted=tuple(deleted))

    @precondition(lambda self: self.house.registering)
    @rule(kind=st.none() | kinds, retry_after=waits)
    def registered(self, kind: FailureKind | None, retry_after: float | None) -> None:
        self.house.registered(kind, retry_after)

    @precondition(lambda self: self.house.open)
    @rule(said=st.data(), ends=st.booleans(), kind=st.none() | kinds, retry_after=waits)
    def queried(self, *, said: st.DataObject, ends: bool, kind: FailureKind | None, retry_after: float | None) -> None:
        number = said.draw(st.sampled_from(sorted(self.house.open)))
        answers = said.draw(st.lists(reports, max_size=3))
        [asked] = [at for at, query in self.house.asked if query.query == number]
        self._reported(*answers, asked=asked)
        source = self.house.open[number].source
        self.house.take(StatesReported(reports=tuple(answers), source=source, query=number))
        if kind is not None:
            self.house.take(QueryFailed(query=number, failure=failure(kind, retry_after)))
        if ends:
            del self.house.open[number]
            self.house.take(QueryEnded(query=number))

    @precondition(lambda self: self.house.in_flight)
    @rule(error=errors, said=st.none() | states)
    def answered(self, error: DeviceError | None, said: dict[Attribute, Json] | None) -> None:
        number, sent = next(iter(self.house.in_flight.items()))
        report = None if said is None else Report(device_id=sent.device.id, states=said)
        if report is not None:
            self._reported(report)
        del self.house.in_flight[number]
        self.house.take(CommandAnswered(command=number, error=error, report=report))

    @precondition(lambda self: self.house.in_flight)
    @rule(kind=kinds, retry_after=waits)
    def failed(self, kind: FailureKind, retry_after: float | None) -> None:
        self.house.fail(kind, retry_after)

    @rule(seconds=st.sampled_from([0.0, 0.3, 1.0, 2.0, 5.0, 31.0, 61.0, 120.0, 1000.0]))
    def time_passed(self, seconds: float) -> None:
        self.house.advance(seconds)

    @rule(seconds=st.sampled_from([3.0, 100.0]))
    def slept(self, seconds: float) -> None:
        """Let the whole machine pause, so that the engine is woken late."""
        self.house.monotonic += seconds
        self.house.advance(0)

    def _reported(self, *said: Report, asked: float | None = None) -> None:
        when = self.house.monotonic if asked is None else asked
        for report in said:
            if LOCK_STATE in report.states:
                self.locks[report.device_id] = canonical(report.states[LOCK_STATE])
                self.arrived[report.device_id] = self.arrived.get(report.device_id, 0) + 1
                self.heard.append((report.device_id, canonical(report.states[LOCK_STATE]), when))

    # --- what always holds ---

    @invariant()
    def nothing_is_unlocked_that_was_not_reported(self) -> None:
        """UNLOCKED is what the lock's last report says, or its last push, which a query may be older than.

        Or a query decides about that.
        """
        inside: House = vars(self.house.engine)["_house"]
        new, self.seen = self.house.published[self.seen :], len(self.house.published)
        for publish in new:
            level, _, key = publish.topic.removeprefix(f"{BASE}/").partition("/")
            shown = parse_json(publish.payload) if not key and publish.payload else publish.payload
            lock = shown.get("lock") if isinstance(shown, dict) else shown if key == "lock" else None
            if level in LEVELS and lock == "UNLOCKED" and self.locks[LEVELS[level]] != "unlocked":
                pushed = self.house.config.push and self.pushed_locks.get(LEVELS[level]) == "unlocked"
                assert pushed or Timer(DOUBT, LEVELS[level]) in inside.timers
            if key in {"result", "event", "devices", "info"} and publish.payload:
                parse_json(publish.payload)

    @invariant()
    def what_is_unknown_is_known_again_by_a_report_alone(self) -> None:
        """Tell that a lock is anything, after it was unknown, only when another report of it has come."""
        new, self.told = self.house.published[self.told :], len(self.house.published)
        for publish in new:
            level, _, key = publish.topic.removeprefix(f"{BASE}/").partition("/")
            if level not in LEVELS or key != "lock":
                continue
            if publish.payload == "None":
                self.unknown.setdefault(level, self.arrived.get(LEVELS[level], 0))
            elif publish.payload in {"LOCKED", "UNLOCKED", "JAMMED"}:
                before = self.unknown.pop(level, -1)
                assert self.arrived.get(LEVELS[level], 0) > before

    @invariant()
    def a_lock_is_confirmed_by_its_report(self) -> None:
        """Confirm no lock or unlock but by a report of that state that came, or was asked for, after it was sent."""
        for note in self.house.noted("command_confirmed"):
            if note.fields["key"] == "lock":
                wanted = f"{str(note.fields['payload']).casefold()}ed"
                sent = self.house.sent_at[number_of(note)]
                device = next(sent.device.id for sent in self.house.sent if sent.command == number_of(note))
                assert any((device, wanted) == heard[:2] and heard[2] >= sent for heard in self.heard)

    @invariant()
    def no_code_is_seen(self) -> None:
        """Keep codes out of the log and of everything that is retained or for everybody."""
        public = [each.payload for each in self.house.published if each.retain or each.topic != "answers"]
        assert CODE not in json.dumps(public)
        assert CODE not in repr(self.house.notes)

    @invariant()
    def the_policy_is_kept(self) -> None:
        """Nothing is sent that the configuration forbids: no unlock to the back door, nothing to a disabled device."""
        disabled = {device for device, override in self.house.config.overrides.items() if not override.enabled}
        for sent in self.house.sent:
            assert sent.device.id != BACK.id or sent.action.name == "lock"
            assert sent.device.id not in disabled

    @invariant()
    def nothing_becomes_unknown_early(self) -> None:
        """Keep the age of states in step with the interval in use: three of them, and at least 120 s."""
        inside: House = vars(self.house.engine)["_house"]
        assert inside.stale_after == max(120, 3 * max(inside.interval, inside.pace))
        assert 30 <= inside.budget.interval <= 480

    @invariant()
    def only_proven_push_is_relied_on(self) -> None:
        """Ask more rarely than the cloud bears only while the newest evidence is a hit, and four of the last five."""
        inside: House = vars(self.house.engine)["_house"]
        latest = list(inside.push.evidence.latest)
        if inside.interval != inside.budget.interval:
            assert latest[-1] is Verdict.HIT
            assert latest.count(Verdict.HIT) >= 4
        assert inside.push.evidence.counts.total() == 0 or inside.push.enabled

    @invariant()
    def the_broker_holds_a_fresh_projection(self) -> None:
        """While there is a connection, the broker holds what a projection of everything known now would publish."""
        if not self.house.connected:
            return
        inside: House = vars(self.house.engine)["_house"]
        wanted = inside.bridge_topics()
        if inside.inventory_changed:  # told at the end of the query
            del wanted[TOPICS.bridge_devices]
        standing: set[str] = set()
        for node in inside.registry.nodes.values():
            wanted |= inside.due_topics(node, self.house.now)
            standing |= inside.device_topics(node, self.house.now).keys()
        texts = {topic: unpacked(payload) for topic, payload in wanted.items()}
        assert {topic: self.house.broker.get(topic) for topic in texts} == texts
        stray = self.house.broker.keys() - wanted.keys() - standing - (inside.left_over or {}).keys()
        assert not [topic for topic in stray if topic.endswith(("/lock", "/availability", "/stale"))]

    @property
    def answers(self) -> int:
        """How many answers there were to requests."""
        start = f"{BASE}/bridge/response"
        return sum(publish.topic.startswith(start) for publish in self.house.published)

    def teardown(self) -> None:
        """Let all requests fail and time pass: then every command has ended, once."""
        for _ in range(20):
            while self.house.in_flight:
                self.house.fail(FailureKind.UNCERTAIN)
            while self.house.jobs_in_flight:
                self.house.users_fail(FailureKind.UNCERTAIN)
            self.house.end_queries(FailureKind.UNREACHABLE)
            self.house.list_failed()
            if self.house.registering:
                self.house.registered(FailureKind.UNREACHABLE)
            self.house.advance(10)
        assert self.house.ended.keys() == self.house.deadlines.keys()
        assert self.answers == self.requested


class Stopped(Bridge):
    """A bridge that is stopped in the middle of anything."""

    def teardown(self) -> None:
        """Stop: every command has ended, once, without the need of time."""
        self.house.take(StopRequested())
        assert self.house.ended.keys() == self.house.deadlines.keys()
        assert self.answers == self.requested


CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
TestBridge = Bridge.TestCase
TestBridge.settings = settings(max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=CHECKS)
TestStopped = Stopped.TestCase
TestStopped.settings = settings(max_examples=50, stateful_step_count=30, deadline=None, suppress_health_check=CHECKS)
