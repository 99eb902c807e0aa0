from __future__ import annotations

from dataclasses import replace

import pytest

from uhome2mqtt.catalogue import DESCRIPTIONS, KEYS, KNOWN, capabilities, check, descriptions_for, kind_of, text_of
from uhome2mqtt.catalogue.attributes import (
    BATTERY_LEVEL,
    BRIGHTNESS,
    COLOR_MODE,
    CONNECTIVITY,
    DOCUMENTED,
    DOOR,
    HEALTH,
    LAST_REPORTED,
    LEVEL,
    LOCK_MODE,
    LOCK_STATE,
    STALE,
    SWITCH,
    documented,
)
from uhome2mqtt.catalogue.description import EntityDescription
from uhome2mqtt.model import COLOR_TEMP, RGB, Attribute, Device, Json, quoted

ROWS = {row.key: row for row in DESCRIPTIONS}
ALWAYS = {"connectivity", "stale", "last_reported"}
LOCK_KEYS = {"lock", "battery", "battery_level", "battery_low"}

# The table that users were told: values, what can be set, Home Assistant's platform, name, and whether it is forgotten.
CONTRACT: dict[str, tuple[tuple[str, ...], tuple[str, ...], str | None, bool]] = {
    "lock": (("LOCKED", "UNLOCKED", "LOCKING", "UNLOCKING", "JAMMED"), ("LOCK", "UNLOCK"), "lock", True),
    "mode": (("normal", "passage", "locked"), ("normal", "passage", "locked"), "select", False),
    "door": (("open", "closed"), (), "binary_sensor", True),
    "battery": ((), (), "sensor", False),
    "battery_level": ((), (), "sensor", False),
    "battery_low": (("ON", "OFF"), (), "binary_sensor", False),
    "switch": (("ON", "OFF"), ("ON", "OFF", "TOGGLE"), "switch", True),
    "light": ((), ("ON", "OFF", "TOGGLE", '{"state": "ON", "brightness": 50}'), "light", True),
    "brightness": ((), ("0…100",), None, False),
    "color_temp": ((), ("2000…9000",), None, False),
    "rgb": ((), ("0…255,0…255,0…255",), None, False),
    "connectivity": (("online", "offline"), (), "binary_sensor", False),
    "stale": (("ON", "OFF"), (), "binary_sensor", False),
    "last_reported": ((), (), "sensor", False),
}
RANGES = {
    "battery": (20, 100, "%"),
    "battery_level": (1, 5, None),
    "brightness": (0, 100, "%"),
    "color_temp": (2000, 9000, "K"),
}


@pytest.mark.parametrize(("key", "contract"), CONTRACT.items())
def test_keys_are_those_of_the_contract(
    key: str, contract: tuple[tuple[str, ...], tuple[str, ...], str | None, bool]
) -> None:
    """Each key has the values, the words to set and the platform that users were told, and no others."""
    row = ROWS[key]
    assert (row.values, row.settable, row.platform, row.forgettable) == contract
    assert (row.minimum, row.maximum, row.unit) == RANGES.get(key, (None, None, None))
    expected = "number" if key in RANGES else "object" if key == "light" else "string"
    assert row.value_type == expected


def test_no_other_keys() -> None:
    """The catalogue holds the keys of the contract, each once, and no others."""
    assert {*CONTRACT} == KEYS
    assert len(DESCRIPTIONS) == len(KEYS)


# Which keys a device has


def _device(handle_type: str) -> Device:
    return Device(id="1", name="", handle_type=handle_type)


PROFILES: dict[str, tuple[str, set[str], str]] = {
    "lock": ("utec-lock", LOCK_KEYS, "lock"),
    "lock that announces a door sensor": ("utec-lock-sensor", LOCK_KEYS, "lock"),
    "dimmer": ("utec-dimmer", {"light", "brightness"}, "light"),
    "switch": ("utec-switch", {"switch"}, "switch"),
    "switch misspelt": ("utec-swtich", {"switch"}, "switch"),
    "strip": ("utec-light-rgbaw-br", {"light"}, "light"),
    "bulb": ("utec-bulb-color-rgbw", {"light", "brightness"}, "light"),
    "unknown": ("utec-toaster", set(), "device"),
    "nothing": ("", set(), "device"),
}


@pytest.mark.parametrize(("handle_type", "keys", "kind"), PROFILES.values(), ids=PROFILES)
def test_documented_profiles_have_their_keys(handle_type: str, keys: set[str], kind: str) -> None:
    """A device has the keys of its documented profile before anything was reported, and never mode or door."""
    known = documented(_device(handle_type))
    assert {row.key for row in descriptions_for(known)} == keys | ALWAYS
    assert kind_of(known) == kind


def test_every_documented_profile_is_tried() -> None:
    """The table of profiles above leaves out none, and each holds the mandatory health check."""
    assert {handle_type for handle_type, _, _ in PROFILES.values()} - {"utec-toaster", ""} == {*DOCUMENTED}
    assert all(HEALTH in attributes for attributes in DOCUMENTED.values())


