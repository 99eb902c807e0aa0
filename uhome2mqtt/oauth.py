"""OAuth 2.0 as the vendor speaks it: the authorization-code grant, and token replies in every form seen.

A general OAuth library would have to be bent at each step: replies come flat or wrapped in `{"code", "data"}`, errors
come with HTTP status 200, and the callback names its code in two ways.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx

from uhome2mqtt.errors import CloudError, ProtocolError, failure_of_status, fold_code
from uhome2mqtt.model import Failure, FailureKind, Json, parse_json
from uhome2mqtt.replies import ACCEPT, read_body, retry_after

LARGEST_REPLY = 64 * 1024
LONGEST_EXCHANGE = 30.0
"""Seconds for a whole token request; everything else waits for it meanwhile."""
LONGEST_LIFETIME = 366 * 86400.0
"""Seconds; a token's end must be a time that can be written down."""
DEFAULT_LIFETIME = 3600.0
"""Seconds, for a reply that does not name a usable one; the live service says a week less an hour."""
SHORTEST_LIFETIME = 10.0
"""Seconds; a service that says less must not be asked for tokens all the time."""

CLIENT_REFUSED = frozenset({"invalid_client", "unauthorized_client"})
"""Errors that say nothing of the login, only of the id and the secret in the configuration."""
REVOKED = CLIENT_REFUSED | {"invalid_grant", "access_denied", "invalid_token"}
"""Errors that only a person can mend; the wrapped form of the service carries them as its message."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Grant:
    """Tokens of one login; `expires_at` in seconds since 1970."""

    access_token: str
    refresh_token: str | None
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """How the bridge is known to the vendor's login, and where that is."""

    client_id: str
    client_secret: str
    redirect_uri: str
    authorize_url: str
    token_url: str
    scope: str = "openapi"
    secret_in_url: bool = False


def new_state() -> str:
    """Make the value that ties a callback to the login that was started."""
    return secrets.token_urlsafe(24)


def authorize_url(client: Client, state: str) -> str:
    """Compose the address that a person opens to grant access."""
    parameters = {
        "response_type": "code",
        "client_id": client.client_id,
        **({"client_secret": client.client_secret} if client.secret_in_url else {}),
        "scope": client.scope,
        "redirect_uri": client.redirect_uri,
        "state": state,
    }
    joint = "&" if urlsplit(client.authorize_url).query else "?"
    return f"{client.authorize_url}{joint}{urlencode(parameters)}"


def query_of(redirected: str) -> dict[str, str]:
    """Take the parameters out of the address that the browser was sent to; raises CloudError where there are none."""
    try:
        parameters = parse_qs(urlsplit(redirected.strip()).query)
    except ValueError as problem:
        raise _refused("unreadable_address", f"that is no address: {problem}") from None
    if not parameters:
        raise _refused("no_address", "that is not the address that the browser was sent to: it has no parameters")
    return {name: values[0] for name, values in parameters.items()}


def code_of(query: Mapping[str, str]) -> str:
    """Take the code out of a callback's parameters: `code` as seen, `authorization_code` as documented."""
    if error := query.get("error"):
        raise _refused(error, query.get("error_description") or "the login was not granted")
    code = query.get("code") or query.get("authorization_code")
    if not code:
        raise _refused("no_code", "the address carries no code: give the whole address the browser was sent to")
    return code


async def exchange(
    http: httpx.AsyncClient, client: Client, code: str, *, clock: Callable[[], float] = time.time
) -> Grant:
    """Trade the code of a login for tokens."""
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": client.redirect_uri}
    return await _token_request(http, client, form, clock)


async def refresh(
    http: httpx.AsyncClient, client: Client, refresh_token: str, *, clock: Callable[[], float] = time.time
) -> Grant:
    """Trade the refresh token for new tokens; one that is not replaced stays good."""
    grant = await _token_request(http, client, {"grant_type": "refresh_token", "refresh_token": refresh_token}, clock)
    return Grant(
        access_token=grant.access_token,
        refresh_token=grant.refresh_token or refresh_token,
        expires_at=grant.expires_at,
    )


