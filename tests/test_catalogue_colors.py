from __future__ import annotations

import pytest

from uhome2mqtt.catalogue import DESCRIPTIONS, EntityDescription, Intent
from uhome2mqtt.catalogue.attributes import COLOR_MODE, LEVEL, SWITCH
from uhome2mqtt.errors import PayloadError
from uhome2mqtt.model import COLOR_TEMP, RGB, Attribute, Command, Json

ROWS: dict[str, EntityDescription] = {row.key: row for row in DESCRIPTIONS}
RED: dict[str, Json] = {"r": 255, "g": 0, "b": 0}
ON = Command(capability="st.switch", name="on")


def parsed(key: str, payload: Json, values: dict[Attribute, Json] | None = None) -> Intent:
    """Read a payload with the parser of a key."""
    parse = ROWS[key].parse
    assert parse is not None
    return parse(payload, values or {})


def warm(kelvin: int) -> Command:
    """Give the command that sets a colour temperature."""
    return Command(capability="st.colorTemperature", name="temperature", arguments={"value": kelvin})


def level(percent: int) -> Command:
    """Give the command that sets a level."""
    return Command(capability="st.switchLevel", name="setLevel", arguments={"level": percent})


PAINT_RED = Command(capability="st.color", name="color", arguments={"value": RED})


def intent(*commands: Command, uses: set[str], **expect: Json) -> Intent:
    """Give what asks for some commands in their order, and waits for these values."""
    names = {"switch": SWITCH, "level": LEVEL, "color_temp": COLOR_TEMP, "rgb": RGB}
    return Intent(
        command=commands[0],
        then=commands[1:],
        expect={names[name]: value for name, value in expect.items()},
        uses=frozenset(uses),
        coalesce=True,
    )


# What is shown


KELVINS: dict[str, tuple[Json, Json]] = {
    "warmest": (2000, 2000),
    "coldest": (9000, 9000),
    "digits": ("2700", 2700),
    "whole float": (2700.0, 2700),
    "mireds": (370, None),
    "9001": (9001, None),
    "fraction": (2700.5, None),
    "word": ("warm", None),
    "null": (None, None),
}


@pytest.mark.parametrize(("value", "expected"), KELVINS.values(), ids=KELVINS)
def test_color_temperatures(value: Json, expected: Json) -> None:
    """A colour temperature of 2000 to 9000 kelvin is shown as it is; everything else is unknown."""
    assert ROWS["color_temp"].render({COLOR_TEMP: value}) == expected


def test_colors() -> None:
    """A colour is shown as r,g,b; what cannot be read, or was not reported, is unknown."""
    assert ROWS["rgb"].render({RGB: "255,0,0"}) == "255,0,0"
    assert ROWS["rgb"].render({RGB: {"hue": 0, "saturation": 100}}) is None
    assert ROWS["rgb"].render({}) is None


BOTH: dict[Attribute, Json] = {SWITCH: "on", LEVEL: 40, COLOR_TEMP: 2700, RGB: "255,0,0"}
LIT: dict[str, Json] = {"state": "ON", "brightness": 40}
WARM: dict[str, Json] = {"color_mode": "color_temp", "color_temp": 2700}
AS_RED: dict[str, Json] = {"color_mode": "rgb", "color": RED}
LIGHTS: dict[str, tuple[dict[Attribute, Json], dict[str, Json]]] = {
    "temperature changed last": (BOTH | {COLOR_MODE: "color_temp"}, LIT | WARM),
    "color changed last": (BOTH | {COLOR_MODE: "rgb"}, LIT | AS_RED),
    "color unreadable": (BOTH | {COLOR_MODE: "rgb", RGB: None}, LIT | WARM),
    "temperature unreadable": (BOTH | {COLOR_MODE: "color_temp", COLOR_TEMP: 0}, LIT | AS_RED),
    "both unreadable": (BOTH | {COLOR_MODE: "rgb", RGB: None, COLOR_TEMP: None}, LIT),
    "out of date": ({COLOR_MODE: "rgb"}, {"state": None}),
    "no level": ({SWITCH: "on", RGB: "255,0,0", COLOR_MODE: "rgb"}, {"state": "ON", **AS_RED}),
    "off": (
        {SWITCH: "off", LEVEL: 40, COLOR_TEMP: 2700, COLOR_MODE: "color_temp"},
        LIT | WARM | {"state": "OFF"},
    ),
}


