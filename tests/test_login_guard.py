"""What went wrong with the login is remembered across restarts, and forgotten in time."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.conftest import Logged
from uhome2mqtt.login_guard import LoginGuard

NOW = 1_800_000_000.0


def guard(directory: Path, now: float = NOW, chance: float = 0.5) -> LoginGuard:
    """Open the guard as a process that starts at some moment does."""
    return LoginGuard(directory, lambda: now, lambda: chance)


def test_pauses_grow(tmp_path: Path) -> None:
    """Each failure in a row doubles the pause, over restarts, from 30 seconds to a quarter of an hour."""
    assert guard(tmp_path).pause("r") == 0
    pauses = []
    for _ in range(9):
        guard(tmp_path).failed("r")
        pauses.append(guard(tmp_path).pause("r"))
    assert pauses == [30, 60, 120, 240, 480, 900, 900, 900, 900]
    assert guard(tmp_path, NOW + 901).pause("r") == 0


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 27), (1.0, 33)])
def test_jitter(tmp_path: Path, chance: float, seconds: float) -> None:
    """A pause is up to a tenth shorter or longer, so that not everybody asks at once."""
    guard(tmp_path, chance=chance).failed("r")
    assert guard(tmp_path).pause("r") == pytest.approx(seconds)


@pytest.mark.parametrize(("wait", "seconds"), [(10, 27), (120, 120), (7200, 900)])
def test_wait_that_the_cloud_asks_for(tmp_path: Path, wait: float, seconds: float) -> None:
    """A pause is at least as long as the cloud asks for, but no longer than a quarter of an hour."""
    guard(tmp_path, chance=0.0).failed("r", wait=wait)
    assert guard(tmp_path).pause("r") == pytest.approx(seconds)


def test_clock_set_back(tmp_path: Path) -> None:
    """A wait longer than any that is ordered is over: the clock has jumped."""
    guard(tmp_path).failed("r")
    assert guard(tmp_path, NOW - 86400).pause("r") == 0


def test_refused(tmp_path: Path) -> None:
    """A refusal is remembered without the refresh token, holds for no other one, and is forgotten on success."""
    guard(tmp_path).refuse("the-refresh-token")
    file = tmp_path / "login_guard.json"
    assert b"the-refresh-token" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert guard(tmp_path).refused("the-refresh-token")
    assert not guard(tmp_path).refused("another")
    guard(tmp_path).clear()
    assert not guard(tmp_path).refused("the-refresh-token")


def test_other_client(tmp_path: Path) -> None:
    """What was refused to one client, say with a wrong secret, may be granted to another."""
    LoginGuard(tmp_path, lambda: NOW, lambda: 0.5, "wrong").refuse("r")
    assert LoginGuard(tmp_path, lambda: NOW, lambda: 0.5, "wrong").refused("r")
    assert not LoginGuard(tmp_path, lambda: NOW, lambda: 0.5, "right").refused("r")


def test_nothing_to_forget(tmp_path: Path) -> None:
    """Where nothing went wrong there is no file."""
    guard(tmp_path).clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"version": 2}', b'{"version": 1}', b'{"version": 1, "login": "x", "failures": "y"}']
)
def test_spoilt_file(tmp_path: Path, content: bytes, logged: Logged) -> None:
    """A spoilt file says nothing, is complained of once, and is replaced at the next failure."""
    (tmp_path / "login_guard.json").write_bytes(content)
    opened = guard(tmp_path)
    assert opened.pause("r") == 0
    assert not opened.refused("r")
    assert len(logged("login_guard_unreadable")) == 1
    opened.failed("r")
    assert guard(tmp_path).pause("r") == 30


def test_unwritable(tmp_path: Path, logged: Logged) -> None:
    """A guard that cannot be written works in memory and is complained of once."""
    (tmp_path / "login_guard.json" / "in the way").mkdir(parents=True)
    opened = guard(tmp_path)
    opened.failed("r")
    opened.failed("r")
    assert opened.pause("r") == 60
    assert len(logged("login_guard_not_saved")) == 1
