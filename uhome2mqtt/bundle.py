"""A bundle of diagnostics for the console, made by a process of its own: it reads logs, and waits for brokers."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from shutil import rmtree

from uhome2mqtt.errors import DiagnosticsError

DIRECTORY = "diagnostics"
WITHIN = 120.0
"""Seconds; each of its parts gives up after half a minute."""


def bundle_of(config: Path | None, state_dir: Path) -> Callable[[], Awaitable[bytes]]:
    """Give what makes the bundle of the bridge with this configuration; raises DiagnosticsError."""
    one_at_a_time = asyncio.Lock()

    async def bundle() -> bytes:
        if one_at_a_time.locked():
            raise DiagnosticsError("a bundle is being made already: try again in a minute")
        async with one_at_a_time:
            # Where nothing else can be written, the state can.
            directory = state_dir / DIRECTORY
            try:
                # A bridge that was killed may have left it.
                await asyncio.to_thread(rmtree, directory, ignore_errors=True)
                await asyncio.to_thread(directory.mkdir, 0o700)
                file = directory / "diagnostics.zip"
                await _make(config, file)
                return await asyncio.to_thread(file.read_bytes)
            except OSError as problem:
                raise DiagnosticsError(f"the bundle cannot be written: {problem.strerror}") from None
            finally:
                await asyncio.to_thread(rmtree, directory, ignore_errors=True)

    return bundle


async def _make(config: Path | None, file: Path) -> None:
    options = [] if config is None else ["-c", str(config)]
    command = [sys.executable, "-P", "-m", "uhome2mqtt", "diagnostics", *options, "-o", str(file)]
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, stdin=nothing, stdout=nothing, stderr=pipe)
    try:
        async with asyncio.timeout(WITHIN):
            _, said = await process.communicate()
    except TimeoutError:
        raise DiagnosticsError(f"no bundle within {WITHIN:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != os.EX_OK:
        lines = said.decode(errors="replace").strip().splitlines() or ["without a word"]
        raise DiagnosticsError(f"no bundle: {lines[-1]}")
