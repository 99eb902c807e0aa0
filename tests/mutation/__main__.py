"""Change the pure floors, one place at a time, and judge the tests by what they notice; `scripts/mutate` runs this."""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import coverage
import hypothesis
import pytest

from .judge import OPTIONS, Judge, Verdict, say
from .mutants import Mutant, mutants_of

TESTS = (
    "tests/engine", "tests/test_catalogue*.py", "tests/test_discovery.py", "tests/test_errors.py", "tests/test_lint.py",
    "tests/test_lock_users.py", "tests/test_model.py", "tests/test_state_dir.py", "tests/test_topics.py",
    "tests/test_uhome*.py",
)  # fmt: skip
"""The tests of the pure floors, which start nothing and wait for nothing."""
SLOW = ("test_days.py", "test_laws.py", "test_pace.py", "test_rate_limited_cloud.py")
"""Those that play whole days, or whatever may happen: they may notice more, but take as long as all others together."""
SHORT, SEED, BAR = 80, 1, 80.0
"""The short form: how many mutants, by which seed, and the score that is wanted of them."""


def main() -> int:
    """Draw mutants, judge them, and tell of those that no test has noticed."""
    options = read_options()
    seed = SEED if options.short else secrets.randbelow(10**6) if options.seed is None else options.seed
    every = [mutant for path in pure_files() for mutant in mutants_of(path)]
    texts = [mutant for mutant in every if mutant.is_text]
    wanted = [mutant for mutant in every if not mutant.is_text and is_in(mutant, options.where)]
    chosen = sorted(wanted, key=lambda mutant: mutant.rank(seed))[: SHORT if options.short else options.sample]
    say(f"{len(every)} mutants, {len(texts)} of them of words that people read, which are left alone;")
    say(f"{len(chosen)} of the {len(wanted)} that are wanted, seed {seed}")
    began = time.monotonic()
    verdicts = judged(chosen)
    say(report(wanted, verdicts))
    say(f"{time.monotonic() - began:.0f} s. See one alone: scripts/mutate PATH:NUMBER")
    if len(verdicts) < len(chosen):
        return 2
    reached = score(Counter(verdict.word for verdict in verdicts))
    if options.short and reached < BAR:
        say(f"mutate: {reached:.1f} % are noticed, {BAR} % are wanted")
        return 1
    return 0


def read_options() -> argparse.Namespace:
    """Read what is wanted off the command line."""
    parser = argparse.ArgumentParser(prog="scripts/mutate", description=__doc__)
    parser.add_argument("where", nargs="*", help="a folder, a file, or a mutant: PATH:NUMBER")
    parser.add_argument("--sample", type=int, help="how many mutants to draw; without it all are judged")
    parser.add_argument("--seed", type=int, help="what to draw them by; without it another one each time")
    parser.add_argument(
        "--short", action="store_true", help=f"always the same {SHORT}, of which {BAR} % must be noticed"
    )
    return parser.parse_args()


def pure_files() -> list[str]:
    """List the files of the pure floors."""
    told = subprocess.run([sys.executable, "scripts/sizes.py", "--pure"], check=True, stdout=subprocess.PIPE, text=True)
    patterns = told.stdout.strip().split(",")
    return sorted(str(path) for pattern in patterns for path in Path().glob(pattern) if path.suffix == ".py")


def is_in(mutant: Mutant, places: Sequence[str]) -> bool:
    """Tell whether a mutant is one of, or in one of these places; it is, if there are none."""
    return not places or any(
        place in {mutant.name, mutant.path} or mutant.path.startswith(f"{place.rstrip('/')}/") for place in places
    )


def judged(mutants: Sequence[Mutant]) -> list[Verdict]:
    """Let pytest judge them; hypothesis gives the same examples each time, few, and does not look for simpler ones."""
    hypothesis.settings.register_profile(
        "mutation",
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=20,
        phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    hypothesis.settings.load_profile("mutation")
    lines = coverage.Coverage(data_file=None, config_file=False, include=pure_files())
    judge = Judge(mutants=mutants, together=os.cpu_count() or 1, lines=lines)
    lines.start()
    tests = sorted(str(path) for pattern in TESTS for path in Path().glob(pattern))
    pytest.main([*OPTIONS, *(f"--ignore=tests/engine/{name}" for name in SLOW), *tests], plugins=[judge])
    return judge.verdicts


def score(words: Counter[str]) -> float:
    """Give how many of a hundred were noticed; one that never ends is."""
    return 100 * (words["killed"] + words["timeout"]) / max(1, words.total())


def report(wanted: Sequence[Mutant], verdicts: Sequence[Verdict]) -> str:
    """Write a table: for each floor how many mutants there are, and what became of those that were judged."""
    of, found = Counter(_floor(mutant) for mutant in wanted), {_floor(mutant): Counter[str]() for mutant in wanted}
    for verdict in verdicts:
        found[_floor(verdict.mutant)][verdict.word] += 1
    rows = [(floor, of[floor], words) for floor, words in sorted(found.items())]
    rows.append(("all", of.total(), sum(found.values(), Counter[str]())))
    lines = ["| floor | mutants | judged | killed | timeout | survived | score |"]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, count, words in rows:
        told = (words.total(), words["killed"], words["timeout"], words["survived"])
        reached = f"{score(words):.1f} %" if words.total() else "-"
        lines.append(f"| {name} | {count} | {' | '.join(map(str, told))} | {reached} |")
    return "\n".join(lines)


def _floor(mutant: Mutant) -> str:
    return mutant.path.split("/")[1].removesuffix(".py")


if __name__ == "__main__":
    sys.exit(main())
