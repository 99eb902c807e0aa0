"""How a question about many devices is asked: in parts, and no longer than somebody answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import pytest

from tests.support.account import Account
from tests.support.patience import eventually
from uhome2mqtt.cloud import Cloud
from uhome2mqtt.cloud_requests import QUERIES_AT_ONCE, UNANSWERED_BATCHES, CloudRequests
from uhome2mqtt.effects import QueryStates, RegisterPush
from uhome2mqtt.errors import CloudError
from uhome2mqtt.events import Event, PushNotRegistered, QueryEnded, QueryFailed, StatesReported
from uhome2mqtt.model import Device, Failure, FailureKind, Source
from uhome2mqtt.tokens import Tokens

MANY = tuple(Device(id=f"device-{number}", name="") for number in range(40))


async def supervised(work: Coroutine[None, None, None], failed: Callable[[Failure], None] | None = None) -> None:
    """See work through as the daemon does."""
    try:
        await work
    except CloudError as problem:
        assert failed is not None
        failed(problem.failure)


class Asker:
    """Requests to a cloud of its own, one device in each, and what was told of them."""

    def __init__(self, account: Account, directory: Path) -> None:
        tokens = Tokens(directory, account.client(), account.http)
        tokens.store(account.grant())
        self.account = account
        self.events: list[Event] = []
        cloud = Cloud(account.http, tokens, url=f"{account.url}/action", timeout=5)
        self.requests = CloudRequests(cloud, 1, None, self.events.append, supervised)

    async def ask(self, query: int = 0, *, probe: bool = False) -> list[list[str]]:
        """Ask for many devices; give those that each request was for."""
        before = len(self.account.requests("Query"))
        self.requests.make(QueryStates(query=query, devices=MANY, source=Source.QUERY, probe=probe))
        await eventually(lambda: QueryEnded(query=query) in self.events)
        return [entry["devices"] for entry in self.account.requests("Query")[before:]]

    def failures(self) -> list[FailureKind]:
        return [event.failure.kind for event in self.events if isinstance(event, QueryFailed)]


@pytest.fixture
async def asker(cloud_account: Account, tmp_path: Path) -> AsyncIterator[Asker]:
    """Log in at a cloud of its own."""
    asking = Asker(cloud_account, tmp_path)
    yield asking
    await asyncio.gather(*asking.requests.tasks)


async def test_a_probe_that_fails(asker: Asker) -> None:
    """While nobody knows whether the cloud is there, one part is asked for, and the others only after its answer."""
    await asker.account.fault("http_500", operation="Query")
    assert len(await asker.ask(probe=True)) == 1
    assert asker.failures() == [FailureKind.UNCERTAIN]


async def test_a_probe_that_succeeds(asker: Asker) -> None:
    """After the answer to a probe all others are asked."""
    asked = await asker.ask(probe=True)
    assert sorted(asked) == sorted([device.id] for device in MANY)
    assert sum(isinstance(event, StatesReported) for event in asker.events) == len(MANY)


async def test_every_query_begins_elsewhere(asker: Asker) -> None:
    """Another part is the first each time, so that one that always fails does not decide about all others."""
    await asker.account.fault("http_500", operation="Query")
    probed = [(await asker.ask(query, probe=True))[0] for query in range(50)]
    assert len({device for [device] in probed}) == len(MANY)


async def test_nobody_answers(asker: Asker) -> None:
    """A question that gets no answer at all is given up after some of its parts."""
    await asker.account.fault("http_500", operation="Query")
    assert UNANSWERED_BATCHES <= len(await asker.ask()) < UNANSWERED_BATCHES + QUERIES_AT_ONCE


async def test_somebody_answers(asker: Asker) -> None:
    """As long as some parts are answered, all are asked."""
    await asker.account.fault("http_500", operation="Query", count=UNANSWERED_BATCHES - QUERIES_AT_ONCE)
    assert len(await asker.ask()) == len(MANY)


async def test_refused_parts(asker: Asker) -> None:
    """A cloud that refuses parts is there: all are asked."""
    await asker.account.fault("status", operation="Query", status=404)
    assert len(await asker.ask()) == len(MANY)
    assert set(asker.failures()) == {FailureKind.REJECTED}


async def test_too_many(asker: Asker) -> None:
    """A part that is one too many for the cloud ends the question, whatever was answered before."""
    await asker.ask()
    await asker.account.fault("rate_limited", operation="Query", count=1)
    assert len(await asker.ask(1)) <= QUERIES_AT_ONCE
    assert asker.failures() == [FailureKind.RATE_LIMITED]


async def test_no_address(asker: Asker) -> None:
    """A registration without an address is a fault of ours that is told, and nothing is asked of the cloud."""
    with pytest.raises(ValueError, match="no address"):
        await next(iter(_made(asker)))
    assert asker.account.requests("Set") == []
    assert not [event for event in asker.events if isinstance(event, PushNotRegistered)]


def _made(asker: Asker) -> set[asyncio.Task[None]]:
    asker.requests.make(RegisterPush(renew=False))
    made, asker.requests.tasks = asker.requests.tasks, set()
    return made
