"""The house that the demo and most tests live in; ids are made up, records follow real captures."""

from __future__ import annotations

from typing import Any

from uhome2mqtt.simulator.device import BATTERY, DOOR, LEVEL, LOCK_MODE, LOCK_STATE, SWITCH, LockUser, SimDevice

BATTERY_RANGE: dict[str, Any] = {"batteryLevelRange": {"min": 1, "max": 5, "step": 1}}
LEVEL_RANGE: dict[str, Any] = {"switchLevelRange": {"min": 1, "max": 100, "step": 1}}

FRONT_DOOR = "0C:7F:ED:10:00:01"
BACK_DOOR = "0C:7F:ED:10:00:02"
GARAGE = "0C:7F:ED:10:00:03"
HALL_LIGHT = "7C:DF:A1:20:00:04"
DINING_ROOM = "7C:DF:A1:20:00:05"
BEDSIDE_LAMP = "84:F7:03:30:00:06"
COFFEE_MACHINE = "84:F7:03:30:00:07"
COLOR_BULB = "84:F7:03:30:00:08"


def demo_household() -> list[SimDevice]:
    """Build three locks, a wall switch, a dimmer, a bulb and a plug, fresh each time."""
    return [
        _lock(FRONT_DOOR, "Front Door", "U-Bolt-Pro-WiFi", hw_version="02.26.0021"),
        _lock(BACK_DOOR, "Back Door", "Latch-5-F", hw_version="01.50.0036", auto_lock=30.0),
        _garage(),
        _switched(HALL_LIGHT, "Hall Light", "SmartSwitch", "SmartSwitch", hw_version="01.01.0210"),
        _dimmed(DINING_ROOM, "Dining Room", "SmartSwitch", "US01", hw_version="01.01.0330", level=100),
        _dimmed(BEDSIDE_LAMP, "Bedside Lamp", "LIGHT", "A19-C1", hw_version="01.40.0301", level=25),
        _switched(COFFEE_MACHINE, "Coffee Machine", "SmartPlug", "SmartPlug", hw_version="01.02.0007"),
    ]


def color_bulb(temperature: str = "st.colorTemperature.temperature", color: str = "st.color.color") -> SimDevice:
    """Build a bulb such as nobody has captured, with these names of its colours; no part of the demo's household."""
    bulb = _dimmed(COLOR_BULB, "Floor Lamp", "LIGHT", "A19-C2", hw_version="01.40.0301", level=60)
    bulb.handle_type = "utec-bulb-color-rgbw"
    bulb.states |= {temperature: 2700, color: {"r": 255, "g": 255, "b": 255}}
    bulb.visible = dict(bulb.states)
    return bulb


def _lock(device_id: str, name: str, model: str, *, hw_version: str, auto_lock: float = 0.0) -> SimDevice:
    return SimDevice(
        id=device_id,
        name=name,
        category="SmartLock",
        handle_type="utec-lock",
        model=model,
        hw_version=hw_version,
        attributes=dict(BATTERY_RANGE),
        states={LOCK_STATE: "Locked", LOCK_MODE: 0, BATTERY: 5},
        auto_lock=auto_lock,
        users=_lock_users(),
    )


def _garage() -> SimDevice:
    # The only one that reports its door, and the only one that keeps its mode to itself.
    garage = _lock(GARAGE, "Garage", "Bolt-NFC-W", hw_version="01.42.0340")
    garage.handle_type = "utec-lock-sensor"
    garage.states[DOOR] = garage.visible[DOOR] = "Closed"
    garage.states[BATTERY] = garage.visible[BATTERY] = 4
    garage.hidden = frozenset({LOCK_MODE})
    return garage


def _switched(device_id: str, name: str, category: str, model: str, *, hw_version: str) -> SimDevice:
    return SimDevice(
        id=device_id,
        name=name,
        category=category,
        handle_type="utec-switch",
        model=model,
        hw_version=hw_version,
        states={SWITCH: "off"},
    )


def _dimmed(device_id: str, name: str, category: str, model: str, *, hw_version: str, level: int) -> SimDevice:
    return SimDevice(
        id=device_id,
        name=name,
        category=category,
        handle_type="utec-dimmer",
        model=model,
        hw_version=hw_version,
        attributes=dict(LEVEL_RANGE),
        states={SWITCH: "off", LEVEL: level},
    )


def _lock_users() -> list[LockUser]:
    # The owner's id is beyond 31 bits and its type is 1, against the documents, as in the vendor's own sample.
    return [
        LockUser(id=4026531840, name="Owner", type=1, password=94587),
        LockUser(id=8031091, name="Guest-02", type=0, password=31415926),
    ]
