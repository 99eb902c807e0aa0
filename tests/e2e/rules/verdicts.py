"""What came of the rules, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

Column = tuple[str, str]
"""Version and broker."""

COLUMNS: tuple[Column, ...] = (
    ("5", "mosquitto"),
    ("3.1.1", "mosquitto"),
    ("5", "embedded"),
    ("3.1.1", "embedded"),
)
NOT_PLAYED = "-"


def cell_of(test_id: str) -> tuple[str, Column] | None:
    """Read the rule's name and the column out of a test's id; None for another test."""
    _, found, parameters = test_id.partition("::test_rule[")
    if not found:
        return None
    name, protocol, broker = parameters.removesuffix("]").rsplit("-", 2)
    return name, (protocol, broker)


def verdicts(reports: Iterable[tuple[str, bool]]) -> dict[tuple[str, Column], str]:
    """Give what is to be said of each cell, from ids of tests and whether a part of each was good."""
    said: dict[tuple[str, Column], str] = {}
    for test_id, good in reports:
        cell = cell_of(test_id)
        if cell is not None and said.get(cell) != "FAILED":
            said[cell] = "ok" if good else "FAILED"
    return said


def table(sentences: Mapping[str, str], said: Mapping[tuple[str, Column], str]) -> Iterator[str]:
    """Lay out all rules that were played, one in a line; nothing without any."""
    played = [name for name in sentences if any(name == rule for rule, _ in said)]
    labels = {name: _label(name, sentences[name]) for name in played}
    width = max(map(len, labels.values()), default=0)
    heads = ["/".join(column) for column in COLUMNS]
    for name in played:
        if name == played[0]:
            yield _line("", width, heads, heads)
        yield _line(labels[name], width, [said.get((name, column), NOT_PLAYED) for column in COLUMNS], heads)


def _line(label: str, width: int, cells: Sequence[str], heads: Sequence[str]) -> str:
    padded = (cell.ljust(len(head)) for cell, head in zip(cells, heads, strict=True))
    return "  ".join((label.ljust(width), *padded)).rstrip()


def _label(name: str, sentence: str) -> str:
    number = name.partition("-")[0]
    return f"{number if number.isdigit() else '':>2}  {sentence}"
