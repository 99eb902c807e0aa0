"""Tokens on a disk that is full, or in a directory that cannot be written: kept in memory, and on disk once that works.

The trouble is real, needs no privileges, and befalls a process of its own: a limit on the size of files, which fails
like a full disk in the middle of a write, and a directory without write permission, which binds root, too, where it has
given up its capabilities.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import resource
import sys
from asyncio.subprocess import PIPE
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Logged
from tests.support.account import Account, new_http
from tests.support.process import environment
from tests.test_tokens import EXPIRED, Time, grant, passing, tokens
from uhome2mqtt import logs, oauth
from uhome2mqtt.errors import StorageError
from uhome2mqtt.refresh_worker import refresher
from uhome2mqtt.tokens import LONGEST_SAVE_PAUSE, Tokens

ROOT = Path(__file__).parent.parent
TROUBLES = {"full": "File too large", "read-only": "Permission denied"}
PR_SET_NO_NEW_PRIVS = 38
CAPABILITIES_V3 = 0x20080522


def _without_privileges() -> None:
    """Give up every capability, for good: without them root's own directory can be closed to root."""
    libc = ctypes.CDLL(None, use_errno=True)
    nothing = (ctypes.c_uint32 * 6)()
    assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    assert libc.capset((ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0), nothing) == 0


def _bring(trouble: str, where: Path) -> Callable[[], None]:
    """Bring the trouble about and give what ends it."""
    if trouble == "full":
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
        return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    _without_privileges()
    where.chmod(0o500)
    return lambda: where.chmod(0o700)


async def _bridge(where: Path, client: oauth.Client, trouble: str, how: str) -> dict[str, Any]:
    """Refresh in trouble, go on for a while, and go on when it has ended."""
    mend = _bring(trouble, where)
    told: dict[str, Any] = {}
    async with new_http() as http:
        clock = Time()
        worker = refresher(where, client, http) if how == "worker" else None
        opened = Tokens(where, client, http, clock=clock, refresher=worker)
        told["token"] = await opened.access_token()
        await passing(opened, clock, 5 * LONGEST_SAVE_PAUSE)
        told["kept"] = await opened.access_token()
        told["in trouble"] = (where / "tokens.json").read_text()
        mend()
        await passing(opened, clock, 2 * LONGEST_SAVE_PAUSE)
        told["afterwards"] = json.loads((where / "tokens.json").read_text())
    return told


def main() -> None:
    """Be the process that the trouble befalls."""
    where, client, trouble, how = sys.argv[1:]
    logs.configure("debug", "json")
    told = asyncio.run(_bridge(Path(where), oauth.Client(**json.loads(client)), trouble, how))
    sys.stdout.write(json.dumps(told))


def _files(where: Path) -> set[str]:
    return {path.name for path in where.iterdir()}


@pytest.mark.parametrize("how", ["worker", "in process"])
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_trouble(cloud_account: Account, tmp_path: Path, trouble: str, how: str) -> None:
    """New tokens that the disk does not take are used, complained of once, and saved later; the old stay until then."""
    old = grant(cloud_account, EXPIRED)
    tokens(cloud_account, tmp_path).store(old)
    before = (tmp_path / "tokens.json").read_text()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.test_token_disk",
        str(tmp_path), json.dumps(asdict(cloud_account.client())), trouble, how,
        stdout=PIPE, stderr=PIPE, cwd=ROOT,
        # Coverage would want to write its own files.
        env={name: value for name, value in environment().items() if not name.startswith("COVERAGE")},
    )  # fmt: skip
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    told, lines = json.loads(out), [json.loads(line) for line in err.splitlines()]
    assert told["token"] == told["kept"] != old.access_token
    assert told["in trouble"] == before
    assert told["afterwards"]["access_token"] == told["token"]
    assert [entry["outcome"] for entry in cloud_account.requests("token")] == ["ok"]
    said = {event: [line for line in lines if line["event"] == event] for event in ("tokens_not_saved", "tokens_saved")}
    assert [len(found) for found in said.values()] == [1, 1]
    assert TROUBLES[trouble] in said["tokens_not_saved"][0]["why"]
    assert "make its directory writable and check the free space" in said["tokens_not_saved"][0]["why"]
    assert told["token"] not in err.decode()
    assert _files(tmp_path) <= {"tokens.json", "tokens.lock"}
    assert await tokens(cloud_account, tmp_path).access_token() == told["token"]


async def test_no_directory(cloud_account: Account, tmp_path: Path, logged: Logged) -> None:
    """The same where the state directory is a file for a while."""
    clock, where, aside = Time(), tmp_path / "state", tmp_path / "aside"
    opened = tokens(cloud_account, where, clock)
    opened.store(grant(cloud_account, EXPIRED))
    where.rename(aside)
    where.write_text("")
    new = await opened.access_token()
    await passing(opened, clock, 5 * LONGEST_SAVE_PAUSE)
    assert await opened.access_token() == new
    where.unlink()
    aside.rename(where)
    await passing(opened, clock, 2 * LONGEST_SAVE_PAUSE)
    assert json.loads((where / "tokens.json").read_text())["access_token"] == new
    assert [len(logged(event)) for event in ("tokens_not_saved", "tokens_saved")] == [1, 1]


async def test_login(cloud_account: Account, tmp_path: Path) -> None:
    """A login that cannot be kept says so to whoever logs in, is used all the same, and kept later."""
    clock, where = Time(), tmp_path / "state"
    where.write_text("")
    opened = tokens(cloud_account, where, clock)
    given = grant(cloud_account)
    with pytest.raises(StorageError, match="Not a directory"):
        opened.store(given)
    assert await opened.access_token() == given.access_token
    where.unlink()
    await passing(opened, clock, 2 * LONGEST_SAVE_PAUSE)
    assert await tokens(cloud_account, where).access_token() == given.access_token


async def test_login_after_a_logout(cloud_account: Account, tmp_path: Path) -> None:
    """A login that cannot be kept is used also where somebody had logged out before."""
    where = tmp_path / "state"
    opened = tokens(cloud_account, where, Time())
    opened.store(grant(cloud_account))
    opened.remove()
    where.rename(tmp_path / "aside")
    where.write_text("")
    given = grant(cloud_account)
    with pytest.raises(StorageError):
        opened.store(given)
    assert await opened.access_token() == given.access_token


if __name__ == "__main__":
    main()
