"""OAuth as the vendor speaks it, in every form that its replies and callbacks were seen to take."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.account import CLIENT_SECRET, Account, new_http
from uhome2mqtt import oauth
from uhome2mqtt.errors import CloudError
from uhome2mqtt.model import FailureKind
from uhome2mqtt.oauth import DEFAULT_LIFETIME, LONGEST_LIFETIME, SHORTEST_LIFETIME

CALLBACK = "http://localhost:8099/oauth/callback"


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """A token endpoint that always gives the same reply."""

    url: str = ""
    status: int = 200
    body: bytes = b"{}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + self.body)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    """Serve a token endpoint."""
    served = Endpoint()
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/token"
    try:
        yield served
    finally:
        server.close()


async def reply(body: Any, status: int = 200) -> oauth.Grant:
    """Refresh at an endpoint that gives this reply."""
    async with endpoint() as served, new_http() as http:
        served.status, served.body = status, body if isinstance(body, bytes) else json.dumps(body).encode()
        client = oauth.Client(
            client_id="i", client_secret="s", redirect_uri=CALLBACK, authorize_url="", token_url=served.url
        )
        return await oauth.refresh(http, client, "old-refresh")


FLAT = {"access_token": "a", "refresh_token": "r", "token_type": "Bearer", "expires_in": 601200, "scope": "openapi"}


@pytest.mark.parametrize("body", [FLAT, {"code": 200, "data": FLAT}, {"code": "0", "data": FLAT}])
async def test_granted(body: Any) -> None:
    """Tokens are read flat and wrapped."""
    grant = await reply(body)
    assert (grant.access_token, grant.refresh_token) == ("a", "r")
    assert grant.expires_at == pytest.approx(time.time() + 601200, abs=5)


@pytest.mark.parametrize("refresh_token", [None, "", 5])
async def test_refresh_token_kept(refresh_token: Any) -> None:
    """A refresh token that is not replaced stays good."""
    assert (await reply({"access_token": "a", "refresh_token": refresh_token})).refresh_token == "old-refresh"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ("3600", 3600),
        (None, DEFAULT_LIFETIME),
        ([], DEFAULT_LIFETIME),
        ("soon", DEFAULT_LIFETIME),
        (-5, DEFAULT_LIFETIME),
        (0, DEFAULT_LIFETIME),
        (True, DEFAULT_LIFETIME),
        ("nan", DEFAULT_LIFETIME),
        (1, SHORTEST_LIFETIME),
        (10**400, DEFAULT_LIFETIME),
        (1e300, LONGEST_LIFETIME),
        ("inf", LONGEST_LIFETIME),
    ],
)
async def test_lifetime(given: Any, seconds: float) -> None:
    """Whatever is said of a token's life, its end is a time that can be kept."""
    grant = await reply({"access_token": "a", "expires_in": given})
    assert grant.expires_at == pytest.approx(time.time() + seconds, abs=5)


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (200, {"error": "invalid_grant", "error_description": "No"}, FailureKind.AUTHORIZATION, "invalid_grant"),
        (400, {"error": "invalid_client"}, FailureKind.AUTHORIZATION, "invalid_client"),
        (200, {"code": 401, "message": "invalid_grant"}, FailureKind.AUTHORIZATION, "invalid_grant"),
        (200, {"code": 401, "data": {"message": "gone"}}, FailureKind.AUTHORIZATION, "gone"),
        (200, {"code": 400, "data": {}}, FailureKind.AUTHORIZATION, "HTTP_200"),
        (200, {"code": [401]}, FailureKind.UNCERTAIN, "HTTP_200"),
        (200, {"error": "server_error"}, FailureKind.UNCERTAIN, "server_error"),
        (200, {"error": {"code": "invalid_grant"}}, FailureKind.AUTHORIZATION, "invalid_grant"),
        (200, {"error": {"message": "invalid_grant"}}, FailureKind.AUTHORIZATION, "invalid_grant"),
        (200, {"error": {"a": "b"}}, FailureKind.UNCERTAIN, "unknown_error"),
        (200, {"code": "401", "data": {"message": "x"}}, FailureKind.AUTHORIZATION, "x"),
        (200, {"error": "invalid_grant", "access_token": "x"}, FailureKind.AUTHORIZATION, "invalid_grant"),
        (500, {"access_token": "x"}, FailureKind.UNCERTAIN, "HTTP_500"),
        (500, {"code": 400}, FailureKind.UNCERTAIN, "HTTP_500"),
        (503, {"code": 403, "message": "maintenance"}, FailureKind.UNCERTAIN, "maintenance"),
        (429, {"code": 400, "message": "slow down"}, FailureKind.RATE_LIMITED, "slow down"),
        (200, {"access_token": ""}, FailureKind.UNCERTAIN, "HTTP_200"),
        (200, [], FailureKind.UNCERTAIN, "HTTP_200"),
        (200, b"<html>", FailureKind.UNCERTAIN, "HTTP_200"),
        (400, b"", FailureKind.UNCERTAIN, "HTTP_400"),
        (401, b"", FailureKind.UNCERTAIN, "HTTP_401"),
        (403, b"blocked", FailureKind.UNCERTAIN, "HTTP_403"),
        (429, b"", FailureKind.RATE_LIMITED, "HTTP_429"),
        (500, {"message": "Internal server error"}, FailureKind.UNCERTAIN, "Internal server error"),
        (404, b"", FailureKind.REJECTED, "HTTP_404"),
    ],
)
async def test_refused(status: int, body: Any, kind: FailureKind, code: str) -> None:
    """A login is over only when the service says so in words; the HTTP status alone says nothing about it."""
    with pytest.raises(CloudError) as caught:
        await reply(body, status)
    assert (caught.value.failure.kind, caught.value.failure.code) == (kind, code)
    assert caught.value.failure.message


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NAMES = ["access_token", "refresh_token", "expires_in", "error", "error_description", "message", "code", "data"]


