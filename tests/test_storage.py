from __future__ import annotations

import errno
import os
import random
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from uhome2mqtt.errors import StorageError
from uhome2mqtt.storage import LEFTOVER_AFTER, ensure_private_directory, read_private, write_private

KILLS = 50
SIZE = 200_000
WRITER = f"""
import sys
from pathlib import Path
from uhome2mqtt.storage import write_private
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    write_private(path, b"A" * {SIZE})
    write_private(path, b"B" * {SIZE})
"""


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_round_trip(tmp_path: Path) -> None:
    """What was written is read back, and a second write replaces the first."""
    path = tmp_path / "tokens.json"
    write_private(path, b"one")
    write_private(path, b"two")
    assert read_private(path) == b"two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["tokens.json"]


def test_root_writes_for_the_owner(tmp_path: Path) -> None:
    """What root writes into a service's directory belongs to the service, and may be replaced by it."""
    service = 23_456 if os.geteuid() == 0 else os.geteuid()
    os.chown(tmp_path, service, -1)
    write_private(tmp_path / "tokens.json", b"new")
    assert (tmp_path / "tokens.json").stat().st_uid == service
    assert _mode(tmp_path / "tokens.json") == 0o600


def test_missing_file_is_none(tmp_path: Path) -> None:
    """A file that does not exist is None, not an error."""
    assert read_private(tmp_path / "absent") is None


def test_files_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """A file has mode 0600, also when it replaces one that everybody could read."""
    path = tmp_path / "tokens.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    before = os.umask(0)
    try:
        write_private(path, b"new")
    finally:
        os.umask(before)
    assert _mode(path) == 0o600


def test_directories_are_created_private_with_their_parents(tmp_path: Path) -> None:
    """Every directory that has to be created has mode 0700."""
    path = tmp_path / "a" / "b" / "c"
    ensure_private_directory(path)
    assert [_mode(level) for level in (path, path.parent, path.parent.parent)] == [0o700] * 3


def test_existing_directory_is_tightened(tmp_path: Path) -> None:
    """A directory of ours that holds only files is closed to others, and may be closed again."""
    path = tmp_path / "state"
    path.mkdir()
    path.chmod(0o755)
    (path / "tokens.json").touch()
    ensure_private_directory(path)
    ensure_private_directory(path)
    assert _mode(path) == 0o700


@pytest.mark.parametrize("shared", ["subdirectory", "sticky"])
def test_shared_directory_is_left_alone(tmp_path: Path, shared: str) -> None:
    """A directory that looks shared, like /var/lib or /tmp, keeps its mode: closing it would break the machine."""
    path = tmp_path / "shared"
    path.mkdir()
    path.chmod(0o1777 if shared == "sticky" else 0o755)
    if shared == "subdirectory":
        (path / "other").mkdir()
    mode = _mode(path)
    ensure_private_directory(path)
    assert _mode(path) == mode


def test_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """A directory that is not ours keeps its mode."""
    path = Path("/usr")
    if os.geteuid() == 0:
        path = tmp_path / "theirs"
        path.mkdir(mode=0o755)
        os.chown(path, 12345, -1)
    before = _mode(path)
    ensure_private_directory(path)
    assert _mode(path) == before


def test_directory_without_modes() -> None:
    """A directory whose mode cannot be changed is used as it is."""
    path = Path("/proc/self/fdinfo")
    ensure_private_directory(path)
    assert path.is_dir()


def test_state_directory_behind_a_link(tmp_path: Path) -> None:
    """A link to a directory is followed, as systemd's DynamicUser makes one."""
    (tmp_path / "private").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "private")
    ensure_private_directory(tmp_path / "link")
    assert _mode(tmp_path / "private") == 0o700


def test_failures_say_what_and_how_to_mend_it(tmp_path: Path) -> None:
    """An error names the path, what was tried, the reason and the remedy."""
    file = tmp_path / "file"
    file.touch()
    below = file / "tokens.json"
    reason = "Not a directory"
    with pytest.raises(StorageError) as caught:
        write_private(below, b"x")
    assert str(caught.value) == (
        f"cannot write {below}: {reason}; make its directory writable and check the free space"
    )
    with pytest.raises(StorageError) as caught:
        read_private(below)
    assert str(caught.value) == f"cannot read {below}: {reason}; give it to the user that runs the bridge"
    for path in (file, below):
        with pytest.raises(StorageError) as caught:
            ensure_private_directory(path)
        assert str(caught.value) == (
            f"cannot use the directory {path}: {reason}; create it, or choose another state_dir"
        )


def test_directory_that_cannot_be_created() -> None:
    """A place where no directory can be made is a StorageError."""
    with pytest.raises(StorageError, match="cannot use the directory /proc/uhome2mqtt"):
        ensure_private_directory(Path("/proc/uhome2mqtt"))


def test_failed_replacement_leaves_nothing_behind(tmp_path: Path) -> None:
    """When the last step fails, the temporary file is removed and what was there stays."""
    path = tmp_path / "tokens.json"
    (path / "occupied").mkdir(parents=True)
    with pytest.raises(StorageError, match="cannot write"):
        write_private(path, b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["tokens.json"]


@pytest.mark.parametrize(("number", "raises"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_directory_that_cannot_be_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, raises: bool
) -> None:
    """A file system that cannot sync directories is fine, one that fails to is not."""
    real = os.fsync

    def sync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", sync)
    path = tmp_path / "tokens.json"
    if raises:
        with pytest.raises(StorageError, match="Input/output error"):
            write_private(path, b"x")
    else:
        write_private(path, b"x")
    assert read_private(path) == b"x"


def test_leftovers_of_killed_writers_are_removed(tmp_path: Path) -> None:
    """A write removes temporary files of the same file that are old, and no others."""
    old = time.time() - LEFTOVER_AFTER - 60
    for name, age in {
        ".tokens.json.abc.tmp": old,
        ".tokens.json.new.tmp": time.time(),
        ".pins.json.abc.tmp": old,
        ".tokens.json.backup": old,
    }.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (age, age))
    write_private(tmp_path / "tokens.json", b"x")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        ".pins.json.abc.tmp",
        ".tokens.json.backup",
        ".tokens.json.new.tmp",
        "tokens.json",
    ]


def test_killed_writers_never_leave_a_torn_file(tmp_path: Path) -> None:
    """Whenever a writer is killed, the file is there and is one of the whole contents."""
    path = tmp_path / "tokens.json"
    write_private(path, b"A" * SIZE)
    instants = random.Random(7)  # noqa: S311 - chooses moments, not secrets
    for _ in range(KILLS):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(instants.uniform(0, 0.02))
            writer.kill()
        assert read_private(path) in {b"A" * SIZE, b"B" * SIZE}
        assert _mode(path) == 0o600