async def _token_request(
    http: httpx.AsyncClient, client: Client, form: Mapping[str, str], clock: Callable[[], float]
) -> Grant:
    """Post a form, as the live service wants it: parameters in the address were refused."""
    data = {**form, "client_id": client.client_id, "client_secret": client.client_secret}
    try:
        async with (
            asyncio.timeout(LONGEST_EXCHANGE),
            http.stream("POST", client.token_url, data=data, headers=ACCEPT) as response,
        ):
            body = await read_body(response, LARGEST_REPLY)
    except (httpx.HTTPError, TimeoutError) as problem:
        raise CloudError(_unreached(problem)) from None
    except ProtocolError as problem:
        failure = replace(_failure(response, {}), code="UNREADABLE_REPLY", message=str(problem))
        raise CloudError(failure) from None
    return _grant(response, body, clock)


def _unreached(problem: Exception) -> Failure:
    never_left = isinstance(problem, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout | httpx.ProxyError)
    return Failure(
        kind=FailureKind.UNREACHABLE if never_left else FailureKind.UNCERTAIN,
        code=type(problem).__name__,
        message=": ".join(filter(None, ("no reply from the token endpoint", str(problem)))),
    )


def _grant(response: httpx.Response, body: bytes, clock: Callable[[], float]) -> Grant:
    """Read a token reply, flat or wrapped; an error counts whatever the HTTP status says."""
    try:
        reply = parse_json(body)
    except ValueError:
        reply = None
    fields = _fields(reply)
    token, refresh_token = fields.get("access_token"), fields.get("refresh_token")
    if usable_token(token) and response.is_success and not fields.get("error"):
        return Grant(
            access_token=str(token),
            refresh_token=str(refresh_token) if usable_token(refresh_token) else None,
            expires_at=clock() + _lifetime(fields.get("expires_in")),
        )
    raise CloudError(_failure(response, fields))


def _fields(reply: Json) -> dict[str, Json]:
    """Lay a reply's members and those wrapped in `data`, or in `error`, side by side."""
    members = reply if isinstance(reply, dict) else {}
    wrapped, error = members.get("data"), members.get("error")
    fields = {**members, **wrapped} if isinstance(wrapped, dict) else members
    if isinstance(error, dict):
        said = error.get("code") or error.get("message") or "unknown_error"
        fields = {**fields, "error": str(said), "error_description": error.get("message")}
    return fields


def usable_token(value: Json) -> bool:
    """Tell whether this can be sent as a token: printable ASCII, as RFC 6749 has it."""
    return isinstance(value, str) and value != "" and value.isascii() and value.isprintable()


def _lifetime(value: Json) -> float:
    try:
        seconds = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except (ValueError, OverflowError):
        seconds = 0.0
    return min(max(SHORTEST_LIFETIME, seconds), LONGEST_LIFETIME) if seconds > 0 else DEFAULT_LIFETIME


def _failure(response: httpx.Response, fields: Mapping[str, Json]) -> Failure:
    status = response.status_code
    members = [fields.get(name) for name in ("error", "error_description", "message")]
    said = [member for member in members if isinstance(member, str) and member]
    code, *explained = said or [f"HTTP_{status}"]
    text = ": ".join(explained) or f"the token endpoint answered HTTP status {status} without a token"
    kind = failure_of_status(status, None).kind
    # Whatever else a service in trouble says, it has not looked at the login.
    in_trouble = status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR
    if not in_trouble and (fold_code(code) in REVOKED or str(fields.get("code")) in {"400", "401", "403"}):
        kind = FailureKind.AUTHORIZATION
    elif status == httpx.codes.OK or kind is FailureKind.AUTHORIZATION:
        # A login is over when the service says so: a bare status may come from any box on the way.
        kind = FailureKind.UNCERTAIN
    return Failure(kind=kind, code=code, message=text, retry_after=retry_after(response))


def _refused(code: str, message: str) -> CloudError:
    return CloudError(Failure(kind=FailureKind.AUTHORIZATION, code=code, message=message))
