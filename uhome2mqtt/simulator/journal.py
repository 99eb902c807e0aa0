"""Bounded, numbered records of what came in and what went out; secrets never enter."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from itertools import count
from typing import Any

Entry = dict[str, Any]


class Journal:
    """The latest entries, each with its sequence number and time."""

    def __init__(self, limit: int = 10_000) -> None:
        self._entries: deque[Entry] = deque(maxlen=limit)
        self._sequence = count(1)

    def add(self, **facts: Any) -> Entry:
        """Write an entry and give it back, so that its outcome can be filled in."""
        entry = {"sequence": next(self._sequence), "time": datetime.now(UTC).isoformat(), **facts}
        self._entries.append(entry)
        return entry

    def since(self, sequence: int = 0) -> list[Entry]:
        """Give the entries after a sequence number, oldest first."""
        return [entry for entry in self._entries if entry["sequence"] > sequence]

    def clear(self) -> None:
        self._entries.clear()
