"""The devices and the passing of time between a command, its effect and the cloud's knowledge of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from uhome2mqtt.simulator.device import BATTERY, HEALTH, LOCK_MODE, LOCK_STATE
from uhome2mqtt.simulator.journal import Journal
from uhome2mqtt.simulator.physics import effect, move_bolt, relocks
from uhome2mqtt.simulator.vocabulary import Jam

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from uhome2mqtt.simulator.clock import Clock, Timer
    from uhome2mqtt.simulator.device import SimDevice, States
    from uhome2mqtt.simulator.dice import Dice
    from uhome2mqtt.simulator.physics import Command
    from uhome2mqtt.simulator.quirks import Quirks

    Changed = Callable[[SimDevice, frozenset[str]], None]


class House:
    """Every device of the account; `changed` is told of each change that the cloud hears of.

    `history`: all states of a device, each time that they have changed, or that Query shows others.
    """

    def __init__(
        self, devices: Iterable[SimDevice], *, quirks: Quirks, clock: Clock, dice: Dice, changed: Changed
    ) -> None:
        self.devices: dict[str, SimDevice] = {device.id: device for device in devices}
        self._quirks = quirks
        self._clock = clock
        self._dice = dice
        self._changed = changed
        self._timers: set[Timer] = set()
        self._relocks: dict[str, Timer] = {}
        self._serial = 0
        self._shown: dict[tuple[str, str], int] = {}
        self.history = Journal()
        for device in self.devices.values():
            self._remember(device, device.visible)

    def add(self, device: SimDevice) -> None:
        """Take a device in, or one in place of another."""
        self.devices[device.id] = device
        self._remember(device, device.visible)
        self._watch_bolt(device)

    def later(self, delay: float, action: Callable[[], object]) -> Timer:
        """Do something after `delay` seconds, unless the house is closed first."""

        def act() -> None:
            self._timers.discard(timer)
            action()

        timer = self._clock.call_later(delay, act)
        self._timers.add(timer)
        return timer

    def close(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._relocks.clear()

    def execute(self, device: SimDevice, command: Command, *, delay: float) -> None:
        """Carry an accepted command out after `delay` seconds, or never, as the quirk has it."""
        if not self._dice.chance(self._quirks.accepted_not_executed):
            self.later(delay, partial(self._carry_out, device, command))

    def set_states(self, device: SimDevice, states: States) -> None:
        """Change true states as a hand, a key or the weather would; moving a stuck bolt by hand frees it."""
        if states.get(LOCK_STATE, "Jammed") != "Jammed":
            device.jam = Jam.FREE
        if HEALTH in states:
            self.set_online(device, online=str(states[HEALTH]).casefold() == "online")
        self._apply(device, {key: value for key, value in states.items() if key != HEALTH})

    def set_online(self, device: SimDevice, *, online: bool) -> None:
        """Cut a device off, or bring it back together with everything the cloud has missed."""
        if device.online == online:
            return
        device.online = device.visible_online = online
        missed = {key: value for key, value in device.states.items() if device.visible.get(key) != value}
        if online:
            self._report(device, missed)
        self._changed(device, frozenset({HEALTH, *missed}) if online else frozenset({HEALTH}))

    def set_jam(self, device: SimDevice, jam: Jam) -> None:
        """Obstruct the bolt: `stuck` shows at once and lasts, `next` shows when the bolt moves."""
        device.jam = jam
        if jam is Jam.STUCK:
            self._apply(device, {LOCK_STATE: "Jammed"})

    def _carry_out(self, device: SimDevice, command: Command) -> None:
        if not device.online:
            return
        self._move(device, effect(device, command, passage_ignores=self._quirks.passage_ignores_lock))

    def _move(self, device: SimDevice, states: States) -> None:
        if LOCK_STATE in states and device.jam is Jam.NEXT:
            device.jam = Jam.FREE
        self._apply(device, states)

    def _apply(self, device: SimDevice, states: States) -> None:
        changed = {key: value for key, value in states.items() if device.states.get(key) != value}
        device.states |= states
        if states.keys() & {LOCK_STATE, LOCK_MODE}:
            self._watch_bolt(device)
        if changed and device.online and self.devices.get(device.id) is device:
            self._remember(device, device.states)
            self._report(device, changed)
            self._changed(device, frozenset(changed))

    def _watch_bolt(self, device: SimDevice) -> None:
        if (timer := self._relocks.pop(device.id, None)) is not None:
            timer.cancel()
            self._timers.discard(timer)
        seconds = self._quirks.auto_lock.get(device.id, device.auto_lock)
        if seconds > 0 and relocks(device):
            self._relocks[device.id] = self.later(seconds, partial(self._relock, device))

    def _relock(self, device: SimDevice) -> None:
        self._relocks.pop(device.id, None)
        self._move(device, move_bolt(device, "Locked"))

    def _report(self, device: SimDevice, states: States) -> None:
        self._serial += 1
        show = partial(self._show, device, states, self._serial)
        lag = self._dice.between(self._quirks.read_back_lag)
        if lag > 0:
            self.later(lag, show)
        else:
            show()

    def _show(self, device: SimDevice, states: States, serial: int) -> None:
        # With random lags an older change may arrive after a newer one; it must not win.
        for key, value in states.items():
            if serial > self._shown.get((device.id, key), 0) and not self._sticks(device, key, value):
                self._shown[device.id, key] = serial
                device.visible[key] = value
        self._remember(device, device.visible)

    def _remember(self, device: SimDevice, states: States) -> None:
        self.history.add(device=device.id, states=dict(states))

    def _sticks(self, device: SimDevice, key: str, value: object) -> bool:
        best = device.visible.get(key)
        sinks = isinstance(value, int) and isinstance(best, int) and value < best
        return key == BATTERY and self._quirks.battery_sticky and sinks
