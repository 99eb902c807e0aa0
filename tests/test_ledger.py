"""The accounts of the requests: counted by kind and outcome, for a day, across restarts and whatever the clock does."""

from __future__ import annotations

import json

import pytest

from uhome2mqtt.errors import CloudError
from uhome2mqtt.ledger import DAY, SLOT, Ledger
from uhome2mqtt.model import Failure, FailureKind, Json, parse_json

NOON = 1_800_000_000.0


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def fail(ledger: Ledger, kind: str, problem: Exception) -> None:
    """Let a request end with an exception."""
    with pytest.raises(type(problem)), ledger.request(kind):
        raise problem


def succeed(ledger: Ledger, kind: str = "query") -> None:
    """Let a request succeed."""
    with ledger.request(kind):
        pass


def kept(ledger: Ledger, clock: Clock) -> Ledger:
    """Write the accounts down and read them again."""
    document = parse_json(json.dumps(ledger.encode()))
    assert isinstance(document, dict)
    return Ledger.decode(document, clock)


def test_counts() -> None:
    """Requests are counted by kind, errors by class; what the bridge gave up itself is an error, too."""
    clock = Clock()
    ledger = Ledger(clock)
    succeed(ledger)
    succeed(ledger, "command")
    fail(ledger, "query", CloudError(Failure(kind=FailureKind.UNCERTAIN, code="HTTP_500", message="")))
    fail(ledger, "list", ZeroDivisionError())
    counted = ledger.snapshot()
    assert counted["total"] == counted["last_24h"] == 4
    assert counted["by_kind"] == {"command": 1, "list": 1, "query": 2}
    assert counted["errors"] == {"internal": 1, "uncertain": 1}
    assert counted["last_success"] == "2027-01-15T08:00:00Z"
    latency = counted["latency_ms"]
    assert isinstance(latency, dict)
    assert latency["query"] == {"p50": 0, "p95": 0, "max": 0}


def test_nothing_yet() -> None:
    """Before the first request there is nothing to tell."""
    assert Ledger(Clock()).snapshot() == {
        "total": 0, "last_24h": 0, "by_kind": {}, "errors": {}, "latency_ms": {}, "last_success": None,
    }  # fmt: skip


def test_a_day() -> None:
    """What is older than a day is no longer counted, but for the total; the accounts do not grow."""
    clock = Clock()
    ledger = Ledger(clock)
    for _ in range(3 * DAY // SLOT):
        succeed(ledger)
        clock.now += SLOT
    assert ledger.snapshot()["total"] == 3 * DAY // SLOT
    assert ledger.snapshot()["last_24h"] == DAY // SLOT
    slots = ledger.encode()["slots"]
    assert isinstance(slots, list)
    assert len(slots) == DAY // SLOT
    clock.now += 2 * DAY
    assert ledger.snapshot()["last_24h"] == 0


def test_restart() -> None:
    """The accounts go on after a restart."""
    clock = Clock()
    ledger = Ledger(clock)
    succeed(ledger)
    clock.now += SLOT
    fail(ledger, "query", CloudError(Failure(kind=FailureKind.REJECTED, code="X", message="")))
    again = kept(ledger, clock)
    before, after = ledger.snapshot(), again.snapshot()
    del before["latency_ms"], after["latency_ms"]
    assert after == before
    succeed(again)
    assert again.snapshot()["total"] == 3


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"total": -1, "last_success": "yesterday", "slots": 7},
        {"total": True, "last_success": NOON * 2, "slots": [None, {"start": "x"}, {"start": 1, "counts": {}}]},
        {"slots": [{"start": int(NOON), "counts": [["query", "ok", -1]]}, {"start": int(NOON), "counts": [["query"]]}]},
        {"slots": [{"start": int(NOON) + DAY, "counts": [["query", "ok", 9]]}]},
    ],
)
def test_unreadable(document: dict[str, Json]) -> None:
    """What cannot be read, or comes from the future, counts as nothing."""
    assert Ledger.decode(document, Clock()).snapshot() == Ledger(Clock()).snapshot()


def test_clock_set_back() -> None:
    """A clock that is set back loses no request; one that was far in the future does not keep its counts for ever."""
    clock = Clock(NOON + 2 * DAY)
    ledger = Ledger(clock)
    succeed(ledger)
    clock.now = NOON + 1.5 * DAY
    succeed(ledger)
    assert ledger.snapshot()["last_24h"] == 2
    clock.now = NOON
    succeed(ledger)
    assert ledger.snapshot()["total"] == 3
    assert ledger.snapshot()["last_24h"] == 0
    succeed(ledger)
    assert ledger.snapshot()["last_24h"] == 1


def test_since_the_start() -> None:
    """What Prometheus counts begins with the process: by kind and outcome, with the sum of all durations."""
    clock = Clock()
    ledger = Ledger(clock)
    succeed(ledger)
    fail(ledger, "query", ZeroDivisionError())
    after = kept(ledger, clock)
    assert after.counts == {}
    assert after.last_success == ledger.last_success == NOON
    assert ledger.counts == {("query", "ok"): 1, ("query", "internal"): 1}
    number, seconds = ledger.durations["query"]
    assert number == 2
    assert 0 < seconds < 1
