"""Days of a bridge's life in an hour; `scripts/soak` runs this, and docs/reliability.md tells about it."""

from __future__ import annotations

import argparse
import secrets
import sys

from tests.chaos.trial import say, trial

from .run import Soak


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
    soak = Soak(seed=given.seed, minutes=given.minutes, speed=given.speed, every=given.every, say=say)
    if not trial("soak", soak.seed, soak.play):
        return 1
    say(f"{soak.samples[-1].hours:.0f} hours, all of it has held, and nothing has grown")
    return 0


if __name__ == "__main__":
    sys.exit(main())
