from __future__ import annotations

import pytest

from uhome2mqtt.errors import (
    CloudError,
    PayloadError,
    ProtocolError,
    SettingsError,
    StorageError,
    UhomeToMqttError,
    failure_of_code,
    failure_of_status,
)
from uhome2mqtt.model import Failure, FailureKind

CODES = {
    "INVALID_TOKEN": FailureKind.AUTHORIZATION,
    "invalid_token": FailureKind.AUTHORIZATION,
    "TOKEN_EXPIRED": FailureKind.AUTHORIZATION,
    "TOKEN-EXPIRED": FailureKind.AUTHORIZATION,
    "UNAUTHORIZED": FailureKind.AUTHORIZATION,
    "BAD-REQUEST": FailureKind.REJECTED,
    "DEVICE_OFFLINE": FailureKind.REJECTED,
    "SOMETHING_NEW": FailureKind.REJECTED,
}


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_codes_are_sorted_into_behaviours(code: str, kind: FailureKind) -> None:
    """Codes about the token mean authorization, in any letter case; every other code is a refusal, kept as sent."""
    assert failure_of_code(code, "why") == Failure(kind=kind, code=code, message="why")


STATUSES = {
    302: FailureKind.REJECTED,
    400: FailureKind.UNCERTAIN,
    401: FailureKind.AUTHORIZATION,
    403: FailureKind.AUTHORIZATION,
    404: FailureKind.REJECTED,
    408: FailureKind.UNCERTAIN,
    413: FailureKind.REJECTED,
    425: FailureKind.UNCERTAIN,
    429: FailureKind.RATE_LIMITED,
    499: FailureKind.REJECTED,
    500: FailureKind.UNCERTAIN,
    502: FailureKind.UNCERTAIN,
    503: FailureKind.UNCERTAIN,
    599: FailureKind.UNCERTAIN,
}


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_statuses_are_sorted_into_behaviours(status: int, kind: FailureKind) -> None:
    """Server errors and the sporadic 400 are uncertain, 401 and 403 are authorization, 429 is a rate limit."""
    assert failure_of_status(status, 2.5) == Failure(
        kind=kind, code=f"HTTP_{status}", message=f"the cloud answered HTTP status {status}", retry_after=2.5
    )


@pytest.mark.parametrize(("message", "text"), [("no", "BUSY: no"), ("", "BUSY")], ids=["with", "without"])
def test_cloud_error_composes_its_text(message: str, text: str) -> None:
    """A CloudError says code and message, and carries the failure for those who decide."""
    failure = Failure(kind=FailureKind.REJECTED, code="BUSY", message=message)
    error = CloudError(failure)
    assert str(error) == text
    assert error.failure is failure


def test_settings_error_lists_every_problem() -> None:
    """A SettingsError says all problems, one line each."""
    error = SettingsError(("first", "second"))
    assert str(error) == "first\nsecond"
    assert error.problems == ("first", "second")


@pytest.mark.parametrize("kind", [CloudError, PayloadError, ProtocolError, SettingsError, StorageError])
def test_errors_have_one_ancestor(kind: type[Exception]) -> None:
    """Everything that the bridge raises on purpose can be caught as one class."""
    assert issubclass(kind, UhomeToMqttError)
