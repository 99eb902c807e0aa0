"""The tokens of the account: kept, refreshed in time, given up only when the cloud says so."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Logged
from tests.support.account import Account
from tests.support.patience import free_port
from uhome2mqtt import oauth
from uhome2mqtt.errors import CloudError, StorageError
from uhome2mqtt.model import FailureKind
from uhome2mqtt.oauth import Grant
from uhome2mqtt.tokens import REFRESH_BEFORE, Tokens

SOON = REFRESH_BEFORE - 10
"""Seconds: good, but to be replaced."""


def tokens(account: Account, directory: Path, **changes: Any) -> Tokens:
    """Open the tokens in a directory."""
    return Tokens(directory, account.client(**changes), account.http)


def grant(account: Account, lifetime: float = 3600, **changes: Any) -> Grant:
    """Log in with tokens that last some seconds."""
    minted = account.grant()
    values = {
        "access_token": minted.access_token,
        "refresh_token": minted.refresh_token,
        "expires_at": time.time() + lifetime,
    }
    return Grant(**{**values, **changes})


async def login_needed(opened: Tokens) -> str:
    """Expect that a person has to log in and give the reason."""
    with pytest.raises(CloudError) as caught:
        await opened.access_token()
    assert caught.value.failure.kind is FailureKind.AUTHORIZATION
    return caught.value.failure.code


async def test_kept(cloud_account: Account, tmp_path: Path) -> None:
    """Tokens survive a restart in a file that only its owner can read, in a directory only its owner can enter."""
    directory = tmp_path / "new" / "state"
    given = grant(cloud_account)
    tokens(cloud_account, directory).store(given)
    file = directory / "tokens.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert await tokens(cloud_account, directory).access_token() == given.access_token
    assert cloud_account.requests("token") == []
    assert [entry.name for entry in directory.iterdir()] == ["tokens.json"]


async def test_replaced_as_a_whole(cloud_account: Account, tmp_path: Path) -> None:
    """New tokens replace the file as a whole: who has the old one open reads the old one to its end."""
    opened = tokens(cloud_account, tmp_path)
    opened.store(grant(cloud_account))
    with (tmp_path / "tokens.json").open() as old:
        opened.store(grant(cloud_account, access_token="another"))
        assert json.load(old)["access_token"] != "another"
    assert json.loads((tmp_path / "tokens.json").read_text())["access_token"] == "another"


async def test_no_login(cloud_account: Account, tmp_path: Path) -> None:
    """Without a login no request is made, and the reason names the command that mends it."""
    with pytest.raises(CloudError, match="uhome2mqtt login"):
        await tokens(cloud_account, tmp_path).access_token()
    assert cloud_account.requests("token") == []


async def test_picked_up(cloud_account: Account, tmp_path: Path) -> None:
    """A login in another process is picked up at the next use."""
    running = tokens(cloud_account, tmp_path)
    assert await login_needed(running) == "LOGIN_NEEDED"
    given = grant(cloud_account)
    tokens(cloud_account, tmp_path).store(given)
    assert await running.access_token() == given.access_token


async def test_refreshed_in_time(cloud_account: Account, tmp_path: Path) -> None:
    """A token that is about to expire is replaced, and the new one kept."""
    opened = tokens(cloud_account, tmp_path)
    given = grant(cloud_account, SOON)
    opened.store(given)
    new = await opened.access_token()
    assert new != given.access_token
    assert await opened.access_token() == new
    assert await tokens(cloud_account, tmp_path).access_token() == new
    assert len(cloud_account.requests("token")) == 1


@pytest.mark.parametrize("rejected", [True, False])
async def test_single_flight(cloud_account: Account, tmp_path: Path, *, rejected: bool) -> None:
    """Fifty requests that need a new token at the same time make one refresh."""
    opened = tokens(cloud_account, tmp_path)
    given = grant(cloud_account, 3600 if rejected else SOON)
    opened.store(given)
    await cloud_account.control("PATCH", "quirks", {"latency": [0.05, 0.05]})
    work = [opened.renew(given.access_token) if rejected else opened.access_token() for _ in range(50)]
    assert len(set(await asyncio.gather(*work))) == 1
    assert len(cloud_account.requests("token")) == 1


async def test_single_failure(cloud_account: Account, tmp_path: Path) -> None:
    """Fifty requests that wait for a refresh that fails do not each try it again."""
    opened = tokens(cloud_account, tmp_path)
    given = grant(cloud_account)
    opened.store(given)
    await cloud_account.control("PATCH", "quirks", {"latency": [0.05, 0.05]})
    await cloud_account.fault("http_500", operation="token")
    results = await asyncio.gather(*(opened.renew(given.access_token) for _ in range(50)), return_exceptions=True)
    assert {type(result) for result in results} == {CloudError}
    assert len(cloud_account.requests("token")) == 1


async def test_renew_late(cloud_account: Account, tmp_path: Path) -> None:
    """A request that was refused with a token that has been replaced meanwhile gets the new one at once."""
    opened = tokens(cloud_account, tmp_path)
    opened.store(grant(cloud_account))
    assert await opened.renew("an older one") == await opened.access_token()
    assert cloud_account.requests("token") == []


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "http_500"},
        {"kind": "reset"},
        {"kind": "not_json"},
        {"kind": "empty_400"},
        {"kind": "rate_limited"},
        {"kind": "status", "status": 404},
        {"kind": "status", "status": 403},
        {"kind": "huge"},
    ],
)
async def test_trouble_is_no_revocation(
    cloud_account: Account, tmp_path: Path, fault: dict[str, Any], logged: Logged
) -> None:
    """While the token endpoint is in trouble the token at hand is used, without asking at every request."""
    opened = tokens(cloud_account, tmp_path)
    given = grant(cloud_account, SOON)
    opened.store(given)
    await cloud_account.fault(operation="token", **fault)
    for _ in range(5):
        assert await opened.access_token() == given.access_token
    assert len(cloud_account.requests("token")) == 1
    assert [line["level"] for line in logged("token_refresh_failed")] == ["warning"]


async def test_trouble_with_an_expired_token(cloud_account: Account, tmp_path: Path) -> None:
    """An expired token is not used; as soon as the token endpoint is well again there is a new one."""
    opened = tokens(cloud_account, tmp_path)
    opened.store(grant(cloud_account, -1))
    await cloud_account.fault("http_500", operation="token")
    with pytest.raises(CloudError) as caught:
        await opened.access_token()
    assert caught.value.failure.kind is FailureKind.UNCERTAIN
    await cloud_account.control("DELETE", "faults")
    assert await opened.access_token()


async def test_unreachable(cloud_account: Account, tmp_path: Path) -> None:
    """A token endpoint out of reach is a failure of its own kind."""
    opened = tokens(cloud_account, tmp_path, token_url=f"http://127.0.0.1:{free_port()}/token")
    opened.store(grant(cloud_account, -1))
    with pytest.raises(CloudError) as caught:
        await opened.access_token()
    assert caught.value.failure.kind is FailureKind.UNREACHABLE


@pytest.mark.parametrize("errors", ["ok_error", "wrapped", "http_400"])
async def test_revoked(cloud_account: Account, tmp_path: Path, errors: str) -> None:
    """After a revocation, in whatever form it is said, no request is made until somebody logs in anew."""
    cloud_account.cloud.quirks.change({"token_errors": errors})
    opened = tokens(cloud_account, tmp_path)
    given = grant(cloud_account)
    opened.store(given)
    await cloud_account.control("POST", "revoke")
    with pytest.raises(CloudError) as caught:
        await opened.renew(given.access_token)
    assert caught.value.failure.kind is FailureKind.AUTHORIZATION
    for _ in range(3):
        assert await login_needed(opened) == "LOGIN_NEEDED"
    assert len(cloud_account.requests("token")) == 1
    new = grant(cloud_account)
    tokens(cloud_account, tmp_path).store(new)
    assert await opened.access_token() == new.access_token


async def test_two_processes(cloud_account: Account, tmp_path: Path) -> None:
    """Two processes that use one refresh token at the same time both go on: the slower one takes what is kept."""
    tokens(cloud_account, tmp_path).store(grant(cloud_account, SOON))
    await cloud_account.control("PATCH", "quirks", {"latency": [0.02, 0.02]})
    one, other = tokens(cloud_account, tmp_path), tokens(cloud_account, tmp_path)
    assert len(set(await asyncio.gather(one.access_token(), other.access_token()))) == 1
    assert [entry["outcome"] for entry in cloud_account.requests("token")] == ["ok", "invalid_grant"]
    assert await one.access_token() == await other.access_token()


async def test_no_refresh_token(cloud_account: Account, tmp_path: Path) -> None:
    """A login without a refresh token lasts as long as its access token."""
    opened = tokens(cloud_account, tmp_path)
    given = grant(cloud_account, SOON, refresh_token=None)
    opened.store(given)
    assert await opened.access_token() == given.access_token
    opened.store(grant(cloud_account, -1, refresh_token=None))
    assert await login_needed(opened) == "LOGIN_NEEDED"
    assert cloud_account.requests("token") == []


async def test_without_rotation(cloud_account: Account, tmp_path: Path) -> None:
    """A refresh token that is not replaced stays good."""
    cloud_account.cloud.quirks.change({"refresh_rotation": False})
    opened = tokens(cloud_account, tmp_path)
    given = grant(cloud_account, SOON)
    opened.store(given)
    await opened.access_token()
    assert json.loads((tmp_path / "tokens.json").read_text())["refresh_token"] == given.refresh_token


async def test_unwritable(cloud_account: Account, tmp_path: Path, logged: Logged) -> None:
    """Where new tokens cannot be written they are used all the same: the old ones may be dead by now."""
    opened = tokens(cloud_account, tmp_path)
    opened.store(grant(cloud_account, SOON))
    file = tmp_path / "tokens.json"
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    new = await opened.access_token()
    assert await opened.access_token() == new
    assert logged("tokens_not_saved")
    with pytest.raises(StorageError):
        opened.store(grant(cloud_account))


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"version": 2}', b'{"version": 1, "access_token": 5, "expires_at": 1}', b"\xff"]
)
async def test_spoilt_file(cloud_account: Account, tmp_path: Path, content: bytes, logged: Logged) -> None:
    """A file that holds no tokens counts as no login, is complained of once, and is read again when it changes."""
    opened = tokens(cloud_account, tmp_path)
    (tmp_path / "tokens.json").write_bytes(content)
    for _ in range(3):
        assert await login_needed(opened) == "LOGIN_NEEDED"
    assert len(logged("tokens_unreadable")) == 1
    given = grant(cloud_account)
    tokens(cloud_account, tmp_path).store(given)
    assert await opened.access_token() == given.access_token


async def test_unreadable_file(cloud_account: Account, tmp_path: Path, logged: Logged) -> None:
    """A file that cannot be read counts as no login, too, and the log says why."""
    (tmp_path / "tokens.json").mkdir()
    opened = tokens(cloud_account, tmp_path)
    for _ in range(2):
        assert await login_needed(opened) == "LOGIN_NEEDED"
    assert len(logged("tokens_unreadable")) == 1


async def test_impossible_directory(cloud_account: Account, tmp_path: Path) -> None:
    """A state directory that is a file counts as no login."""
    (tmp_path / "file").write_text("")
    assert await login_needed(tokens(cloud_account, tmp_path / "file")) == "LOGIN_NEEDED"


async def test_permission_mended(cloud_account: Account, tmp_path: Path) -> None:
    """A file whose owner or mode has been mended is read again: its content has not changed, but it can be read now."""
    opened = tokens(cloud_account, tmp_path)
    file = tmp_path / "tokens.json"
    file.write_bytes(b"x" * 10)
    assert await login_needed(opened) == "LOGIN_NEEDED"
    before = file.stat()
    given = grant(cloud_account)
    other = tmp_path / "other"
    tokens(cloud_account, other).store(given)
    with file.open("r+b") as same:
        same.write((other / "tokens.json").read_bytes())
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert await opened.access_token() == given.access_token


async def test_removed(cloud_account: Account, tmp_path: Path) -> None:
    """After a logout the tokens are gone, in memory and on disk, and removing them again is no error."""
    opened = tokens(cloud_account, tmp_path)
    opened.store(grant(cloud_account))
    opened.remove()
    opened.remove()
    assert not (tmp_path / "tokens.json").exists()
    assert await login_needed(opened) == "LOGIN_NEEDED"


async def test_endless_reply(cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token endpoint that dribbles holds requests up for a bounded time only."""
    monkeypatch.setattr(oauth, "LONGEST_EXCHANGE", 0.5)
    opened = tokens(cloud_account, tmp_path)
    opened.store(grant(cloud_account, -1))
    await cloud_account.fault("slow", operation="token", delay=4)
    began = time.monotonic()
    with pytest.raises(CloudError):
        await opened.access_token()
    assert time.monotonic() - began < 3
