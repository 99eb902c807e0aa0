from __future__ import annotations

import math

from uhome2mqtt.engine.timers import Timer, Timers

A, B = Timer("a", 1), Timer("b")


def test_deadlines_come_in_order() -> None:
    """The deadlines that have come are taken once, the oldest first."""
    timers = Timers()
    timers.set(B, 2.0)
    timers.set(A, 1.0)
    assert timers.next == 1.0
    assert timers.due(2.0) == [A, B]
    assert timers.due(9.0) == []
    assert timers.next == math.inf


def test_setting_again_moves() -> None:
    """A deadline that is set again is moved, to an earlier or later time, and comes once."""
    timers = Timers()
    for at in (5.0, 9.0, 7.0, 7.0):
        timers.set(A, at)
    assert timers.next == 7.0
    assert timers.due(100.0) == [A]
    assert timers.next == math.inf


def test_cancelled_deadlines_do_not_come() -> None:
    """A cancelled deadline does not come; cancelling one that is not there does nothing."""
    timers = Timers()
    timers.set(A, 1.0)
    timers.cancel(A)
    timers.cancel(B)
    assert A not in timers
    assert (timers.next, timers.due(9.0)) == (math.inf, [])
