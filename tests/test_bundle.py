"""A bundle of diagnostics for the console, made by a process of its own."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.account import CLIENT_SECRET
from tests.support.stage import Stage
from uhome2mqtt import bundle
from uhome2mqtt.bundle import bundle_of
from uhome2mqtt.errors import DiagnosticsError


def configured(stage: Stage) -> Path:
    """Write the configuration of a bridge and make its state directory."""
    file = stage.directory / "config.yaml"
    file.write_text(json.dumps(stage.document()))
    stage.state_dir.mkdir(exist_ok=True)
    return file


def runs(file: Path) -> bool:
    """Tell whether the process runs whose number is in a file."""
    return Path(f"/proc/{file.read_text().strip()}").exists()


async def test_bundle(stage: Stage) -> None:
    """The bundle is the one that `uhome2mqtt diagnostics` makes, without secrets, and leaves nothing behind."""
    made = await bundle_of(configured(stage), stage.state_dir)()
    with zipfile.ZipFile(io.BytesIO(made)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {"README.txt", "check.txt", "settings.json", "metrics.txt"} <= texts.keys()
    assert CLIENT_SECRET not in "".join(texts.values())
    assert not (stage.state_dir / bundle.DIRECTORY).exists()


async def test_one_at_a_time(stage: Stage) -> None:
    """Who asks while one is being made is told so, and what a bridge that was killed has left does not matter."""
    make = bundle_of(configured(stage), stage.state_dir)
    (stage.state_dir / bundle.DIRECTORY).mkdir()
    (stage.state_dir / bundle.DIRECTORY / "half").write_text("of a bundle")
    first = asyncio.ensure_future(make())
    await asyncio.sleep(0)
    with pytest.raises(DiagnosticsError, match="is being made already"):
        await make()
    assert (await first).startswith(b"PK")


async def test_too_slow(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle that is not made in time is given up, with its process."""
    program, number = stage.directory / "python", stage.directory / "pid"
    program.write_text(f"#!/bin/sh\necho $$ > {number}.new && mv {number}.new {number}\nexec sleep 600\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))
    monkeypatch.setattr(bundle, "WITHIN", 2.0)
    with pytest.raises(DiagnosticsError, match="no bundle within"):
        await bundle_of(configured(stage), stage.state_dir)()
    assert not runs(number)


async def test_cannot_be_written(tmp_path: Path) -> None:
    """Where nothing can be written that is said."""
    with pytest.raises(DiagnosticsError, match="cannot be written: No such file or directory"):
        await bundle_of(None, tmp_path / "nowhere")()


async def test_process_fails(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the process says as it fails is passed on; one that says nothing has failed as well."""
    config, program = configured(stage), stage.directory / "python"
    monkeypatch.setattr(sys, "executable", str(program))
    for said, told in (("first\nthe disk is full", "no bundle: the disk is full"), ("", "no bundle: without a word")):
        program.write_text(f"#!/bin/sh\nprintf '{said}' >&2\nexit 1\n")
        program.chmod(0o700)
        with pytest.raises(DiagnosticsError, match=told):
            await bundle_of(config, stage.state_dir)()
