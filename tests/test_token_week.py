"""A week of the daemon in seconds: refreshes happen ahead of time, one at a time, and nobody notices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.account import new_http
from uhome2mqtt import oauth
from uhome2mqtt.simulator import Quirks, SimulatedCloud, serve
from uhome2mqtt.simulator.clock import ManualClock
from uhome2mqtt.simulator.dice import Dice
from uhome2mqtt.tokens import Tokens

WEEK = 7 * 86400
STEP = 120.0
CALLERS = 50


class Flights:
    """Counts the refreshes that are under way at the same time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    @contextmanager
    def request(self, kind: str) -> Iterator[None]:
        assert kind == "token"
        self.now += 1
        self.most = max(self.most, self.now)
        yield
        self.now -= 1


@pytest.mark.parametrize(("lifetime", "fewest", "most"), [(3600, 201, 252), (601200, 1, 2)])
async def test_week(tmp_path: Path, lifetime: int, fewest: int, most: int) -> None:
    """Fifty callers always get a token that is good; each token is replaced once, ahead of its end."""
    clock, flights = ManualClock(), Flights()
    cloud = SimulatedCloud(quirks=Quirks(expires_in=lifetime, refresh_rotation=True), clock=clock)
    minted = cloud.grants.mint("week")
    async with serve(cloud) as running, new_http() as http:
        client = oauth.Client(
            client_id="week", client_secret="s", redirect_uri="", authorize_url="", token_url=f"{running.url}/token"
        )
        luck = Dice(1, "week")
        opened = Tokens(
            tmp_path, client, http, clock=clock.now, chance=lambda: luck.between((0.0, 1.0)), ledger=flights
        )
        opened.store(
            oauth.Grant(access_token=minted["access_token"], refresh_token=minted["refresh_token"], expires_at=lifetime)
        )

        async def passing(_seconds: float) -> None:
            clock.advance(STEP)
            given = await asyncio.gather(*(opened.access_token() for _ in range(CALLERS)))
            assert all(cloud.grants.admits(token) for token in set(given))
            await opened.settled()
            if clock.now() >= WEEK:
                raise EOFError

        with pytest.raises(EOFError):
            await opened.keep_fresh(passing)
    outcomes = [entry["outcome"] for entry in cloud.requests.since()]
    assert set(outcomes) == {"ok"}
    assert fewest <= len(outcomes) <= most
    assert flights.most == 1
