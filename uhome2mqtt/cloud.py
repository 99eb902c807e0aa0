"""Requests to the U home cloud over HTTP."""

from __future__ import annotations

import asyncio
import math
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Literal, Protocol, TypeVar

import httpx

from uhome2mqtt import PROJECT_URL, __version__, uhome
from uhome2mqtt.errors import CloudError, ProtocolError, failure_of_status
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.model import Command, Device, Failure, FailureKind, Json, Report
from uhome2mqtt.replies import ACCEPT, read_body, retry_after
from uhome2mqtt.uhome import Operation

USER_AGENT = f"uhome2mqtt/{__version__} (+{PROJECT_URL})"
LARGEST_REPLY = 4 * 1024 * 1024
"""Bytes; a device takes about three hundred, so that this is an account of ten thousand."""
LIST_ALLOWANCE = 5.0
"""Seconds more for the device list, the slowest of all requests."""
LONGEST_CONNECT = 10.0

KEEPALIVE = 20.0
"""Seconds; many a gateway hangs up after a minute, and a connection that dies under a command leaves it uncertain."""

_HUNG_UP = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
_REPEATABLE = frozenset({Operation.USER_GET, Operation.LIST_DEVICES, Operation.QUERY, Operation.CONFIGURE_SET})
_KINDS = {
    Operation.USER_GET: "account",
    Operation.USER_LOGOUT: "logout",
    Operation.LIST_DEVICES: "list",
    Operation.QUERY: "query",
    Operation.COMMAND: "command",
    Operation.CONFIGURE_SET: "register",
}
"""How the requests are called in the accounts."""

_EXPIRED = Failure(kind=FailureKind.UNREACHABLE, code="EXPIRED", message="its time passed before it could be sent")

T = TypeVar("T")


class TokenSource(Protocol):
    """Where access tokens come from."""

    async def access_token(self) -> str: ...

    async def renew(self, rejected: str) -> str: ...


@asynccontextmanager
async def http_client(timeout: float) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ASYNC109 - the setting's own name
    """Open the HTTP client for cloud and login; proxies come from the environment."""
    limits = httpx.Limits(max_connections=20, max_keepalive_connections=5, keepalive_expiry=KEEPALIVE)
    async with httpx.AsyncClient(
        headers={"User-Agent": USER_AGENT},
        timeout=httpx.Timeout(timeout, connect=min(timeout, LONGEST_CONNECT)),
        limits=limits,
        verify=ssl.create_default_context(),
    ) as client:
        yield client


class _Progress:
    """How far a request has come, as httpx traces it: what has not left cannot have been executed."""

    def __init__(self, time_left: Callable[[], float]) -> None:
        self._time_left = time_left
        self.connected = False
        self.left = False
        self.answered = False

    async def __call__(self, event: str, facts: Mapping[str, object]) -> None:
        self.connected |= event.startswith("connection.")
        # A proxy is first asked for a tunnel, which says nothing of our own request.
        if event == "http11.send_request_headers.started" and _method(facts.get("request")) != b"CONNECT":
            if self._time_left() <= 0:
                raise CloudError(_EXPIRED)
            self.left = True
        self.answered |= event == "http11.receive_response_headers.complete"

    @property
    def stale(self) -> bool:
        """Whether the request met a kept connection whose other end had gone."""
        return self.left and not self.connected and not self.answered


