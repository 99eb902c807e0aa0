"""What a service manager is told, over a real socket."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.supervisor import Supervisor, supervisor
from uhome2mqtt.sd_notify import Notifier
from uhome2mqtt.service import Service, Situation

WAITING = Situation(waiting=("the broker is not connected", "no list"), summary="all is well")
READY = Situation(waiting=(), summary="all is well")


class Play:
    """A service in a situation that a test chooses."""

    def __init__(self, manager: Supervisor, **environ: str) -> None:
        self.situation = WAITING
        self.service = Service(Notifier({"NOTIFY_SOCKET": manager.address, **environ}), lambda: self.situation)


def test_ready(tmp_path: Path) -> None:
    """It is ready once, when nothing is waited for any longer, and the status says what is."""
    with supervisor(tmp_path) as manager:
        play = Play(manager)
        play.service.alive()
        play.service.alive()
        assert manager.statuses == ["waiting: the broker is not connected; no list"]
        assert "READY=1" not in manager.told
        play.situation = READY
        play.service.alive()
        play.situation = WAITING
        play.service.alive()
        play.situation = READY
        play.service.alive()
        assert manager.told.count("READY=1") == 1
        assert manager.statuses[1:] == ["all is well", "waiting: the broker is not connected; no list", "all is well"]


def test_start_is_extended(tmp_path: Path) -> None:
    """A start that waits for others is extended with each sign of life, so that it is not ended for their absence."""
    with supervisor(tmp_path) as manager:
        play = Play(manager, WATCHDOG_USEC="1")
        play.service.alive()
        play.service.alive()
        assert manager.told.count("EXTEND_TIMEOUT_USEC=60000000") == 2
        play.situation = READY
        play.service.alive()
        play.service.alive()
        assert manager.told.count("EXTEND_TIMEOUT_USEC=60000000") == 2
        assert manager.told.count("WATCHDOG=1") == 4


def test_seldom(tmp_path: Path) -> None:
    """Without news a sign of life is not given more often than is needed."""
    with supervisor(tmp_path) as manager:
        play = Play(manager, WATCHDOG_USEC="30000000")
        for _ in range(100):
            play.service.alive()
        assert manager.told.count("WATCHDOG=1") == 1
        assert play.service.interval == 7.5


@pytest.mark.parametrize(
    ("environ", "interval"),
    [
        ({}, 10.0),
        ({"WATCHDOG_USEC": "2000000"}, 0.5),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": str(os.getpid())}, 0.5),
        ({"WATCHDOG_USEC": "2000000", "WATCHDOG_PID": "1"}, 10.0),
        ({"WATCHDOG_USEC": "soon"}, 10.0),
        ({"WATCHDOG_USEC": "0"}, 10.0),
        ({"WATCHDOG_USEC": "600000000"}, 10.0),
    ],
)
def test_watchdog(environ: dict[str, str], interval: float) -> None:
    """A quarter of the allowed silence passes between two signs, at most ten seconds, if it is this process's."""
    notifier = Notifier({"NOTIFY_SOCKET": "/nowhere", **environ})
    assert Service(notifier, lambda: READY).interval == interval


def test_reload(tmp_path: Path) -> None:
    """A reload is told at its beginning and at its end; before the start has ended, nobody is told."""
    with supervisor(tmp_path) as manager:
        play = Play(manager)
        play.service.reloading()
        play.service.reloaded()
        assert manager.told == []
        play.situation = READY
        play.service.alive()
        play.service.reloading()
        play.service.reloaded()
        told = [each.split("=")[0] for each in manager.told[-3:]]
        assert told == ["RELOADING", "MONOTONIC_USEC", "READY"]


def test_abstract(tmp_path: Path) -> None:
    """The socket may be in the abstract namespace."""
    with supervisor(tmp_path, f"@uhome2mqtt-test-{os.getpid()}") as manager:
        Notifier({"NOTIFY_SOCKET": manager.address}).send("STOPPING=1")
        assert manager.told == ["STOPPING=1"]


def test_nobody_asked() -> None:
    """Where nobody has asked, or who asked has gone, nothing happens."""
    for environ in ({}, {"NOTIFY_SOCKET": "/nowhere/notify"}):
        service = Service(Notifier(environ), lambda: READY)
        service.alive()
        service.stopping()
        assert service.interval == 10.0
