"""When a device list is asked for before its time."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from uhome2mqtt.engine.hints import REMEMBERED, Hints


def asked(hints: Hints, *, until: float, since: float = 0.0) -> list[float]:
    """Ask for a list whenever one is wanted, until then; give the times."""
    times = []
    while hints.wanted is not None and hints.wanted <= until:
        times.append(max(hints.wanted, since))
        hints.listing(times[-1])
    return times


def test_at_once() -> None:
    """A hint is followed by a list within a second; several that come together by one."""
    hints = Hints()
    for device in ("a", "b", "c"):
        hints.take("changed", device, 100.0)
    assert asked(hints, until=10_000) == [101]


def test_the_same_again() -> None:
    """What is told of one device again within ten minutes waits for their end, and is not forgotten."""
    hints = Hints()
    hints.take("unknown", "a", 0.0)
    assert asked(hints, until=5) == [1]
    for second in range(5, 500, 5):
        hints.take("unknown", "a", second)
    assert asked(hints, until=10_000) == [601]


def test_another_reason() -> None:
    """A device that is added and then removed is looked for twice, soon."""
    hints = Hints()
    hints.take("changed", "a", 0.0)
    assert asked(hints, until=5) == [1]
    hints.take("deleted", "a", 5.0)
    assert asked(hints, until=100) == [11]


def test_ever_more_rarely() -> None:
    """While ever more devices are told of, lists become rare, down to one in ten minutes."""
    hints, times = Hints(), []
    for second in range(7200):
        hints.take("unknown", str(second), second)
        times += asked(hints, until=second, since=second)
    waits = [after - before for before, after in pairwise(times)]
    assert waits[:3] == [10, 20, 40]
    assert waits[-1] == 600
    assert len(times) < 20


def test_calm_again() -> None:
    """After ten quiet minutes a hint is followed at once again."""
    hints = Hints()
    for second, device in enumerate("abcd"):
        hints.take("changed", device, 100.0 * second)
        asked(hints, until=100.0 * second + 99)
    hints.take("changed", "e", 5000.0)
    assert asked(hints, until=6000) == [5001]
    hints.take("changed", "f", 5002.0)
    assert asked(hints, until=6000) == [5011]


def test_a_list_for_another_reason() -> None:
    """A list that is asked for anyway answers the hint, too."""
    hints = Hints()
    hints.take("changed", "a", 0.0)
    hints.listing(0.5)
    assert hints.wanted is None


def test_nothing_told() -> None:
    """Without a hint no list is wanted, and one that is asked for changes nothing."""
    hints = Hints()
    hints.listing(5.0)
    assert hints.wanted is None


@given(st.lists(st.tuples(st.integers(0, 5 * REMEMBERED), st.floats(0, 50)), max_size=60))
def test_no_hint_is_lost(told: list[tuple[int, float]]) -> None:
    """Every hint is followed by a list that is asked for after it, within twenty minutes."""
    hints, now = Hints(), 0.0
    for device, wait in told:
        now += wait
        asked(hints, until=now, since=now)
        hints.take("unknown", str(device), now)
        assert hints.wanted is not None
        assert now < hints.wanted <= now + 1200


def test_bounded() -> None:
    """However many devices are made up, what is remembered stays small, and hints are still followed."""
    hints = Hints()
    for number in range(5 * REMEMBERED):
        hints.take("unknown", str(number), 0.0)
    assert sum(len(kept) for kept in vars(hints).values() if isinstance(kept, dict)) <= REMEMBERED
    assert asked(hints, until=2) == [1]
    hints.take("unknown", "later", 5000.0)
    assert asked(hints, until=6000) == [5001]
