"""What tests of several modules share: one real broker for the whole run, and stages to play on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import structlog

from tests.support.account import Account, account
from tests.support.ear import Ear, ear
from tests.support.mosquitto import Mosquitto
from tests.support.stage import Stage, staged
from uhome2mqtt import logs

Logged = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """Run the broker that most tests share; each has a base topic of its own."""
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        yield broker


@pytest.fixture
async def listener(mosquitto: Mosquitto) -> AsyncIterator[Ear]:
    """Hear everything below a base topic that nobody else uses."""
    async with ear(mosquitto, f"test-{uuid4().hex[:8]}") as listening:
        yield listening


@pytest.fixture
async def cloud_account() -> AsyncIterator[Account]:
    """Serve a simulated cloud of its own."""
    async with account() as served:
        yield served


@pytest.fixture
async def stage(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Stage]:
    """Prepare a stage."""
    async with staged(tmp_path, mosquitto) as prepared:
        yield prepared


@pytest.fixture(autouse=True)
def _no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no secret of another test be masked: it may be a word that an innocent text has in it."""
    monkeypatch.setattr(logs, "_secrets", logs.Secrets())


@pytest.fixture
def logged(capsys: pytest.CaptureFixture[str]) -> Iterator[Logged]:
    """Give the log lines of an event that were written in this test's own process."""
    lines: list[dict[str, Any]] = []

    def of(event: str) -> list[dict[str, Any]]:
        lines.extend(json.loads(line) for line in capsys.readouterr().err.splitlines())
        return [line for line in lines if line["event"] == event]

    logs.configure("debug", "json")
    yield of
    structlog.reset_defaults()
