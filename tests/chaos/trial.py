"""A run in a directory of its own, which is left where something did not hold."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path

import aiomqtt
import httpx

BROKEN = (AssertionError, OSError, aiomqtt.MqttError, httpx.HTTPError)
"""How something shows that does not hold."""


def trial(name: str, seed: int, play: Callable[[Path], Coroutine[None, None, None]]) -> bool:
    """Play to the end, and tell whether all of it held; else say what did not, and where the logs are."""
    say(f"seed {seed}")
    directory = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    try:
        asyncio.run(play(directory))
    except BROKEN as problem:
        say(f"FAILED: {str(problem) or repr(problem)}\nseed {seed}; the bridge's log, and all else: {directory}")
        return False
    shutil.rmtree(directory)
    return True


def say(text: str) -> None:
    """Say something at once, whoever reads it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
