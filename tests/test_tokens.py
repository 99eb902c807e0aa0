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
from tests.support.patience import eventually, free_port
from uhome2mqtt import oauth
from uhome2mqtt.errors import CloudError, StorageError
from uhome2mqtt.model import FailureKind
from uhome2mqtt.oauth import Grant
from uhome2mqtt.token_store import Kept, locked
from uhome2mqtt.tokens import CHECK_EVERY, Tokens

EXPIRED = -1.0
"""Seconds until the end of a token that has to be replaced."""


class Time:
    """A clock that goes when it is told to, or sleeps."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0.001)


def tokens(account: Account, directory: Path, clock: Time | None = None, **options: Any) -> Tokens:
    """Open the tokens in a directory."""
    return Tokens(directory, account.client(), account.http, clock=clock or time.time, **options)


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
    """A token that has expired is replaced, and the new one kept."""
    opened = tokens(cloud_account, tmp_path)
    given = grant(cloud_account, EXPIRED)
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
    given = grant(cloud_account, 3600 if rejected else EXPIRED)
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
    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock)
    given = grant(cloud_account)
    opened.store(given)
    clock.now += 3500
    await cloud_account.fault(operation="token", **fault)
    for _ in range(5):
        assert await opened.access_token() == given.access_token
        await opened.settled()
    assert len(cloud_account.requests("token")) == 1
    assert [line["level"] for line in logged("token_refresh_failed")] == ["warning"]


async def test_trouble_with_an_expired_token(cloud_account: Account, tmp_path: Path) -> None:
    """An expired token is not used; after a pause there is a new one, and until then no request is made."""
    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock)
    opened.store(grant(cloud_account, -1))
    await cloud_account.fault("http_500", operation="token")
    with pytest.raises(CloudError) as caught:
        await opened.access_token()
    assert caught.value.failure.kind is FailureKind.UNCERTAIN
    await cloud_account.control("DELETE", "faults")
    restarted = tokens(cloud_account, tmp_path, clock)
    for paused in (opened, restarted):
        with pytest.raises(CloudError) as caught:
            await paused.access_token()
        failure = caught.value.failure
        assert (failure.kind, failure.code) == (FailureKind.UNREACHABLE, "REFRESH_PAUSED")
        assert 27 <= (failure.retry_after or 0) <= 33
    assert len(cloud_account.requests("token")) == 1
    clock.now += 34
    assert await restarted.access_token() == await opened.access_token()


async def test_unreachable(cloud_account: Account, tmp_path: Path) -> None:
    """A token endpoint out of reach is a failure of its own kind."""
    client = cloud_account.client(token_url=f"http://127.0.0.1:{free_port()}/token")
    opened = Tokens(tmp_path, client, cloud_account.http)
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
    assert await login_needed(tokens(cloud_account, tmp_path)) == "LOGIN_NEEDED"
    assert len(cloud_account.requests("token")) == 1
    new = grant(cloud_account)
    tokens(cloud_account, tmp_path).store(new)
    assert await opened.access_token() == new.access_token


async def test_two_processes(cloud_account: Account, tmp_path: Path) -> None:
    """Two processes that use one refresh token at the same time make one request: the slower one takes what is kept."""
    tokens(cloud_account, tmp_path).store(grant(cloud_account, EXPIRED))
    await cloud_account.control("PATCH", "quirks", {"latency": [0.02, 0.02]})
    one, other = tokens(cloud_account, tmp_path), tokens(cloud_account, tmp_path)
    assert len(set(await asyncio.gather(one.access_token(), other.access_token()))) == 1
    assert [entry["outcome"] for entry in cloud_account.requests("token")] == ["ok"]
    assert await one.access_token() == await other.access_token()


async def test_no_refresh_token(cloud_account: Account, tmp_path: Path) -> None:
    """A login without a refresh token lasts as long as its access token."""
    opened = tokens(cloud_account, tmp_path)
    given = grant(cloud_account, 10, refresh_token=None)
    opened.store(given)
    assert await opened.access_token() == given.access_token
    opened.store(grant(cloud_account, -1, refresh_token=None))
    assert await login_needed(opened) == "LOGIN_NEEDED"
    assert cloud_account.requests("token") == []


async def test_without_rotation(cloud_account: Account, tmp_path: Path) -> None:
    """A refresh token that is not replaced stays good."""
    cloud_account.cloud.quirks.change({"refresh_rotation": False})
    opened = tokens(cloud_account, tmp_path)
    given = grant(cloud_account, EXPIRED)
    opened.store(given)
    await opened.access_token()
    assert json.loads((tmp_path / "tokens.json").read_text())["refresh_token"] == given.refresh_token


async def test_unwritable(cloud_account: Account, tmp_path: Path, logged: Logged) -> None:
    """Where new tokens cannot be written they are used all the same: the old ones may be dead by now."""
    opened = tokens(cloud_account, tmp_path)
    opened.store(grant(cloud_account, EXPIRED))
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
    given = grant(cloud_account)
    opened.store(given)
    opened.remove()
    opened.remove()
    assert given.access_token not in (tmp_path / "tokens.json").read_text()
    assert await login_needed(opened) == "LOGIN_NEEDED"
    assert await login_needed(tokens(cloud_account, tmp_path)) == "LOGIN_NEEDED"
    again = grant(cloud_account)
    opened.store(again)
    assert await opened.access_token() == again.access_token


async def test_logout_elsewhere(cloud_account: Account, tmp_path: Path) -> None:
    """A logout in another process is taken notice of; a file that has merely vanished logs nobody out."""
    given = grant(cloud_account)
    opened = tokens(cloud_account, tmp_path)
    opened.store(given)
    (tmp_path / "tokens.json").unlink()
    assert await opened.access_token() == given.access_token
    tokens(cloud_account, tmp_path).remove()
    assert await login_needed(opened) == "LOGIN_NEEDED"
    again = grant(cloud_account)
    tokens(cloud_account, tmp_path).store(again)
    assert await opened.access_token() == again.access_token


async def test_endless_reply(cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token endpoint that dribbles holds requests up for a bounded time only."""
    monkeypatch.setattr(oauth, "LONGEST_EXCHANGE", 0.5)
    opened = tokens(cloud_account, tmp_path)
    opened.store(grant(cloud_account, -1))
    await cloud_account.fault("slow", operation="token", delay=60)
    began = time.monotonic()
    with pytest.raises(CloudError):
        await opened.access_token()
    assert time.monotonic() - began < 30