class Cloud:
    """The operations of the API; every one raises CloudError where it has no result."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        tokens: TokenSource,
        *,
        url: str,
        timeout: float,
        auth_method: Literal["header", "body"] = "header",
        ledger: Ledger | None = None,
    ) -> None:
        self._ledger = ledger or Ledger()
        self._http = http
        self._tokens = tokens
        self._url = url
        self._timeout = timeout
        self._in_body = auth_method == "body"

    async def account(self) -> str:
        """Get the id of the account."""
        return await self._decoded(Operation.USER_GET, {}, uhome.decode_account)

    async def list_devices(self) -> tuple[Device, ...]:
        """Get the devices that the account exposes."""
        return await self._decoded(Operation.LIST_DEVICES, {}, uhome.decode_devices, LIST_ALLOWANCE)

    async def query(self, devices: Iterable[Device]) -> tuple[Report, ...]:
        """Get the states of some devices, in one request."""
        return await self._decoded(Operation.QUERY, uhome.query_payload(devices), uhome.decode_reports)

    async def commands(
        self, orders: Sequence[tuple[Device, Command]], left: Callable[[], float] = lambda: math.inf
    ) -> dict[str, uhome.CommandReply]:
        """Send a command to each of several devices in one request, no device twice.

        `left`: seconds within which the request may leave; what waits longer for a token fails. The answers, by device
        id, are acknowledgements, never results.
        """
        devices = {device.id for device, _ in orders}
        if len(devices) != len(orders):
            raise ValueError("a device occurs twice: which of its commands comes first would be open")
        return await self._decoded(
            Operation.COMMAND,
            uhome.command_payload(orders),
            lambda payload: uhome.decode_command_replies(payload, devices),
            left=left,
        )

    async def log_out(self) -> None:
        """End the login in the cloud."""
        await self._decoded(Operation.USER_LOGOUT, {}, lambda _: None)

    async def register_notifications(self, url: str, secret: str) -> None:
        """Have changes sent to an address, each with a secret that shows who sends it; the last registration wins."""
        said: Failure | None = None
        try:
            await self._decoded(Operation.CONFIGURE_SET, uhome.registration_payload(url, secret), lambda _: None)
        except CloudError as problem:
            said = problem.failure
        if said is not None:
            # Out of reach of the first exception, whose text may repeat what was sent.
            raise CloudError(_without(secret, said))

    async def _decoded(
        self,
        operation: Operation,
        payload: Mapping[str, Json],
        decode: Callable[[dict[str, Json]], T],
        allowance: float = 0.0,
        left: Callable[[], float] = lambda: math.inf,
    ) -> T:
        """Send a request; one that is refused for its token is sent once more with a new one."""
        token = await _token(self._tokens.access_token(), left)
        try:
            with self._ledger.request(_KINDS[operation]):
                reply = await self._send(operation, payload, token, allowance, left)
        except CloudError as problem:
            if problem.failure.kind is not FailureKind.AUTHORIZATION:
                raise
            token = await _token(self._tokens.renew(token), left)
            with self._ledger.request(_KINDS[operation]):
                reply = await self._send(operation, payload, token, allowance, left)
        try:
            return decode(reply)
        except ProtocolError as problem:
            raise CloudError(_unreadable(problem)) from None

    async def _send(
        self,
        operation: Operation,
        payload: Mapping[str, Json],
        token: str,
        allowance: float,
        left: Callable[[], float],
    ) -> dict[str, Json]:
        message_id = str(uuid.uuid4())
        content = uhome.encode_request(operation, payload, message_id, token if self._in_body else None)
        headers = {"Content-Type": "application/json", **ACCEPT}
        if not self._in_body:
            headers["Authorization"] = f"Bearer {token}"
        progress = _Progress(left)
        try:
            async with asyncio.timeout(self._timeout + allowance):
                try:
                    reply = await self._exchange(content, headers, progress)
                except _HUNG_UP:
                    if operation not in _REPEATABLE or not progress.stale:
                        raise
                    reply = await self._exchange(content, headers, progress)
            return uhome.decode_reply(reply, message_id)
        except ProtocolError as problem:
            raise CloudError(_unreadable(problem)) from None
        except TimeoutError:
            why = f"no reply within {self._timeout + allowance:.0f} s" if progress.left else "no connection in time"
            raise CloudError(_transport("TIMEOUT", why, progress)) from None
        except httpx.HTTPError as problem:
            name = type(problem).__name__
            raise CloudError(_transport(name, str(problem) or name, progress)) from None

    async def _exchange(self, content: bytes, headers: Mapping[str, str], progress: _Progress) -> bytes:
        """Post a request and read a reply of bounded size."""
        async with self._http.stream(
            "POST", self._url, content=content, headers=headers, extensions={"trace": progress}
        ) as response:
            if response.status_code != httpx.codes.OK:
                raise CloudError(failure_of_status(response.status_code, retry_after(response)))
            return await read_body(response, LARGEST_REPLY)


async def _token(coming: Awaitable[str], left: Callable[[], float]) -> str:
    """Wait for a token; whatever goes wrong meanwhile, the request that needs it has not left or was refused."""
    seconds = left()
    try:
        async with asyncio.timeout(None if math.isinf(seconds) else max(0.0, seconds)):
            token = await coming
    except TimeoutError:
        raise CloudError(_EXPIRED) from None
    except CloudError as problem:
        if problem.failure.kind is FailureKind.AUTHORIZATION:
            raise
        raise CloudError(replace(problem.failure, kind=FailureKind.UNREACHABLE)) from None
    if left() <= 0:
        raise CloudError(_EXPIRED)
    return token


def _unreadable(problem: ProtocolError) -> Failure:
    return Failure(kind=FailureKind.UNCERTAIN, code="UNREADABLE_REPLY", message=str(problem))


def _transport(code: str, message: str, progress: _Progress) -> Failure:
    """Sort a transport error by whether the request can have left."""
    kind = FailureKind.UNCERTAIN if progress.left else FailureKind.UNREACHABLE
    return Failure(kind=kind, code=code, message=message)


def _method(request: object) -> bytes:
    """Name the method of a request of the library below httpx."""
    return getattr(request, "method", b"")


def _without(secret: str, failure: Failure) -> Failure:
    return replace(failure, code=failure.code.replace(secret, "***"), message=failure.message.replace(secret, "***"))
