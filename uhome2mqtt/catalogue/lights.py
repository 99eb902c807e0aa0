"""Switches, plugs, dimmers and bulbs."""

from __future__ import annotations

import json

from uhome2mqtt.catalogue.attributes import COLOR_MODE, COLOR_MODES, LEVEL, LIT, SWITCH
from uhome2mqtt.catalogue.description import (
    EntityDescription,
    Intent,
    Values,
    number,
    one_of,
    word,
)
from uhome2mqtt.errors import PayloadError
from uhome2mqtt.model import COLOR_TEMP, RGB, Attribute, Command, Device, Json, quoted, rgb_text

FULL = 100
WARMEST, COLDEST = 2000, 9000
"""Kelvin; the range in the vendor's sample of a device record."""
LIGHT_MEMBERS = ("state", "brightness", "color_temp", "color")


def _turn(command: str) -> Intent:
    return Intent(
        command=Command(capability="st.switch", name=command),
        expect={SWITCH: command},
        uses=frozenset({command.upper()}),
    )


_ON, _OFF = _turn("on"), _turn("off")

_state = word(SWITCH, {"on": "ON", "off": "OFF"})
_level = number(LEVEL, 0, FULL)
_kelvin = number(COLOR_TEMP, WARMEST, COLDEST)


def _rgb(values: Values) -> Json:
    return rgb_text(values.get(RGB))


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


def _shine(color: Attribute, expected: Json, command: Command) -> Intent:
    """Set a colour; nobody knows whether that turns a light on, so that it is not relied on."""
    return Intent(command=command, expect={color: expected}, uses=frozenset({COLOR_MODES[color]}), coalesce=True)


def _whole(payload: Json, least: int, most: int) -> int:
    """Read a whole number, as a number or as its digits."""
    value = payload
    if isinstance(payload, str) and payload.isascii() and payload.isdecimal() and len(payload) <= len(str(most)):
        value = int(payload)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise PayloadError(f"{quoted(payload)} is not a whole number of {least} to {most}")
    return value


def _parse_brightness(payload: Json, _values: Values) -> Intent:
    return _set_level(_whole(payload, 0, FULL))


def _parse_color_temp(payload: Json, _values: Values) -> Intent:
    kelvin = _whole(payload, WARMEST, COLDEST)
    command = Command(capability="st.colorTemperature", name="temperature", arguments={"value": kelvin})
    return _shine(COLOR_TEMP, kelvin, command)


def _parse_rgb(payload: Json, _values: Values) -> Intent:
    """Read a colour as `r,g,b`, or as Home Assistant's object of the three."""
    text = rgb_text(payload)
    if text is None:
        raise PayloadError(f"{quoted(payload)} is no colour: send r,g,b, each a whole number of 0 to 255")
    command = Command(capability="st.color", name="color", arguments={"value": _channels(text)})
    return _shine(RGB, text, command)


def _channels(text: str) -> dict[str, Json]:
    return dict(zip("rgb", map(int, text.split(",")), strict=True))


_SLIDERS = {"brightness": _parse_brightness, "color_temp": _parse_color_temp, "color": _parse_rgb}


def _one_by_one(first: Intent, second: Intent) -> Intent:
    return Intent(
        command=first.command,
        then=(second.command,),
        expect={**first.expect, **second.expect},
        uses=first.uses | second.uses,
        coalesce=True,
    )


def _parse_light(payload: Json, values: Values) -> Intent:
    """Read Home Assistant's JSON light command, or one of the words of a switch."""
    if not isinstance(payload, dict):
        return _parse_switch(payload, values)
    unknown = [name for name in payload if name not in LIGHT_MEMBERS]
    if unknown or not payload:
        raise PayloadError(f"{quoted(payload)}: a light takes {', '.join(LIGHT_MEMBERS)}")
    if payload.keys() >= {"color_temp", "color"}:
        raise PayloadError("a light shines in a color_temp or in a color: send one of them")
    turn = _parse_switch(payload["state"], values) if "state" in payload else _ON
    wanted = {name: parse(payload[name], values) for name, parse in _SLIDERS.items() if name in payload}
    if turn.expect == _OFF.expect:
        return turn
    # A level turns the light on as well, and a level of 0 turns it off.
    first = wanted.pop("brightness", turn)
    return _one_by_one(first, *wanted.values()) if wanted and first.expect != _OFF.expect else first


def _render_light(values: Values) -> Json:
    light: dict[str, Json] = {"state": _state(values)}
    if LEVEL in values:
        light["brightness"] = _level(values)
    if COLOR_MODE in values:
        light |= _shining(values)
    elif LEVEL in values:
        light["color_mode"] = "brightness"
    return light


def _shining(values: Values) -> dict[str, Json]:
    """Say in which colour a light shines: in the one that changed last, or in the only one that can be read."""
    told = {"color_temp": _kelvin(values), "rgb": _rgb(values)}
    modes = [mode for mode, color in told.items() if color is not None]
    if not modes:
        return {}
    mode = str(values[COLOR_MODE]) if values[COLOR_MODE] in modes else modes[0]
    color = {"color": _channels(str(told["rgb"]))} if mode == "rgb" else {"color_temp": told["color_temp"]}
    return {"color_mode": mode, **color}


def _light_options(_device: Device, known: frozenset[Attribute]) -> dict[str, Json]:
    """Home Assistant's JSON schema; `flash` and `transition` are on unless said otherwise."""
    options: dict[str, Json] = {"schema": "json", "flash": False, "transition": False}
    if LEVEL in known:
        options |= {"brightness": True, "brightness_scale": FULL}
    if COLOR_TEMP in known:
        options |= {"color_temp_kelvin": True, "min_kelvin": WARMEST, "max_kelvin": COLDEST}
    # Colours imply brightness there, and brightness implies on and off: what is implied must not be listed.
    colors = [mode for name, mode in COLOR_MODES.items() if name in known]
    return options | {"supported_color_modes": list[Json](colors or ["brightness" if LEVEL in known else "onoff"])}


def _switch_options(device: Device, _known: frozenset[Attribute]) -> dict[str, Json]:
    plug = device.category.casefold() == "smartplug"
    return {"device_class": "outlet" if plug else "switch"}


LIGHT_KEYS = (
    EntityDescription(
        key="switch",
        requires=frozenset({SWITCH}),
        excludes=LIT,
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
        requires_any=LIT,
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
    EntityDescription(
        key="color_temp",
        requires=frozenset({SWITCH, COLOR_TEMP}),
        render=_kelvin,
        value_type="number",
        minimum=WARMEST,
        maximum=COLDEST,
        unit="K",
        parse=_parse_color_temp,
        settable=(f"{WARMEST}…{COLDEST}",),
    ),
    EntityDescription(
        key="rgb",
        requires=frozenset({SWITCH, RGB}),
        render=_rgb,
        parse=_parse_rgb,
        settable=("0…255,0…255,0…255",),
    ),
)