async def passing(opened: Tokens, clock: Time, seconds: float) -> None:
    """Let the daemon's task run for some seconds by the clock."""
    until = clock.now + seconds
    task = asyncio.create_task(opened.keep_fresh(clock.sleep))
    await eventually(lambda: clock.now >= until)
    task.cancel()


@pytest.mark.parametrize("chance", [0.0, 0.999])
async def test_ahead(cloud_account: Account, tmp_path: Path, chance: float) -> None:
    """A token is replaced in the background between 20 and 10 minutes before its end, and nobody waits for that."""
    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock, chance=lambda: chance)
    given = grant(cloud_account, 3600)
    opened.store(given)
    clock.now += 3600 - 1201
    assert await opened.access_token() == given.access_token
    assert cloud_account.requests("token") == []
    clock.now += 603 if chance == 0 else 3
    assert await opened.access_token() == given.access_token
    await opened.settled()
    assert len(cloud_account.requests("token")) == 1
    assert await opened.access_token() != given.access_token


async def test_without_being_asked(cloud_account: Account, tmp_path: Path) -> None:
    """The daemon's task replaces a token that nobody asks for, before its end."""
    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock, chance=lambda: 0.5)
    opened.store(grant(cloud_account, 30))
    await passing(opened, clock, 29)
    await opened.settled()
    assert [entry["outcome"] for entry in cloud_account.requests("token")] == ["ok"]


async def test_new_login_is_announced(cloud_account: Account, tmp_path: Path) -> None:
    """A login, here or in another process, is announced; what was there at the start and a refresh are not."""
    tokens(cloud_account, tmp_path).store(grant(cloud_account))
    logins: list[bool] = []
    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock, on_login=lambda: logins.append(True))
    await opened.renew(await opened.access_token())
    other = tokens(cloud_account, tmp_path)
    await other.renew(await other.access_token())
    await opened.access_token()
    assert logins == []
    other.store(grant(cloud_account))
    await passing(opened, clock, 3 * CHECK_EVERY)
    assert len(logins) == 1
    opened.store(grant(cloud_account))
    assert len(logins) == 2


