"""Versions and the journal of a machine on which not everything is there."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from tests.support.installation import write
from tests.support.patience import eventually
from tests.support.process import run
from tests.test_diagnostics import opened
from uhome2mqtt.diagnostics.machine import about, journal


def test_missing_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that the program needs and that is not installed is named."""
    metadata = tmp_path / "uhome2mqtt-1.dist-info" / "METADATA"
    metadata.parent.mkdir()
    needed = "Requires-Dist: pydantic>=2\nRequires-Dist: not-there-at-all>=1\nRequires-Dist: demo-only; extra == 'demo'"
    metadata.write_text(f"Metadata-Version: 2.1\nName: uhome2mqtt\nVersion: 1\n{needed}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    lines = about().splitlines()
    assert lines[-1] == "not-there-at-all is missing"
    assert lines[-2].startswith("pydantic 2.")


def test_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that runs from its source, without having been installed, says that packages are unknown."""
    monkeypatch.setattr(sys, "path", [])
    assert about().splitlines()[-1] == "packages unknown: the program is not installed"


async def test_no_journal(tmp_path: Path) -> None:
    """A machine without a journal, and a log that is not there, are told in plain words."""
    file = write(tmp_path)
    for options, said in (
        ((), "not there: journalctl is not there; give a file with --log\n"),
        (("--log", "nowhere"), "not there: nowhere: No such file or directory\n"),
    ):
        out = tmp_path / "x.zip"
        command = ("diagnostics", "-o", str(out), "-c", str(file), *options)
        assert (await run(*command, cwd=tmp_path, PATH=str(tmp_path)))[0] == 0
        assert opened(out)["log.txt"] == said


async def test_journal_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader of the journal that does not come to an end is ended."""
    reader, pid = tmp_path / "journalctl", tmp_path / "pid"
    reader.write_text(f"#!/bin/sh\necho $$ > {pid}.new && mv {pid}.new {pid}\nexec sleep 600\n")
    reader.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    reading = asyncio.create_task(journal())
    await eventually(pid.exists)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
