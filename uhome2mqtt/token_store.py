"""The tokens on disk, and the lock that lets one process at a time trade them for new ones."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from uhome2mqtt import oauth
from uhome2mqtt.errors import AccessError, CloudError, StorageError
from uhome2mqtt.model import Failure, FailureKind, parse_json
from uhome2mqtt.storage import ensure_private_directory, give_to_owner, read_private, unreadable, write_private

FILE_NAME = "tokens.json"
LOCK_NAME = "tokens.lock"
VERSION = 1
LONGEST_WAIT = oauth.LONGEST_EXCHANGE + 5.0
"""Seconds to wait for another process; a token request of its own takes less."""
LOCK_PAUSE = 0.05
LOGGED_OUT = json.dumps({"version": VERSION, "logged_out": True}).encode()

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Kept:
    """Tokens as they are kept: which login they come from, and since when, in seconds since 1970."""

    grant: oauth.Grant
    login: str = ""
    since: float = 0.0


class TokenFile:
    """One process's view of the file; `logged_out`: it said last that somebody has logged out."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / FILE_NAME
        self.logged_out = False
        self._seen: tuple[int, int] | None = None

    def news(self) -> Kept | None:
        """Read the file where it is new to this process; raises StorageError or ValueError where it is spoilt."""
        signature = _signature(self.path)
        if signature is None or signature == self._seen:
            return None
        content = read_private(self.path) or b""
        found = None if content == LOGGED_OUT else decode(content)
        self._seen, self.logged_out = signature, found is None
        return found

    def ensure_writable(self) -> None:
        """Raise StorageError where the file could not be replaced."""
        ensure_private_directory(self.path.parent)
        if self.path.is_dir():
            raise StorageError(f"cannot write {self.path}: it is a directory; remove it")
        probe = self.path.with_name(f".{FILE_NAME}.probe")
        write_private(probe, b"")
        probe.unlink(missing_ok=True)

    def write(self, kept: Kept) -> None:
        """Replace the file; raises StorageError. Whoever was logged out is logged in again, also where that fails."""
        self.logged_out = False
        self._replace(encode(kept))

    def log_out(self) -> None:
        """Put a note in the place of the tokens, which other processes see; raises StorageError."""
        self._replace(LOGGED_OUT)
        self.logged_out = True

    def _replace(self, content: bytes) -> None:
        ensure_private_directory(self.path.parent)
        write_private(self.path, content)
        self._seen = _signature(self.path)


def _signature(path: Path) -> tuple[int, int] | None:
    """Tell one content of a file from another; None where there is none, as far as this process can see."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as problem:
        raise unreadable("look at", path, problem) from problem
    return found.st_ctime_ns, found.st_ino


def ensure_readable(directory: Path) -> None:
    """Raise AccessError where this user may not read tokens: another login would not mend that."""
    try:
        TokenFile(directory).news()
    except AccessError:
        raise
    except (StorageError, ValueError):
        # The tokens are spoilt, which whoever uses them says.
        return


@asynccontextmanager
async def locked(directory: Path, sleep: Sleep = asyncio.sleep) -> AsyncIterator[int | None]:
    """Hold the lock and give its descriptor; None where this file system has no locks or cannot be written.

    The lock goes with the last process that holds the descriptor, however that ends. Raises CloudError where another
    process keeps it for too long.
    """
    try:
        descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        give_to_owner(descriptor, directory)
    except OSError:
        yield None
        return
    try:
        yield descriptor if await _taken(descriptor, sleep) else None
    finally:
        os.close(descriptor)


async def _taken(descriptor: int, sleep: Sleep) -> bool:
    for _ in range(int(LONGEST_WAIT / LOCK_PAUSE)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            await sleep(LOCK_PAUSE)
        except OSError:
            return False
        else:
            return True
    why = f"another process has been renewing the login for more than {LONGEST_WAIT:.0f} s"
    raise CloudError(Failure(kind=FailureKind.UNREACHABLE, code="REFRESH_BUSY", message=why))


def encode(kept: Kept) -> bytes:
    """Write tokens down as JSON."""
    grant = kept.grant
    document = {
        "version": VERSION,
        "access_token": grant.access_token,
        "refresh_token": grant.refresh_token,
        "expires_at": grant.expires_at,
        "login": kept.login,
        "since": kept.since,
    }
    return json.dumps(document, indent=1).encode()


def decode(content: bytes) -> Kept:
    """Read what `encode` has written, also in earlier releases; raises ValueError for anything else."""
    document = parse_json(content)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError("it is not of a version that is known here")
    access, refresh, expires = (document.get(name) for name in ("access_token", "refresh_token", "expires_at"))
    if not oauth.usable_token(access) or not isinstance(expires, int | float):
        raise ValueError("it holds no access token with its end")
    kept = str(refresh) if oauth.usable_token(refresh) else None
    since = document.get("since")
    return Kept(
        grant=oauth.Grant(access_token=str(access), refresh_token=kept, expires_at=expires),
        login=str(document.get("login") or ""),
        since=since if isinstance(since, int | float) else 0.0,
    )
