"""The exception tree, and the tables that sort the cloud's codes into behaviours.

A class exists only where somebody treats it differently.
"""

from __future__ import annotations

from uhome2mqtt.model import Failure, FailureKind

AUTHORIZATION_CODES = frozenset({"INVALID_TOKEN", "TOKEN_EXPIRED", "TOKEN-EXPIRED", "UNAUTHORIZED"})
"""`INVALID_TOKEN` is documented and seen; the others are the spellings of the connector it descends from."""

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


class PayloadError(UhomeToMqttError):
    """A command payload that is refused; the text says what was given and what is allowed."""


class CloudError(UhomeToMqttError):
    """A request to the cloud that had no result."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.message}" if failure.message else failure.code)
        self.failure = failure


class StorageError(UhomeToMqttError):
    """A file of the state directory could not be read or written."""


class SettingsError(UhomeToMqttError):
    """The configuration is unusable; carries every problem found, one line each."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def failure_of_code(code: str, message: str) -> Failure:
    """Sort an error that the cloud put into its reply."""
    known = code.upper() in AUTHORIZATION_CODES
    return Failure(kind=FailureKind.AUTHORIZATION if known else FailureKind.REJECTED, code=code, message=message)


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
