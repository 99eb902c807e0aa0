"""The tokens of the account: kept on disk, refreshed before they expire, picked up when somebody logs in anew."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import httpx

from uhome2mqtt import logs, oauth
from uhome2mqtt.errors import LOGIN_NEEDED, CloudError, StorageError
from uhome2mqtt.model import Failure, FailureKind, parse_json
from uhome2mqtt.storage import ensure_private_directory, read_private, write_private

FILE_NAME = "tokens.json"
VERSION = 1
REFRESH_BEFORE = 300.0
"""Seconds before its end from which an access token is replaced."""
REFRESH_PAUSE = 30.0
"""Seconds between two attempts to replace a token that is still good."""


class Tokens:
    """The one holder of the grant in a process; at most one refresh at a time."""

    def __init__(self, state_dir: Path, client: oauth.Client, http: httpx.AsyncClient) -> None:
        self._path = state_dir / FILE_NAME
        self._client = client
        self._http = http
        self._grant: oauth.Grant | None = None
        self._seen: tuple[int, int] | None = None
        self._revoked: str | None = None
        self._refreshing: asyncio.Task[str] | None = None
        self._again_at = 0.0
        self._log = logs.get_logger()

    async def access_token(self) -> str:
        """Give a token that is good now; raises CloudError where a person has to log in first."""
        self._pick_up()
        grant = self._usable()
        left = grant.expires_at - time.time()
        if left > REFRESH_BEFORE or (left > 0 and (grant.refresh_token is None or time.monotonic() < self._again_at)):
            return grant.access_token
        try:
            return await self._refreshed(grant)
        except CloudError as problem:
            if problem.failure.kind is FailureKind.AUTHORIZATION or grant.expires_at <= time.time():
                raise
            return grant.access_token

    async def renew(self, rejected: str) -> str:
        """Replace a token that the cloud has rejected; raises CloudError where that is not possible."""
        self._pick_up()
        grant = self._usable()
        if grant.access_token != rejected:
            return grant.access_token
        return await self._refreshed(grant)

    def store(self, grant: oauth.Grant) -> None:
        """Take new tokens; raises StorageError where they cannot be kept, but has them all the same."""
        self._adopt(grant)
        ensure_private_directory(self._path.parent)
        write_private(self._path, _encode(grant))
        self._seen = _signature(self._path)

    def remove(self) -> None:
        """Forget the tokens, here and on disk."""
        self._grant = None
        self._path.unlink(missing_ok=True)

    async def _refreshed(self, grant: oauth.Grant) -> str:
        """Refresh once for all who ask meanwhile; it goes on when a request that waits for it is given up."""
        if self._refreshing is None or self._refreshing.done():
            self._refreshing = asyncio.create_task(self._refresh(grant))
        return await asyncio.shield(self._refreshing)

    async def _refresh(self, grant: oauth.Grant) -> str:
        if grant.refresh_token is None:
            self._revoked = grant.access_token
            raise _login_needed("the login gave no refresh token, and its access token is no longer good")
        try:
            new = await oauth.refresh(self._http, self._client, grant.refresh_token)
        except CloudError as problem:
            if problem.failure.kind is FailureKind.AUTHORIZATION:
                return self._after_refusal(grant, problem)
            self._again_at = time.monotonic() + REFRESH_PAUSE
            self._log.warning("token_refresh_failed", why=str(problem))
            raise
        try:
            self.store(new)
        except StorageError as problem:
            # The old refresh token may be dead already: what is held in memory is all there is.
            self._log.error("tokens_not_saved", why=str(problem))
        self._log.info("token_refreshed", good_for_hours=round((new.expires_at - time.time()) / 3600))
        return new.access_token

    def _after_refusal(self, grant: oauth.Grant, problem: CloudError) -> str:
        """Take the tokens of another process, which may have used the same refresh token first; else give up."""
        self._pick_up()
        current = self._usable()
        if current is not grant:
            return current.access_token
        self._revoked = grant.access_token
        raise problem

    def _usable(self) -> oauth.Grant:
        if self._grant is None:
            raise _login_needed("nobody has logged in yet")
        if self._grant.access_token == self._revoked:
            raise _login_needed("the cloud no longer accepts the login")
        return self._grant

    def _pick_up(self) -> None:
        """Read the file when it is new: another process may have logged in."""
        signature = _signature(self._path)
        if signature is None or signature == self._seen:
            return
        self._seen = signature
        try:
            self._adopt(_decode(read_private(self._path) or b""))
        except (StorageError, ValueError) as problem:
            self._log.error("tokens_unreadable", file=str(self._path), why=str(problem), hint="run: uhome2mqtt login")

    def _adopt(self, grant: oauth.Grant) -> None:
        for secret in (grant.access_token, grant.refresh_token):
            if secret:
                logs.add_secret(secret)
        self._grant = grant
        self._revoked = None


def _login_needed(why: str) -> CloudError:
    return CloudError(
        Failure(kind=FailureKind.AUTHORIZATION, code=LOGIN_NEEDED, message=f"{why}; run: uhome2mqtt login")
    )


def _signature(path: Path) -> tuple[int, int] | None:
    """Tell one state of a file from another, also where only its owner or mode has been mended."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ctime_ns, found.st_ino


def _encode(grant: oauth.Grant) -> bytes:
    document = {
        "version": VERSION,
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "expires_at": grant.expires_at,
    }
    return json.dumps(document, indent=1).encode()


def _decode(content: bytes) -> oauth.Grant:
    """Read what `_encode` has written; raises ValueError for anything else."""
    document = parse_json(content)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError("it is not of a version that is known here")
    access, refresh, expires = (document.get(name) for name in ("access_token", "refresh_token", "expires_at"))
    if oauth.usable_token(access) and isinstance(expires, int | float):
        kept = str(refresh) if oauth.usable_token(refresh) else None
        return oauth.Grant(access_token=str(access), refresh_token=kept, expires_at=expires)
    raise ValueError("it holds no access token with its end")
