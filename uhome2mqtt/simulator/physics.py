"""What a command does to a device: pure, no time passes here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from uhome2mqtt.simulator.colors import colored, wording_of
from uhome2mqtt.simulator.device import LEVEL, LOCK_MODE, LOCK_STATE, LOCKED_MODE, NORMAL, PASSAGE, SWITCH
from uhome2mqtt.simulator.vocabulary import Jam

if TYPE_CHECKING:
    from uhome2mqtt.simulator.device import SimDevice, States


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A capability's command with its arguments, such as `st.lock` / `setMode` / `{"mode": 1}`."""

    capability: str
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


def move_bolt(device: SimDevice, to: str) -> States:
    """Give the lock state after the bolt was told to move, which is `Jammed` when something is in its way."""
    return {LOCK_STATE: to if device.jam is Jam.FREE else "Jammed"}


def effect(device: SimDevice, command: Command, *, passage_ignores: bool = True) -> States:
    """Give the true states that a command changes; empty when the device ignores it."""
    match command.capability, command.name:
        case "st.lock", "lock" | "unlock" if passage_ignores and device.states.get(LOCK_MODE) == PASSAGE:
            return {}
        case "st.lock", "lock" | "unlock":
            return move_bolt(device, "Locked" if command.name == "lock" else "Unlocked")
        case "st.lock", "setMode":
            mode = command.arguments["mode"]
            return {LOCK_MODE: mode} | move_bolt(device, "Unlocked" if mode == PASSAGE else "Locked")
        case "st.switch", "on" | "off":
            return {SWITCH: command.name}
        case "st.switch" | "st.switchLevel", "setLevel":
            level = command.arguments["level"]
            # An off dimmer keeps its last level: captured as "off" with level 100.
            return {SWITCH: "on", LEVEL: level} if level else {SWITCH: "off"}
        case _:
            return colored(device, command.capability, command.name, command.arguments)


def accepts(device: SimDevice, command: Command) -> bool:
    """Tell whether a device of this kind knows the command and its arguments are of the right kind and range."""
    match command.capability, command.name:
        case "st.lock", "lock" | "unlock":
            return device.is_lock
        case "st.lock", "setMode":
            mode = command.arguments.get("mode")
            return device.is_lock and _is_integer(mode) and mode in {NORMAL, PASSAGE, LOCKED_MODE}
        case "st.switch", "on" | "off":
            return SWITCH in device.states
        case "st.switch" | "st.switchLevel", "setLevel":
            level = command.arguments.get("level")
            return LEVEL in device.states and _is_integer(level) and level in range(101)
        case _:
            wording = wording_of(device, command.capability, command.name)
            return wording is not None and wording.takes(command.arguments)


def relocks(device: SimDevice) -> bool:
    """Tell whether auto-lock is at work: the bolt is open and the mode is not passage."""
    return device.states.get(LOCK_STATE) == "Unlocked" and device.states.get(LOCK_MODE) != PASSAGE


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
