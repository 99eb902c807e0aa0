"""A process of its own for each refresh: it keeps the new tokens although the bridge is killed meanwhile.

Where the service ends a refresh token as it gives the next one, the reply must reach the disk. This process holds the
lock that it inherits, takes its work (secrets, so neither arguments nor environment) from standard input, writes the
tokens, and says on standard output what came of it.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx

from uhome2mqtt import oauth
from uhome2mqtt.departures import now_or_never
from uhome2mqtt.errors import CloudError, StorageError
from uhome2mqtt.model import Failure, FailureKind
from uhome2mqtt.token_store import Kept, TokenFile, decode, encode

COMMAND = (sys.executable, "-P", "-m", "uhome2mqtt.refresh_worker")
"""-P: what lies in the current directory is nobody's module, least of all here, where the secrets are."""
LONGEST_CONNECT = 5.0
LONGEST_WORK = oauth.LONGEST_EXCHANGE + 10.0
BEGUN = b"\n"
"""Said before the request is made: without it the refresh token is as good as before."""
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT)
"""SIGABRT: systemd's watchdog sends it to all processes of a service whose main one hangs."""


unfinished: set[asyncio.Task[tuple[bytes, bytes]]] = set()
"""Keeps the event loop from forgetting who still works."""


def refresher(
    state_dir: Path, client: oauth.Client, http: httpx.AsyncClient, command: tuple[str, ...] = COMMAND
) -> Callable[[Kept, int | None], Awaitable[oauth.Grant]]:
    """Make a refresher for `Tokens`; where no process can be started, it does the work in this one."""

    async def refresh(kept: Kept, lock: int | None) -> oauth.Grant:
        job = {
            "state_dir": str(state_dir),
            "client": asdict(client),
            "kept": encode(kept).decode(),
            "agent": http.headers["User-Agent"],
        }
        said = await _run(command, json.dumps(job).encode(), () if lock is None else (lock,))
        if not said:
            return await oauth.refresh(http, client, kept.grant.refresh_token or "")
        return _answer(said)

    return refresh


async def _run(command: tuple[str, ...], job: bytes, inherited: tuple[int, ...]) -> bytes:
    """Give the job to a process; empty where it has not begun. One that hangs is left alone: it may yet come back."""
    pipe = asyncio.subprocess.PIPE
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, pass_fds=inherited, start_new_session=True
        )
    except OSError:
        return b""
    work = asyncio.create_task(process.communicate(job))
    unfinished.add(work)
    work.add_done_callback(unfinished.discard)
    done, _ = await asyncio.wait({work}, timeout=LONGEST_WORK)
    if not done:
        raise _failed("WORKER_SILENT", f"the process that renews the login has not answered for {LONGEST_WORK:.0f} s")
    return work.result()[0]


def _answer(said: bytes) -> oauth.Grant:
    try:
        answer = json.loads(said)
    except ValueError:
        raise _failed("WORKER_FAILED", "the process that renews the login ended without a result") from None
    if failure := answer.get("failure"):
        raise CloudError(Failure(**{**failure, "kind": FailureKind(failure["kind"])}))
    return decode(answer["kept"]).grant


def _failed(code: str, why: str) -> CloudError:
    return CloudError(Failure(kind=FailureKind.UNCERTAIN, code=code, message=why))


def main() -> None:
    """Do the one job that standard input describes; whoever stops the bridge with all its processes waits for it."""
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    try:
        job = json.load(sys.stdin.buffer)
    except ValueError:
        # The bridge was killed before it could say what to do.
        return
    _say(BEGUN)
    _say(json.dumps(asyncio.run(work(job))).encode())


def _say(text: bytes) -> None:
    # The bridge may be gone; the tokens are kept.
    with suppress(OSError):
        os.write(sys.stdout.fileno(), text)


async def work(job: dict[str, Any]) -> dict[str, Any]:
    """Refresh, keep the result and describe it; tokens that cannot be kept here are the bridge's to keep."""
    old, client = decode(job["kept"].encode()), oauth.Client(**job["client"])
    try:
        # A reply that is late is worth waiting for: it has the only refresh token that still works.
        patience = httpx.Timeout(oauth.LONGEST_EXCHANGE, connect=LONGEST_CONNECT)
        async with httpx.AsyncClient(headers={"User-Agent": job["agent"]}, timeout=patience) as http:
            # A request that came after all would spend the refresh token, and nobody would hear the new one.
            now_or_never(http)
            grant = await oauth.refresh(http, client, old.grant.refresh_token or "")
            new = Kept(grant=grant, login=old.login, since=time.time())
            _keep(Path(job["state_dir"]), old, new)
    except CloudError as problem:
        return {"failure": asdict(problem.failure)}
    return {"kept": encode(new).decode()}


def _keep(state_dir: Path, old: Kept, new: Kept) -> None:
    file = TokenFile(state_dir)
    with suppress(StorageError, ValueError):
        # Somebody may have logged in anew, or out, since the refresh began.
        found = file.news()
        if not file.logged_out and (found is None or found.login == old.login):
            file.write(new)


if __name__ == "__main__":
    main()
