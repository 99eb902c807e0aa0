"""What the cloud calls the colours of lights: nobody has captured one, so that the configuration has the names."""

from __future__ import annotations

import re
from collections.abc import Iterable

from uhome2mqtt.model import COLOR_TEMP, RGB, Attribute, Command, Json, attribute, rgb_text

LONGEST_NAME = 128
_NAME = r"[A-Za-z0-9_-]+"
_STATE = re.compile(rf"({_NAME}(?:\.{_NAME})*)\.({_NAME})")
_COMMAND = re.compile(rf"({_NAME}(?:\.{_NAME})*)\.({_NAME})\(({_NAME})\)")

COLOR_TEMP_STATE = "st.colorTemperature.temperature"
COLOR_TEMP_COMMAND = f"{COLOR_TEMP_STATE}(value)"
RGB_STATE = "st.color.color"
RGB_COMMAND = f"{RGB_STATE}(value)"
"""What one client of this API guesses at, and at the same time the bridge's own names."""


def parse_state(text: str) -> Attribute:
    """Read an attribute as `capability.name`; raises ValueError for anything else."""
    found = _STATE.fullmatch(text)
    if found is None or len(text) > LONGEST_NAME:
        raise ValueError("it is not a capability and a name with a dot between them")
    return attribute(*found.groups())


def parse_command(text: str) -> tuple[str, str, str]:
    """Read a command as `capability.name(argument)`; raises ValueError for anything else."""
    found = _COMMAND.fullmatch(text)
    if found is None or len(text) > LONGEST_NAME:
        raise ValueError("it is not a capability, a command and its one argument in brackets")
    capability, name, argument = found.groups()
    return capability, name, argument


class LightNames:
    """Translates between the cloud's names for colours and the bridge's own; everything else passes as it is.

    A colour that is reported becomes the text `r,g,b`, so that two spellings of one colour are equal.
    """

    def __init__(
        self,
        *,
        color_temp_state: str = COLOR_TEMP_STATE,
        color_temp_command: str = COLOR_TEMP_COMMAND,
        rgb_state: str = RGB_STATE,
        rgb_command: str = RGB_COMMAND,
    ) -> None:
        self._own = {parse_state(color_temp_state): COLOR_TEMP, parse_state(rgb_state): RGB}
        self._commands = {
            parse_command(COLOR_TEMP_COMMAND)[:2]: parse_command(color_temp_command),
            parse_command(RGB_COMMAND)[:2]: parse_command(rgb_command),
        }

    def heard(self, states: Iterable[tuple[Attribute, Json]]) -> dict[Attribute, Json]:
        """Take states in; what bears one of the bridge's own names, where the cloud has others, is left out."""
        found: dict[Attribute, Json] = {}
        for wire, value in states:
            name = self._own.get(wire, wire)
            if wire in self._own or name not in {COLOR_TEMP, RGB}:
                # A form that nobody knows stays as it came, and visible.
                found[name] = (rgb_text(value) or value) if name == RGB else value
        return found

    def said(self, command: Command) -> Command:
        """Give a command as the cloud is to hear it."""
        wire = self._commands.get((command.capability, command.name))
        if wire is None:
            return command
        capability, name, argument = wire
        return Command(capability=capability, name=name, arguments={argument: command.arguments["value"]})


GUESSED = LightNames()
