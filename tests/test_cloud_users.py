"""Requests about the codes of a lock: what they send, what comes of them, and that no error shows a code."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.account import FRONT, Account
from tests.support.patience import eventually
from tests.test_cloud import BACK_DOOR, FRONT_DOOR, Client, Gateway
from uhome2mqtt import lock_users
from uhome2mqtt.errors import CloudError
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.lock_users import LIST
from uhome2mqtt.model import Command, DeviceError, Failure, FailureKind, LockUser, UsersReply

OWNER, GUEST = 4026531840, 8031091
CODE = 73519864
ADD = lock_users.add({"name": "Ada", "type": 0, "password": CODE})
UPDATE = lock_users.update(GUEST, {"name": "Ada", "type": 0, "password": CODE})
GET, DELETE = lock_users.get(GUEST), lock_users.delete(GUEST)
GUEST_LISTED = LockUser(id=GUEST, name="Guest-02", type=0, status=1, sync_status=1)


@pytest.fixture
async def client(cloud_account: Account, tmp_path: Path) -> Client:
    """Log in at a cloud of its own, whose locks take their users at once."""
    cloud_account.cloud.quirks.change({"user_list_delay": 0.0, "user_sync_delay": 0.0})
    return Client(cloud_account, tmp_path)


async def failure(client: Client, action: Command, left: Callable[[], float] | None = None, **options: Any) -> Failure:
    """Ask or order something and give the failure that it ends with, after a look for the code in all that it says."""
    with pytest.raises(CloudError) as caught:
        await client.cloud(**options).lock_users(FRONT_DOOR, action, left or (lambda: math.inf))
    told = [caught.value, caught.value.__cause__, caught.value.__context__, caught.value.failure]
    assert str(CODE) not in "".join(map(repr, told))
    return caught.value.failure


def at_lock(client: Client) -> dict[int, tuple[str, int | None]]:
    """Give the users that the front door really has: name and code by id."""
    return {user.id: (user.name, user.password) for user in client.account.cloud.house.devices[FRONT].users}


def asked(client: Client) -> list[str]:
    """Give the names of the commands that have reached the cloud."""
    return [name for _, name in client.account.commands()]


@pytest.mark.parametrize("auth_method", ["header", "body"])
async def test_questions_and_orders(client: Client, auth_method: str) -> None:
    """All five work: the answers to questions hold users, those to orders say nothing but that they were taken."""
    ledger = Ledger()
    cloud = client.cloud(auth_method=auth_method, ledger=ledger)
    listed = await cloud.lock_users(FRONT_DOOR, LIST)
    assert listed.users is not None
    assert (listed.error, listed.user, listed.users[1:]) == (None, None, (GUEST_LISTED,))
    got = await cloud.lock_users(FRONT_DOOR, GET)
    assert got.users is None
    assert got.user is not None
    assert (got.user.id, got.user.extra) == (GUEST, {"password": 31415926})
    for order in (ADD, UPDATE, DELETE):
        assert await cloud.lock_users(FRONT_DOOR, order) == UsersReply()
    assert await cloud.lock_users(BACK_DOOR, LIST) == listed
    after = await cloud.lock_users(FRONT_DOOR, LIST)
    assert after.users is not None
    assert [(user.name, user.sync_status) for user in after.users] == [("Owner", 1), ("Ada", 1)]
    assert sorted(at_lock(client).values()) == [("Ada", CODE), ("Owner", 94587)]
    assert asked(client) == ["list", "get", "add", "update", "delete", "list", "list"]
    assert ledger.snapshot()["by_kind"] == {"users": 7}


@pytest.mark.parametrize("action", [LIST, GET, ADD, UPDATE, DELETE])
async def test_error_of_the_device(client: Client, action: Command) -> None:
    """What the cloud says of a lock out of reach is an answer, not a failure."""
    await client.account.by_hand(FRONT, online=False)
    reply = await client.cloud().lock_users(FRONT_DOOR, action)
    assert reply.error is not None
    assert reply.error.code == "DEVICE_OFFLINE"
    assert (reply.users, reply.user) == (None, None)


@pytest.mark.parametrize("action", [GET, UPDATE, DELETE])
async def test_unknown_user(client: Client, action: Command) -> None:
    """A user that the lock does not have is refused by the cloud in its own words."""
    client.account.cloud.house.devices[FRONT].users.pop()
    found = await failure(client, action)
    assert (found.kind, found.code, found.message) == (FailureKind.REJECTED, "BAD-REQUEST", "Unknown lock user id")


REPEATED = [
    (f"password {CODE} is taken", "password *** is taken"),
    (json.dumps({"name": "Ada", "password": CODE}), '{"name": "Ada", "password": ***}'),
    (f"{CODE},{CODE}", "***,***"),
]
"""Texts in which a cloud could repeat a code, with what may be told of them."""


@pytest.mark.parametrize("action", [ADD, UPDATE])
@pytest.mark.parametrize(("said", "told"), REPEATED)
async def test_envelope_that_repeats_the_code(
    client: Client, action: Command, said: str, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal of the whole request is told without the code, whether it is in the message or in the error's code."""
    caplog.set_level(logging.DEBUG)
    await client.account.fault("error_envelope", code="BAD-REQUEST", message=said, count=1)
    found = await failure(client, action)
    assert (found.kind, found.code, found.message) == (FailureKind.REJECTED, "BAD-REQUEST", told)
    await client.account.fault("error_envelope", code=f"TAKEN {CODE}", message="", count=1)
    assert (await failure(client, action)).code == "TAKEN ***"
    assert str(CODE) not in caplog.text


