"""The failure that each fault of the cloud amounts to, for commands, queries and the device list."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.support.account import FRONT, Account
from tests.support.patience import eventually
from tests.test_cloud import FRONT_DOOR, UNLOCK, Client
from uhome2mqtt import cloud as cloud_module
from uhome2mqtt.cloud import LARGEST_REPLY
from uhome2mqtt.errors import CloudError
from uhome2mqtt.model import Failure, FailureKind

OPERATIONS = ["Command", "Query", "Discovery"]


@pytest.fixture
async def client(cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Log in at a cloud of its own; the device list has no longer time than other requests."""
    monkeypatch.setattr(cloud_module, "LIST_ALLOWANCE", 0.0)
    return Client(cloud_account, tmp_path)


async def ask(client: Client, operation: str, **options: Any) -> object:
    """Make one request."""
    cloud = client.cloud(**options)
    match operation:
        case "Query":
            return await cloud.query([FRONT_DOOR])
        case "Discovery":
            return await cloud.list_devices()
        case _:
            return await cloud.commands([(FRONT_DOOR, UNLOCK)])


async def failure(client: Client, operation: str = "Command", **options: Any) -> Failure:
    """Make a request and give the failure that it ends with."""
    with pytest.raises(CloudError) as caught:
        await ask(client, operation, **options)
    return caught.value.failure


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ({"kind": "http_500"}, FailureKind.UNCERTAIN, "HTTP_500"),
        ({"kind": "gateway_500"}, FailureKind.UNCERTAIN, "HTTP_500"),
        ({"kind": "empty_400"}, FailureKind.UNCERTAIN, "HTTP_400"),
        ({"kind": "status"}, FailureKind.UNCERTAIN, "HTTP_503"),
        ({"kind": "status", "status": 404}, FailureKind.REJECTED, "HTTP_404"),
        ({"kind": "status", "status": 302}, FailureKind.REJECTED, "HTTP_302"),
        ({"kind": "status", "status": 204}, FailureKind.REJECTED, "HTTP_204"),
        ({"kind": "rate_limited"}, FailureKind.RATE_LIMITED, "HTTP_429"),
        ({"kind": "reset"}, FailureKind.UNCERTAIN, "ReadError"),
        ({"kind": "timeout"}, FailureKind.UNCERTAIN, "TIMEOUT"),
        ({"kind": "slow", "delay": 30}, FailureKind.UNCERTAIN, "TIMEOUT"),
        ({"kind": "truncated"}, FailureKind.UNCERTAIN, "RemoteProtocolError"),
        ({"kind": "not_json"}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "not_json", "body": "[]"}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "not_json", "body": "{}"}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "huge"}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "gzip_bomb"}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "wrong_message_id"}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "error_envelope"}, FailureKind.UNCERTAIN, "INTERNAL_ERROR"),
        ({"kind": "error_envelope", "code": "server-busy"}, FailureKind.UNCERTAIN, "server-busy"),
        ({"kind": "error_envelope", "code": "BAD-REQUEST"}, FailureKind.REJECTED, "BAD-REQUEST"),
        ({"kind": "error_envelope", "code": "Too many requests"}, FailureKind.RATE_LIMITED, "Too many requests"),
        ({"kind": "error_envelope", "code": "INVALID_TOKEN"}, FailureKind.AUTHORIZATION, "INVALID_TOKEN"),
        ({"kind": "error_envelope", "code": "TOKEN-EXPIRED"}, FailureKind.AUTHORIZATION, "TOKEN-EXPIRED"),
        ({"kind": "status", "status": 401}, FailureKind.AUTHORIZATION, "HTTP_401"),
        ({"kind": "status", "status": 403}, FailureKind.AUTHORIZATION, "HTTP_403"),
    ],
)
async def test_faults(client: Client, fault: dict[str, Any], kind: FailureKind, code: str, operation: str) -> None:
    """Every fault ends in a failure that says whether the request may have been executed, never in anything else.

    Afterwards the same client works.
    """
    await client.account.fault(**fault, operation=operation)
    # Of the others a busy machine may take its time.
    found = await failure(client, operation, timeout=0.4 if code == "TIMEOUT" else 20.0)
    assert (found.kind, found.code) == (kind, code)
    assert found.message
    await client.account.control("DELETE", "faults")
    assert await ask(client, operation)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", ["gateway_500", "empty_400"])
