"""The tokens of the account: kept on disk, refreshed before they expire, picked up when somebody logs in anew."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import httpx

from uhome2mqtt import logs, oauth
from uhome2mqtt.errors import CloudError, StorageError
from uhome2mqtt.model import Failure, FailureKind, parse_json
from uhome2mqtt.storage import ensure_private_directory, read_private, write_private

FILE_NAME = "tokens.json"
VERSION = 1
REFRESH_BEFORE = 300.0
"""Seconds before its end from which an access token is replaced."""


class Tokens:
    """The one holder of the grant in a process; at most one refresh at a time."""

    def __init__(self, state_dir: Path, client: oauth.Client, http: httpx.AsyncClient) -> None:
        self._path = state_dir / FILE_NAME
        self._client = client
        self._http = http
        self._grant: oauth.Grant | None = None
        self._seen: tuple[int, int] | None = None
        self._revoked: str | None = None
        self._refreshing = asyncio.Lock()
        self._log = logs.get_logger()

    async def access_token(self) -> str:
        """Give a token that is good now; raises CloudError where a person has to log in first."""
        self._pick_up()
        grant = self._usable()
        if grant.expires_at - time.time() > REFRESH_BEFORE:
            return grant.access_token
        return await self._refreshed(grant)

    async def renew(self, rejected: str) -> str:
        """Replace a token that the cloud has rejected; raises CloudError where that is not possible."""
        self._pick_up()
        grant = self._usable()
        if grant.access_token != rejected:
            return grant.access_token
        return await self._refreshed(grant, rejected=True)

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

    async def _refreshed(self, grant: oauth.Grant, *, rejected: bool = False) -> str:
        async with self._refreshing:
            current = self._usable()
            if current is not grant:
                return current.access_token
            try:
                return await self._refresh(grant)
            except CloudError as problem:
                if problem.failure.kind is FailureKind.AUTHORIZATION:
                    self._revoked = grant.access_token
                    raise
                if rejected or grant.expires_at <= time.time():
                    raise
                self._log.warning("token_refresh_failed", why=str(problem))
                return grant.access_token

    async def _refresh(self, grant: oauth.Grant) -> str:
        if grant.refresh_token is None:
            raise _login_needed("the login gave no refresh token, and its access token is no longer good")
        new = await oauth.refresh(self._http, self._client, grant.refresh_token)
        try:
            self.store(new)
        except StorageError as problem:
            # The old refresh token may be dead already: what is held in memory is all there is.
            self._log.error("tokens_not_saved", why=str(problem))
        self._log.info("token_refreshed", good_for_hours=round((new.expires_at - time.time()) / 3600))
        return new.access_token

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
        content = read_private(self._path)
        grant = None if content is None else _decode(content)
        if grant is None:
            self._log.error("tokens_unreadable", path=str(self._path), hint="run: uhome2mqtt login")
        else:
            self._adopt(grant)

    def _adopt(self, grant: oauth.Grant) -> None:
        for secret in (grant.access_token, grant.refresh_token):
            if secret:
                logs.add_secret(secret)
        self._grant = grant
        self._revoked = None


def _login_needed(why: str) -> CloudError:
    return CloudError(
        Failure(kind=FailureKind.AUTHORIZATION, code="LOGIN_NEEDED", message=f"{why}; run: uhome2mqtt login")
    )


def _signature(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino


def _encode(grant: oauth.Grant) -> bytes:
    document = {
        "version": VERSION,
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "expires_at": grant.expires_at,
    }
    return json.dumps(document, indent=1).encode()


def _decode(content: bytes) -> oauth.Grant | None:
    try:
        document = parse_json(content)
    except ValueError:
        return None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        return None
    access, refresh, expires = (document.get(name) for name in ("access_token", "refresh_token", "expires_at"))
    if not isinstance(access, str) or not isinstance(expires, int | float):
        return None
    return oauth.Grant(
        access_token=access, refresh_token=refresh if isinstance(refresh, str) else None, expires_at=expires
    )
