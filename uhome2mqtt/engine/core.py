"""The engine: one function takes what happened and returns what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import assert_never

from uhome2mqtt.engine import background, broker_side, cloud_health, cloud_side, health, push_side, reports, users_side
from uhome2mqtt.engine.commands import CONFIRM, RETRY
from uhome2mqtt.engine.config import EngineConfig
from uhome2mqtt.engine.house import (
    ACCOUNT,
    BIRTH,
    DOUBT,
    EASE,
    EVIDENCE,
    FORGET,
    HEAL,
    HEALTH,
    LIST,
    LOOK,
    POLL,
    REGISTER,
    STALE,
    USERS,
    House,
)
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.events import (
    AccountIdentified,
    BrokerConnected,
    BrokerDisconnected,
    CloudEvent,
    CommandAnswered,
    CommandFailed,
    DeviceListFailed,
    DevicesListed,
    Effect,
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
    StopRequested,
    Tick,
    UsersAnswered,
    UsersFailed,
)
from uhome2mqtt.model import Pin, PushView, Source


class Engine:
    """All state of the bridge, and its single writer."""

    def __init__(
        self,
        config: EngineConfig,
        pins: Mapping[str, Pin],
        chance: Callable[[], float],
        accepts: Callable[[str], bool] = lambda _given: False,
    ) -> None:
        self._house = House(config, pins, chance, accepts)

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
        return self._house.retained.connected

    @property
    def listed(self) -> bool:
        """Whether the first device list has been taken in."""
        return self._house.registry.lists > 0

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

    def handle(self, event: Event, now: Now) -> list[Effect]:
        """Take one event in and tell what is to be done: what is retained first, then the outcomes."""
        turn, cloud = Turn(now), self._house.cloud.status
        self._take(turn, event)
        push_side.follow(self._house, turn)
        cloud_health.follow_interval(self._house, turn)
        health.follow(self._house, turn, cloud)
        return [*self._house.project(turn), *turn.effects]

    def _take(self, turn: Turn, event: Event) -> None:
        house = self._house
        match event:
            case Started():
                self._start(turn)
            case BrokerConnected():
                broker_side.connected(house, turn, event)
            case BrokerDisconnected():
                house.retained.disconnected()
            case HomeAssistantStarted():
                broker_side.home_assistant_started(house, turn)
            case MessageReceived():
                broker_side.message_received(house, turn, event)
            case HealthMeasured():
                health.measured(house, turn, event)
            case Tick():
                self._tick(turn)
            case StopRequested():
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
            self._due(turn, timer)

    def _due(self, turn: Turn, timer: Timer) -> None:
        house = self._house
        if timer.what == RETRY:
            self._retry(turn, int(timer.of))
        elif timer.what == STALE:
            self._stale(turn, str(timer.of))
        elif timer.what == LIST:
            background.list_again(house, turn)
        elif timer.what == POLL:
            background.poll(house, turn)
        elif timer.what == ACCOUNT:
            background.identify_account(house, turn)
        elif timer.what == EASE:
            cloud_health.ease(house, turn)
        elif timer.what == HEALTH:
            health.measure(house, turn)
        elif timer.what == BIRTH:
            broker_side.home_assistant_settled(house, turn)
        elif timer.what == FORGET:
            broker_side.forget_earlier_run(house, turn)
        elif timer.what == DOUBT:
            reports.settle(house, turn, str(timer.of))
        elif timer.what == USERS:
            users_side.look(house, turn, int(timer.of))
        elif timer.what == REGISTER:
            push_side.register_again(house, turn)
        elif timer.what == HEAL:
            push_side.heal(house, turn)
        elif timer.what == EVIDENCE:
            push_side.expire(house, turn)

    def _confirm(self, turn: Turn, due: list[int]) -> None:
        """Ask for the devices of all commands whose next look is due, together in one request."""
        house = self._house
        if house.budget.held(turn.now) and house.commands.put_off(turn.now, due, house.budget.held_until):
            return
        nodes = [house.registry.nodes[device_id] for device_id in house.commands.devices_of(due)]
        query = house.query(turn, nodes, Source.CONFIRM)
        if query is not None:
            house.commands.looked(turn, due, query)

    def _retry(self, turn: Turn, command: int) -> None:
        [device_id] = self._house.commands.devices_of([command])
        self._house.commands.retry(turn, self._house.registry.nodes[device_id], command)

    def _stale(self, turn: Turn, device_id: str) -> None:
        """Look at a device whose state may be out of date by now."""
        node = self._house.registry.nodes.get(device_id)
        if node is not None:
            self._house.watch_staleness(node, turn.now)
            turn.touch(device_id)