async def test_twice_in_a_row(client: Client, kind: str, operation: str) -> None:
    """Each failure is told when it happens: nothing is repeated in secret, and the third request is answered."""
    await client.account.fault(kind, operation=operation, count=2)
    for number in (1, 2):
        assert (await failure(client, operation)).kind is FailureKind.UNCERTAIN
        assert len(client.account.requests(operation)) == number
    assert await ask(client, operation)


async def test_executed(client: Client) -> None:
    """A command whose reply is lost is uncertain for a reason: it may have been executed."""
    client.account.cloud.quirks.change({"bolt_seconds": 0.05})
    await client.account.fault("gateway_500", operation="Command", count=1, executed=True)
    assert (await failure(client)).kind is FailureKind.UNCERTAIN
    lock = client.account.cloud.house.devices[FRONT]
    await eventually(lambda: lock.states["st.lock.lockState"] == "Unlocked")


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("quirk", [{"header_missing": True}, {"message_id": "missing"}])
async def test_reply_that_names_no_request(client: Client, quirk: dict[str, Any], operation: str) -> None:
    """A reply without its header, or without the request's id, is taken for the one that was asked for."""
    client.account.cloud.quirks.change(quirk)
    assert await ask(client, operation)


@pytest.mark.parametrize("operation", OPERATIONS)
async def test_reply_to_another_request(client: Client, operation: str) -> None:
    """A reply that names another request is never taken for an answer."""
    client.account.cloud.quirks.change({"message_id": "wrong"})
    assert (await failure(client, operation)).code == "UNREADABLE_REPLY"


@pytest.mark.parametrize("operation", ["Query", "Discovery"])
@pytest.mark.parametrize("body", ['{"payload": {"devices": null}}', '{"payload": []}', '{"payload": {"error": {}}}'])
async def test_no_list(client: Client, body: str, operation: str) -> None:
    """A reply that holds no list is a failure, not an empty account."""
    await client.account.fault("not_json", body=body)
    assert (await failure(client, operation)).code in {"UNREADABLE_REPLY", "UNKNOWN_ERROR"}


async def test_no_user(client: Client) -> None:
    """A reply that names nobody is unreadable."""
    await client.account.fault("not_json", body='{"payload": {"user": null}}')
    with pytest.raises(CloudError, match="UNREADABLE_REPLY"):
        await client.cloud().account()


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", ["rate_limited", "status"])
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, None),
        ({"retry_after": 3}, 3),
        ({"retry_after": 3, "retry_after_date": True}, 3),
        ({"retry_after": 3, "retry_after_date": True, "clock_ahead": 1e6}, 3),
        ({"retry_after": 3, "retry_after_date": True, "clock_ahead": -1e8}, 3),
    ],
)
async def test_retry_after(
    client: Client, kind: str, more: dict[str, Any], expected: float | None, operation: str
) -> None:
    """A wait that the cloud names, in seconds or as a date, is passed on, whether or not the clocks agree."""
    await client.account.fault(kind, **more)
    assert (await failure(client, operation)).retry_after == expected


@pytest.mark.parametrize("kind", ["huge", "gzip_bomb"])
async def test_largest_reply(client: Client, kind: str) -> None:
    """A reply that never ends is given up at its limit instead of being read, compressed or not."""
    await client.account.fault(kind, size=400 * 1024 * 1024)
    async with asyncio.timeout(4):
        found = await failure(client)
    assert str(LARGEST_REPLY) in found.message
