"""The file: a zip that only its owner can read."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

PRIVATE_FILE = 0o600


def default_name(now: datetime | None = None) -> Path:
    """Name the file by the time, in the current directory."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return Path(f"uhome2mqtt-diagnostics-{stamp}.zip")


def save(file: Path, parts: Mapping[str, str], *, replace: bool) -> None:
    """Write the parts; raises OSError, FileExistsError where the file is there and is not to be replaced."""
    how = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | (os.O_TRUNC if replace else os.O_EXCL)
    descriptor = os.open(file, how, PRIVATE_FILE)
    with os.fdopen(descriptor, "wb") as out:
        # One that was there before may have been open to all.
        os.fchmod(descriptor, PRIVATE_FILE)
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in parts.items():
                archive.writestr(name, text)
