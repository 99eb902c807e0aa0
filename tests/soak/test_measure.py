"""What counts as grown."""

from __future__ import annotations

from dataclasses import replace

import pytest

from .measure import LEAST, MEBIBYTE, Sample, growth, leaks

CALM = Sample(
    hours=0.0,
    descriptors=12,
    threads=4,
    tasks=13,
    resident=64 * MEBIBYTE,
    cpu=1.0,
    objects={"builtins.dict": 30_000, "builtins.tuple": 40_000},
)
NUMBER = 120
"""Hours: five days."""
HALF = NUMBER // 2


def lived(hours: int = NUMBER, **grown: int) -> list[Sample]:
    """Give a sample for each hour, with so much more of a figure in each, and a peak half-way."""
    samples = [
        replace(CALM, hours=float(hour), **{name: getattr(CALM, name) + hour * more for name, more in grown.items()})
        for hour in range(hours)
    ]
    samples[hours // 2] = replace(samples[hours // 2], descriptors=200, tasks=300, resident=900 * MEBIBYTE)
    return samples


def test_calm() -> None:
    """A peak that passes is no growth."""
    assert leaks(lived()) == []


@pytest.mark.parametrize(
    ("figure", "more"), [("descriptors", 1), ("threads", 1), ("tasks", 1), ("resident", MEBIBYTE // 8)]
)
def test_grown(figure: str, more: int) -> None:
    """A little more in every hour is found, and named."""
    (said,) = leaks(lived(**{figure: more}))
    assert said.startswith(f"has grown: {figure} by ")


def test_objects() -> None:
    """Of which objects there are more is said."""
    samples = [replace(sample, objects={**CALM.objects, "a.Leak": 100 * int(sample.hours)}) for sample in lived()]
    (said,) = leaks(samples)
    assert said.startswith("has grown: objects by 6,")
    assert "a.Leak +5,900" in said


def test_first_day() -> None:
    """What grows only on the first day is no leak."""
    samples = [
        replace(sample, tasks=min(10 * int(sample.hours), 200), resident=min(int(sample.hours), 20) * 10 * MEBIBYTE)
        for sample in lived()
    ]
    assert leaks(samples) == []


def test_short() -> None:
    """In less than a day the console's memory may grow, and nothing else."""
    assert leaks(lived(12, resident=10 * MEBIBYTE)) == []
    assert leaks(lived(12, tasks=1)) != []


def test_too_few() -> None:
    """Of few samples nothing is said."""
    few = lived(3 * LEAST, tasks=100)
    assert growth(few) == {}
    assert leaks(few) == []
