"""The token endpoint in trouble: what each fault means to a login and to its renewal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.account import Account
from tests.support.patience import free_port
from uhome2mqtt import oauth
from uhome2mqtt.errors import CloudError
from uhome2mqtt.model import Failure, FailureKind
from uhome2mqtt.oauth import LARGEST_REPLY, Grant

Work = Callable[[Account], Coroutine[Any, Any, Grant]]


async def renewed(account: Account) -> Grant:
    """Renew a login."""
    return await oauth.refresh(account.http, account.client(), account.grant().refresh_token or "")


async def logged_in(account: Account) -> Grant:
    """Log in."""
    client = account.client()
    redirected = await account.allow(oauth.authorize_url(client, "s"))
    return await oauth.exchange(account.http, client, oauth.code_of(oauth.query_of(redirected)))


async def failure(account: Account, work: Work = renewed) -> Failure:
    """Give the failure that something ends with."""
    with pytest.raises(CloudError) as caught:
        await work(account)
    return caught.value.failure


@pytest.mark.parametrize("work", [renewed, logged_in])
@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ({"kind": "error_envelope", "code": "invalid_grant"}, FailureKind.AUTHORIZATION, "invalid_grant"),
        ({"kind": "error_envelope", "code": "INVALID-GRANT"}, FailureKind.AUTHORIZATION, "INVALID-GRANT"),
        ({"kind": "error_envelope", "code": "Invalid client"}, FailureKind.AUTHORIZATION, "Invalid client"),
        ({"kind": "error_envelope", "code": "server_error"}, FailureKind.UNCERTAIN, "server_error"),
        ({"kind": "http_500"}, FailureKind.UNCERTAIN, "HTTP_500"),
        ({"kind": "gateway_500"}, FailureKind.UNCERTAIN, "Internal server error"),
        ({"kind": "empty_400"}, FailureKind.UNCERTAIN, "HTTP_400"),
        ({"kind": "status", "status": 401}, FailureKind.UNCERTAIN, "HTTP_401"),
        ({"kind": "status", "status": 403, "body": "<html>"}, FailureKind.UNCERTAIN, "HTTP_403"),
        ({"kind": "status", "status": 404}, FailureKind.REJECTED, "HTTP_404"),
        ({"kind": "status", "status": 302}, FailureKind.REJECTED, "HTTP_302"),
        ({"kind": "status", "status": 503}, FailureKind.UNCERTAIN, "HTTP_503"),
        ({"kind": "rate_limited"}, FailureKind.RATE_LIMITED, "Too Many Requests"),
        ({"kind": "not_json"}, FailureKind.UNCERTAIN, "HTTP_200"),
        ({"kind": "not_json", "body": "[]"}, FailureKind.UNCERTAIN, "HTTP_200"),
        ({"kind": "huge"}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "gzip_bomb"}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "slow", "delay": 30}, FailureKind.UNCERTAIN, "TimeoutError"),
        ({"kind": "timeout"}, FailureKind.UNCERTAIN, "TimeoutError"),
        ({"kind": "truncated"}, FailureKind.UNCERTAIN, "RemoteProtocolError"),
        ({"kind": "reset"}, FailureKind.UNCERTAIN, "ReadError"),
    ],
)
async def test_faults(
    cloud_account: Account,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
    kind: FailureKind,
    code: str,
    work: Work,
) -> None:
    """Every fault of the token endpoint has its failure, and only a refusal in words ends a login.

    Afterwards the endpoint is used as before.
    """
    usual = oauth.LONGEST_EXCHANGE
    await cloud_account.fault(**fault, operation="token")
    # Of the others a busy machine may take its time.
    monkeypatch.setattr(oauth, "LONGEST_EXCHANGE", 0.3 if code == "TimeoutError" else usual)
    found = await failure(cloud_account, work)
    assert (found.kind, found.code) == (kind, code)
    assert found.message
    await cloud_account.control("DELETE", "faults")
    monkeypatch.setattr(oauth, "LONGEST_EXCHANGE", usual)
    assert cloud_account.cloud.grants.admits((await work(cloud_account)).access_token)


@pytest.mark.parametrize("work", [renewed, logged_in])
async def test_compressed(cloud_account: Account, work: Work) -> None:
    """A compressed reply is read like any other."""
    await cloud_account.fault("gzip", operation="token")
    assert cloud_account.cloud.grants.admits((await work(cloud_account)).access_token)


@pytest.mark.parametrize("kind", ["huge", "gzip_bomb"])
async def test_largest_reply(cloud_account: Account, kind: str) -> None:
    """A reply that never ends is given up at its limit instead of being read, compressed or not."""
    await cloud_account.fault(kind, operation="token", size=400 * 1024 * 1024)
    async with asyncio.timeout(4):
        found = await failure(cloud_account)
    assert str(LARGEST_REPLY) in found.message


@pytest.mark.parametrize(
    ("more", "expected"),
    [({}, None), ({"retry_after": 40}, 40), ({"retry_after": 40, "retry_after_date": True, "clock_ahead": 1e6}, 40)],
)
async def test_retry_after(cloud_account: Account, more: dict[str, Any], expected: float | None) -> None:
    """A wait that the token endpoint names is passed on."""
    await cloud_account.fault("rate_limited", operation="token", **more)
    assert (await failure(cloud_account)).retry_after == expected


async def test_unreachable(cloud_account: Account) -> None:
    """A token endpoint to which there is no connection has heard nothing."""
    client = cloud_account.client(token_url=f"http://127.0.0.1:{free_port()}/token")
    with pytest.raises(CloudError) as caught:
        await oauth.refresh(cloud_account.http, client, "r")
    assert caught.value.failure.kind is FailureKind.UNREACHABLE
