"""However often the bridge is killed, the login survives, also where each refresh token works once."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from collections import Counter
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.account import Account, account
from tests.support.patience import eventually
from uhome2mqtt.simulator.dice import Dice
from uhome2mqtt.token_store import LOCK_NAME
from uhome2mqtt.tokens import Tokens

KILLS, LANES = 200, 4
SEED = 20261124
AHEAD = 1.0e10
"""Seconds by which the bridge's clock is fast: every token has expired."""
BRIDGE = f"""
import asyncio, json, os, sys, time
from pathlib import Path
import httpx
from uhome2mqtt import logs, oauth
from uhome2mqtt.refresh_worker import refresher
from uhome2mqtt.tokens import Tokens

where, client = Path(sys.argv[1]), oauth.Client(**json.loads(sys.argv[2]))

async def refresh():
    async with httpx.AsyncClient(trust_env=False, verify=False) as http:
        worker = refresher(where, client, http)
        tokens = Tokens(where, client, http, clock=lambda: time.time() + {AHEAD}, refresher=worker)
        while True:
            await tokens.access_token()

logs.configure("error", "json")
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        asyncio.run(refresh())
    print(child, flush=True)
    os.waitpid(child, 0)
"""


async def test_kills(tmp_path: Path) -> None:
    """After each of 200 kills at random instants of a refresh a new process gets a token that the cloud accepts.

    Enough of them hit while the cloud had the request, and after it had ended the old refresh token.
    """
    sys.stdout.write(f"seed {SEED}\n")
    instants = Dice(SEED, "kills")
    began = time.monotonic()
    hits = Counter[str]()
    for found in await asyncio.gather(*(lane(tmp_path / str(number), instants) for number in range(LANES))):
        hits += found
    sys.stdout.write(f"{time.monotonic() - began:.1f} s, killed {dict(hits)}\n")
    assert hits.total() == KILLS
    assert hits["during the request"] >= KILLS // 20
    assert hits["after the answer"] >= KILLS // 20


async def lane(where: Path, instants: Dice) -> Counter[str]:
    """Kill one bridge after the other, each with its refresh under way; tell when."""
    async with account(refresh_rotation=True, latency=[0.1, 0.2]) as served:
        served.log_in(where)
        client = served.client()
        hits = Counter[str]()
        command = [sys.executable, "-c", BRIDGE, str(where), json.dumps(asdict(client))]
        process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
        assert process.stdin is not None
        assert process.stdout is not None
        for number in range(KILLS // LANES):
            before = len(served.requests("token"))
            process.stdin.write(b"go\n")
            child = int(await process.stdout.readline())
            await eventually(lambda: held(where / LOCK_NAME))
            # How long each step takes differs from machine to machine, and from minute to minute: what is drawn is the
            # step after which it is killed, and how long after.
            if instants.chance(0.75):
                await eventually(partial(come, served, before))
                if instants.chance(0.5):
                    await eventually(partial(answered, served, before))
            await asyncio.sleep(instants.between((0.0, 0.1)))
            os.kill(child, signal.SIGKILL)
            hits[instant(served.requests("token")[before:])] += 1
            fresh = Tokens(where, client, served.http, clock=partial(later, 3.0e9 + number * 1.0e7))
            assert served.cloud.grants.admits(await fresh.access_token())
        process.stdin.close()
        assert await process.wait() == 0
        assert {entry["outcome"] for entry in served.requests("token")} == {"ok"}
        return hits


def held(lock: Path) -> bool:
    """Tell whether a refresh is under way."""
    if not lock.exists():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def come(served: Account, before: int) -> bool:
    """Tell whether another request for a token has come."""
    return len(served.requests("token")) > before


def answered(served: Account, before: int) -> bool:
    """Tell whether another request for a token has been answered."""
    entry = served.requests("token")[before]
    return bool(entry["outcome"] != "pending")


def instant(requests: list[dict[str, Any]]) -> str:
    """Name how far the refresh had come."""
    if not requests:
        return "before the request"
    return "during the request" if requests[-1]["outcome"] == "pending" else "after the answer"


def later(seconds: float) -> float:
    """Read a clock that is fast: for each new process what the one before has got has expired."""
    return time.time() + seconds
