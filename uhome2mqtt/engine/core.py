"""The engine: one function takes what happened and returns what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeAlias, assert_never

from uhome2mqtt.effects import Effect, Publish
from uhome2mqtt.engine import (
    announcing,
    background,
    broker_side,
    cloud_health,
    cloud_side,
    company,
    configuring,
    health,
    push_side,
    reports,
    users_side,
)
from uhome2mqtt.engine.commands import CONFIRM, RETRY
from uhome2mqtt.engine.config import ConfigChanged, EngineConfig
from uhome2mqtt.engine.house import (
    ACCOUNT,
    ANSWER,
    BIRTH,
    DEVICES,
    DOUBT,
    EASE,
    EVIDENCE,
    FORGET,
    HEAL,
    HEALTH,
    LIST,
    LOOK,
    MOVE,
    OTHERS,
    POLL,
    PRESENT,
    PROOF,
    REASSERT,
    RECLAIM,
    REGISTER,
    REPEAT,
    STALE,
    SWEEP,
    USERS,
    House,
)
from uhome2mqtt.engine.presence import Role
from uhome2mqtt.engine.shown import Shown
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.engine.vitals import vitals
from uhome2mqtt.events import (
    AccountIdentified,
    BridgeHeard,
    BrokerConnected,
    BrokerDisconnected,
    CloudEvent,
    CommandAnswered,
    CommandFailed,
    ConfigCleared,
    DeviceListFailed,
    DevicesListed,
    Event,
    HealthMeasured,
    HomeAssistantStarted,
    IdentificationFailed,
    LoggedIn,
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
    StopRequested,
    Tick,
    UsersAnswered,
    UsersFailed,
)
from uhome2mqtt.model import Announced, Asker, CloudStatus, Pin, PushView, Source
from uhome2mqtt.vitals import News, Vitals

MOST_HELD = 100
"""Messages that are kept until it is known which bridge works, the newest."""


class Engine:
    """All state of the bridge, and its single writer."""

    def __init__(
        self,
        config: EngineConfig,
        pins: Mapping[str, Pin],
        chance: Callable[[], float],
        accepts: Callable[[str], bool] = lambda _given: False,
        announced: Announced | None = None,
    ) -> None:
        self.news = News()
        """What the last event has changed."""
        self._held: list[MessageReceived | ConfigCleared] = []
        self._house = House(config, pins, chance, accepts, announced or Announced())

    @property
    def wake_at(self) -> float:
        """When, in monotonic seconds, the engine wants a Tick; infinity for never."""
        return self._house.timers.next

    @property
    def cloud(self) -> str:
        """How the cloud is doing, as on `bridge/cloud`."""
        return self._house.cloud.status

    @property
    def broker_connected(self) -> bool:
        """Whether the broker is there."""
        return self._house.broker_connected

    @property
    def listed(self) -> bool:
        """Whether the first device list has been taken in."""
        return self._house.registry.lists > 0

    @property
    def waiting(self) -> tuple[str, ...]:
        """What the bridge waits for until it is ready, in words; empty when it is."""
        house = self._house
        reasons: tuple[str, ...] = () if self.broker_connected else ("the broker is not connected",)
        if house.presence.role is Role.ASKING:
            reasons += self.not_at_work
        if self.listed:
            return reasons
        login = f"; {house.config.login_hint}" if house.cloud.status is CloudStatus.UNAUTHORIZED else ""
        return (*reasons, f"the first device list has not come; the cloud is {house.cloud.status}{login}")

    @property
    def leaves_work(self) -> tuple[str, ...]:
        """Whether another bridge does the work of this one, in words; else empty."""
        if self._house.presence.role is not Role.STANDING_BY:
            return ()
        return (f"another bridge is at work on {self._house.config.topics.base}; this one stands by",)

    @property
    def not_at_work(self) -> tuple[str, ...]:
        """Why this bridge executes nothing now, in words; else empty."""
        if self._house.presence.role is not Role.ASKING:
            return self.leaves_work
        return (f"whether another bridge is at work on {self._house.config.topics.base} is not known yet",)

    @property
    def summary(self) -> str:
        """How the bridge is doing, in a few words."""
        house = self._house
        broker = "connected" if self.broker_connected else "away"
        devices, cloud, push = len(house.registry.nodes), house.cloud.status, house.push.status
        return f"devices: {devices}, broker: {broker}, cloud: {cloud}, push: {push}"

    @property
    def other_bridges(self) -> int:
        """How many other bridges are on the same base topic."""
        return len(self._house.presence.others)

    @property
    def push(self) -> PushView:
        """How far notifications can be relied on."""
        push = self._house.push
        return PushView(
            status=push.status,
            received=push.received,
            evidence={str(verdict): count for verdict, count in push.evidence.counts.items()},
            poll_interval=self._house.interval,
        )

    @property
    def shown(self) -> Shown:
        """What there is to be seen by whoever looks at the bridge itself."""
        return Shown(self._house)

    def vitals(self, now: Now) -> Vitals:
        """Say how the bridge is doing; takes a look at every device."""
        return vitals(self._house, now, self.push)

    def handle(self, event: Event | ConfigChanged, now: Now) -> list[Effect]:
        """Take one event in and tell what is to be done: what is retained first, then the outcomes."""
        turn, role = Turn(now), self._house.presence.role
        self.news = News()
        if role is Role.ASKING and isinstance(event, MessageReceived | ConfigCleared):
            self._held = [*self._held, _dated(event, now)][-MOST_HELD:]
            return []
        before = self._house.cloud.status, health.problems(self._house)
        self._take(turn, event)
        self._release(turn)
        push_side.follow(self._house, turn)
        cloud_health.follow_interval(self._house, turn)
        health.follow(self._house, turn, before)
        effects = [*self._house.project(turn), *turn.effects]
        self.news = News(devices=turn.changes, bridge=turn.bridge_touched, listed=turn.list_changed)
        if isinstance(event, NotificationReceived) and event.received is not None:
            _mark_last(effects, event.received)
        silent = role is self._house.presence.role is Role.STANDING_BY
        return [each for each in effects if self._is_quiet(each)] if silent else effects

    def _release(self, turn: Turn) -> None:
        """Take what was kept until it was known who works; if another bridge does, it has had all that as well.

        Not so what came from the bridge's own pages, which is answered.
        """
        if self._house.presence.role is Role.ASKING:
            return
        held, self._held = self._held, []
        for event in held:
            if self._house.presence.works or _is_ours(event):
                self._take(turn, event)

    def _is_quiet(self, effect: Effect) -> bool:
        """Tell whether a bridge that leaves the work to another one may do something."""
        return not isinstance(effect, Publish) or effect.topic == self._house.config.topics.bridge_presence

    def _take(self, turn: Turn, event: Event | ConfigChanged) -> None:
        house = self._house
        match event:
            case Started():
                self._start(turn)
            case BrokerConnected():
                broker_side.connected(house, turn, event)
            case BrokerDisconnected():
                broker_side.disconnected(house)
            case BridgeHeard():
                company.heard(house, turn, event)
            case HomeAssistantStarted():
                broker_side.home_assistant_started(house, turn)
            case ConfigCleared():
                announcing.config_cleared(house, turn, event)
            case StillHeld():
                broker_side.still_held(house, turn, event)
            case MessageReceived():
                broker_side.message_received(house, turn, event)
            case HealthMeasured():
                health.measured(house, turn, event)
            case ConfigChanged():
                configuring.changed(house, turn, event)
            case Tick():
                self._tick(turn)
            case StopRequested():
                # Nobody knows whose they are, and nobody is left to follow them.
                self._held.clear()
                broker_side.stop(house, turn)
            case _:
                self._take_from_cloud(turn, event)

    def _take_from_cloud(self, turn: Turn, event: CloudEvent) -> None:
        house = self._house
        match event:
            case LoggedIn():
                cloud_side.logged_in(house, turn)
            case AccountIdentified():
                cloud_side.account_identified(house, turn, event)
            case IdentificationFailed():
                cloud_side.identification_failed(house, turn, event)
            case DevicesListed():
                cloud_side.devices_listed(house, turn, event)
            case DeviceListFailed():
                cloud_side.device_list_failed(house, turn, event)
            case StatesReported():
                cloud_side.states_reported(house, turn, event)
            case QueryFailed():
                cloud_side.query_failed(house, turn, event)
            case QueryEnded():
                cloud_side.query_ended(house, turn, event.query)
            case CommandAnswered():
                cloud_side.command_answered(house, turn, event)
            case CommandFailed():
                cloud_side.command_failed(house, turn, event)
            case UsersAnswered():
                users_side.answered(house, turn, event)
            case UsersFailed():
                users_side.failed(house, turn, event)
            case NotificationReceived():
                push_side.received(house, turn, event)
            case PushRegistered():
                push_side.registered(house, turn)
            case PushNotRegistered():
                push_side.not_registered(house, turn, event)
            case _:
                assert_never(event)

    def _start(self, turn: Turn) -> None:
        self._house.started = turn.now.monotonic
        background.list_devices(self._house, turn)
        health.measure(self._house, turn)

    def _tick(self, turn: Turn) -> None:
        due = self._house.timers.due(turn.now.monotonic)
        looks = [int(timer.of) for timer in due if timer.what == CONFIRM]
        self._confirm(turn, self._house.commands.join(turn.now, looks))
        push_side.look(self._house, turn, [str(timer.of) for timer in due if timer.what == LOOK])
        for timer in due:
            if timer.what in _DUE:
                _DUE[timer.what](self._house, turn, timer.of)

    def _confirm(self, turn: Turn, due: list[int]) -> None:
        """Ask for the devices of all commands whose next look is due, together in one request."""
        house = self._house
        if house.budget.held(turn.now) and house.commands.put_off(turn.now, due, house.budget.held_until):
            return
        nodes = [house.registry.nodes[device_id] for device_id in house.commands.devices_of(due)]
        query = house.query(turn, nodes, Source.CONFIRM)
        if query is not None:
            house.commands.looked(turn, due, query)


def _mark_last(effects: list[Effect], caused_at: float) -> None:
    """Let it be measured when all that a notification told is on the broker: messages are published in order."""
    for index in reversed(range(len(effects))):
        effect = effects[index]
        if isinstance(effect, Publish):
            effects[index] = replace(effect, caused_at=caused_at)
            return


def _is_ours(event: MessageReceived | ConfigCleared) -> bool:
    """Tell whether something came from the bridge's own pages."""
    return isinstance(event, MessageReceived) and isinstance(event.reply, Asker)


