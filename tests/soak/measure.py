"""What a process uses over the hours, and whether that grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

MEBIBYTE = 2**20
LEAST = 3
"""Samples on each side of a comparison."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What the process used at a moment; `hours`: that it had lived, by its own clock; `resident` in bytes.

    `objects`: how many there were of each type, of those that the garbage collector knows. `cpu`: seconds of work since
    its start.
    """

    hours: float
    descriptors: int
    threads: int
    tasks: int
    resident: int
    cpu: float
    objects: Mapping[str, int]


ALLOWED = {"descriptors": 3.0, "threads": 2.0, "tasks": 3.0, "objects": 3_000.0, "resident": 4.0 * MEBIBYTE}
"""By how much the middle of the last samples may be above that of the first."""
DAY = 26.0
"""Hours after which nothing has a reason to grow: the console's timeline is that of a day."""
REMEMBERED = {"objects", "resident"}
"""What grows on the first day."""


def figures(sample: Sample) -> dict[str, float]:
    """Give what of a sample must not grow."""
    return {
        "descriptors": sample.descriptors,
        "threads": sample.threads,
        "tasks": sample.tasks,
        "objects": sum(sample.objects.values()),
        "resident": sample.resident,
    }


def growth(samples: Sequence[Sample]) -> dict[str, float]:
    """Compare the last third of the samples with the first, from after the first day; empty if they are too few.

    A run that is shorter is judged from its first quarter on, but for what has a reason to grow.
    """
    warm = min(DAY, samples[-1].hours / 4)
    names = ALLOWED.keys() - (REMEMBERED if warm < DAY else set())
    settled = [sample for sample in samples if sample.hours >= warm]
    third = len(settled) // 3
    if third < LEAST:
        return {}
    before, after = (
        {name: median(figures(sample)[name] for sample in part) for name in names}
        for part in (settled[:third], settled[-third:])
    )
    return {name: after[name] - before[name] for name in names}


def leaks(samples: Sequence[Sample]) -> list[str]:
    """Say what has grown by more than it may, and of which objects there are more than half-way."""
    grown = [f"{name} by {more:,.0f}" for name, more in sorted(growth(samples).items()) if more > ALLOWED[name]]
    if not grown:
        return []
    more = Counter(samples[-1].objects)
    more.subtract(samples[len(samples) // 2].objects)
    types = ", ".join(f"{name} {count:+,}" for name, count in more.most_common(10))
    return [f"has grown: {', '.join(grown)}; of most there are more than half-way: {types}"]
