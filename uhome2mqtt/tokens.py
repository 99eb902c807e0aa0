"""The tokens of the account: kept on disk, refreshed before they expire, picked up when somebody logs in anew."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeAlias

import httpx

from uhome2mqtt import logs, oauth
from uhome2mqtt.errors import LOGIN_NEEDED, CloudError, StorageError, fold_code
from uhome2mqtt.login_guard import LoginGuard
from uhome2mqtt.model import Failure, FailureKind
from uhome2mqtt.token_store import LONGEST_WAIT, Kept, TokenFile, locked

REFRESH_AHEAD = 1200.0
"""Seconds before its end from which an access token is replaced; between this and its half, to spread the load."""
AHEAD_PART = 1 / 3
"""No more than this part of its life, where that is short."""
CHECK_EVERY = 1.0
TO_DO = "run: uhome2mqtt login"
NOBODY = "nobody has logged in yet"
CHECK_CLIENT = f"check uhome.client_id and uhome.client_secret, restart, and if that does not help {TO_DO}"
YOUNG = 60.0
"""Seconds; the cloud that rejects a token as young as this would reject the next one, too."""
LONGEST_SAVE_PAUSE = 60.0
"""Seconds between two attempts to save tokens that could not be saved."""

Refresher: TypeAlias = Callable[[Kept, int | None], Awaitable[oauth.Grant]]
"""Trades kept tokens for new ones; it is given the descriptor of the lock under which it works."""


class Ledger(Protocol):
    """Counts requests."""

    def request(self, kind: str) -> AbstractContextManager[None]: ...


class Tokens:
    """The one holder of the grant in a process; at most one refresh at a time."""

    def __init__(
        self,
        state_dir: Path,
        client: oauth.Client,
        http: httpx.AsyncClient,
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        ledger: Ledger | None = None,
        on_login: Callable[[], None] | None = None,
        refresher: Refresher | None = None,
    ) -> None:
        self._file = TokenFile(state_dir)
        self._guard = LoginGuard(state_dir, clock, chance, f"{client.client_id}\n{client.client_secret}")
        self._client = client
        self._http = http
        self._clock = clock
        self._chance = chance
        self._ledger = ledger
        self._on_login = on_login
        self._refresher = refresher or self._in_process
        self._kept: Kept | None = None
        self._loaded = False
        self._refresh_at = 0.0
        self._revoked: str | None = None
        self._refreshing: asyncio.Task[None] | None = None
        self._refreshing_login = ""
        self._refreshed_at: float | None = None
        self._paused_for: str | None = None
        self._rejections = 0
        self._save_at: float | None = None
        self._save_pause = 0.0
        self._unreadable: str | None = None
        self._outage = logs.Outage()
        self._log = logs.get_logger()

    async def access_token(self) -> str:
        """Give a token that is good now; raises CloudError where a person has to log in first.

        Waits for a refresh only where the token at hand has expired.
        """
        while True:
            self._pick_up()
            kept = self._usable()
            if self._clock() < kept.grant.expires_at:
                self._refresh_if_due(kept)
                return kept.grant.access_token
            await self._refreshed(kept)

    async def renew(self, rejected: str) -> str:
        """Replace a token that the cloud has rejected; raises CloudError where that is not possible."""
        self._pick_up()
        kept = self._usable()
        if kept.grant.access_token == rejected:
            if not self._in_flight():
                self._stop_loop(kept)
            await self._refreshed(kept)
        return await self.access_token()

    async def keep_fresh(self, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Do for ever what has to be done without being asked: pick up logins, save, refresh ahead of expiry."""
        while True:
            self._pick_up()
            self._save_again()
            if self._kept is not None:
                self._refresh_if_due(self._kept)
            await sleep(CHECK_EVERY)

    async def settled(self) -> None:
        """Wait until the refresh that is under way, if any, has ended and its tokens are kept; a bounded time only."""
        if self._refreshing is not None:
            await asyncio.wait({self._refreshing}, timeout=LONGEST_WAIT + oauth.LONGEST_EXCHANGE)

    def store(self, grant: oauth.Grant) -> None:
        """Take the tokens of a new login.

        Raises StorageError where they cannot be kept, but has them all the same, and tries again.
        """
        kept = Kept(grant=grant, login=secrets.token_hex(8), since=self._clock())
        again = self._loaded
        self._adopt(kept)
        self._save_at = None
        try:
            self._file.write(kept)
        except StorageError:
            self._save_later()
            raise
        finally:
            self._guard.clear()
            self._loaded = True
            if again:
                self._announce()

    def trouble(self) -> str | None:
        """Say why a person has to log in; None where nobody has to."""
        self._pick_up()
        return self._nobody() if self._kept is None else self._over(self._kept)

    @property
    def expires_at(self) -> float | None:
        """When the access token expires, in seconds since 1970; None without a login."""
        return None if self._kept is None else self._kept.grant.expires_at

    @property
    def ends_at(self) -> float | None:
        """When the login is over, in seconds since 1970; None where that is not known, as while it can be renewed."""
        renewable = self._kept is None or self._kept.grant.refresh_token is not None
        return None if renewable else self.expires_at

    def ensure_writable(self) -> None:
        """Raise StorageError where tokens could not be kept: better before a person logs in than after."""
        self._file.ensure_writable()

    def remove(self) -> None:
        """Forget the tokens, here, on disk, and in a bridge that runs; raises StorageError.

        A file that has merely vanished logs nobody out: that may be a fault of the disk.
        """
        self._kept = None
        self._save_at = None
        self._file.log_out()

    def _refresh_if_due(self, kept: Kept) -> None:
        refresh_token = kept.grant.refresh_token
        if refresh_token is None or self._in_flight() or self._clock() < self._refresh_at:
            return
        if self._over(kept) is None and not self._guard.pause(refresh_token):
            self._begin(kept)

    def _in_flight(self) -> bool:
        return self._refreshing is not None and not self._refreshing.done()

    async def _refreshed(self, kept: Kept) -> None:
        """Refresh once for all who ask meanwhile; it goes on when a request that waits for it is given up."""
        while (under_way := self._refreshing) and not under_way.done() and self._refreshing_login != kept.login:
            # Somebody has logged in while the login before was being renewed.
            await asyncio.wait({under_way})
        if under_way is None or under_way.done():
            under_way = self._begin(kept)
        await asyncio.shield(under_way)

    def _begin(self, kept: Kept) -> asyncio.Task[None]:
        self._refreshing, self._refreshing_login = asyncio.create_task(self._refresh(kept)), kept.login
        self._refreshing.add_done_callback(self._ended)
        return self._refreshing

    def _ended(self, task: asyncio.Task[None]) -> None:
        """Take note of the end: often nobody waits for it."""
        problem = None if task.cancelled() else task.exception()
        if problem is not None and not isinstance(problem, CloudError):
            self._log.error("internal_error", during="token refresh", exc_info=problem)

    async def _refresh(self, kept: Kept) -> None:
        if kept.grant.refresh_token is None:
            self._revoked = kept.grant.access_token
            raise _login_needed("the login gave no refresh token, and its access token is no longer good")
        self._respect_pause(kept.grant.refresh_token)
        async with locked(self._file.path.parent) as lock:
            self._pick_up()
            if self._kept is kept:
                await self._ask(kept, kept.grant.refresh_token, lock)

    async def _ask(self, kept: Kept, refresh_token: str, lock: int | None) -> None:
        try:
            with self._ledger.request("token") if self._ledger else nullcontext():
                grant = await self._refresher(kept, lock)
        except CloudError as problem:
            self._pick_up()
            if self._kept is not kept:
                return
            raise self._noted(kept, refresh_token, problem) from None
        self._take(kept, grant)
        hours = round((grant.expires_at - self._clock()) / 3600)
        self._log.info("token_refreshed", good_for_hours=hours, **self._outage.over())

    async def _in_process(self, kept: Kept, _lock: int | None) -> oauth.Grant:
        return await oauth.refresh(self._http, self._client, kept.grant.refresh_token or "", clock=self._clock)

    def _noted(self, kept: Kept, refresh_token: str, problem: CloudError) -> CloudError:
        """Remember how a refresh failed, and tell a person what to do where only that helps."""
        failure = problem.failure
        if failure.kind is FailureKind.AUTHORIZATION:
            self._revoked = kept.grant.access_token
            self._guard.refuse(refresh_token)
            advice = CHECK_CLIENT if fold_code(failure.code) in oauth.CLIENT_REFUSED else TO_DO
            return CloudError(replace(failure, message=f"{failure.message}; {advice}"))
        self._guard.failed(refresh_token, wait=failure.retry_after)
        say = self._log.debug if self._outage.lasts() else self._log.warning
        say("token_refresh_failed", why=str(problem), hint="tried again, ever later")
        return problem

    def _take(self, old: Kept, grant: oauth.Grant) -> None:
        """Keep what a refresh gave, unless somebody has logged in meanwhile; first on disk, then in memory."""
        self._pick_up()
        if self._kept is None or self._kept.login != old.login:
            return
        new = Kept(grant=grant, login=old.login, since=self._clock())
        if self._kept.grant != grant:
            self._save(new)
            self._adopt(new)
        self._refreshed_at = self._clock()
        if self._guard.clear():
            # What waits out a pause because of the failures before need not wait any longer.
            self._announce()

    def _save(self, kept: Kept) -> None:
        """Write tokens, now or later: the old refresh token may be dead, so what is in memory may be all there is."""
        failed_before = self._save_at is not None
        try:
            self._file.write(kept)
        except StorageError as problem:
            self._save_later()
            if not failed_before:
                self._log.error("tokens_not_saved", why=str(problem))
        else:
            self._save_at = None
            if failed_before:
                self._log.info("tokens_saved", file=str(self._file.path))

    def _save_later(self) -> None:
        self._save_pause = CHECK_EVERY if self._save_at is None else min(self._save_pause * 2, LONGEST_SAVE_PAUSE)
        self._save_at = self._clock() + self._save_pause

    def _save_again(self) -> None:
        if self._kept is None or self._save_at is None:
            return
        # A longer wait was never ordered: the clock has been set back.
        if not 0 < self._save_at - self._clock() <= self._save_pause:
            self._save(self._kept)

    def _stop_loop(self, kept: Kept) -> None:
        """Raise CloudError where the cloud rejects each token as soon as it gives it; else count from one again."""
        grant = kept.grant
        if grant.refresh_token is None or self._refreshed_at is None:
            return
        if self._paused_for != grant.access_token:
            # Where the clock was set back since then, nobody knows how old the token is.
            if not 0 <= self._clock() - self._refreshed_at < YOUNG:
                self._rejections = 0
                return
            self._rejections += 1
            self._paused_for = grant.access_token
            self._guard.failed(grant.refresh_token, self._rejections)
        if left := self._guard.pause(grant.refresh_token):
            raise _paused(
                FailureKind.AUTHORIZATION, "TOKEN_REJECTED", "the cloud rejects new tokens", left, self._clock
            )

    def _respect_pause(self, refresh_token: str) -> None:
        if left := self._guard.pause(refresh_token):
            why = "the login could not be renewed"
            raise _paused(FailureKind.UNREACHABLE, "REFRESH_PAUSED", why, left, self._clock)

    def _usable(self) -> Kept:
        if self._kept is None:
            raise _login_needed(self._nobody())
        if why := self._over(self._kept):
            raise _login_needed(why)
        return self._kept

    def _nobody(self) -> str:
        if self._unreadable is None:
            return NOBODY
        return f"the tokens that are kept cannot be read ({self._unreadable})"

    def _over(self, kept: Kept) -> str | None:
        token = kept.grant.refresh_token
        refused = token is not None and self._guard.refused(token)
        return "the cloud no longer accepts the login" if refused or kept.grant.access_token == self._revoked else None

    def _pick_up(self) -> None:
        """Take what another process has written: a login, or the tokens that it has refreshed."""
        again, self._loaded = self._loaded, True
        try:
            found = self._file.news()
        except (StorageError, ValueError) as problem:
            if str(problem) != self._unreadable:
                self._unreadable = str(problem)
                self._log.error("tokens_unreadable", file=str(self._file.path), why=str(problem), hint=TO_DO)
            return
        self._unreadable = None
        if self._file.logged_out:
            self._kept = self._save_at = None
        if found is None or found == self._kept:
            return
        before, self._save_at = self._kept, None
        self._adopt(found)
        if again and (before is None or before.login != found.login):
            self._guard.clear()
            self._announce()

    def _adopt(self, kept: Kept) -> None:
        for secret in (kept.grant.access_token, kept.grant.refresh_token):
            if secret:
                logs.add_secret(secret)
        self._kept = kept
        self._revoked = None
        self._refreshed_at = None
        life = max(0.0, kept.grant.expires_at - kept.since)
        ahead = min(REFRESH_AHEAD, life * AHEAD_PART)
        self._refresh_at = kept.grant.expires_at - ahead * (1 + self._chance()) / 2

    def _announce(self) -> None:
        if self._on_login is not None:
            self._on_login()


def _login_needed(why: str) -> CloudError:
    return CloudError(Failure(kind=FailureKind.AUTHORIZATION, code=LOGIN_NEEDED, message=f"{why}; {TO_DO}"))


def _paused(kind: FailureKind, code: str, why: str, left: float, clock: Callable[[], float]) -> CloudError:
    until = datetime.fromtimestamp(clock() + left, UTC).isoformat(timespec="seconds")
    return CloudError(Failure(kind=kind, code=code, message=f"{why}; the next attempt is at {until}", retry_after=left))
