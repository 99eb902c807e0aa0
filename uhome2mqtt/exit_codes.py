"""What the commands end with."""

from __future__ import annotations

from uhome2mqtt.errors import AccessError, BrokerError, CloudError, SettingsError, UhomeToMqttError
from uhome2mqtt.model import FailureKind

OK, UNEXPECTED, USAGE = 0, 1, 2
UNAVAILABLE, NO_PERMISSION, CONFIG = 69, 77, 78
"""From sysexits.h: cloud or broker out of reach, login needed, configuration or machine unusable."""
INTERRUPTED = 130


def exit_code(problem: UhomeToMqttError) -> int:
    """Choose the exit code for what went wrong."""
    match problem:
        case SettingsError() | AccessError():
            return CONFIG
        case CloudError():
            return NO_PERMISSION if problem.failure.kind is FailureKind.AUTHORIZATION else UNAVAILABLE
        case BrokerError():
            return UNAVAILABLE
        case _:
            return UNEXPECTED
