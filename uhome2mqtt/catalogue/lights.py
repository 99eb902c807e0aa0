"""Switches, plugs, dimmers and bulbs."""

from __future__ import annotations

import json

from uhome2mqtt.catalogue.attributes import BRIGHTNESS, LEVEL, SWITCH
from uhome2mqtt.catalogue.description import (
    EntityDescription,
    Intent,
    Values,
    number,
    one_of,
    word,
)
from uhome2mqtt.errors import PayloadError
from uhome2mqtt.model import Attribute, Command, Device, Json, quoted

FULL = 100
_LEVELS = frozenset({LEVEL, BRIGHTNESS})
_LIGHT_MEMBERS = ("state", "brightness")


def _turn(command: str) -> Intent:
    return Intent(
        command=Command(capability="st.switch", name=command),
        expect={SWITCH: command},
        uses=frozenset({command.upper()}),
    )


_ON, _OFF = _turn("on"), _turn("off")

_state = word(SWITCH, {"on": "ON", "off": "OFF"})
_level = number(LEVEL, 0, FULL)


def _toggle(values: Values) -> Intent:
    turn = {"ON": _OFF, "OFF": _ON}.get(str(_state(values)))
    if turn is None:
        raise PayloadError("TOGGLE needs a known state, and it is unknown: send ON or OFF")
    return Intent(command=turn.command, expect=turn.expect, uses=frozenset({"TOGGLE"}))


def _parse_switch(payload: Json, values: Values) -> Intent:
    intent = one_of(payload, {"ON": _ON, "OFF": _OFF, "TOGGLE": _OFF})
    toggled = isinstance(payload, str) and payload.casefold() == "toggle"
    return _toggle(values) if toggled else intent


def _set_level(level: int) -> Intent:
    """Set a level; the cloud turns the device on for any but 0, and off for that."""
    return Intent(
        command=Command(capability="st.switchLevel", name="setLevel", arguments={"level": level}),
        expect={LEVEL: level, SWITCH: "on"} if level else {SWITCH: "off"},
        uses=frozenset({"brightness"}),
        coalesce=True,
    )


def _parse_brightness(payload: Json, _values: Values) -> Intent:
    """Read a whole number of 0…100, as a number or as its digits."""
    value = payload
    if isinstance(payload, str) and payload.isascii() and payload.isdecimal() and len(payload) <= len(str(FULL)):
        value = int(payload)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= FULL:
        raise PayloadError(f"{quoted(payload)} is not a whole number of 0 to {FULL}")
    return _set_level(value)


def _parse_light(payload: Json, values: Values) -> Intent:
    """Read Home Assistant's JSON light command, or one of the words of a switch."""
    if not isinstance(payload, dict):
        return _parse_switch(payload, values)
    unknown = [name for name in payload if name not in _LIGHT_MEMBERS]
    if unknown or not payload:
        raise PayloadError(f"{quoted(payload)}: a light takes {' and '.join(_LIGHT_MEMBERS)}")
    turn = _parse_switch(payload["state"], values) if "state" in payload else _ON
    if "brightness" not in payload:
        return turn
    level = _parse_brightness(payload["brightness"], values)
    return turn if turn.expect == _OFF.expect else level


def _render_light(values: Values) -> Json:
    light: dict[str, Json] = {"state": _state(values)}
    if LEVEL in values:
        light |= {"brightness": _level(values), "color_mode": "brightness"}
    return light


def _light_options(_device: Device, known: frozenset[Attribute]) -> dict[str, Json]:
    """Home Assistant's JSON schema; `flash` and `transition` are on unless said otherwise."""
    dimming: dict[str, Json] = {
        "brightness": True,
        "brightness_scale": FULL,
        "supported_color_modes": ["brightness"],
    }
    plain: dict[str, Json] = {"supported_color_modes": ["onoff"]}
    common: dict[str, Json] = {"schema": "json", "flash": False, "transition": False}
    return common | (dimming if LEVEL in known else plain)


def _switch_options(device: Device, _known: frozenset[Attribute]) -> dict[str, Json]:
    plug = device.category.casefold() == "smartplug"
    return {"device_class": "outlet" if plug else "switch"}


LIGHT_KEYS = (
    EntityDescription(
        key="switch",
        requires=frozenset({SWITCH}),
        excludes=_LEVELS,
        render=_state,
        forgettable=True,
        values=("ON", "OFF"),
        parse=_parse_switch,
        settable=("ON", "OFF", "TOGGLE"),
        platform="switch",
        options=_switch_options,
    ),
    EntityDescription(
        key="light",
        requires=frozenset({SWITCH}),
        requires_any=_LEVELS,
        render=_render_light,
        forgettable=True,
        value_type="object",
        parse=_parse_light,
        settable=("ON", "OFF", "TOGGLE", json.dumps({"state": "ON", "brightness": 50})),
        platform="light",
        options=_light_options,
    ),
    EntityDescription(
        key="brightness",
        requires=frozenset({SWITCH, LEVEL}),
        render=_level,
        value_type="number",
        minimum=0,
        maximum=FULL,
        unit="%",
        parse=_parse_brightness,
        settable=("0…100",),
    ),
)
