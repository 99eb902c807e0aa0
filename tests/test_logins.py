"""Logins under way: what ties a browser's return to the login that was begun."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.account import Account
from tests.web.site import Clock
from uhome2mqtt import oauth
from uhome2mqtt.errors import CloudError, StorageError
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.logins import LIFETIME, MOST, Logins, Problem, Stage
from uhome2mqtt.model import FailureKind
from uhome2mqtt.tokens import Tokens


class Desk:
    """Where logins begin and end."""

    def __init__(self, account: Account, directory: Path) -> None:
        self.account, self.clock = account, Clock()
        self.ended: list[Problem | None] = []
        self.tokens = Tokens(directory, account.client(), account.http)
        self.ledger = Ledger()
        self.logins = Logins(
            account.http,
            account.client(),
            self.tokens.store,
            ended=self.ended.append,
            ledger=self.ledger,
            clock=self.clock,
        )

    async def returned(self, address: str) -> dict[str, str]:
        """Allow the access and give what the browser comes back with."""
        return oauth.query_of(await self.account.allow(address))

    async def refused(self, query: dict[str, str]) -> str:
        """Expect a refusal and give its code."""
        with pytest.raises(CloudError) as caught:
            await self.logins.finish(query)
        assert caught.value.failure.kind is FailureKind.AUTHORIZATION
        return caught.value.failure.code


@pytest.fixture
def desk(cloud_account: Account, tmp_path: Path) -> Desk:
    """Prepare a desk with nothing on it."""
    return Desk(cloud_account, tmp_path)


async def test_granted(desk: Desk) -> None:
    """A login that was granted gives tokens that the cloud accepts, is told of, and counts as one request."""
    await desk.logins.finish(await desk.returned(desk.logins.begin()))
    assert desk.account.cloud.grants.admits(await desk.tokens.access_token())
    assert desk.ended == [None]
    assert desk.ledger.counts == {("token", "ok"): 1}


async def test_single_use(desk: Desk) -> None:
    """A state is good once: whoever brings it again is refused, and no token is asked for."""
    query = await desk.returned(desk.logins.begin())
    await desk.logins.finish(query)
    assert await desk.refused(query) == "state_mismatch"
    assert len(desk.account.requests("token")) == 1


@pytest.mark.parametrize("state", [None, "", "made-up", "ünknown"])
async def test_foreign(desk: Desk, state: str | None) -> None:
    """A code without the state of a login that was begun here is refused; the real login goes on."""
    query = await desk.returned(desk.logins.begin())
    foreign = {"code": query["code"]} | ({} if state is None else {"state": state})
    assert await desk.refused(foreign) == "state_mismatch"
    assert desk.ended == []
    await desk.logins.finish(query)


async def test_expired(desk: Desk) -> None:
    """A login has to end within its time."""
    first, second = desk.logins.begin(), desk.logins.begin()
    desk.clock.now += LIFETIME - 0.1
    await desk.logins.finish(await desk.returned(first))
    desk.clock.now += 0.1
    assert await desk.refused(await desk.returned(second)) == "state_mismatch"


async def test_several(desk: Desk) -> None:
    """Several people may begin at the same time; of very many, the oldest are forgotten."""
    addresses = [desk.logins.begin() for _ in range(MOST + 1)]
    assert await desk.refused(await desk.returned(addresses[0])) == "state_mismatch"
    await desk.logins.finish(await desk.returned(addresses[1]))
    await desk.logins.finish(await desk.returned(addresses[-1]))


async def test_denied(desk: Desk) -> None:
    """A refusal by the person ends the login with its reason."""
    query = oauth.query_of(await desk.account.allow(desk.logins.begin(), "deny"))
    assert await desk.refused(query) == "access_denied"
    [problem] = desk.ended
    assert "access_denied" in str(problem)


async def test_exchange_fails(desk: Desk) -> None:
    """A cloud in trouble while the code is traded is no refusal, and the state is used up all the same."""
    query = await desk.returned(desk.logins.begin())
    await desk.account.fault("gateway_500", operation="token", count=1)
    with pytest.raises(CloudError) as caught:
        await desk.logins.finish(query)
    assert caught.value.failure.kind is FailureKind.UNCERTAIN
    assert len(desk.ended) == 1
    assert await desk.refused(query) == "state_mismatch"


async def test_not_kept(cloud_account: Account, tmp_path: Path) -> None:
    """Tokens that cannot be written are good until a restart, and whoever logged in learns that."""
    blocked = tmp_path / "state"
    blocked.write_text("in the way")
    desk = Desk(cloud_account, blocked)
    with pytest.raises(StorageError, match="state"):
        await desk.logins.finish(await desk.returned(desk.logins.begin()))
    assert len(desk.ended) == 1
    assert cloud_account.cloud.grants.admits(await desk.tokens.access_token())


async def test_stage(desk: Desk) -> None:
    """How far a login has come is known by its state: while it is under way, and once it has ended."""
    address = desk.logins.begin()
    state = httpx.URL(address).params["state"]
    assert desk.logins.stage(state) == (Stage.OPEN, None)
    await desk.logins.finish(await desk.returned(address))
    assert desk.logins.stage(state) == (Stage.GRANTED, None)
    denied = desk.logins.begin()
    with pytest.raises(CloudError):
        await desk.logins.finish(oauth.query_of(await desk.account.allow(denied, "deny")))
    stage, why = desk.logins.stage(httpx.URL(denied).params["state"])
    assert stage is Stage.FAILED
    assert "access_denied" in str(why)
    assert desk.logins.stage("made-up") == (Stage.UNKNOWN, None)
    late = desk.logins.begin()
    desk.clock.now += LIFETIME
    assert desk.logins.stage(httpx.URL(late).params["state"]) == (Stage.UNKNOWN, None)


def test_addresses_differ(desk: Desk) -> None:
    """No two logins have the same state."""
    states = {httpx.URL(desk.logins.begin()).params["state"] for _ in range(20)}
    assert len(states) == 20
    assert min(map(len, states)) >= 32
