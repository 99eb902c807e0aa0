"""Versions, files and log lines of this machine."""

from __future__ import annotations

import asyncio
import platform
import re
import stat
import sys
from collections import deque
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from uhome2mqtt import __version__

_NAME = re.compile(r"[\w.-]+")
LINES = 2000
JOURNAL = ("journalctl", "-u", "uhome2mqtt", "-n", str(LINES), "--no-pager", "-o", "cat")


def about() -> str:
    """Give the versions of everything that is in play."""
    lines = [
        f"uhome2mqtt {__version__}",
        f"Python {sys.version}",
        f"{platform.platform()}",
        f"made {datetime.now(UTC).isoformat(timespec='seconds')}",
        f"container {'yes' if Path('/.dockerenv').exists() or Path('/run/.containerenv').exists() else 'no'}",
        *_packages(),
    ]
    return "\n".join(lines) + "\n"


def _packages() -> list[str]:
    try:
        wanted = requires("uhome2mqtt") or []
    except PackageNotFoundError:
        return ["packages unknown: the program is not installed"]
    names = [name[0] for line in wanted if "extra ==" not in line and (name := _NAME.match(line))]
    return [f"{name} {_version(name)}" for name in names]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "is missing"


def listing(directory: Path) -> str:
    """List a directory with modes, sizes and times; raises OSError."""
    lines = [_entry(directory, "."), *(_entry(file, file.name) for file in sorted(directory.iterdir()))]
    return "\n".join(lines) + "\n"


def _entry(file: Path, name: str) -> str:
    found = file.lstat()
    changed = datetime.fromtimestamp(found.st_mtime, UTC).isoformat(timespec="seconds")
    return f"{stat.filemode(found.st_mode)} {found.st_uid}:{found.st_gid} {found.st_size:>9} {changed} {name}"


def log_lines(file: Path) -> str:
    """Give the last lines of a file; raises OSError."""
    with file.open(encoding="utf-8", errors="replace") as lines:
        return "".join(deque(lines, maxlen=LINES))


async def journal() -> str:
    """Give the last lines of the service's journal; raises OSError where there is none to be read."""
    pipe = asyncio.subprocess.PIPE
    try:
        reader = await asyncio.create_subprocess_exec(
            *JOURNAL, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
    except FileNotFoundError:
        raise OSError(f"{JOURNAL[0]} is not there; give a file with --log") from None
    try:
        out, err = await reader.communicate()
    finally:
        if reader.returncode is None:
            reader.kill()
            await reader.wait()
    said = out.decode(errors="replace")
    if reader.returncode or not said.strip() or said.startswith("-- No entries"):
        why = err.decode(errors="replace").strip() or "it has no entries of uhome2mqtt"
        raise OSError(f"the journal cannot be read: {why}; give a file with --log")
    return said
