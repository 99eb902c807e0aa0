"""The program as a process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .patience import eventually

STOPS_WITHIN = 5.0


def environment() -> dict[str, str]:
    """Give our environment without any setting of the bridge and without a display."""
    names = (
        "UHOME2MQTT", "STATE_DIRECTORY", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "WATCHDOG", "DISPLAY",
        "WAYLAND_DISPLAY",
    )  # fmt: skip
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(names)}


async def run(*arguments: str, stdin: str = "", cwd: Path | None = None, **env: str) -> tuple[int, str, str]:
    """Run the program to its end: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "uhome2mqtt", *arguments,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        cwd=cwd, env=environment() | env,
    )  # fmt: skip
    async with asyncio.timeout(30):
        out, err = await process.communicate(stdin.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


class Program:
    """A command of the program that goes on until it is ended."""

    def __init__(self, *arguments: str) -> None:
        self._arguments = arguments
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []
        self.out: list[str] = []
        self.err: list[str] = []

    async def start(self, terminal: int | None = None, **env: str) -> None:
        """Start it and keep what it writes; standard error goes to `terminal` where one is given."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "uhome2mqtt", *self._arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=terminal or asyncio.subprocess.PIPE,
            env=environment() | env,
        )  # fmt: skip
        self._process = process
        streams = ((process.stdout, self.out), (process.stderr, self.err))
        self._readers = [asyncio.create_task(_keep(stream, lines)) for stream, lines in streams if stream]

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def type(self, text: str) -> None:
        """Write to its standard input."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode())

    async def ended(self, deadline: float = STOPS_WITHIN) -> int:
        """Wait until it has ended by itself; gives its exit code, or the negative number of a signal."""
        assert self._process is not None
        async with asyncio.timeout(deadline):
            code = await self._process.wait()
        await asyncio.gather(*self._readers)
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it with a signal; a user waits five seconds for that."""
        self.send(how)
        return await self.ended()

    async def close(self) -> None:
        """End it whatever happens, so that nothing is left behind by a test that failed."""
        if self.running:
            self.send(signal.SIGTERM)
            try:
                await self.ended()
            except TimeoutError:
                self.send(signal.SIGKILL)
                await self.ended()


class Bridge(Program):
    """`uhome2mqtt run` with a configuration file."""

    def __init__(self, config: Path, document: Mapping[str, Any]) -> None:
        super().__init__("run", "-c", str(config))
        self.config = config
        # JSON is YAML.
        config.write_text(json.dumps(document))
        # It has a secret in it, and the bridge would say so.
        config.chmod(0o600)

    def logged(self, event: str) -> list[dict[str, Any]]:
        """Give the log lines of an event."""
        return [line for line in map(_line, self.err) if line.get("event") == event]

    async def until_logged(self, event: str, count: int = 1, deadline: float = 60.0) -> list[dict[str, Any]]:
        """Wait until an event has been logged so many times."""
        try:
            await eventually(lambda: len(self.logged(event)) >= count, deadline)
        except TimeoutError:
            raise AssertionError("".join(self.err)) from None
        return self.logged(event)


def _line(text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


async def _keep(stream: asyncio.StreamReader, lines: list[str]) -> None:
    while line := await stream.readline():
        lines.append(line.decode())