def _dated(event: MessageReceived | ConfigCleared, now: Now) -> MessageReceived | ConfigCleared:
    """Take note of when something came that has to wait."""
    if isinstance(event, MessageReceived) and event.since is None:
        return replace(event, since=now.monotonic)
    return event


Of: TypeAlias = str | int


def _retry(house: House, turn: Turn, command: Of) -> None:
    [device_id] = house.commands.devices_of([int(command)])
    house.commands.retry(turn, house.registry.nodes[device_id], int(command))


def _stale(house: House, turn: Turn, device_id: Of) -> None:
    """Look at a device whose state may be out of date by now."""
    node = house.registry.nodes.get(str(device_id))
    if node is not None:
        house.watch_staleness(node, turn.now)
        turn.touch(str(device_id))


_DUE: dict[str, Callable[[House, Turn, Of], None]] = {
    RETRY: _retry,
    STALE: _stale,
    LIST: lambda house, turn, _of: background.list_again(house, turn),
    POLL: lambda house, turn, _of: background.poll(house, turn),
    ACCOUNT: lambda house, turn, _of: background.identify_account(house, turn),
    EASE: lambda house, turn, _of: cloud_health.ease(house, turn),
    HEALTH: lambda house, turn, _of: health.measure(house, turn),
    PRESENT: lambda house, turn, _of: company.tell(house, turn),
    ANSWER: lambda house, turn, _of: company.answered(house, turn),
    OTHERS: lambda house, turn, _of: company.expire(house, turn),
    PROOF: lambda house, turn, _of: company.disbelieve(house, turn),
    RECLAIM: lambda house, turn, _of: company.reclaim(house, turn),
    BIRTH: lambda house, turn, _of: broker_side.home_assistant_settled(house, turn),
    REASSERT: lambda house, turn, _of: broker_side.reassert(house, turn),
    FORGET: lambda house, turn, _of: broker_side.forget_earlier_run(house, turn),
    MOVE: lambda house, turn, _of: announcing.move(house, turn),
    DEVICES: lambda house, turn, _of: house.touch_list(turn),
    SWEEP: lambda house, turn, _of: turn.clears.extend(house.retained.sweep()),
    REPEAT: lambda house, turn, _of: house.repeat_configs(turn),
    DOUBT: lambda house, turn, device_id: reports.settle(house, turn, str(device_id)),
    USERS: lambda house, turn, job: users_side.look(house, turn, int(job)),
    REGISTER: lambda house, turn, _of: push_side.register_again(house, turn),
    HEAL: lambda house, turn, _of: push_side.heal(house, turn),
    EVIDENCE: lambda house, turn, _of: push_side.expire(house, turn),
}
"""What to do when a deadline comes. Looks (`CONFIRM`, `LOOK`) are taken together before, and `PACE` after all."""
