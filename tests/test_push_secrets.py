"""The secrets of notifications: which are accepted, and that neither a crash nor a clock loses one."""

from __future__ import annotations

import json
import shutil
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.conftest import Logged
from uhome2mqtt import logs
from uhome2mqtt.push_secrets import PREVIOUS_FOR, PushSecrets

DAY = 86400.0


class Times:
    """A wall clock and a monotonic clock, which only part when somebody sets the wall clock."""

    def __init__(self) -> None:
        self.wall = 1_800_000_000.0
        self.monotonic = 50.0

    def pass_by(self, seconds: float) -> None:
        """Let time pass on both."""
        self.wall += seconds
        self.monotonic += seconds


def opened(path: Path, times: Times) -> PushSecrets:
    """Open the secrets as a bridge does at its start."""
    return PushSecrets(path, DAY, lambda: times.wall, lambda: times.monotonic)


def registered(kept: PushSecrets, *, renew: bool = False) -> str:
    """Register with success, and give the secret."""
    secret = kept.to_register(renew=renew)
    kept.registered(secret)
    return secret


@pytest.fixture
def times() -> Times:
    """Give clocks that go when they are told to."""
    return Times()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Give a place in a directory that does not exist yet."""
    return tmp_path / "state" / "push.json"


def test_none(file: Path, times: Times) -> None:
    """Before the first registration nothing is accepted, and nothing is written."""
    kept = opened(file, times)
    assert not any(kept.accepts(given) for given in ("", "None", "null"))
    assert not file.exists()


def test_before_it_is_sent(file: Path, times: Times) -> None:
    """A new secret is accepted and on the disk before anybody can send it, for its owner's eyes only."""
    kept = opened(file, times)
    secret = kept.to_register(renew=False)
    assert len(secret) >= 43
    assert secret in file.read_text()
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    assert kept.accepts(secret)
    assert opened(file, times).accepts(secret)


@pytest.mark.parametrize("change", ["", "x", "ä", "\udcff", "\0", "=" * 100_000])
def test_others(file: Path, times: Times, change: str) -> None:
    """Anything but a secret is refused, whatever characters it is made of."""
    kept = opened(file, times)
    secret = registered(kept)
    assert not kept.accepts(change)
    assert kept.accepts(secret + change) is (change == "")
    assert not kept.accepts(secret[:-1] + change)


def test_failed_attempts(file: Path, times: Times) -> None:
    """After attempts that failed the same new secret is tried again, also after a restart; the old one stays good."""
    kept = opened(file, times)
    first = registered(kept)
    tried = {kept.to_register(renew=True) for _ in range(3)}
    kept = opened(file, times)
    tried |= {kept.to_register(renew=renew) for renew in (True, False)}
    [second] = tried
    assert second != first
    assert kept.accepts(first)
    assert kept.accepts(second)


@pytest.mark.parametrize(
    ("passed", "renew", "same"),
    [
        (0.0, False, True),
        (0.0, True, False),
        (DAY - 1, False, True),
        (DAY, False, False),
        (-1.0, False, False),
        (-DAY, False, False),
    ],
)
@pytest.mark.parametrize("restart", [False, True])
def test_rotation(file: Path, times: Times, passed: float, *, renew: bool, same: bool, restart: bool) -> None:
    """A secret is registered again until it is old or to be renewed; one from the future counts as old."""
    kept = opened(file, times)
    first = registered(kept)
    times.wall += passed
    if restart:
        kept = opened(file, times)
    assert (kept.to_register(renew=renew) == first) is same


@pytest.mark.parametrize("jump", [0.0, 1e6, -1e6])
def test_previous(file: Path, times: Times, jump: float) -> None:
    """What was replaced is good for ten more minutes, however the wall clock is set meanwhile."""
    kept = opened(file, times)
    first = registered(kept)
    second = registered(kept, renew=True)
    times.wall += jump
    times.pass_by(PREVIOUS_FOR - 1)
    assert kept.accepts(first)
    times.pass_by(1)
    assert not kept.accepts(first)
    assert kept.accepts(second)


@pytest.mark.parametrize(
    ("away", "left"), [(0.0, 600.0), (599.0, 1.0), (600.0, 0.0), (1e9, 0.0), (-1.0, 600.0), (-1e9, 600.0)]
)
def test_previous_after_a_restart(file: Path, times: Times, away: float, left: float) -> None:
    """A restart does not end the ten minutes, and does not begin them anew unless the clock was set back."""
    first = registered(opened(file, times))
    registered(opened(file, times), renew=True)
    times.wall += away
    kept = opened(file, times)
    assert kept.accepts(first) is (left > 0)
    times.pass_by(left)
    assert not kept.accepts(first)


def test_previous_written_again(file: Path, times: Times) -> None:
    """What is written later says how long the previous secret has left by the clock as it is then, or forgets it."""
    kept = opened(file, times)
    first = registered(kept)
    registered(kept, renew=True)
    times.wall -= 1e6
    times.pass_by(500)
    kept.to_register(renew=True)
    assert opened(file, times).accepts(first)
    times.pass_by(100)
    assert not opened(file, times).accepts(first)
    registered(kept)
    assert first not in file.read_text()


def test_third(file: Path, times: Times) -> None:
    """When a secret is replaced while the one before it still counts, that one ends: there are never more than 3."""
    kept = opened(file, times)
    first, second, third = registered(kept), registered(kept, renew=True), registered(kept, renew=True)
    fourth = kept.to_register(renew=True)
    assert [kept.accepts(each) for each in (first, second, third, fourth)] == [False, True, True, True]


