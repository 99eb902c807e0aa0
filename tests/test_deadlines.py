"""No command leaves after its time, whatever it had to wait for on its way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.account import BACK, FRONT, Account
from tests.support.patience import eventually
from tests.support.stage import Stage, in_process
from uhome2mqtt.cloud import Cloud
from uhome2mqtt.errors import CloudError
from uhome2mqtt.model import Command, Device, Failure, FailureKind
from uhome2mqtt.tokens import Tokens

UNLOCK = Command(capability="st.lock", name="unlock")
DOOR = Device(id=FRONT, name="Front Door")
LIFE = 3.0
"""Seconds of the access token; its renewal begins before that."""


def log_in_for_a_moment(stage: Stage) -> None:
    """Log in with an access token that ends soon."""
    grant = replace(stage.account.grant(), expires_at=time.time() + LIFE)
    Tokens(stage.state_dir, stage.account.client(), stage.account.http).store(grant)


async def expired(stage: Stage) -> None:
    """Wait until a renewal is under way and the old token has ended."""
    await eventually(lambda: stage.account.requests("token"))
    await asyncio.sleep(LIFE / 2)


async def test_slow_renewal(stage: Stage) -> None:
    """A command whose time passes while the login is being renewed fails then, and is not sent afterwards."""
    log_in_for_a_moment(stage)
    before = (stage.state_dir / "tokens.json").read_bytes()
    await stage.account.fault("slow", operation="token", delay=6, count=1)
    async with in_process(stage, commands={"max_age": 1}):
        await stage.complete()
        await expired(stage)
        since = stage.ear.now
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        outcome = await stage.ear.until_event("front_door/result", "failed", since, deadline=5)
        assert outcome["reason"] == "EXPIRED"
        assert outcome["seconds"] < 5
        await eventually(lambda: (stage.state_dir / "tokens.json").read_bytes() != before)
        await stage.ear.say("back_door/lock/set", "UNLOCK")
        await stage.ear.until_event("back_door/result", "confirmed", since)
    assert stage.account.commands() == [(BACK, "unlock")]


async def test_stop_during_a_renewal(stage: Stage) -> None:
    """A command that waits for the login when the bridge stops is not sent while the bridge says goodbye."""
    log_in_for_a_moment(stage)
    await stage.account.fault("slow", operation="token", delay=4, count=1)
    async with in_process(stage):
        await stage.complete()
        await expired(stage)
        since = stage.ear.now
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        await stage.ear.until("front_door/lock", "UNLOCKING", since)
    await eventually(lambda: stage.ear.documents("front_door/result", since))
    await asyncio.sleep(2)
    assert stage.account.commands() == []


async def test_renewal_fails(stage: Stage) -> None:
    """A command that never left, since the login cannot be renewed now, fails at once: there is nothing to watch."""
    log_in_for_a_moment(stage)
    await stage.account.fault("gateway_500", operation="token")
    async with in_process(stage):
        await stage.complete()
        await expired(stage)
        since = stage.ear.now
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        await stage.ear.until_event("front_door/result", "failed", since, deadline=5)
        await stage.ear.until("front_door/lock", "LOCKED", since)
    assert stage.account.commands() == []


@pytest.mark.parametrize("left", [[0.0], [5.0, -0.1], [5.0, 5.0, -0.1]])
async def test_every_step(cloud_account: Account, tmp_path: Path, left: list[float]) -> None:
    """The time is looked at before the token, after it, and at the last moment; what has not left was not sent."""
    tokens = Tokens(tmp_path, cloud_account.client(), cloud_account.http)
    tokens.store(cloud_account.grant())
    cloud = Cloud(cloud_account.http, tokens, url=f"{cloud_account.url}/action", timeout=5)
    steps: Iterator[float] = iter(left)
    assert (await failed(cloud, steps)).code == "EXPIRED"
    assert cloud_account.commands() == []
    await cloud.commands([(DOOR, UNLOCK)])
    assert cloud_account.commands() == [(FRONT, "unlock")]


async def failed(cloud: Cloud, steps: Iterator[float]) -> Failure:
    """Send a command whose time runs out after some looks at it."""
    with pytest.raises(CloudError) as caught:
        await cloud.commands([(DOOR, UNLOCK)], lambda: next(steps, -1.0))
    assert caught.value.failure.kind is FailureKind.UNREACHABLE
    return caught.value.failure
