"""The tables of the page about metrics."""

from __future__ import annotations

from uhome2mqtt.metrics.table import SECTIONS, Row

SHOWN = 12
"""Words of a label that are listed; of more, the page says how many there are."""


def tables() -> str:
    """Write all metrics in Markdown, one table for each section."""
    written = []
    for title, rows in SECTIONS.items():
        lines = [f"| `{name}` | {row.kind} | {_labels(row)} | {_about(row)} |" for name, row in rows.items()]
        head = ["| metric | type | labels | what it tells |", "| --- | --- | --- | --- |"]
        written.append("\n".join([f"### {title}", "", *head, *lines]) + "\n")
    return "\n".join(written)


def _about(row: Row) -> str:
    buckets = f". Buckets from {row.buckets[0]:g} to {row.buckets[-1]:g} s" if row.buckets else ""
    absent = f". Absent {row.absent}" if row.absent else ""
    return row.about + buckets + absent


def _labels(row: Row) -> str:
    return "; ".join(_label(name, words) for name, words in row.labels.items())


def _label(name: str, words: tuple[str, ...]) -> str:
    if len(words) == 1:
        return f"`{name}`: {words[0]}"
    if len(words) > SHOWN:
        return f"`{name}`: one of {len(words)} words"
    return f"`{name}`: {', '.join(f'`{word}`' for word in words)}"
