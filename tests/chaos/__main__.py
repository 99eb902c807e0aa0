"""Random faults around a real bridge; `scripts/chaos` runs this, and docs/chaos.md tells about it."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from .faults import FAULTS
from .play import ChaosError, Run

STEPS = 20


def main() -> int:
    """Play one run; the exit code is 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="what the steps are drawn from")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"how many faults, one after the other ({STEPS})")
    parser.add_argument("--minutes", type=float, default=0.0, help="for how long, in place of --steps")
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=[], metavar="FAULT", help=", ".join(FAULTS))
    given = parser.parse_args()
    run = Run(seed=given.seed, steps=given.steps, minutes=given.minutes, only=given.only, say=_say)
    _say(f"seed {run.seed}")
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    try:
        asyncio.run(run.play(directory))
    except ChaosError as problem:
        _say(f"FAILED: {problem}\nthe bridge's log, and all else: {directory}")
        return 1
    shutil.rmtree(directory)
    _say(f"{len(run.done)} steps, and all of it holds")
    return 0


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