@pytest.mark.parametrize(("values", "expected"), LIGHTS.values(), ids=LIGHTS)
def test_how_a_light_shines(values: dict[Attribute, Json], expected: dict[str, Json]) -> None:
    """A light shows the colour that changed last, or the only one that can be read, and no other."""
    assert ROWS["light"].render(values) == expected


# What is understood


PARSED: dict[str, tuple[str, Json, Intent]] = {
    "kelvin": ("color_temp", 2700, intent(warm(2700), uses={"color_temp"}, color_temp=2700)),
    "kelvin as digits": ("color_temp", "9000", intent(warm(9000), uses={"color_temp"}, color_temp=9000)),
    "color": ("rgb", "255,0,0", intent(PAINT_RED, uses={"rgb"}, rgb="255,0,0")),
    "color as an object": ("rgb", RED, intent(PAINT_RED, uses={"rgb"}, rgb="255,0,0")),
    "light in a temperature": (
        "light",
        {"state": "ON", "color_temp": 2700},
        intent(ON, warm(2700), uses={"ON", "color_temp"}, switch="on", color_temp=2700),
    ),
    "light in a color": (
        "light",
        {"state": "ON", "color": RED},
        intent(ON, PAINT_RED, uses={"ON", "rgb"}, switch="on", rgb="255,0,0"),
    ),
    "light in a color without a word": (
        "light",
        {"color": "255,0,0"},
        intent(ON, PAINT_RED, uses={"ON", "rgb"}, switch="on", rgb="255,0,0"),
    ),
    "light in a color at a level": (
        "light",
        {"state": "ON", "color": RED, "brightness": 40},
        intent(level(40), PAINT_RED, uses={"brightness", "rgb"}, switch="on", level=40, rgb="255,0,0"),
    ),
    "light in a temperature at a level": (
        "light",
        {"brightness": 40, "color_temp": "2700"},
        intent(level(40), warm(2700), uses={"brightness", "color_temp"}, switch="on", level=40, color_temp=2700),
    ),
}


@pytest.mark.parametrize(("key", "payload", "expected"), PARSED.values(), ids=PARSED)
def test_payloads_become_commands(key: str, payload: Json, expected: Intent) -> None:
    """Each payload becomes commands in their order, and waits for all that they bring about."""
    assert parsed(key, payload) == expected


DARK: dict[str, Json] = {
    "off": {"state": "OFF", "color": RED},
    "off with everything": {"state": "OFF", "color_temp": 2700, "brightness": 40},
    "level 0": {"state": "ON", "brightness": 0, "color": RED},
}


@pytest.mark.parametrize("payload", DARK.values(), ids=DARK)
def test_a_light_that_is_turned_off_gets_no_color(payload: Json) -> None:
    """A light that is to be off is turned off, whatever colour is asked for beside it."""
    found = parsed("light", payload)
    assert (found.expect, found.then) == ({SWITCH: "off"}, ())


REFUSED: dict[str, tuple[str, Json]] = {
    "mireds": ("color_temp", 370),
    "too cold": ("color_temp", 9001),
    "too many digits": ("color_temp", "02700"),
    "fraction": ("color_temp", 2700.0),
    "boolean": ("color_temp", True),
    "empty": ("color_temp", ""),
    "two channels": ("rgb", "255,0"),
    "too bright": ("rgb", "256,0,0"),
    "hexadecimal": ("rgb", "#ff0000"),
    "hue and saturation": ("rgb", {"h": 0, "s": 100}),
    "both colors": ("light", {"state": "ON", "color": RED, "color_temp": 2700}),
    "off in no color": ("light", {"state": "OFF", "color": "red"}),
    "no color": ("light", {"state": "ON", "color": None}),
    "no temperature": ("light", {"state": "ON", "color_temp": 153}),
    "unknown member": ("light", {"state": "ON", "color": RED, "transition": 1}),
}


@pytest.mark.parametrize(("key", "payload"), REFUSED.values(), ids=REFUSED)
def test_everything_else_is_refused(key: str, payload: Json) -> None:
    """Nothing is rounded or guessed, and a light cannot shine in two colours: that is refused with what was given."""
    with pytest.raises(PayloadError) as caught:
        parsed(key, payload)
    assert 0 < len(str(caught.value)) < 150
