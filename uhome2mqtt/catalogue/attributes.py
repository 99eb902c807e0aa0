"""The cloud's attributes that the bridge knows, and which of them each handle type documents."""

from __future__ import annotations

from uhome2mqtt.model import COLOR_TEMP, RGB, Attribute, Device, attribute, capability_of

HEALTH = attribute("st.healthCheck", "status")
LOCK_STATE = attribute("st.lock", "lockState")
LOCK_MODE = attribute("st.lock", "lockMode")
BATTERY_LEVEL = attribute("st.batteryLevel", "level")
DOOR = attribute("st.doorSensor", "sensorState")
SWITCH = attribute("st.switch", "switch")
LEVEL = attribute("st.switchLevel", "level")
BRIGHTNESS = attribute("st.brightness", "brightness")

COLOR_MODES = {COLOR_TEMP: "color_temp", RGB: "rgb"}
"""How a light shines whose colour was set last: by its temperature, also where both have changed at once."""

STALE, CONNECTIVITY, LAST_REPORTED, COLOR_MODE = (
    Attribute(f"BRIDGE.{found}") for found in ("stale", "connectivity", "last_reported", "color_mode")
)
"""The bridge's own findings; no attribute of the cloud, all of which are case-folded, can take their place."""

LIT = frozenset({LEVEL, BRIGHTNESS, *COLOR_MODES})
"""What makes a light of a switch."""

KNOWN = frozenset({HEALTH, LOCK_STATE, LOCK_MODE, BATTERY_LEVEL, DOOR, SWITCH}) | LIT

_LOCK = frozenset({HEALTH, LOCK_STATE, BATTERY_LEVEL})

DOCUMENTED = {
    "utec-lock": _LOCK,
    # Announces a door sensor, yet a Bolt-NFC-W with this handle type was seen without one: `door` and
    # likewise `mode` exist only once they have been reported, so they stand in no row of this table.
    "utec-lock-sensor": _LOCK,
    "utec-dimmer": frozenset({HEALTH, SWITCH, LEVEL}),
    "utec-switch": frozenset({HEALTH, SWITCH}),
    "utec-swtich": frozenset({HEALTH, SWITCH}),  # the spelling of the vendor's help centre
    # Promises colours as well, which nobody has seen: they exist once they have been reported.
    "utec-light-rgbaw-br": frozenset({HEALTH, SWITCH, BRIGHTNESS}),
    # Named in samples only. Every bulb that anybody has captured was a switch with a level.
    "utec-bulb-color-rgbw": frozenset({HEALTH, SWITCH, LEVEL}),
}
"""Handle type, case-folded, to the attributes that its documentation promises."""

_UNDOCUMENTED = frozenset({HEALTH})
"""Of a device profile that is not in the table only the health check is known: it is mandatory."""


def documented(device: Device) -> frozenset[Attribute]:
    """Give the attributes that the device's handle type promises."""
    return DOCUMENTED.get(device.handle_type, _UNDOCUMENTED)


def capabilities(known: frozenset[Attribute]) -> list[str]:
    """List the capabilities behind some attributes, in alphabetical order."""
    return sorted({capability_of(name) for name in known})


KINDS = ("lock", "light", "switch", "device")


def kind_of(known: frozenset[Attribute]) -> str:
    """Name the kind of a device by what it can do: `lock`, `light`, `switch`, else `device`."""
    if LOCK_STATE in known:
        return "lock"
    if SWITCH not in known:
        return "device"
    return "light" if known & LIT else "switch"
