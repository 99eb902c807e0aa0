"""Keep private files so that neither a crash nor another user of the machine can spoil or read them."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from uhome2mqtt.errors import AccessError, StorageError

PRIVATE_DIRECTORY = 0o700
FOR_OTHERS = 0o077
RIGHT_USER = "run this as the user that runs the bridge"
LEFTOVER_AFTER = 3600.0
"""Seconds after which a temporary file belongs to a writer that was killed, not to one that is at work."""


def write_private(path: Path, data: bytes) -> None:
    """Replace a file as a whole, readable by its owner only; raise `StorageError` and keep the old one else."""
    try:
        _replace(path, data)
        _sync_directory(path.parent)
        _remove_leftovers(path)
    except OSError as error:
        raise _failed("write", path, error, "make its directory writable and check the free space") from error


def ensure_private_directory(path: Path) -> None:
    """Create a directory and its missing parents for the owner only, or tighten one that is ours alone."""
    try:
        for missing in reversed([level for level in (path, *path.parents) if not level.exists()]):
            missing.mkdir(mode=PRIVATE_DIRECTORY, exist_ok=True)
        if _should_tighten(path):
            # File systems without modes refuse; the directory is usable all the same.
            with suppress(PermissionError):
                path.chmod(PRIVATE_DIRECTORY)
    except OSError as error:
        raise _failed("use the directory", path, error, "create it, or choose another state_dir") from error


def read_private(path: Path) -> bytes | None:
    """Return a file's content, or None where there is no such file."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable("read", path, error) from error


def unreadable(tried: str, path: Path, error: OSError) -> StorageError:
    """Say that a file cannot be read, and what helps: whoever may not read it may only be the wrong user."""
    owner = "give it to the user that runs the bridge"
    if isinstance(error, PermissionError):
        return AccessError(f"cannot {tried} {path}: {error.strerror}; {RIGHT_USER}, or {owner}")
    return _failed(tried, path, error, owner)


def give_to_owner(descriptor: int, directory: Path) -> None:
    """Where root creates a file in somebody's directory, make it theirs: a service must be able to read its own state.

    So `sudo uhome2mqtt login` works beside a bridge that runs as a user of its own.
    """
    if os.geteuid() == 0:
        owner = directory.stat()
        # A root without that right, as in a container, is as good as any user.
        with suppress(PermissionError):
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _replace(path: Path, data: bytes) -> None:
    # mkstemp creates the file with mode 0600; the same directory keeps the rename inside one file system.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_leftover_prefix(path), suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            give_to_owner(descriptor, path.parent)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    finally:
        # After the replacement there is nothing of this name any more.
        with suppress(OSError):
            Path(name).unlink(missing_ok=True)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Network file systems that cannot sync a directory say so; the file itself is in place by now.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)


def _remove_leftovers(path: Path) -> None:
    for leftover in path.parent.iterdir():
        if leftover.name.startswith(_leftover_prefix(path)) and leftover.name.endswith(".tmp"):
            with suppress(OSError):
                if time.time() - leftover.stat().st_mtime > LEFTOVER_AFTER:
                    leftover.unlink()


def _leftover_prefix(path: Path) -> str:
    return f".{path.name}."


def _should_tighten(path: Path) -> bool:
    found = path.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path))
    if found.st_uid != os.geteuid() or not found.st_mode & FOR_OTHERS:
        return False
    # /tmp, /var/lib or a home given as state directory serve others too: closing them would break the machine.
    shared = found.st_mode & stat.S_ISVTX or any(entry.is_dir() for entry in path.iterdir())
    return not shared


def _failed(tried: str, path: Path, error: OSError, remedy: str) -> StorageError:
    return StorageError(f"cannot {tried} {path}: {error.strerror or error}; {remedy}")
