"""A token endpoint over real HTTP that answers as it is told to, and remembers who may still renew what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from urllib.parse import parse_qs

from uhome2mqtt.tasks import cancelled


class Answer(Enum):
    """What a request for a renewal is answered with."""

    ROTATED = auto()
    """New tokens, and the refresh token is used up."""
    SAME = auto()
    """A new access token, and the refresh token once more."""
    SILENT_ABOUT_IT = auto()
    """A new access token; no word of the refresh token, which stays good."""
    TROUBLE = auto()
    """A status and a body that mean nothing."""
    REFUSED = auto()
    """The login is over."""
    HUNG_UP = auto()
    """Nothing; the request has had no effect."""
    LOST = auto()
    """Nothing; but the refresh token is used up."""
    NEVER = auto()
    """Nothing, and the connection stays open."""


GIVING = (Answer.ROTATED, Answer.SAME, Answer.SILENT_ABOUT_IT)
REFUSALS = (
    (200, b'{"error": "invalid_grant", "error_description": "Invalid refresh token"}'),
    (400, b'{"error": "invalid_grant"}'),
    (200, b'{"code": 401, "message": "invalid_grant"}'),
)
LIFETIMES: dict[str, float] = {"3600": 3600, '"7200"': 7200, "null": 3600, "-1": 3600, "0.5": 10, "1e300": 366 * 86400}
"""What a reply may say of a token's life, as JSON, and how long it then counts."""


class Times:
    """What time it is, and what the machine takes it for: the two only part when somebody sets the clock."""

    def __init__(self) -> None:
        self.true = self.wall = 1_800_000_000.0

    def pass_by(self, seconds: float) -> None:
        """Let time pass on both."""
        self.true += seconds
        self.wall += seconds


@dataclass(slots=True, kw_only=True, eq=False)
class Login:
    """One login; `refresh`: the token that renews it now. `over`: it cannot be renewed any more."""

    refresh: str | None
    over: bool = False


@dataclass(slots=True, kw_only=True)
class Endpoint:
    """What is going on at the endpoint.

    `hold`: answers wait for it, where there is one; `held`: one does.
    `expiry`: when an access token ends, by the machine's clock and in truth. `used_up`: refresh tokens whose successors
    were delivered. `refused`: those for which somebody was told that their login is over. `broken`: laws that a request
    has broken.
    """

    port: int
    times: Times
    answer: Answer = Answer.ROTATED
    reply: tuple[int, bytes] = REFUSALS[0]
    lifetime: str = "3600"
    hold: asyncio.Event | None = None
    held: asyncio.Event = field(default_factory=asyncio.Event)
    under_way: int = 0
    secrets: list[str] = field(default_factory=list)
    logins: dict[str, Login] = field(default_factory=dict)
    expiry: dict[str, tuple[float, float]] = field(default_factory=dict)
    used_up: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    broken: list[str] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/token"

    def log_in(self, lifetime: float, *, renewable: bool) -> tuple[str, Login]:
        """Begin a login and give its access token."""
        login = Login(refresh=self._secret() if renewable else None)
        return self._access(login, lifetime), login

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(next(line.split(b":")[1] for line in head.lower().split(b"\r\n") if b"content-length" in line))
        form = parse_qs((await reader.readexactly(length)).decode())
        self.under_way += 1
        if self.under_way > 1:
            self.broken.append("two renewals at the same time")
        try:
            said = await self._answered(form["refresh_token"][0])
            if said is None:
                await reader.read()
            elif said[0]:
                status, body = said
                writer.write(b"HTTP/1.1 %d .\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % (status, len(body)))
                writer.write(body)
                await writer.drain()
        finally:
            self.under_way -= 1

    async def _answered(self, token: str) -> tuple[int, bytes] | None:
        """Give the answer; status 0: hang up, None: wait until the other side hangs up."""
        if token in self.used_up:
            self.broken.append("a refresh token was used again after its successor had come")
        if token in self.refused:
            self.broken.append("a refresh token was used again after its login was over")
        if self.answer is Answer.NEVER:
            return None
        if self.hold is not None:
            self.held.set()
            await self.hold.wait()
        login = next((login for login in self.logins.values() if login.refresh == token and not login.over), None)
        if login is None or self.answer is Answer.REFUSED:
            self.refused.add(token)
            if login is not None:
                login.over = True
            return self.reply if self.answer is Answer.REFUSED else REFUSALS[0]
        if self.answer in GIVING:
            return 200, self._renewed(login, token)
        login.over = login.over or self.answer is Answer.LOST
        return self.reply if self.answer is Answer.TROUBLE else (0, b"")

    def _renewed(self, login: Login, token: str) -> bytes:
        access = self._access(login, LIFETIMES[self.lifetime])
        members = [f'"access_token": "{access}"', f'"expires_in": {self.lifetime}']
        if self.answer is Answer.ROTATED:
            self.used_up.add(token)
            login.refresh = self._secret()
        if self.answer is not Answer.SILENT_ABOUT_IT:
            members.append(f'"refresh_token": "{login.refresh}"')
        return f"{{{', '.join(members)}}}".encode()

    def _access(self, login: Login, lifetime: float) -> str:
        token = self._secret()
        self.logins[token] = login
        self.expiry[token] = self.times.wall + lifetime, self.times.true + lifetime
        return token

    def _secret(self) -> str:
        self.secrets.append(f"secret{next(self._numbers):06}")
        return self.secrets[-1]


@asynccontextmanager
async def token_endpoint(times: Times) -> AsyncIterator[Endpoint]:
    """Serve as long as the context lasts."""
    under_way: set[asyncio.Task[None]] = set()

    async def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        under_way.add(task)
        try:
            await endpoint.serve(reader, writer)
        finally:
            under_way.discard(task)
            writer.close()

    server = await asyncio.start_server(begin, "127.0.0.1", 0)
    endpoint = Endpoint(port=server.sockets[0].getsockname()[1], times=times)
    async with server:
        yield endpoint
        await cancelled(under_way)
