"""Which files other users of the machine can read."""

from __future__ import annotations

from pathlib import Path

from uhome2mqtt.permissions import ANYBODY_ELSE, exposed


def test_exposed(tmp_path: Path) -> None:
    """What others can read is given once with the command that closes it; a group's right may be meant."""
    own, group, others = (tmp_path / name for name in ("own", "group", "it's open"))
    for file, mode in ((own, 0o600), (group, 0o640), (others, 0o644)):
        file.touch()
        file.chmod(mode)
    [found] = exposed([own, group, others, others, tmp_path / "missing", own / "below"])
    assert found.text == f"{others} is open to other users of this machine (mode 0644)"
    assert found.mend == f"run: chmod 0640 '{tmp_path}/it'\"'\"'s open'"
    assert [one.path for one in exposed([own, group, others], ANYBODY_ELSE)] == [group, others]