def test_late_success(file: Path, times: Times) -> None:
    """A registration that turns out late to have worked puts its secret back into use, and keeps newer ones good."""
    kept = opened(file, times)
    first = registered(kept)
    second = registered(kept, renew=True)
    third = kept.to_register(renew=True)
    kept.registered(first)
    times.pass_by(PREVIOUS_FOR - 1)
    assert all(opened(file, times).accepts(each) for each in (first, second, third))
    times.pass_by(1)
    kept.registered(first)
    assert [kept.accepts(each) for each in (first, second, third)] == [True, False, True]


def test_disk_in_trouble(file: Path, times: Times, logged: Logged) -> None:
    """Where nothing can be written it is said once and the secrets count all the same; later they are written."""
    file.parent.write_text("in the way")
    kept = opened(file, times)
    first = registered(kept)
    second = kept.to_register(renew=True)
    assert kept.accepts(first)
    assert kept.accepts(second)
    assert len(logged("push_secret_not_saved")) == 1
    file.parent.unlink()
    assert kept.to_register(renew=False) == second
    assert all(opened(file, times).accepts(each) for each in (first, second))
    shutil.rmtree(file.parent)
    file.parent.write_text("in the way again")
    kept.registered(second)
    assert len(logged("push_secret_not_saved")) == 2


GOOD = {"secret": "0123456789abcdef", "at": 1_800_000_000}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "\x00",
        "[]",
        "5",
        "{}",
        json.dumps({"version": 2, "current": GOOD}),
        json.dumps({"version": 1, "current": "0123456789abcdef"}),
        json.dumps({"version": 1, "current": GOOD, "candidate": {**GOOD, "secret": ""}}),
        json.dumps({"version": 1, "current": GOOD, "candidate": {**GOOD, "secret": 5}}),
        json.dumps({"version": 1, "current": GOOD, "previous": {**GOOD, "at": True}}),
        json.dumps({"version": 1, "current": GOOD, "previous": {**GOOD, "at": "now"}}),
        json.dumps({"version": 1, "current": GOOD, "previous": {**GOOD, "at": 10**400}}),
        json.dumps({"version": 1, "current": {"secret": "0123456789abcdef"}}),
    ],
)
def test_spoilt(file: Path, times: Times, content: str, logged: Logged) -> None:
    """A file that cannot be read, or makes no sense, is said once and counts as absent."""
    file.parent.mkdir()
    file.write_text(content)
    kept = opened(file, times)
    assert not kept.accepts(str(GOOD["secret"]))
    secret = registered(kept)
    [line] = logged("state_unreadable")
    assert line["file"] == str(file)
    assert opened(file, times).accepts(secret)


def test_unreadable(file: Path, times: Times, logged: Logged) -> None:
    """A file that the system does not let us read counts as absent, too."""
    file.mkdir(parents=True)
    assert opened(file, times).to_register(renew=False)
    assert len(logged("state_unreadable")) == 1


def test_not_shown(file: Path, times: Times, logged: Logged) -> None:
    """No secret, made here or read from the disk, gets into a log line or a repr."""
    first = registered(opened(file, times))
    logs.add_secret("x" * 40)
    kept = opened(file, times)
    second = kept.to_register(renew=True)
    logs.get_logger().info("said", text=f"{first} {second} {kept!r} {vars(kept)!r}", kept=kept)
    [line] = logged("said")
    assert line["text"].startswith("*** ***")
    assert not any(secret in f"{kept!r} {vars(kept)!r} {line}" for secret in (first, second))


class AnyOrder(RuleBasedStateMachine):
    """Registrations that work or fail, restarts, passing time and clocks that are set, in any order."""

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.file = Path(self.directory.name) / "push.json"
        self.times = Times()
        self.kept = opened(self.file, self.times)
        self.given: set[str] = set()
        self.in_use: str | None = None
        self.maybe: str | None = None
        self.replaced: dict[str, float] = {}
        self.clock_set = False

    @rule(renew=st.booleans(), works=st.booleans())
    def register(self, *, renew: bool, works: bool) -> None:
        secret = self.kept.to_register(renew=renew)
        assert not (renew and secret == self.in_use)
        assert self.kept.accepts(secret)
        self.given.add(secret)
        if not works:
            self.maybe = secret
            return
        self.kept.registered(secret)
        if self.in_use not in {None, secret}:
            self.replaced[str(self.in_use)] = self.times.monotonic
        self.in_use, self.maybe = secret, None

    @rule(seconds=st.sampled_from([1.0, 299.0, 300.0, 600.0, DAY / 2]))
    def wait(self, seconds: float) -> None:
        self.times.pass_by(seconds)

    @rule(seconds=st.sampled_from([-DAY, -300.0, 300.0, DAY]))
    def set_clock(self, seconds: float) -> None:
        self.times.wall += seconds
        self.clock_set = True

    @rule()
    def restart(self) -> None:
        self.kept = opened(self.file, self.times)
        if self.clock_set:
            # Nobody can know how long ago it was; ten minutes from now at the most.
            self.replaced = dict.fromkeys(self.replaced, self.times.monotonic)

    @invariant()
    def what_counts(self) -> None:
        accepted = {secret for secret in self.given if self.kept.accepts(secret)}
        assert {self.in_use, self.maybe} - {None} <= accepted
        assert len(accepted) <= 3
        for secret, when in self.replaced.items():
            assert self.times.monotonic - when < PREVIOUS_FOR or secret not in accepted

    @invariant()
    def latest_replaced_counts(self) -> None:
        if self.replaced and not self.clock_set:
            secret, when = list(self.replaced.items())[-1]
            assert self.kept.accepts(secret) is (self.times.monotonic - when < PREVIOUS_FOR)

    @invariant()
    def kept_private(self) -> None:
        assert not self.given or stat.S_IMODE(self.file.stat().st_mode) == 0o600

    def teardown(self) -> None:
        if hasattr(self, "directory"):
            self.directory.cleanup()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