@pytest.mark.parametrize("action", [ADD, UPDATE])
@pytest.mark.parametrize(("said", "told"), REPEATED)
async def test_device_error_that_repeats_the_code(client: Client, action: Command, said: str, told: str) -> None:
    """A refusal for the lock is told without the code, too."""
    entry = {"id": FRONT, "error": {"code": f"NO {CODE}", "message": said}}
    await client.account.fault("not_json", body=json.dumps({"payload": {"devices": [entry]}}), count=1)
    reply = await client.cloud().lock_users(FRONT_DOOR, action)
    assert reply.error == DeviceError(code="NO ***", message=told)


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ({"kind": "not_json", "body": f"code {CODE}"}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "not_json", "body": f'{{"payload": {CODE}}}'}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "status", "status": 500, "body": str(CODE)}, FailureKind.UNCERTAIN, "HTTP_500"),
        ({"kind": "status", "status": 404, "body": str(CODE)}, FailureKind.REJECTED, "HTTP_404"),
        ({"kind": "wrong_message_id"}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "truncated"}, FailureKind.UNCERTAIN, "RemoteProtocolError"),
        ({"kind": "reset"}, FailureKind.UNCERTAIN, "ReadError"),
        ({"kind": "timeout"}, FailureKind.UNCERTAIN, "TIMEOUT"),
        ({"kind": "rate_limited", "retry_after": 3}, FailureKind.RATE_LIMITED, "HTTP_429"),
    ],
)
async def test_failures(client: Client, fault: dict[str, Any], kind: FailureKind, code: str) -> None:
    """Whatever goes wrong with an order is told by kind, shows no code, and is not repeated in secret."""
    await client.account.fault(**fault, operation="Command")
    found = await failure(client, ADD, timeout=0.4 if code == "TIMEOUT" else 20.0)
    assert (found.kind, found.code) == (kind, code)
    assert asked(client) == ["add"]


async def test_executed(client: Client) -> None:
    """An order whose answer is lost is uncertain for a reason: it may have been carried out."""
    await client.account.fault("gateway_500", executed=True, count=1)
    assert (await failure(client, ADD)).kind is FailureKind.UNCERTAIN
    await eventually(lambda: ("Ada", CODE) in at_lock(client).values())