OBSERVED: dict[str, tuple[frozenset[Attribute], set[str], str]] = {
    "nothing": (frozenset(), {"stale", "last_reported"}, "device"),
    "health": (frozenset({HEALTH}), ALWAYS, "device"),
    "mode": (frozenset({LOCK_MODE}), {"mode", "stale", "last_reported"}, "device"),
    "mode of a lock": (frozenset({HEALTH, LOCK_STATE, LOCK_MODE}), {"lock", "mode", *ALWAYS}, "lock"),
    "door of a lock": (frozenset({HEALTH, LOCK_STATE, DOOR}), {"lock", "door", *ALWAYS}, "lock"),
    "battery": (
        frozenset({BATTERY_LEVEL}),
        {"battery", "battery_level", "battery_low", "stale", "last_reported"},
        "device",
    ),
    "switch": (frozenset({HEALTH, SWITCH}), {"switch", *ALWAYS}, "switch"),
    "switch with a level": (frozenset({HEALTH, SWITCH, LEVEL}), {"light", "brightness", *ALWAYS}, "light"),
    "switch with a brightness": (frozenset({HEALTH, SWITCH, BRIGHTNESS}), {"light", *ALWAYS}, "light"),
    "switch with a temperature": (frozenset({HEALTH, SWITCH, COLOR_TEMP}), {"light", "color_temp", *ALWAYS}, "light"),
    "switch with a color": (frozenset({HEALTH, SWITCH, RGB}), {"light", "rgb", *ALWAYS}, "light"),
    "bulb with everything": (
        frozenset({HEALTH, SWITCH, LEVEL, COLOR_TEMP, RGB}),
        {"light", "brightness", "color_temp", "rgb", *ALWAYS},
        "light",
    ),
    "colors alone": (frozenset({HEALTH, COLOR_TEMP, RGB}), ALWAYS, "device"),
    "level alone": (frozenset({HEALTH, LEVEL}), ALWAYS, "device"),
    "unknown": (frozenset({HEALTH, Attribute("st.new.thing")}), ALWAYS, "device"),
    "lock with a switch": (frozenset({HEALTH, LOCK_STATE, SWITCH}), {"lock", "switch", *ALWAYS}, "lock"),
}


@pytest.mark.parametrize(("known", "keys", "kind"), OBSERVED.values(), ids=OBSERVED)
def test_keys_exist_once_their_attributes_are_known(known: frozenset[Attribute], keys: set[str], kind: str) -> None:
    """A key exists where its attributes were shown, a switch with a level being a light; unknown ones make no key."""
    assert {row.key for row in descriptions_for(known)} == keys
    assert kind_of(known) == kind


def test_capabilities_are_listed_once_and_sorted() -> None:
    """The capabilities behind some attributes are listed in order, each once."""
    assert capabilities(frozenset({LOCK_STATE, LOCK_MODE, HEALTH})) == ["st.healthcheck", "st.lock"]
    assert capabilities(frozenset()) == []


def test_own_findings_are_no_attributes_of_the_cloud() -> None:
    """What the bridge finds out itself is not counted among the cloud's attributes."""
    assert not {CONNECTIVITY, STALE, LAST_REPORTED, COLOR_MODE} & KNOWN


FINDINGS: dict[str, tuple[str, dict[Attribute, Json], Json]] = {
    "connected": ("connectivity", {CONNECTIVITY: "online"}, "online"),
    "disconnected": ("connectivity", {CONNECTIVITY: "offline"}, "offline"),
    "health check alone": ("connectivity", {HEALTH: "Online"}, None),
    "connectivity unknown": ("connectivity", {}, None),
    "stale": ("stale", {STALE: "ON"}, "ON"),
    "in date": ("stale", {STALE: "OFF"}, "OFF"),
    "reported": ("last_reported", {LAST_REPORTED: "2026-01-31T12:00:00Z"}, "2026-01-31T12:00:00Z"),
    "never reported": ("last_reported", {}, None),
}


@pytest.mark.parametrize(("key", "values", "expected"), FINDINGS.values(), ids=FINDINGS)
def test_own_findings_are_shown(key: str, values: dict[Attribute, Json], expected: Json) -> None:
    """The keys of the bridge's own findings show them; the cloud's health check alone is no finding."""
    assert ROWS[key].render(values) == expected


# The table's check of itself


LOCK = ROWS["lock"]
CONTRADICTIONS: dict[str, tuple[tuple[EntityDescription, ...], str]] = {
    "twice": ((LOCK, ROWS["mode"], LOCK), "stands twice"),
    "words without a parser": ((replace(LOCK, parse=None),), "lock: settable words and a parser go together"),
    "parser without words": ((replace(LOCK, settable=()),), "lock: settable words and a parser go together"),
    "nameless": ((replace(ROWS["door"], name=None),), "door: only a device's main entity goes without a name"),
}


@pytest.mark.parametrize(("rows", "problem"), CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_contradictory_table_is_refused(rows: tuple[EntityDescription, ...], problem: str) -> None:
    """A table that contradicts itself is refused with the row at fault."""
    with pytest.raises(ValueError, match=problem):
        check(rows)


def test_consistent_table_is_accepted() -> None:
    """The table of this release agrees with itself."""
    check(DESCRIPTIONS)


# Texts


TEXTS: dict[str, tuple[Json, str]] = {
    "unknown": (None, "None"),
    "word": ("LOCKED", "LOCKED"),
    "number": (100, "100"),
    "zero": (0, "0"),
}


@pytest.mark.parametrize(("value", "text"), TEXTS.values(), ids=TEXTS)
def test_values_as_plain_text(value: Json, text: str) -> None:
    """A value is published as its plain text, unknown as None."""
    assert text_of(value) == text


SHOWN: dict[str, tuple[Json, str]] = {
    "word": ("LOCK ", "'LOCK '"),
    "number": (5, "5"),
    "nothing": (None, "None"),
    "object": ({"a": 1}, "{'a': 1}"),
    "60 characters": ("x" * 58, "'" + "x" * 58 + "'"),
    "61 characters": ("x" * 59, "'" + "x" * 56 + "..."),
}


@pytest.mark.parametrize(("payload", "text"), SHOWN.values(), ids=SHOWN)
def test_payloads_in_messages(payload: Json, text: str) -> None:
    """A payload is quoted in a message so that spaces show, and cut to 60 characters."""
    assert quoted(payload) == text