async def test_rejection_loop(cloud_account: Account, tmp_path: Path) -> None:
    """A cloud that rejects each new token is not asked for another at once: the pauses grow."""
    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock)
    opened.store(grant(cloud_account))
    token = await opened.renew(await opened.access_token())
    for shortest, longest in ((27, 33), (54, 66), (108, 132)):
        for _ in range(3):
            with pytest.raises(CloudError) as caught:
                await opened.renew(token)
            assert (caught.value.failure.kind, caught.value.failure.code) == (
                FailureKind.AUTHORIZATION,
                "TOKEN_REJECTED",
            )
        assert shortest <= (caught.value.failure.retry_after or 0) <= longest
        clock.now += longest + 1
        token = await opened.renew(token)
    assert len(cloud_account.requests("token")) == 4
    clock.now += 61
    await opened.renew(token)


async def test_saved_later(cloud_account: Account, tmp_path: Path, logged: Logged) -> None:
    """Tokens that cannot be saved are complained of once, tried again, and saved as soon as that works."""
    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock)
    opened.store(grant(cloud_account, EXPIRED))
    file = tmp_path / "tokens.json"
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    new = await opened.access_token()
    await passing(opened, clock, 100)
    (file / "in the way").rmdir()
    file.rmdir()
    await passing(opened, clock, 100)
    assert json.loads(file.read_text())["access_token"] == new
    assert len(logged("tokens_not_saved")) == 1
    assert len(logged("tokens_saved")) == 1


async def test_login_saved_later(cloud_account: Account, tmp_path: Path, logged: Logged) -> None:
    """A login that could not be written when it was made is written as soon as that works."""
    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock)
    file = tmp_path / "tokens.json"
    (file / "in the way").mkdir(parents=True)
    given = grant(cloud_account)
    with pytest.raises(StorageError):
        opened.store(given)
    assert opened.trouble() is None
    (file / "in the way").rmdir()
    file.rmdir()
    await passing(opened, clock, 5)
    assert json.loads(file.read_text())["access_token"] == given.access_token
    assert len(logged("tokens_saved")) == 1


async def test_wrong_secret(cloud_account: Account, tmp_path: Path) -> None:
    """A wrong client secret does not cost the login: with the right one it goes on."""
    tokens(cloud_account, tmp_path).store(grant(cloud_account, EXPIRED))
    wrong = Tokens(tmp_path, cloud_account.client(client_secret="wrong"), cloud_account.http)
    with pytest.raises(CloudError, match=r"invalid_client.*uhome\.client_secret"):
        await wrong.access_token()
    assert cloud_account.cloud.grants.admits(await tokens(cloud_account, tmp_path).access_token())


async def test_renewed_after_failures(cloud_account: Account, tmp_path: Path) -> None:
    """A renewal that works after failures is told of, so that nothing waits any longer; a usual one is not."""
    told: list[bool] = []
    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock, on_login=lambda: told.append(True))
    opened.store(grant(cloud_account, EXPIRED))
    await cloud_account.fault("http_500", operation="token", count=1)
    with pytest.raises(CloudError):
        await opened.access_token()
    assert told == []
    clock.now += 60
    await opened.access_token()
    assert told == [True]
    clock.now += 700_000
    await opened.access_token()
    assert told == [True]


async def test_unreachable_file(cloud_account: Account, tmp_path: Path, logged: Logged) -> None:
    """Tokens that this process cannot even look at are not taken for none: the reason says so, and the log once."""
    opened = tokens(cloud_account, tmp_path / ("long" * 100))
    for _ in range(2):
        with pytest.raises(CloudError, match="cannot look at"):
            await opened.access_token()
    assert len(logged("tokens_unreadable")) == 1
    with pytest.raises(StorageError):
        opened.ensure_writable()


async def test_ensure_writable(cloud_account: Account, tmp_path: Path) -> None:
    """Whether tokens can be kept is found out without leaving anything behind."""
    opened = tokens(cloud_account, tmp_path / "state")
    opened.ensure_writable()
    assert list((tmp_path / "state").iterdir()) == []
    (tmp_path / "state" / "tokens.json").mkdir()
    with pytest.raises(StorageError, match="directory"):
        opened.ensure_writable()


