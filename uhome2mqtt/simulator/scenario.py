"""Life in the house: people come and go so that a demo has something to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uhome2mqtt.simulator.clock import sleep
from uhome2mqtt.simulator.device import BATTERY, DOOR, LOCK_STATE, SWITCH
from uhome2mqtt.simulator.dice import Dice
from uhome2mqtt.simulator.orders import DeviceChange

if TYPE_CHECKING:
    from collections.abc import Callable

    from uhome2mqtt.simulator.cloud import SimulatedCloud
    from uhome2mqtt.simulator.device import SimDevice

FIRST_EVENT = 8.0
PAUSE = (10.0, 20.0)
FULL_BATTERY = 5


async def play(cloud: SimulatedCloud, speed: float = 1.0) -> None:
    """Live in the house until cancelled; `speed` 10 makes ten seconds of it pass in one."""
    dice = Dice(0, "life")
    await sleep(cloud.clock, FIRST_EVENT / speed)
    turn_key(cloud)
    while True:
        await sleep(cloud.clock, dice.between(PAUSE) / speed)
        dice.pick(EVERYDAY_LIFE)(cloud)


def turn_key(cloud: SimulatedCloud) -> None:
    """Unlock a lock on its keypad, or lock it again with the thumb turn.

    The first that locks itself is taken: whoever tries commands on the front door is not thwarted.
    """
    lock = next((device for device in cloud.house.devices.values() if device.auto_lock), _first(cloud, LOCK_STATE))
    if lock is not None:
        locked = lock.states[LOCK_STATE] == "Locked"
        cause = "keypad" if locked else "thumb turn"
        _happen(cloud, lock, LOCK_STATE, "Unlocked" if locked else "Locked", cause)


def use_door(cloud: SimulatedCloud) -> None:
    """Open or close the first door that has a sensor."""
    door = _first(cloud, DOOR)
    if door is not None:
        _happen(cloud, door, DOOR, "Open" if door.states[DOOR] == "Closed" else "Closed", "door")


def press_switch(cloud: SimulatedCloud) -> None:
    """Press the first wall switch."""
    switch = _first(cloud, SWITCH)
    if switch is not None:
        _happen(cloud, switch, SWITCH, "off" if switch.states[SWITCH] == "on" else "on", "wall switch")


def drain_battery(cloud: SimulatedCloud) -> None:
    """Let the first battery sink one level; an empty one is changed."""
    lock = _first(cloud, BATTERY)
    if lock is not None:
        level = lock.states[BATTERY]
        rest = level - 1 if isinstance(level, int) and level > 1 else FULL_BATTERY
        _happen(cloud, lock, BATTERY, rest, "time")


EVERYDAY_LIFE: list[Callable[[SimulatedCloud], None]] = [
    *[turn_key] * 3,
    *[use_door] * 4,
    *[press_switch] * 3,
    drain_battery,
]


def _first(cloud: SimulatedCloud, key: str) -> SimDevice | None:
    return next((device for device in cloud.house.devices.values() if key in device.states), None)


def _happen(cloud: SimulatedCloud, device: SimDevice, key: str, value: str | int, cause: str) -> None:
    cloud.happen(device, DeviceChange(states={key: value}, cause=cause))
