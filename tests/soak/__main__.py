"""Days of a bridge's life in an hour; `scripts/soak` runs this, and docs/reliability.md tells about it."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from .run import Soak, SoakError


def main() -> int:
    """Live for a while; the exit code is 1 if something did not hold, or has grown."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10_000), help="what the happenings are drawn from"
    )
    parser.add_argument("--minutes", type=float, default=60.0, help="for how long (60)")
    parser.add_argument("--speed", type=int, default=100, help="how fast time flies for the bridge (100)")
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two looks at everything (60)")
    given = parser.parse_args()
    soak = Soak(seed=given.seed, minutes=given.minutes, speed=given.speed, every=given.every, say=_say)
    _say(f"seed {soak.seed}")
    directory = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        asyncio.run(soak.play(directory))
    except SoakError as problem:
        _say(f"FAILED: {problem}\nseed {soak.seed}; the bridge's log, and all else: {directory}")
        return 1
    shutil.rmtree(directory)
    _say(f"{soak.samples[-1].hours:.0f} hours, all of it has held, and nothing has grown")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
