"""Queries under way: when they were asked, what for, and whether they failed."""

from __future__ import annotations

from dataclasses import dataclass, replace

from uhome2mqtt.model import Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """One query; `poll`: it is the periodic one, whose end starts the wait for the next."""

    asked: float
    poll: bool = False
    failure: Failure | None = None


class Queries:
    """All queries that have not ended; `poll_succeeded_at`: when the last poll ended well."""

    def __init__(self) -> None:
        self.poll_succeeded_at: float | None = None
        self._open: dict[int, Query] = {}

    @property
    def poll(self) -> int | None:
        """The query of all devices that is under way, if there is one."""
        return next((number for number, query in self._open.items() if query.poll), None)

    def opened(self, number: int, query: Query) -> None:
        self._open[number] = query

    def asked(self, number: int) -> float:
        return self._open[number].asked

    def failed(self, number: int, failure: Failure) -> None:
        """Keep that a part of a query failed; the last failure speaks for all."""
        self._open[number] = replace(self._open[number], failure=failure)

    def ended(self, number: int) -> Query:
        return self._open.pop(number)
