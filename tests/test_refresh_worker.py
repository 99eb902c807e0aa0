"""The process of its own that refreshes tokens: its result is kept, and its failures are told."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.support.account import Account
from tests.support.patience import eventually
from uhome2mqtt import refresh_worker
from uhome2mqtt.errors import CloudError
from uhome2mqtt.model import FailureKind
from uhome2mqtt.oauth import Grant
from uhome2mqtt.refresh_worker import COMMAND, refresher, work
from uhome2mqtt.token_store import Kept, TokenFile, encode
from uhome2mqtt.tokens import Tokens


def opened(account: Account, directory: Path, command: tuple[str, ...] = COMMAND) -> Tokens:
    """Open tokens that have expired and are refreshed by a process."""
    worker = refresher(directory, account.client(), account.http, command)
    tokens = Tokens(directory, account.client(), account.http, refresher=worker)
    minted = account.grant()
    tokens.store(
        Grant(access_token=minted.access_token, refresh_token=minted.refresh_token, expires_at=time.time() - 1)
    )
    return tokens


def job_for(account: Account, directory: Path, kept: Kept) -> dict[str, Any]:
    """Compose what the process is told."""
    client = asdict(account.client())
    return {"state_dir": str(directory), "client": client, "kept": encode(kept).decode(), "agent": "a"}


@pytest.mark.parametrize("command", [COMMAND, ("/no/such/program",)])
async def test_refreshed(cloud_account: Account, tmp_path: Path, command: tuple[str, ...]) -> None:
    """The tokens are replaced and kept, also where no process can be started."""
    token = await opened(cloud_account, tmp_path, command).access_token()
    assert cloud_account.cloud.grants.admits(token)
    kept = TokenFile(tmp_path).news()
    assert kept is not None
    assert kept.grant.access_token == token


async def test_refused(cloud_account: Account, tmp_path: Path) -> None:
    """What the cloud says to the process is what the bridge hears."""
    tokens = opened(cloud_account, tmp_path)
    await cloud_account.control("POST", "revoke")
    with pytest.raises(CloudError) as caught:
        await tokens.access_token()
    assert (caught.value.failure.kind, caught.value.failure.code) == (FailureKind.AUTHORIZATION, "invalid_grant")


async def test_died(cloud_account: Account, tmp_path: Path) -> None:
    """A process that has begun and ends without a result is a failure that passes."""
    with pytest.raises(CloudError, match="WORKER_FAILED"):
        await opened(cloud_account, tmp_path, (sys.executable, "-c", "input(); print()")).access_token()
    assert cloud_account.requests("token") == []


async def test_did_not_begin(cloud_account: Account, tmp_path: Path) -> None:
    """Where the process ends before it has begun, say after an upgrade in place, the bridge does the work itself."""
    tokens = opened(cloud_account, tmp_path, (sys.executable, "-c", "raise SystemExit(1)"))
    assert cloud_account.cloud.grants.admits(await tokens.access_token())


async def test_silent(cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that hangs is waited for no longer than its work can take."""
    monkeypatch.setattr(refresh_worker, "LONGEST_WORK", 0.3)
    hang = (sys.executable, "-c", "import time; print(flush=True); time.sleep(1.5)")
    with pytest.raises(CloudError, match="WORKER_SILENT"):
        await opened(cloud_account, tmp_path, hang).access_token()
    await eventually(lambda: not refresh_worker.unfinished)


async def test_modules_of_the_current_directory(
    cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What lies in the directory where the bridge was started is not taken for a module of the process."""
    here = tmp_path / "here"
    here.mkdir()
    for name in ("httpx", "json", "ssl"):
        (here / f"{name}.py").write_text("open('taken', 'w').close()\nraise SystemExit(1)\n")
    monkeypatch.chdir(here)
    assert cloud_account.cloud.grants.admits(await opened(cloud_account, tmp_path).access_token())
    assert TokenFile(tmp_path).news() is not None
    assert not (here / "taken").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGABRT])
async def test_stopped_with_the_bridge(cloud_account: Account, tmp_path: Path, number: signal.Signals) -> None:
    """A process that is told to stop, as everything of a service is, first keeps what it was given."""
    cloud_account.cloud.quirks.change({"latency": [1.0, 1.0], "refresh_rotation": True})
    kept = Kept(grant=cloud_account.grant(), login="one")
    job = job_for(cloud_account, tmp_path, kept)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe)
    working = asyncio.create_task(process.communicate(json.dumps(job).encode()))
    await eventually(lambda: cloud_account.requests("token"))
    process.send_signal(number)
    await working
    assert process.returncode == 0
    found = TokenFile(tmp_path).news()
    assert found is not None
    assert cloud_account.cloud.grants.admits(found.grant.access_token)


async def test_late(cloud_account: Account, tmp_path: Path) -> None:
    """A reply that takes its time is waited for: where refresh tokens are replaced it has the only one that works."""
    cloud_account.cloud.quirks.change({"latency": [5.5, 5.5], "refresh_rotation": True})
    token = await opened(cloud_account, tmp_path).access_token()
    assert cloud_account.cloud.grants.admits(token)


async def test_work(cloud_account: Account, tmp_path: Path) -> None:
    """The work keeps its result unless somebody has logged in since; a failure is described."""
    old = Kept(grant=cloud_account.grant(), login="one")
    job = job_for(cloud_account, tmp_path, old)
    assert "kept" in await work(job)
    found = TokenFile(tmp_path).news()
    assert found is not None
    assert found.login == "one"
    assert (await work(job))["failure"]["code"] == "invalid_grant"
    other = Kept(grant=cloud_account.grant(), login="two")
    TokenFile(tmp_path).write(other)
    await work({**job, "kept": encode(Kept(grant=cloud_account.grant(), login="one")).decode()})
    assert TokenFile(tmp_path).news() == other
