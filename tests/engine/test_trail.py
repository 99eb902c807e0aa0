"""What a query may show of an attribute that a notification has told of."""

from __future__ import annotations

import pytest

from uhome2mqtt.engine.trail import LAGS, REMEMBERED, Trail

TOLD = 100.0
PUSHED = Trail(seen="Locked", looked_at=0.0).told("Unlocked", TOLD, doubtful=False)


def test_repetitions_say_nothing() -> None:
    """A notification that comes again leaves what it said as certain as before; a doubtful one does not."""
    again = PUSHED.told("Unlocked", TOLD + 1, doubtful=False)
    assert (again.pushed, again.pushed_at, again.certain) == (("Unlocked",), TOLD + 1, True)
    assert not PUSHED.told("Unlocked", TOLD + 1, doubtful=True).certain
    assert not PUSHED.told("Jammed", TOLD + 1, doubtful=False).certain


def test_not_without_end() -> None:
    """Only the latest of many notifications are remembered."""
    trail = PUSHED
    for number in range(20):
        trail = trail.told(f"state {number}", TOLD, doubtful=False)
    assert trail.pushed == tuple(f"state {number}" for number in range(20 - REMEMBERED, 20))


@pytest.mark.parametrize(
    ("value", "after", "lags"),
    [
        ("Locked", 0.0, True),
        ("Locked", LAGS - 0.1, True),
        ("Locked", LAGS, False),
        ("Unlocked", 0.1, False),
        ("Jammed", 0.1, False),
    ],
)
def test_what_lags(value: str, after: float, *, lags: bool) -> None:
    """For a while after a notification a query may show what was true before; nothing else, and no longer."""
    assert PUSHED.lags(value, TOLD + after) is lags


@pytest.mark.parametrize(
    ("value", "after", "kept"),
    [
        ("Locked", LAGS - 0.1, ("Unlocked",)),
        ("Locked", LAGS, ()),
        ("Unlocked", 0.1, ()),
        ("Jammed", 0.1, ()),
    ],
)
def test_what_is_kept(value: str, after: float, kept: tuple[str, ...]) -> None:
    """A query that shows what was pushed, or comes when it must have shown, ends the waiting for it."""
    seen = PUSHED.after(value, TOLD + after)
    assert (seen.pushed, seen.seen, seen.looked_at) == (kept, value, TOLD + after)
    assert seen.certain is (kept == ())
