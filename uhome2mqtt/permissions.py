"""Files with secrets in them that other users of the machine can read."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

EVERYBODY = 0o007
"""A group of its own, as of a service, may read a configuration."""
ANYBODY_ELSE = 0o077
"""What the bridge writes itself is for its own user alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposed:
    """A file or directory, its mode, and the permissions that it should not have."""

    path: Path
    mode: int
    excess: int

    @property
    def text(self) -> str:
        """What is wrong."""
        return f"{self.path} is open to other users of this machine (mode {self.mode:04o})"

    @property
    def mend(self) -> str:
        """The command that mends it."""
        return f"run: chmod {self.mode & ~self.excess:04o} {shlex.quote(str(self.path))}"


def exposed(paths: Iterable[Path], excess: int = EVERYBODY) -> list[Exposed]:
    """Give those that have permissions which they should not have; what is not there, or out of sight, is not."""
    found = []
    for path in dict.fromkeys(paths):
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue
        if mode & excess:
            found.append(Exposed(path=path, mode=mode, excess=excess))
    return found
