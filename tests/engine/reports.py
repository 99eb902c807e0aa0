"""What devices of the tests report."""

from __future__ import annotations

from uhome2mqtt.catalogue.attributes import (
    BATTERY_LEVEL,
    BRIGHTNESS,
    DOOR,
    HEALTH,
    LEVEL,
    LOCK_MODE,
    LOCK_STATE,
    SWITCH,
)
from uhome2mqtt.model import COLOR_TEMP, RGB, Device, DeviceError, Json, Report

ATTRIBUTES = {
    "lock": LOCK_STATE,
    "mode": LOCK_MODE,
    "battery": BATTERY_LEVEL,
    "door": DOOR,
    "switch": SWITCH,
    "level": LEVEL,
    "brightness": BRIGHTNESS,
    "color_temp": COLOR_TEMP,
    "rgb": RGB,
    "health": HEALTH,
}


def report_of(device: Device, error: str | None = None, /, **states: Json) -> Report:
    """Compose a report: `lock="Locked", health="Online"`."""
    return Report(
        device_id=device.id,
        states={ATTRIBUTES[name]: value for name, value in states.items()},
        error=None if error is None else DeviceError(code=error, message="so says the cloud"),
    )
