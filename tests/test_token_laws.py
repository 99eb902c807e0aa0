"""The tokens while anything happens in any order: laws that always hold, and a login that comes back by itself."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Coroutine
from contextlib import AsyncExitStack, redirect_stderr, suppress
from pathlib import Path
from typing import Any

import httpx
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.account import new_http
from tests.support.token_endpoint import GIVING, LIFETIMES, REFUSALS, Answer, Login, Times, token_endpoint
from uhome2mqtt import logs, oauth
from uhome2mqtt.errors import CloudError, StorageError
from uhome2mqtt.tasks import cancelled
from uhome2mqtt.token_store import LOGGED_OUT, decode
from uhome2mqtt.tokens import LONGEST_SAVE_PAUSE, Tokens

PATIENCE = httpx.Timeout(60.0)
IMPATIENCE = httpx.Timeout(60.0, read=0.02)
LONGEST_PAUSE = 60
"""Minutes: of waiting after failures, also where the clock was set meanwhile."""
DAYS = 3 * 86400.0
TROUBLES: dict[str, tuple[int, bytes]] = {
    "500": (500, b""),
    "503": (503, b"<html>busy</html>"),
    "400": (400, b""),
    "401": (401, b""),
    "404": (404, b"nobody"),
    "429": (429, b'{"message": "Too Many Requests"}'),
    "empty": (200, b""),
    "a list": (200, b"[]"),
    "no text": (200, b"\xff\x00"),
    "deep": (200, b"[" * 5000),
    "large": (200, b"x" * 70_000),
    "empty token": (200, b'{"access_token": ""}'),
    "no token": (200, b'{"access_token": 5, "refresh_token": 6}'),
    "odd token": (200, '{"access_token": "ä"}'.encode()),
    "error in a 200": (200, b'{"error": "temporarily_unavailable"}'),
    "revoked in a 500": (500, b'{"error": "invalid_grant"}'),
}

Waiting = tuple[asyncio.Task[str], str | None]
"""Somebody who has asked for a token, and the one that was rejected before."""


class AnyOrder(RuleBasedStateMachine):
    """One bridge, sometimes a second process beside it, and whatever can happen to a login."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.Runner()
        self.served = AsyncExitStack()
        self.directory = Path(self.served.enter_context(tempfile.TemporaryDirectory())) / "state"
        self.aside = self.directory.with_name("aside")
        self.written = self.served.enter_context(redirect_stderr(io.StringIO()))
        logs.configure("debug", "json")
        self.times = Times()
        self.waiting: list[Waiting] = []
        self.rejected: set[str] = set()
        self.login: Login | None = None
        self.unkept_refusals: set[str] = set()
        self.errors: list[str] = []
        self.run(self._serve())
        self.bridge = self.opened()
        self.blind = False
        self.somebody_logs_in(3600.0, 1, here=True)

    async def _serve(self) -> None:
        self.endpoint = await self.served.enter_async_context(token_endpoint(self.times))
        self.http = await self.served.enter_async_context(new_http())
        self.http.timeout = PATIENCE

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        self.loop.run(work)

    def opened(self) -> Tokens:
        """Open the tokens as a process does at its start."""
        client = oauth.Client(
            client_id="tests",
            client_secret="secret of the client",
            redirect_uri="",
            authorize_url="",
            token_url=self.endpoint.url,
        )
        return Tokens(self.directory, client, self.http, clock=lambda: self.times.wall, chance=lambda: 0.5)

    @property
    def disk_works(self) -> bool:
        return not self.aside.exists()

    # --- what may happen ---

    @rule(seconds=st.sampled_from([0.5, 9.0, 35.0, 61.0, 700.0, 2500.0, 3601.0, DAYS]), noticed=st.booleans())
    def time_passes(self, seconds: float, *, noticed: bool) -> None:
        self.times.pass_by(seconds)
        if noticed:
            self.run(self._tick())

    @rule(seconds=st.sampled_from([-DAYS, -700.0, -35.0, 35.0, 700.0, DAYS]))
    def clock_set(self, seconds: float) -> None:
        self.times.wall += seconds

    @rule(number=st.integers(1, 3))
    def asked(self, number: int) -> None:
        self.run(self._asked([self.bridge] * number))

    @rule(number=st.integers(1, 3))
    def asked_when_it_has_expired(self, number: int) -> None:
        self._expire()
        self.run(self._asked([self.bridge] * number))

    @precondition(lambda self: self.endpoint.hold is None and self.is_kept and self.login and not self.login.over)
    @rule()
    def asked_by_two_processes(self) -> None:
        self._expire()
        self.run(self._asked([self.bridge, self.opened()]))

    def _expire(self) -> None:
        self.times.pass_by(max(0.0, (self.bridge.expires_at or 0.0) - self.times.wall))

    @rule(number=st.integers(1, 3))
    def rejected_by_the_cloud(self, number: int) -> None:
        self.run(self._rejected(number))

    @rule(
        answer=st.sampled_from(GIVING) | st.sampled_from(Answer),
        trouble=st.sampled_from(sorted(TROUBLES)),
        refusal=st.sampled_from(REFUSALS),
        lifetime=st.sampled_from(sorted(LIFETIMES)),
    )
    def endpoint_answers(self, answer: Answer, trouble: str, refusal: tuple[int, bytes], lifetime: str) -> None:
        self.endpoint.answer = answer
        self.endpoint.reply = refusal if answer is Answer.REFUSED else TROUBLES[trouble]
        self.endpoint.lifetime = lifetime
        self.http.timeout = IMPATIENCE if answer is Answer.NEVER else PATIENCE

    @precondition(lambda self: self.endpoint.hold is None)
    @rule()
    def endpoint_becomes_slow(self) -> None:
        self.endpoint.hold = asyncio.Event()

    @precondition(lambda self: self.endpoint.hold is not None)
    @rule()
    def slow_answers_come(self) -> None:
        self.run(self._let_go())

    @precondition(lambda self: self.disk_works)
    @rule()
    def disk_breaks(self) -> None:
        self.directory.mkdir(exist_ok=True)
        self.directory.rename(self.aside)
        self.directory.write_text("")

    @precondition(lambda self: not self.disk_works)
    @rule()
    def disk_is_mended(self) -> None:
        self.directory.unlink()
        self.aside.rename(self.directory)
        if self.blind and (self.directory / "tokens.json").exists():
            # Whatever the process was told meanwhile, this is news to it.
            self._takes_what_is_on_disk()
            self.bridge.trouble()
        self.blind = False

    @rule(here=st.booleans(), lifetime=st.sampled_from([10.0, 3600.0, 2 * DAYS]), renewable=st.integers(0, 4))
    def somebody_logs_in(self, lifetime: float, renewable: int, *, here: bool) -> None:
        token, login = self.endpoint.log_in(lifetime, renewable=renewable > 0)
        grant = oauth.Grant(access_token=token, refresh_token=login.refresh, expires_at=self.endpoint.expiry[token][0])
        taker = self.bridge if here else self.opened()
        try:
            taker.store(grant)
        except StorageError as problem:
            self.errors.append(str(problem))
            assert not self.disk_works
            if not here:
                return
        else:
            assert self.disk_works
        self.login = login
        assert self.bridge.trouble() is None

    @precondition(lambda self: self.disk_works)
    @rule(here=st.booleans())
    def somebody_logs_out(self, *, here: bool) -> None:
        (self.bridge if here else self.opened()).remove()
        self.login = None
        assert self.bridge.trouble() == "nobody has logged in yet"

    @precondition(lambda self: self.endpoint.hold is None)
    @rule()
    def starts_again(self) -> None:
        """Start from what is on the disk: what could not be saved is lost, as is the word that a login is over."""
        self.endpoint.refused -= self.unkept_refusals
        self.unkept_refusals.clear()
        self.bridge = self.opened()
        self.bridge.trouble()
        self.blind = not self.disk_works
        if self.blind:
            self.login = None
        else:
            self._takes_what_is_on_disk()

    def _takes_what_is_on_disk(self) -> None:
        access, refresh = self.on_disk or ("", None)
        login = self.endpoint.logins.get(access)
        if login is not None and login.refresh != refresh:
            login.over = True
        if login is not self.login:
            self.endpoint.refused.clear()
        self.endpoint.used_up.discard(refresh or "")
        self.login = login

    # --- what always holds ---

    @invariant()
    def no_law_is_broken_at_the_endpoint(self) -> None:
        assert not self.endpoint.broken, self.endpoint.broken

    @invariant()
    def a_login_is_lost_only_where_it_is_over(self) -> None:
        over = self.login is None or self.login.over or self.login.refresh is None
        assert over or not self.disk_works or self.bridge.trouble() is None

    @invariant()
    def no_secret_is_told(self) -> None:
        told = self.written.getvalue() + "".join(self.errors)
        assert not [secret for secret in self.endpoint.secrets if secret in told]
        assert "internal_error" not in told

    @invariant()
    def what_is_on_the_disk_can_be_read(self) -> None:
        assert self.on_disk is None or self.on_disk[0] in self.endpoint.logins

    # --- how it is done ---

    @property
    def on_disk(self) -> tuple[str, str | None] | None:
        """Access token and refresh token as they are kept."""
        file = (self.directory if self.disk_works else self.aside) / "tokens.json"
        content = file.read_bytes() if file.exists() else LOGGED_OUT
        if content == LOGGED_OUT:
            return None
        kept = decode(content)
        return kept.grant.access_token, kept.grant.refresh_token

    @property
    def is_kept(self) -> bool:
        """Tell whether a start from the disk would find the newest refresh token."""
        kept = self.on_disk if self.disk_works else None
        return kept is not None and self.login is not None and kept[1] == self.login.refresh

    async def _asked(self, whom: list[Tokens]) -> None:
        await self._until_quiet([(asyncio.create_task(each.access_token()), None) for each in whom])

    async def _rejected(self, number: int) -> None:
        """Let requests fail with the token at hand, if there is one, and be given up or sent with another one."""
        try:
            async with asyncio.timeout(0 if self.endpoint.hold else None):
                token = await self.bridge.access_token()
        except (CloudError, TimeoutError):
            return
        self.rejected.add(token)
        asking = [asyncio.create_task(self.bridge.renew(token)) for _ in range(number)]
        await self._until_quiet([(task, token) for task in asking])

    async def _tick(self) -> None:
        """Let the daemon's task do once what it does every second."""

        async def enough(_seconds: float) -> None:
            raise EOFError

        with suppress(EOFError):
            await self.bridge.keep_fresh(enough)
        await self._until_quiet([])

    async def _let_go(self) -> None:
        assert self.endpoint.hold is not None
        self.endpoint.hold.set()
        self.endpoint.hold = None
        self.endpoint.held.clear()
        await self._until_quiet([])

    async def _until_quiet(self, asking: list[Waiting]) -> None:
        """Wait until all have what they asked for, or wait for an endpoint that holds its answers back."""
        refused = set(self.endpoint.refused)
        self.waiting += asking
        for _ in range(5):
            await asyncio.sleep(0)
        settled, held = (asyncio.create_task(work) for work in (self.bridge.settled(), self.endpoint.held.wait()))
        pending: set[asyncio.Task[Any]] = {settled, *(task for task, _ in self.waiting)}
        while pending and not held.done():
            done, pending = await asyncio.wait({*pending, held}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
            assert done
            pending.discard(held)
        await cancelled([settled, held])
        if not self.disk_works:
            self.unkept_refusals |= self.endpoint.refused - refused
        ended = [each for each in self.waiting if each[0].done()]
        self.waiting = [each for each in self.waiting if not each[0].done()]
        for task, before in ended:
            problem = task.exception()
            if problem is None:
                self._check(task.result(), before)
            else:
                assert isinstance(problem, CloudError), problem
                self.errors.append(f"{problem} {problem!r}")

    def _check(self, token: str, before: str | None) -> None:
        """Hold a token that was given out against the laws."""
        assert self.endpoint.expiry[token][0] > self.times.wall, "a token was given out after its end"
        assert self.endpoint.logins[token] is self.login, "a token of an earlier login was given out"
        assert token != before, "the token that was rejected was given out in its own place"

    def teardown(self) -> None:
        """Let every fault end: then there is a good token after a while, and a restart finds it."""
        if not hasattr(self, "bridge"):
            return
        try:
            self._recover()
        finally:
            self.run(self.served.aclose())
            self.loop.close()
            structlog.reset_defaults()

    def _recover(self) -> None:
        if not self.disk_works:
            self.disk_is_mended()
        self.endpoint_answers(Answer.ROTATED, "500", REFUSALS[0], "3600")
        if self.endpoint.hold is not None:
            self.slow_answers_come()
        self.run(self._recovered())
        assert self.is_kept
        self.bridge = self.opened()
        self.run(self._recovered())
        assert not self.endpoint.broken
        self.no_secret_is_told()

    async def _recovered(self) -> None:
        for _ in range(LONGEST_PAUSE):
            if self.bridge.trouble() is not None:
                self.a_login_is_lost_only_where_it_is_over()
                self.somebody_logs_in(3600.0, 1, here=False)
            with suppress(CloudError):
                token = await self.bridge.access_token()
                if self.endpoint.expiry[token][1] <= self.times.true or token in self.rejected:
                    token = await self.bridge.renew(token)
                self._check(token, None)
                break
            self.times.pass_by(LONGEST_SAVE_PAUSE)
            await self._tick()
        else:
            raise AssertionError("no token has come")
        self.times.pass_by(LONGEST_SAVE_PAUSE)
        await self._tick()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
