"""The exception tree, and the tables that sort the cloud's codes into behaviours.

A class exists only where somebody treats it differently.
"""

from __future__ import annotations

from uhome2mqtt.model import Failure, FailureKind

SEEN = "documented by the vendor and seen"
CONNECTOR = "a word of the SmartThings connector, from which the API descends"
CLIENT = "expected by other clients"
GUESS = "a guess"
"""Where a code comes from; the vendor has published no list."""

AUTHORIZATION_CODES = {
    "INVALID_TOKEN": SEEN,
    "TOKEN_EXPIRED": CONNECTOR,
    "INTEGRATION_DELETED": CONNECTOR,
    "UNAUTHORIZED": CLIENT,
    "INVALID_ACCESS_TOKEN": GUESS,
    "ACCESS_TOKEN_EXPIRED": GUESS,
    "EXPIRED_TOKEN": GUESS,
    "TOKEN_INVALID": GUESS,
}
"""The login or its token is no longer accepted; the token is replaced once."""

RATE_LIMIT_CODES = {
    "TOO_MANY_REQUESTS": GUESS,
    "RATE_LIMITED": GUESS,
    "RATE_LIMIT_EXCEEDED": GUESS,
    "RATE_EXCEEDED": GUESS,
    "THROTTLED": GUESS,
    "THROTTLING": GUESS,
}
"""Not executed, for there were too many; codes that may as well mean too many keypad codes are not among them."""

UNCERTAIN_CODES = {
    "INTERNAL_ERROR": CLIENT,
    "INTERNAL_SERVER_ERROR": GUESS,
    "SERVER_ERROR": GUESS,
    "SYSTEM_ERROR": GUESS,
    "SERVICE_UNAVAILABLE": GUESS,
    "TEMPORARILY_UNAVAILABLE": GUESS,
    "INTEGRATION_OFFLINE": GUESS,
    "BAD_GATEWAY": GUESS,
    "GATEWAY_TIMEOUT": GUESS,
    "REQUEST_TIMEOUT": GUESS,
    "TIMEOUT": GUESS,
    "BUSY": CLIENT,
    "SERVER_BUSY": GUESS,
    "SYSTEM_BUSY": GUESS,
}
"""The cloud has trouble of its own, which says nothing of whether a bolt moves."""

LOGIN_NEEDED = "LOGIN_NEEDED"
"""The bridge's own code where it has no usable tokens: such a failure has cost the cloud nothing."""

HTTP_AUTHORIZATION = frozenset({401, 403})
HTTP_RATE_LIMITED = 429
HTTP_TRANSIENT = frozenset({400, 408, 425})
"""An empty 400 comes and goes for no known reason (seen by users of another client), so it is transient."""


class UhomeToMqttError(Exception):
    """Ancestor of everything the bridge raises on purpose."""


class ProtocolError(UhomeToMqttError):
    """What arrived is not a message of the U home API."""


class DiagnosticsError(UhomeToMqttError):
    """A bundle of diagnostics that could not be made; the text says why."""


class PayloadError(UhomeToMqttError):
    """A command payload that is refused; the text says what was given and what is allowed."""


class CloudError(UhomeToMqttError):
    """A request to the cloud that had no result."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.text)
        self.failure = failure


class BrokerError(UhomeToMqttError):
    """The broker could not be asked for what it retains."""


class StorageError(UhomeToMqttError):
    """A file of the state directory could not be read or written."""


class AccessError(StorageError):
    """A file of the state directory may not be read by this user."""


class SettingsError(UhomeToMqttError):
    """The configuration is unusable; carries every problem found, one line each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def fold_code(code: str) -> str:
    """Make the spellings of one code equal: letter case; hyphen, space and underscore."""
    return code.strip().casefold().replace("-", "_").replace(" ", "_")


_KINDS = {
    fold_code(code): kind
    for codes, kind in (
        (AUTHORIZATION_CODES, FailureKind.AUTHORIZATION),
        (RATE_LIMIT_CODES, FailureKind.RATE_LIMITED),
        (UNCERTAIN_CODES, FailureKind.UNCERTAIN),
    )
    for code in codes
}


def failure_of_code(code: str, message: str) -> Failure:
    """Sort an error that the cloud put into its reply; a code that nobody knows is a refusal."""
    return Failure(kind=_KINDS.get(fold_code(code), FailureKind.REJECTED), code=code, message=message)


def failure_of_status(status: int, retry_after: float | None) -> Failure:
    """Sort an HTTP status other than 2xx."""
    if status in HTTP_AUTHORIZATION:
        kind = FailureKind.AUTHORIZATION
    elif status == HTTP_RATE_LIMITED:
        kind = FailureKind.RATE_LIMITED
    elif status in HTTP_TRANSIENT or status >= 500:  # noqa: PLR2004 - the border of HTTP's server errors
        kind = FailureKind.UNCERTAIN
    else:
        kind = FailureKind.REJECTED
    return Failure(
        kind=kind,
        code=f"HTTP_{status}",
        message=f"the cloud answered HTTP status {status}",
        retry_after=retry_after,
    )
