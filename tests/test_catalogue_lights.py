from __future__ import annotations

import pytest

from uhome2mqtt.catalogue import DESCRIPTIONS, EntityDescription, Intent
from uhome2mqtt.catalogue.attributes import BRIGHTNESS, LEVEL, SWITCH
from uhome2mqtt.errors import PayloadError
from uhome2mqtt.model import Attribute, Command, Json

ROWS: dict[str, EntityDescription] = {row.key: row for row in DESCRIPTIONS}
SHOWN_ON: dict[Attribute, Json] = {SWITCH: "on"}
SHOWN_OFF: dict[Attribute, Json] = {SWITCH: "Off"}


def parsed(key: str, payload: Json, values: dict[Attribute, Json] | None = None) -> Intent:
    """Read a payload with the parser of a key."""
    parse = ROWS[key].parse
    assert parse is not None
    return parse(payload, values or {})


def turn(name: str, use: str | None = None) -> Intent:
    """Give what turns on or off."""
    return Intent(
        command=Command(capability="st.switch", name=name),
        expect={SWITCH: name},
        uses=frozenset({use or name.upper()}),
    )


def dim(level: int) -> Intent:
    """Give what sets a level."""
    return Intent(
        command=Command(capability="st.switchLevel", name="setLevel", arguments={"level": level}),
        expect={LEVEL: level, SWITCH: "on"} if level else {SWITCH: "off"},
        uses=frozenset({"brightness"}),
        coalesce=True,
    )


# What is shown


STATES: dict[str, tuple[Json, Json]] = {
    "on": ("on", "ON"),
    "On": ("On", "ON"),
    "ON": ("ON", "ON"),
    "off": ("off", "OFF"),
    "Off": ("Off", "OFF"),
    "OFF": ("OFF", "OFF"),
    "spaces": (" off ", "OFF"),
    "Unknown": ("Unknown", None),
    "ligature": ("o\ufb00", None),
    "boolean": (False, None),
    "truth": (True, None),
    "zero": (0, None),
    "one": (1, None),
    "empty": ("", None),
    "null": (None, None),
    "list": (["off"], None),
    "object": ({"value": "off"}, None),
}


@pytest.mark.parametrize(("value", "expected"), STATES.values(), ids=STATES)
def test_states_of_switches_and_lights(value: Json, expected: Json) -> None:
    """On and off are read in any letter case; everything else is unknown, and `null` in a light."""
    assert ROWS["switch"].render({SWITCH: value}) == expected
    assert ROWS["light"].render({SWITCH: value}) == {"state": expected}


LEVELS: dict[str, tuple[Json, Json]] = {
    "0": (0, 0),
    "1": (1, 1),
    "100": (100, 100),
    "digits": ("50", 50),
    "whole float": (50.0, 50),
    "101": (101, None),
    "negative": (-1, None),
    "fraction": (50.5, None),
    "boolean": (True, None),
    "not a number": (float("nan"), None),
    "word": ("full", None),
    "null": (None, None),
    "list": ([50], None),
}


@pytest.mark.parametrize(("value", "expected"), LEVELS.values(), ids=LEVELS)
def test_levels(value: Json, expected: Json) -> None:
    """A level of 0 to 100 is shown as it is, alone and in the light; everything else is unknown."""
    values: dict[Attribute, Json] = {SWITCH: "off", LEVEL: value}
    assert ROWS["brightness"].render(values) == expected
    assert ROWS["light"].render(values) == {"state": "OFF", "brightness": expected, "color_mode": "brightness"}


def test_nothing_reported() -> None:
    """Without a report a switch and a level are unknown, and a light says so with a state of null."""
    assert ROWS["switch"].render({}) is None
    assert ROWS["brightness"].render({}) is None
    assert ROWS["light"].render({}) == {"state": None}
    assert ROWS["light"].render({BRIGHTNESS: 50}) == {"state": None}


# What is understood


