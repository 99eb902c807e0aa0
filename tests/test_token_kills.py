"""However often the bridge is killed, the login survives, also where each refresh token works once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from asyncio.subprocess import PIPE
from dataclasses import asdict
from functools import partial
from pathlib import Path

from tests.support.account import Account
from uhome2mqtt.simulator.dice import Dice
from uhome2mqtt.tokens import Tokens

KILLS = 200
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


async def test_kills(cloud_account: Account, tmp_path: Path) -> None:
    """After each of 200 kills at random instants of a refresh a new process gets a token that the cloud accepts."""
    cloud_account.cloud.quirks.change({"refresh_rotation": True})
    sys.stdout.write(f"seed {SEED}\n")
    instants = Dice(SEED, "kills")
    began = time.monotonic()
    lanes = [lane(cloud_account, tmp_path / str(number), instants) for number in range(4)]
    await asyncio.gather(*lanes)
    sys.stdout.write(f"{time.monotonic() - began:.1f} s, {len(cloud_account.requests('token'))} refreshes\n")
    assert len(cloud_account.requests("token")) > KILLS
    assert {entry["outcome"] for entry in cloud_account.requests("token")} <= {"ok", "pending"}


async def lane(account: Account, where: Path, instants: Dice) -> None:
    """Kill one bridge after the other."""
    account.log_in(where)
    client = account.client()
    command = [sys.executable, "-c", BRIDGE, str(where), json.dumps(asdict(client))]
    process = await asyncio.create_subprocess_exec(*command, stdin=PIPE, stdout=PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    for number in range(KILLS // 4):
        process.stdin.write(b"go\n")
        child = int(await process.stdout.readline())
        await asyncio.sleep(instants.between((0.0, 0.8)))
        os.kill(child, signal.SIGKILL)
        fresh = Tokens(where, client, account.http, clock=partial(later, 3.0e9 + number * 1.0e7))
        assert account.cloud.grants.admits(await fresh.access_token())
    process.stdin.close()
    assert await process.wait() == 0


def later(seconds: float) -> float:
    """Read a clock that is fast: for each new process what the one before has got has expired."""
    return time.time() + seconds