@settings(max_examples=100, deadline=None)
@given(
    status=st.sampled_from([200, 400, 401, 500]),
    body=st.binary(max_size=40)
    | JSON.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4).map(lambda value: json.dumps(value).encode()),
)
async def test_any_reply(status: int, body: bytes) -> None:
    """Any reply is a grant that can be kept, or a failure with a code."""
    failures: list[CloudError] = []
    grants: list[oauth.Grant] = []
    try:
        grants.append(await reply(body, status))
    except CloudError as problem:
        failures.append(problem)
    assert all(problem.failure.code for problem in failures)
    assert all(json.loads(json.dumps(grant.expires_at, allow_nan=False)) == grant.expires_at for grant in grants)


@pytest.mark.parametrize("shape", ["flat", "wrapped"])
@pytest.mark.parametrize("parameter", ["code", "authorization_code", "both"])
async def test_login(cloud_account: Account, shape: str, parameter: str) -> None:
    """The whole grant works, however the code is named in the callback and whatever form the tokens come in."""
    cloud_account.cloud.quirks.change({"callback_parameter": parameter, "token_reply_code": shape})
    client, state = cloud_account.client(), oauth.new_state()
    redirected = await cloud_account.allow(oauth.authorize_url(client, state))
    grant = await oauth.exchange(cloud_account.http, client, oauth.code_of(oauth.query_of(f" {redirected}\n")))
    assert cloud_account.cloud.grants.admits(grant.access_token)
    refreshed = await oauth.refresh(cloud_account.http, client, grant.refresh_token or "")
    assert cloud_account.cloud.grants.admits(refreshed.access_token)


async def test_wrong_secret(cloud_account: Account) -> None:
    """A wrong client secret is the person's to mend."""
    client = cloud_account.client(client_secret="wrong")
    with pytest.raises(CloudError) as caught:
        await oauth.refresh(cloud_account.http, client, "x")
    assert caught.value.failure.kind is FailureKind.AUTHORIZATION


def test_states_differ() -> None:
    """Every login has a state of its own."""
    assert oauth.new_state() != oauth.new_state()


def test_authorize_url(cloud_account: Account) -> None:
    """The address names the client, the redirect URI and the state, and the secret only where that is asked for."""
    client = cloud_account.client(authorize_url="https://login.example/authorize?lang=en")
    address = oauth.authorize_url(client, "s&t")
    assert parse_qs(urlsplit(address).query) == {
        "lang": ["en"],
        "response_type": ["code"],
        "client_id": [client.client_id],
        "scope": ["openapi"],
        "redirect_uri": [CALLBACK],
        "state": ["s&t"],
    }
    assert CLIENT_SECRET not in address
    assert f"client_secret={CLIENT_SECRET}" in oauth.authorize_url(cloud_account.client(secret_in_url=True), "s")


@pytest.mark.parametrize(
    ("redirected", "code"),
    [
        (f"{CALLBACK}?state=mine", "no_code"),
        (f"{CALLBACK}?code=&state=mine", "no_code"),
        (f"{CALLBACK}?error=access_denied&state=mine", "access_denied"),
        ("", "no_address"),
        ("just-the-code", "no_address"),
        ("http://[broken", "unreadable_address"),
    ],
)
def test_bad_callback(redirected: str, code: str) -> None:
    """A callback without a code, or with a refusal, gives no code but says why."""
    with pytest.raises(CloudError) as caught:
        oauth.code_of(oauth.query_of(redirected))
    assert caught.value.failure.code == code
    assert caught.value.failure.kind is FailureKind.AUTHORIZATION