PARSED: dict[str, tuple[str, Json, dict[Attribute, Json], Intent]] = {
    "switch on": ("switch", "ON", {}, turn("on")),
    "switch off": ("switch", "OFF", {}, turn("off")),
    "switch on, lower case": ("switch", "on", {}, turn("on")),
    "switch off, title case": ("switch", "Off", {}, turn("off")),
    "switch off although off": ("switch", "OFF", SHOWN_OFF, turn("off")),
    "toggle when on": ("switch", "TOGGLE", SHOWN_ON, turn("off", "TOGGLE")),
    "toggle when off": ("switch", "toggle", SHOWN_OFF, turn("on", "TOGGLE")),
    "light on": ("light", "ON", {}, turn("on")),
    "light off": ("light", "off", {}, turn("off")),
    "light toggled when on": ("light", "Toggle", SHOWN_ON, turn("off", "TOGGLE")),
    "light toggled when off": ("light", "TOGGLE", SHOWN_OFF, turn("on", "TOGGLE")),
    "JSON on": ("light", {"state": "ON"}, {}, turn("on")),
    "JSON off": ("light", {"state": "OFF"}, {}, turn("off")),
    "JSON lower case": ("light", {"state": "off"}, {}, turn("off")),
    "JSON toggle": ("light", {"state": "TOGGLE"}, SHOWN_ON, turn("off", "TOGGLE")),
    "JSON on with brightness": ("light", {"state": "ON", "brightness": 50}, {}, dim(50)),
    "JSON brightness alone": ("light", {"brightness": 50}, {}, dim(50)),
    "JSON brightness as digits": ("light", {"brightness": "50"}, {}, dim(50)),
    "JSON brightness 0": ("light", {"brightness": 0}, {}, dim(0)),
    "JSON brightness 100": ("light", {"state": "ON", "brightness": 100}, {}, dim(100)),
    "JSON off with brightness": ("light", {"state": "OFF", "brightness": 50}, {}, turn("off")),
    "JSON toggle on with brightness": ("light", {"state": "TOGGLE", "brightness": 30}, SHOWN_OFF, dim(30)),
    "JSON toggle off with brightness": (
        "light",
        {"state": "TOGGLE", "brightness": 30},
        SHOWN_ON,
        turn("off", "TOGGLE"),
    ),
    "brightness 0": ("brightness", 0, {}, dim(0)),
    "brightness 1": ("brightness", 1, {}, dim(1)),
    "brightness 100": ("brightness", 100, {}, dim(100)),
    "brightness as digits": ("brightness", "100", {}, dim(100)),
    "brightness as three digits": ("brightness", "007", {}, dim(7)),
}


@pytest.mark.parametrize(("key", "payload", "values", "expected"), PARSED.values(), ids=PARSED)
def test_payloads_become_commands(key: str, payload: Json, values: dict[Attribute, Json], expected: Intent) -> None:
    """Each payload becomes the cloud's exact command and the exact states that confirm it."""
    assert parsed(key, payload, values) == expected


NO_WORDS: list[Json] = [
    "", " ", "ON ", " OFF", "ON\n", "O\ufb00", "TRUE", "1", "0", "None", 1, 0, 1.0, True, False, None, [], ["ON"],
    "ONOFF",
]  # fmt: skip
NO_LEVELS: list[Json] = [
    "", " ", "-1", "101", "1000", " 5", "5 ", "+5", "5.0", "5e1", "0x5", "\u0665", "\u00b2", "max", "ON", 101, -1, 50.0,
    50.5, True, False, None, [], {}, [50], 10**400, "9" * 5000,
]  # fmt: skip
NO_LIGHTS: list[Json] = [
    {}, {"effect": "x"}, {"state": "ON", "transition": 2}, {"state": "ON", "rgb": "1,2,3"}, {"State": "ON"},
    {"state": None}, {"state": True}, {"state": 1}, {"state": ""}, {"state": "ON "}, {"state": {}}, {"state": ["ON"]},
    {"brightness": None}, {"brightness": 101}, {"brightness": True}, {"brightness": 50.5}, {"brightness": "x"},
    {"state": "OFF", "brightness": 101}, {"state": "x", "brightness": 50}, {"value": "ON"},
]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "payload"),
    [
        *(("switch", payload) for payload in [*NO_WORDS, *NO_LIGHTS, {"state": "ON"}]),
        *(("light", payload) for payload in [*NO_WORDS, *NO_LIGHTS]),
        *(("brightness", payload) for payload in [*NO_LEVELS, {"brightness": 50}]),
        *(("light", {"brightness": payload}) for payload in NO_LEVELS),
    ],
    ids=lambda value: ascii(value)[:40],
)
def test_everything_else_is_refused(key: str, payload: Json) -> None:
    """Nothing is trimmed, rounded or guessed: what is not allowed is refused with what was given."""
    with pytest.raises(PayloadError) as caught:
        parsed(key, payload, SHOWN_ON)
    assert 0 < len(str(caught.value)) < 150


@pytest.mark.parametrize("state", [None, "Unknown", "", True, 0, [], {}, "None"], ids=repr)
@pytest.mark.parametrize(
    ("key", "payload"),
    [
        ("switch", "TOGGLE"),
        ("light", "TOGGLE"),
        ("light", {"state": "TOGGLE"}),
        ("light", {"state": "toggle", "brightness": 5}),
    ],
    ids=str,
)
def test_toggle_of_an_unknown_state_is_refused(key: str, payload: Json, state: Json) -> None:
    """TOGGLE is refused where the state is unknown, with what to send instead."""
    for values in ({}, {SWITCH: state}):
        with pytest.raises(PayloadError, match="TOGGLE needs a known state, and it is unknown: send ON or OFF"):
            parsed(key, payload, values)


def test_only_levels_are_worth_overtaking() -> None:
    """Of waiting levels only the newest counts; words are each sent."""
    assert parsed("brightness", 5).coalesce
    assert not parsed("light", "ON").coalesce
    assert parsed("brightness", 5).transition is None
