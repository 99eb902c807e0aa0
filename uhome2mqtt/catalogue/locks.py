"""Locks: bolt, mode, door and battery."""

from __future__ import annotations

from uhome2mqtt.catalogue.attributes import BATTERY_LEVEL, DOOR, LOCK_MODE, LOCK_STATE
from uhome2mqtt.catalogue.description import EntityDescription, Intent, Values, number, one_of, word
from uhome2mqtt.model import Command, Json

MODES = {"normal": 0, "passage": 1, "locked": 2}
PASSAGE = MODES["passage"]
BATTERY_STEPS = 5
BATTERY_LOW = 2

_STEADY: frozenset[Json] = frozenset({"locked", "unlocked"})
"""Anything else that is reported while a command is under way, a jam above all, is shown at once."""

_TURNS = {
    "LOCK": Intent(
        command=Command(capability="st.lock", name="lock"),
        expect={LOCK_STATE: "locked"},
        uses=frozenset({"LOCK"}),
        transition="LOCKING",
        steady=_STEADY,
    ),
    "UNLOCK": Intent(
        command=Command(capability="st.lock", name="unlock"),
        expect={LOCK_STATE: "unlocked"},
        uses=frozenset({"UNLOCK"}),
        transition="UNLOCKING",
        steady=_STEADY,
    ),
}

_MODES = {
    name: Intent(
        command=Command(capability="st.lock", name="setMode", arguments={"mode": mode}),
        expect={LOCK_MODE: mode},
        uses=frozenset({name}),
    )
    for name, mode in MODES.items()
}


def _parse_lock(payload: Json, _values: Values) -> Intent:
    return one_of(payload, _TURNS)


def _parse_mode(payload: Json, _values: Values) -> Intent:
    return one_of(payload, _MODES)


_battery_level = number(BATTERY_LEVEL, 1, BATTERY_STEPS)


def _battery_low(values: Values) -> Json:
    level = _battery_level(values)
    if not isinstance(level, int):
        return None
    return "ON" if level <= BATTERY_LOW else "OFF"


LOCK_KEYS = (
    EntityDescription(
        key="lock",
        requires=frozenset({LOCK_STATE}),
        render=word(LOCK_STATE, {"locked": "LOCKED", "unlocked": "UNLOCKED", "jammed": "JAMMED"}),
        forgettable=True,
        values=("LOCKED", "UNLOCKED", "LOCKING", "UNLOCKING", "JAMMED"),
        parse=_parse_lock,
        settable=tuple(_TURNS),
        platform="lock",
    ),
    EntityDescription(
        key="mode",
        requires=frozenset({LOCK_MODE}),
        render=word(LOCK_MODE, {mode: name for name, mode in MODES.items()}),
        values=tuple(MODES),
        parse=_parse_mode,
        settable=tuple(MODES),
        platform="select",
        name="Mode",
        options=lambda _device, _known: {
            "options": list(MODES),
            "entity_category": "config",
            "icon": "mdi:lock-clock",
        },
    ),
    EntityDescription(
        key="door",
        requires=frozenset({DOOR}),
        render=word(DOOR, {"open": "open", "closed": "closed"}),
        forgettable=True,
        values=("open", "closed"),
        platform="binary_sensor",
        name="Door",
        options=lambda _device, _known: {
            "device_class": "door",
            "payload_on": "open",
            "payload_off": "closed",
        },
    ),
    EntityDescription(
        key="battery",
        requires=frozenset({BATTERY_LEVEL}),
        render=number(BATTERY_LEVEL, 1, BATTERY_STEPS, factor=100 // BATTERY_STEPS),
        value_type="number",
        minimum=20,
        maximum=100,
        unit="%",
        platform="sensor",
        name="Battery",
        options=lambda _device, _known: {
            "device_class": "battery",
            "state_class": "measurement",
            "unit_of_measurement": "%",
            "entity_category": "diagnostic",
        },
    ),
    EntityDescription(
        key="battery_level",
        requires=frozenset({BATTERY_LEVEL}),
        render=_battery_level,
        value_type="number",
        minimum=1,
        maximum=BATTERY_STEPS,
        platform="sensor",
        name="Battery level",
        options=lambda _device, _known: {
            "entity_category": "diagnostic",
            "enabled_by_default": False,
            "icon": "mdi:battery",
        },
    ),
    EntityDescription(
        key="battery_low",
        requires=frozenset({BATTERY_LEVEL}),
        render=_battery_low,
        values=("ON", "OFF"),
        platform="binary_sensor",
        name="Battery low",
        options=lambda _device, _known: {"device_class": "battery", "entity_category": "diagnostic"},
    ),
)
