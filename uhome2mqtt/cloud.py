"""Requests to the U home cloud over HTTP."""

from __future__ import annotations

import asyncio
import math
import ssl
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol, TypeVar

import httpx

from uhome2mqtt import PROJECT_URL, __version__, logs, uhome
from uhome2mqtt.departures import now_or_never
from uhome2mqtt.errors import CloudError, ProtocolError, failure_of_status
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.model import Command, Device, DeviceError, Failure, FailureKind, Json, Report, UsersReply
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
_EXPIRED = Failure(kind=FailureKind.UNREACHABLE, code="EXPIRED", message="its time passed before it could be sent")

T = TypeVar("T")


def _for_ever() -> float:
    return math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class _Call:
    """One request as it is to be made; `kind`: its name in the accounts, `allowance`: seconds more than usual.

    `repeatable`: whether it may be sent again where a kept connection turns out to be dead. `left`: seconds within
    which it may leave.
    """

    operation: Operation
    kind: str
    payload: Mapping[str, Json] = field(default_factory=dict, repr=False)
    repeatable: bool = True
    allowance: float = 0.0
    left: Callable[[], float] = _for_ever


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
        timeout=_patience(timeout),
        limits=limits,
        verify=ssl.create_default_context(),
    ) as client:
        now_or_never(client)
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
        names: uhome.LightNames = uhome.GUESSED,
    ) -> None:
        self._ledger = ledger or Ledger()
        self._names = names
        self._http = http
        self._tokens = tokens
        self._url = httpx.URL(url)
        self._timeout = timeout
        self._in_body = auth_method == "body"

    def wait(self, seconds: float) -> None:
        """Let a request take so long from now on."""
        self._timeout, self._http.timeout = seconds, _patience(seconds)

    async def account(self) -> str:
        """Get the id of the account."""
        return await self._decoded(_Call(operation=Operation.USER_GET, kind="account"), uhome.decode_account)

    async def list_devices(self) -> tuple[Device, ...]:
        """Get the devices that the account exposes."""
        call = _Call(operation=Operation.LIST_DEVICES, kind="list", allowance=LIST_ALLOWANCE)
        return await self._decoded(call, uhome.decode_devices)

    async def query(self, devices: Iterable[Device]) -> tuple[Report, ...]:
        """Get the states of some devices, in one request."""
        call = _Call(operation=Operation.QUERY, kind="query", payload=uhome.query_payload(devices))
        reports = await self._decoded(call, lambda reply: uhome.decode_reports(reply, self._names))
        return tuple(replace(report, error=_quiet(report.error)) for report in reports)

    async def commands(
        self, orders: Sequence[tuple[Device, Command]], left: Callable[[], float] = _for_ever
    ) -> dict[str, uhome.CommandReply]:
        """Send a command to each of several devices in one request, no device twice.

        `left`: seconds within which the request may leave; what waits longer for a token fails. The answers, by device
        id, are acknowledgements, never results.
        """
        devices = {device.id for device, _ in orders}
        if len(devices) != len(orders):
            raise ValueError("a device occurs twice: which of its commands comes first would be open")
        payload = uhome.command_payload(orders, self._names)
        call = _Call(operation=Operation.COMMAND, kind="command", payload=payload, repeatable=False, left=left)
        replies = await self._decoded(call, lambda reply: uhome.decode_command_replies(reply, devices, self._names))
        return {device: replace(reply, error=_quiet(reply.error)) for device, reply in replies.items()}

    async def lock_users(self, device: Device, action: Command, left: Callable[[], float] = _for_ever) -> UsersReply:
        """Ask or order something about the codes of a lock; no error shows the code that was sent."""
        code, asks = str(action.arguments.get("password", "")), action.name in {"list", "get"}
        payload = uhome.command_payload([(device, action)])
        call = _Call(operation=Operation.COMMAND, kind="users", payload=payload, repeatable=asks, left=left)
        reply = await self._guarding(code, call, lambda reply: uhome.decode_users_reply(reply, device.id))
        if reply.error is None:
            return reply
        error = DeviceError(code=_without(code, reply.error.code), message=_without(code, reply.error.message))
        return replace(reply, error=error)

    async def log_out(self) -> None:
        """End the login in the cloud."""
        await self._decoded(_Call(operation=Operation.USER_LOGOUT, kind="logout", repeatable=False), lambda _: None)

    async def register_notifications(self, url: str, secret: str) -> None:
        """Have changes sent to an address, each with a secret that shows who sends it; the last registration wins."""
        payload = uhome.registration_payload(url, secret)
        call = _Call(operation=Operation.CONFIGURE_SET, kind="register", payload=payload)
        await self._guarding(secret, call, lambda _: None)

    async def _guarding(self, secret: str, call: _Call, decode: Callable[[dict[str, Json]], T]) -> T:
        """Send a request with a secret in it; no failure shows that, whatever the cloud says back."""
        try:
            return await self._decoded(call, decode)
        except CloudError as problem:
            said = problem.failure
        # Out of reach of the first exception, whose text may repeat what was sent.
        raise CloudError(replace(said, code=_without(secret, said.code), message=_without(secret, said.message)))

    async def _decoded(self, call: _Call, decode: Callable[[dict[str, Json]], T]) -> T:
        """Send a request; no failure shows a secret of ours: it is told to everybody on the broker."""
        try:
            return await self._asked(call, decode)
        except CloudError as problem:
            said = problem.failure
        raise CloudError(replace(said, code=_quiet_code(said.code), message=logs.mask(said.message)))

    async def _asked(self, call: _Call, decode: Callable[[dict[str, Json]], T]) -> T:
        """Send a request; one that is refused for its token is sent once more with a new one."""
        token = await _token(self._tokens.access_token(), call.left)
        try:
            with self._ledger.request(call.kind):
                reply = await self._send(call, token)
        except CloudError as problem:
            if problem.failure.kind is not FailureKind.AUTHORIZATION:
                raise
            token = await _token(self._tokens.renew(token), call.left)
            with self._ledger.request(call.kind):
                reply = await self._send(call, token)
        try:
            return decode(reply)
        except ProtocolError as problem:
            raise CloudError(_unreadable(problem)) from None

    async def _send(self, call: _Call, token: str) -> dict[str, Json]:
        message_id = str(uuid.uuid4())
        content = uhome.encode_request(call.operation, call.payload, message_id, token if self._in_body else None)
        headers = {"User-Agent": USER_AGENT, "Content-Type": "application/json", **ACCEPT}
        if not self._in_body:
            headers["Authorization"] = f"Bearer {token}"
        progress, patience = _Progress(call.left), self._timeout + call.allowance
        try:
            async with asyncio.timeout(patience):
                try:
                    reply = await self._exchange(content, headers, progress)
                except _HUNG_UP:
                    if not call.repeatable or not progress.stale:
                        raise
                    reply = await self._exchange(content, headers, progress)
            return uhome.decode_reply(reply, message_id)
        except ProtocolError as problem:
            raise CloudError(_unreadable(problem)) from None
        except TimeoutError:
            why = f"the cloud did not answer within {patience:.0f} s" if progress.left else "no connection in time"
            raise CloudError(_transport("TIMEOUT", why, progress)) from None
        except httpx.HTTPError as problem:
            why = _why(problem, self._timeout)
            raise CloudError(_transport(type(problem).__name__, why, progress)) from None

    async def _exchange(self, content: bytes, headers: Mapping[str, str], progress: _Progress) -> bytes:
        """Post a request and read a reply of bounded size."""
        # What `AsyncClient.stream` does for any URL, header and body takes longer than all the rest of a request.
        extensions = {"trace": progress, "timeout": self._http.timeout.as_dict()}
        request = httpx.Request("POST", self._url, content=content, headers=headers, extensions=extensions)
        async with aclosing(await self._http.send(request, stream=True)) as response:
            if response.status_code != httpx.codes.OK:
                raise CloudError(failure_of_status(response.status_code, retry_after(response)))
            return await read_body(response, LARGEST_REPLY)


def _patience(timeout: float) -> httpx.Timeout:
    return httpx.Timeout(timeout, connect=min(timeout, LONGEST_CONNECT))


def _why(problem: httpx.HTTPError, timeout: float) -> str:
    """Say what has gone wrong on the way: httpx has no words of its own for much of that."""
    if isinstance(problem, httpx.ConnectTimeout):
        return f"no connection to the cloud within {min(timeout, LONGEST_CONNECT):.0f} s"
    if isinstance(problem, httpx.TimeoutException):
        return f"the cloud did not answer within {timeout:.0f} s"
    return str(problem) or "the connection to the cloud broke"


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


def _without(secret: str, text: str) -> str:
    return text.replace(secret, "***") if secret else text


def _quiet(error: DeviceError | None) -> DeviceError | None:
    """Leave out of what the cloud says of a device what nobody may read."""
    return error and DeviceError(code=_quiet_code(error.code), message=logs.mask(error.message))


def _quiet_code(code: str) -> str:
    # A code decides what is done, so that no password that happens to be a word like one may change it.
    return code if code.isupper() else logs.mask(code)
