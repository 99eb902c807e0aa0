"""What a colour bulb may call its colours; nobody has captured one, so that there are two ways."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from uhome2mqtt.simulator.device import SimDevice, States

WARMEST, COLDEST = 2000, 9000
BRIGHTEST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The names of a state, and of the command with its one argument that sets it."""

    state: str
    capability: str
    command: str
    argument: str
    is_temperature: bool

    def takes(self, arguments: Mapping[str, Any]) -> bool:
        """Tell whether a command's arguments are a colour of this kind."""
        if arguments.keys() != {self.argument}:
            return False
        value = arguments[self.argument]
        if self.is_temperature:
            return _within(value, WARMEST, COLDEST)
        channels = value if isinstance(value, dict) else {}
        return channels.keys() == {*"rgb"} and all(_within(channel, 0, BRIGHTEST) for channel in channels.values())


WORDINGS = (
    # What a client of this API guesses at.
    Wording(
        state="st.colorTemperature.temperature",
        capability="st.colorTemperature",
        command="temperature",
        argument="value",
        is_temperature=True,
    ),
    Wording(state="st.color.color", capability="st.color", command="color", argument="value", is_temperature=False),
    # After SmartThings, from which the API descends.
    Wording(
        state="st.colorTemperature.colorTemperature",
        capability="st.colorTemperature",
        command="setColorTemperature",
        argument="temperature",
        is_temperature=True,
    ),
    Wording(
        state="st.colorControl.color",
        capability="st.colorControl",
        command="setColor",
        argument="color",
        is_temperature=False,
    ),
)


def wording_of(device: SimDevice, capability: str, command: str) -> Wording | None:
    """Find the colour that a command of this device sets; None for any other command."""
    return next(
        (
            one
            for one in WORDINGS
            if (one.capability, one.command) == (capability, command) and one.state in device.states
        ),
        None,
    )


def colored(device: SimDevice, capability: str, command: str, arguments: Mapping[str, Any]) -> States:
    """Give the states that a colour command changes: it turns nothing on, as long as nobody has seen that."""
    wording = wording_of(device, capability, command)
    return {} if wording is None else {wording.state: arguments[wording.argument]}


def _within(value: object, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