async def test_trouble(cloud_account: Account, tmp_path: Path) -> None:
    """Why a person has to log in is known without asking the cloud; a failure that passes is no such trouble."""
    opened = tokens(cloud_account, tmp_path)
    assert opened.trouble() == "nobody has logged in yet"
    opened.store(grant(cloud_account, EXPIRED))
    await cloud_account.fault("http_500", operation="token", count=1)
    with pytest.raises(CloudError):
        await opened.access_token()
    assert opened.trouble() is None
    opened.store(grant(cloud_account, EXPIRED))
    await cloud_account.control("POST", "revoke")
    with pytest.raises(CloudError, match=r"invalid_grant.*; run: uhome2mqtt login"):
        await opened.access_token()
    assert opened.trouble() == "the cloud no longer accepts the login"
    tokens(cloud_account, tmp_path).store(grant(cloud_account))
    assert opened.trouble() is None


async def test_login_during_a_refresh(cloud_account: Account, tmp_path: Path) -> None:
    """Who logs in while a refresh is under way is not logged out by its result."""
    opened = tokens(cloud_account, tmp_path)
    opened.store(grant(cloud_account, EXPIRED))
    await cloud_account.control("PATCH", "quirks", {"latency": [0.05, 0.05]})
    waiting = asyncio.create_task(opened.access_token())
    await asyncio.sleep(0.02)
    new = grant(cloud_account)
    tokens(cloud_account, tmp_path).store(new)
    assert await waiting == new.access_token
    assert json.loads((tmp_path / "tokens.json").read_text())["access_token"] == new.access_token


@pytest.mark.parametrize("lifetime", [3600, EXPIRED])
async def test_rejected_during_another_renewal(cloud_account: Account, tmp_path: Path, lifetime: float) -> None:
    """A new login that is rejected, or over, while the one before is being renewed is renewed after that."""
    opened = tokens(cloud_account, tmp_path)
    opened.store(grant(cloud_account, EXPIRED))
    await cloud_account.control("PATCH", "quirks", {"latency": [0.05, 0.05]})
    waiting = asyncio.create_task(opened.access_token())
    await eventually(lambda: cloud_account.requests("token"))
    new = grant(cloud_account, lifetime)
    opened.store(new)
    given = await opened.renew(new.access_token)
    assert given != new.access_token
    assert cloud_account.cloud.grants.admits(given)
    assert await waiting == (new.access_token if lifetime > 0 else given)


async def test_rejected_before_another_login(cloud_account: Account, tmp_path: Path) -> None:
    """Who was refused with an earlier login gets no token that has expired instead."""
    opened = tokens(cloud_account, tmp_path)
    opened.store(new := grant(cloud_account, EXPIRED))
    assert await opened.renew("an older one") != new.access_token


async def test_lock_of_another_process(tmp_path: Path) -> None:
    """While another process holds the lock no request is made; if it never lets go, that is a failure."""
    clock = Time()
    async with locked(tmp_path) as held:
        assert held is not None
        with pytest.raises(CloudError, match="REFRESH_BUSY"):
            async with locked(tmp_path, clock.sleep):
                pass
    assert stat.S_IMODE((tmp_path / "tokens.lock").stat().st_mode) == 0o600


async def test_own_fault(cloud_account: Account, tmp_path: Path, logged: Logged) -> None:
    """A fault of our own in a refresh that nobody waits for is logged."""

    async def broken(_kept: Kept, _lock: int | None) -> Grant:
        raise ZeroDivisionError

    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock, refresher=broken)
    opened.store(grant(cloud_account, 3600))
    clock.now += 3599
    await opened.access_token()
    await opened.settled()
    await asyncio.sleep(0)
    assert len(logged("internal_error")) == 1


async def test_expiry_is_told(cloud_account: Account, tmp_path: Path) -> None:
    """It is told when the access token expires, and when the login ends where it cannot be renewed."""
    opened = tokens(cloud_account, tmp_path)
    assert (opened.expires_at, opened.ends_at) == (None, None)
    renewable = grant(cloud_account)
    opened.store(renewable)
    assert (opened.expires_at, opened.ends_at) == (renewable.expires_at, None)
    final = grant(cloud_account, refresh_token=None)
    opened.store(final)
    assert (opened.expires_at, opened.ends_at) == (final.expires_at, final.expires_at)
