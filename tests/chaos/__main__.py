"""Random faults around a real bridge; `scripts/chaos` runs this, and docs/chaos.md tells about it."""

from __future__ import annotations

import argparse
import secrets
import sys

from .faults import FAULTS
from .play import Run
from .trial import say, trial

STEPS = 20


def main() -> int:
    """Play one run; the exit code is 1 if something did not hold."""
    parser = argparse.ArgumentParser(prog="scripts/chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10_000), help="what the steps are drawn from")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"how many faults, one after the other ({STEPS})")
    parser.add_argument("--minutes", type=float, default=0.0, help="for how long, in place of --steps")
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=[], metavar="FAULT", help=", ".join(FAULTS))
    given = parser.parse_args()
    run = Run(seed=given.seed, steps=given.steps, minutes=given.minutes, only=given.only, say=say)
    if not trial("chaos", run.seed, run.play):
        return 1
    say(f"{len(run.done)} steps, and all of it holds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
