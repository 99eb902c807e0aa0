"""Between the login and the person at the terminal."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import webbrowser
from collections.abc import Callable
from contextlib import suppress

from uhome2mqtt.errors import CloudError
from uhome2mqtt.logins import LIFETIME
from uhome2mqtt.model import Failure, FailureKind


async def lead(url: str, say: Callable[[str], None], *, browser: bool) -> None:
    """Say what to open, and open it where there is a browser that nobody has declined."""
    say(f"Open this address in a browser on this machine and log in:\n\n  {url}\n")
    say("On another machine, or over SSH: stop this with Ctrl-C and use: uhome2mqtt login --paste")
    if browser and (sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        await asyncio.to_thread(webbrowser.open, url)


async def read_line() -> str:
    """Read a line of standard input; Ctrl-C ends the wait.

    The interpreter waits for a thread of a pool before it ends, and for a lock of `sys.stdin`: so it is a daemon
    thread, and it reads past all buffers.
    """
    loop = asyncio.get_running_loop()
    came: asyncio.Future[bytes] = loop.create_future()

    def read() -> None:
        line = b""
        with suppress(OSError), open(0, "rb", buffering=0, closefd=False) as stdin:
            line = stdin.readline()
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(came.set_result, line)

    threading.Thread(target=read, daemon=True).start()
    return (await came).decode(errors="replace")


def nobody_came() -> CloudError:
    """Say that the time for a login is over."""
    return refused("login_expired", f"nobody came back within {LIFETIME / 60:.0f} minutes; start again")


def refused(code: str, why: str) -> CloudError:
    """Say that there is no login."""
    return CloudError(Failure(kind=FailureKind.AUTHORIZATION, code=code, message=why))
