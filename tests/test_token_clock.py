"""Tokens while the clock is set back: pauses are counted by it, and none may last as long as it was wrong."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.account import Account
from tests.test_tokens import EXPIRED, Time, grant, passing, tokens
from uhome2mqtt.tokens import LONGEST_SAVE_PAUSE

DAYS = 3 * 86_400


async def test_saving(cloud_account: Account, tmp_path: Path) -> None:
    """Tokens that the disk did not take are saved within a minute although the clock was set back by days meanwhile."""
    clock, where, aside = Time(), tmp_path / "state", tmp_path / "aside"
    opened = tokens(cloud_account, where, clock)
    opened.store(grant(cloud_account, EXPIRED))
    where.rename(aside)
    where.write_text("")
    new = await opened.access_token()
    await passing(opened, clock, LONGEST_SAVE_PAUSE)
    where.unlink()
    aside.rename(where)
    clock.now -= DAYS
    await passing(opened, clock, LONGEST_SAVE_PAUSE)
    assert json.loads((where / "tokens.json").read_text())["access_token"] == new


async def test_rejection(cloud_account: Account, tmp_path: Path) -> None:
    """A token that was renewed before the clock was set back is renewed at once when the cloud rejects it."""
    clock = Time()
    opened = tokens(cloud_account, tmp_path, clock)
    opened.store(grant(cloud_account))
    token = await opened.renew(await opened.access_token())
    clock.now -= DAYS
    assert await opened.renew(token) != token