@pytest.mark.parametrize("action", [LIST, GET, ADD, UPDATE, DELETE])
async def test_dead_token(client: Client, action: Command) -> None:
    """What is asked or ordered with a token that the cloud has forgotten is sent once more, with a new one."""
    client.account.cloud.grants.log_out(await client.tokens.access_token())
    reply = await client.cloud().lock_users(FRONT_DOOR, action)
    assert reply.error is None
    assert [entry["outcome"] for entry in client.account.requests("Command")] == ["INVALID_TOKEN", "ok"]
    assert len(client.account.requests("token")) == 1


@pytest.mark.parametrize("action", [LIST, GET])
async def test_stale_connection_under_a_question(client: Client, action: Command) -> None:
    """A question whose kept connection dies is asked once more, on a new one; its answer holds no user here."""
    gateway = Gateway(["answer", "hang up"], ["answer"])
    async with gateway.serve() as url:
        cloud = client.cloud(url=url)
        await cloud.query([FRONT_DOOR])
        assert await cloud.lock_users(FRONT_DOOR, action) == UsersReply()
    assert gateway.requests == 3


@pytest.mark.parametrize("action", [ADD, UPDATE, DELETE])
async def test_stale_connection_under_an_order(client: Client, action: Command) -> None:
    """An order whose kept connection dies may have been carried out: it is uncertain, and never sent twice."""
    gateway = Gateway(["answer", "hang up"], ["answer"])
    async with gateway.serve() as url:
        await client.cloud(url=url).query([FRONT_DOOR])
        assert (await failure(client, action, url=url)).kind is FailureKind.UNCERTAIN
    assert gateway.requests == 2


@pytest.mark.parametrize("action", [ADD, LIST])
async def test_no_time_left(client: Client, action: Command) -> None:
    """What has no time left does not leave."""
    found = await failure(client, action, lambda: 0.0)
    assert (found.kind, found.code) == (FailureKind.UNREACHABLE, "EXPIRED")
    assert client.account.requests("Command") == []


async def test_time_runs_out_over_a_new_token(client: Client) -> None:
    """An order whose time runs out while a new token is fetched is not sent with it."""
    await client.account.fault("error_envelope", code="INVALID_TOKEN", operation="Command", count=1)
    await client.account.fault("slow", operation="token", delay=1.0)
    loop = asyncio.get_running_loop()
    until = loop.time() + 0.5
    found = await failure(client, ADD, lambda: until - loop.time())
    assert (found.kind, found.code) == (FailureKind.UNREACHABLE, "EXPIRED")
    assert [entry["outcome"] for entry in client.account.requests("Command")] == ["fault error_envelope"]
    assert at_lock(client).keys() == {OWNER, GUEST}


async def test_time_is_left(client: Client) -> None:
    """What still has time is sent."""
    assert await client.cloud().lock_users(FRONT_DOOR, DELETE, lambda: 5.0) == UsersReply()
    assert asked(client) == ["delete"]


async def test_every_request_is_counted(client: Client) -> None:
    """Requests about codes are counted apart from commands, one that is sent twice as two, with their failures."""
    ledger = Ledger()
    await client.account.fault("error_envelope", code="INVALID_TOKEN", count=1)
    await client.cloud(ledger=ledger).lock_users(FRONT_DOOR, LIST)
    await client.account.fault("gateway_500", count=1)
    await failure(client, ADD, ledger=ledger)
    await client.account.fault("error_envelope", code="BAD-REQUEST", count=1)
    await failure(client, ADD, ledger=ledger)
    counted = ledger.snapshot()
    assert counted["by_kind"] == {"users": 4}
    assert counted["errors"] == {"authorization": 1, "uncertain": 1, "rejected": 1}


def test_no_code_in_a_command() -> None:
    """An order that is shown, say in a traceback, shows no code."""
    assert str(CODE) not in repr((ADD, UPDATE))
