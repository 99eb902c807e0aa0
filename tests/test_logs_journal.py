"""Lines for the journal of systemd: with their priority, without a time."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import IO

import pytest
import structlog

from tests.support.account import CLIENT_ID, CLIENT_SECRET
from tests.support.patience import eventually
from tests.support.process import Bridge, Program
from uhome2mqtt import logs

OF_LEVEL = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}


def stream_of(descriptor: int) -> str:
    """Name a stream as systemd does."""
    there = os.fstat(descriptor)
    return f"{there.st_dev}:{there.st_ino}"


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[IO[str]]:
    """Let standard error be what is said to be the journal."""
    with (tmp_path / "journal").open("w+") as file:
        monkeypatch.setenv("JOURNAL_STREAM", stream_of(file.fileno()))
        yield file
    structlog.reset_defaults()


def lines(file: IO[str]) -> list[str]:
    """Give what has been written."""
    file.seek(0)
    return file.read().splitlines()


def test_each_level_has_its_priority(journal: IO[str]) -> None:
    """A line is JSON behind the priority of its level, and leaves the time to the journal."""
    with redirect_stderr(journal):
        logs.configure("debug", "auto")
        for level in OF_LEVEL:
            getattr(logs.get_logger(), level)("happened", fact="a\nb")
    found = [re.fullmatch(r"<(\d)>(.*)", line) for line in lines(journal)]
    assert [int(match[1]) for match in found if match] == list(OF_LEVEL.values())
    assert [json.loads(match[2]) for match in found if match] == [
        {"level": level, "event": "happened", "fact": "a\nb"} for level in OF_LEVEL
    ]


def test_lines_for_people(journal: IO[str]) -> None:
    """In lines for people each line of a traceback has the priority: the journal takes every one for a message."""
    with redirect_stderr(journal):
        logs.configure("info", "console")
        logs.get_logger().error("failed", exc_info=ValueError("first\nsecond"))
    written = lines(journal)
    assert len(written) > 1
    assert all(line.startswith("<3>") for line in written)
    assert not re.search(r"\d{4}-\d\d-\d\d", written[0])


def test_json_that_is_asked_for_keeps_the_time(journal: IO[str]) -> None:
    """Who asks for JSON gets the same fields everywhere."""
    with redirect_stderr(journal):
        logs.configure("info", "json")
        logs.get_logger().info("happened")
    [line] = lines(journal)
    assert set(json.loads(line.removeprefix("<6>"))) == {"timestamp", "level", "event"}


@pytest.mark.parametrize("stream", ["1:2", "", "nonsense"])
def test_another_stream(journal: IO[str], monkeypatch: pytest.MonkeyPatch, stream: str) -> None:
    """Where standard error leads elsewhere, the variable of whoever started the program means nothing."""
    monkeypatch.setenv("JOURNAL_STREAM", stream)
    with redirect_stderr(journal):
        logs.configure("info", "auto")
        logs.get_logger().info("happened")
    assert "timestamp" in json.loads(lines(journal)[0])


@pytest.mark.parametrize("true", [True, False])
async def test_process(tmp_path: Path, *, true: bool) -> None:
    """The program itself knows its journal by a socket's device and inode, also where its configuration is unusable."""
    document = {
        "uhome": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "api_url": "http://127.0.0.1:9/action"},
        "mqtt": {"url": "mqtt://127.0.0.1:9"},
        "web": {"enabled": False},
        "state_dir": str(tmp_path / "state"),
    }
    bridge = Bridge(tmp_path / "config.yaml", document)
    refused = Program("run", "-c", str(tmp_path / "none.yaml"))
    ours, theirs = socket.socketpair()
    heard = bytearray()
    with ours, theirs:
        ours.settimeout(0)
        stream = stream_of(theirs.fileno()) if true else "1:1"

        def said(text: bytes) -> bool:
            try:
                heard.extend(ours.recv(65536))
            except BlockingIOError:
                return False
            return text in heard

        try:
            await bridge.start(theirs.fileno(), JOURNAL_STREAM=stream)
            await eventually(lambda: said(b"broker_unreachable"))
            assert await bridge.stop() == 0
            await refused.start(theirs.fileno(), JOURNAL_STREAM=stream)
            assert await refused.ended(30) == 78
            await eventually(lambda: said(b"none.yaml"))
        finally:
            await bridge.close()
            await refused.close()
    levels = {"started": "<6>", "broker_unreachable": "<4>", "none.yaml": "<3>"}
    for line in heard.decode().splitlines():
        assert true is line.startswith("<")
        for word, priority in levels.items():
            assert not true or word not in line or line.startswith((priority, "<7>"))


def test_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails again and again has a beginning, a length and an end; what never failed has none."""
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    outage = logs.Outage()
    assert outage.over() == {}
    assert [outage.under_way, outage.lasts(), outage.lasts(), outage.under_way] == [False, False, True, True]
    now = 161.6
    assert outage.over() == {"seconds": 62}
    assert not outage.lasts()
