"""The words that labels may have: whatever else comes is `other`, so that nobody can make up time series."""

from __future__ import annotations

from uhome2mqtt.catalogue import KEYS as ALL_KEYS
from uhome2mqtt.errors import AUTHORIZATION_CODES, LOGIN_NEEDED, RATE_LIMIT_CODES, UNCERTAIN_CODES

OTHER, NONE = "other", "none"

KINDS = ("account", "command", "list", "logout", "query", "register", "token", "users")
KEYS = tuple(sorted(ALL_KEYS))

_OWN = (
    *(
        "BRIDGE_STOPPED",
        "DEVICE_REMOVED",
        "DISABLED",
        "DUPLICATE",
        "EXPIRED",
        "INVALID_PAYLOAD",
        "NOT_ALLOWED",
        "NOT_REPORTED",
    ),
    *("NO_DEVICE_LIST", "RETAINED", "STANDING_BY", "UNKNOWN_DEVICE", "UNKNOWN_KEY"),
)
_REQUESTS = (
    *("ConnectError", "ConnectTimeout", "ReadError", "ReadTimeout", "RemoteProtocolError", "WriteError"),
    *("DEVICE_OFFLINE", "HTTP_400", "HTTP_401", "HTTP_403", "HTTP_429", "HTTP_500", "HTTP_502", "HTTP_503"),
    *("HTTP_504", LOGIN_NEEDED, "REFRESH_BUSY", "REFRESH_PAUSED", "TOKEN_REJECTED", "UNREADABLE_REPLY"),
)
_CODES = sorted({*_REQUESTS, *AUTHORIZATION_CODES, *RATE_LIMIT_CODES, *UNCERTAIN_CODES})
REASONS = (NONE, "push", "query", *_OWN, *_CODES)
_REASONS = frozenset(REASONS)

_BY_CODE = {
    4: "credentials",
    5: "not_authorized",
    134: "credentials",
    135: "not_authorized",
    137: "server_busy",
    139: "server_shutting_down",
    141: "keep_alive_timeout",
    142: "taken_over",
    149: "packet_too_large",
    151: "quota_exceeded",
    152: "administrative_action",
}
"""Reason codes of MQTT 5 and return codes of MQTT 3.1.1."""
TIMEOUT, LOST = "timeout", "connection_lost"
DISCONNECTIONS = (*dict.fromkeys(_BY_CODE.values()), TIMEOUT, LOST)


def key_word(key: str | None) -> str:
    """Give a key as a label."""
    return key if key in ALL_KEYS else OTHER


def reason_word(reason: str | None) -> str:
    """Give the reason of an outcome as a label, in the bridge's spelling of it."""
    if reason is None:
        return NONE
    for spelling in (reason, reason.upper().replace("-", "_")):
        if spelling in _REASONS:
            return spelling
    return OTHER


def disconnection(code: int, why: str) -> str:
    """Give as a label why a connection was lost; `code`: the broker's, negative for none."""
    return _BY_CODE.get(code) or (TIMEOUT if "timed out" in why else LOST)
