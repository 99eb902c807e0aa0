from __future__ import annotations

import pytest

from uhome2mqtt.errors import (
    AUTHORIZATION_CODES,
    CLIENT,
    CONNECTOR,
    GUESS,
    RATE_LIMIT_CODES,
    SEEN,
    UNCERTAIN_CODES,
    CloudError,
    PayloadError,
    ProtocolError,
    SettingsError,
    StorageError,
    UhomeToMqttError,
    failure_of_code,
    failure_of_status,
    fold_code,
)
from uhome2mqtt.model import Failure, FailureKind

CODES = {
    "INVALID_TOKEN": FailureKind.AUTHORIZATION,
    "invalid_token": FailureKind.AUTHORIZATION,
    "TOKEN-EXPIRED": FailureKind.AUTHORIZATION,
    "Token expired ": FailureKind.AUTHORIZATION,
    "INTEGRATION-DELETED": FailureKind.AUTHORIZATION,
    "unauthorized": FailureKind.AUTHORIZATION,
    "Invalid access token": FailureKind.AUTHORIZATION,
    "Access-Token-Expired": FailureKind.AUTHORIZATION,
    "expired token": FailureKind.AUTHORIZATION,
    "Token Invalid": FailureKind.AUTHORIZATION,
    "Rate Limited": FailureKind.RATE_LIMITED,
    "rate-limit-exceeded": FailureKind.RATE_LIMITED,
    "Rate exceeded": FailureKind.RATE_LIMITED,
    "throttled": FailureKind.RATE_LIMITED,
    "Throttling": FailureKind.RATE_LIMITED,
    "Server Error": FailureKind.UNCERTAIN,
    "System-Error": FailureKind.UNCERTAIN,
    "Service Unavailable": FailureKind.UNCERTAIN,
    "temporarily unavailable": FailureKind.UNCERTAIN,
    "Bad Gateway": FailureKind.UNCERTAIN,
    "Gateway Timeout": FailureKind.UNCERTAIN,
    "request timeout": FailureKind.UNCERTAIN,
    "Timeout": FailureKind.UNCERTAIN,
    "Server busy": FailureKind.UNCERTAIN,
    "system-busy": FailureKind.UNCERTAIN,
    "TOO_MANY_REQUESTS": FailureKind.RATE_LIMITED,
    "Too Many Requests": FailureKind.RATE_LIMITED,
    "INTERNAL_ERROR": FailureKind.UNCERTAIN,
    "Internal Server Error": FailureKind.UNCERTAIN,
    "INTEGRATION-OFFLINE": FailureKind.UNCERTAIN,
    "busy": FailureKind.UNCERTAIN,
    "BAD-REQUEST": FailureKind.REJECTED,
    "bad_request": FailureKind.REJECTED,
    "DEVICE_OFFLINE": FailureKind.REJECTED,
    "DEVICE_BUSY": FailureKind.REJECTED,
    "SOMETHING_NEW": FailureKind.REJECTED,
    "": FailureKind.REJECTED,
}
TABLES = {
    FailureKind.AUTHORIZATION: AUTHORIZATION_CODES,
    FailureKind.RATE_LIMITED: RATE_LIMIT_CODES,
    FailureKind.UNCERTAIN: UNCERTAIN_CODES,
}


@pytest.mark.parametrize(("code", "kind"), CODES.items())
def test_codes_are_sorted_into_behaviours(code: str, kind: FailureKind) -> None:
    """A code is known however it is spelt, and kept as sent; one that nobody knows is a refusal."""
    assert failure_of_code(code, "why") == Failure(kind=kind, code=code, message="why")


@pytest.mark.parametrize("kind", TABLES)
def test_every_known_code_has_one_meaning(kind: FailureKind) -> None:
    """Each code stands in one table, in the spelling of its kind, and says where it comes from."""
    for code, basis in TABLES[kind].items():
        assert basis in {SEEN, CONNECTOR, CLIENT, GUESS}
        for spelling in (code, code.lower(), code.replace("_", "-"), code.replace("_", " ").title()):
            assert fold_code(spelling) == code.lower()
            assert failure_of_code(spelling, "").kind is kind


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
