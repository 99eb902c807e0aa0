"""Figures and their ratios, as tables in Markdown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Compose a table whose first column is text and whose others are figures."""
    rules = ("---", *("---:" for _ in head[1:]))
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, rules, *rows))


def percentile(values: Sequence[float], share: float) -> float:
    """Give the value that this share of all does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def compared(what: str, bridge: float, bare: float, unit: str) -> tuple[str, str, str, str]:
    """Give a row: the bridge's figure, the bare pipeline's, and how many times the latter the former is."""
    return what, f"{bridge:,.2f} {unit}", f"{bare:,.2f} {unit}", f"{bridge / bare:.2f}" if bare else "-"


def median(values: Sequence[float]) -> float:
    """Give the one in the middle."""
    return statistics.median(values)
