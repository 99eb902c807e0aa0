"""Requests to the simulated cloud, and the connections that carry them."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.account import BACK, FRONT, Account
from tests.support.patience import free_port
from uhome2mqtt.cloud import Cloud, http_client
from uhome2mqtt.errors import CloudError
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.model import Command, Device, Failure, FailureKind
from uhome2mqtt.tokens import Tokens

UNLOCK = Command(capability="st.lock", name="unlock")
FRONT_DOOR = Device(id=FRONT, name="Front Door")
BACK_DOOR = Device(id=BACK, name="Back Door")
SECRET = "secret-of-the-notifications"


class Client:
    """A cloud edge that is logged in."""

    def __init__(self, account: Account, directory: Path) -> None:
        self.account = account
        self.tokens = Tokens(directory, account.client(), account.http)
        self.tokens.store(account.grant())

    def cloud(self, **changes: Any) -> Cloud:
        options = {"url": f"{self.account.url}/action", "timeout": 5.0, **changes}
        return Cloud(self.account.http, self.tokens, **options)


@pytest.fixture
async def client(cloud_account: Account, tmp_path: Path) -> Client:
    """Log in at a cloud of its own."""
    return Client(cloud_account, tmp_path)


async def failure(cloud: Cloud) -> Failure:
    """Send a command and give the failure that it ends with."""
    with pytest.raises(CloudError) as caught:
        await cloud.commands([(FRONT_DOOR, UNLOCK)])
    return caught.value.failure


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("auth_method", ["header", "body"])
async def test_operations(client: Client, auth_method: str, *, compressed: bool) -> None:
    """The four operations work, with the token in a header or in the body, and with compressed replies, too."""
    if compressed:
        await client.account.fault("gzip")
    cloud = client.cloud(auth_method=auth_method)
    assert await cloud.account() == client.account.cloud.user_id
    devices = await cloud.list_devices()
    assert len(devices) == 7
    reports = await cloud.query(devices)
    assert {report.device_id for report in reports} == {device.id for device in devices}
    reply = await cloud.commands([(devices[0], UNLOCK)])
    assert reply[FRONT].error is None
    assert client.account.commands() == [(FRONT, "unlock")]


@pytest.mark.parametrize("auth_method", ["header", "body"])
@pytest.mark.parametrize("operation", ["Get", "Discovery", "Query", "Command"])
async def test_dead_token(client: Client, operation: str, auth_method: str) -> None:
    """Whatever is asked with a token that the cloud has forgotten is asked once more, with a new one, and answered."""
    client.account.cloud.grants.log_out(await client.tokens.access_token())
    cloud = client.cloud(auth_method=auth_method)
    asks: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        "Get": cloud.account,
        "Discovery": cloud.list_devices,
        "Query": lambda: cloud.query([FRONT_DOOR]),
        "Command": lambda: cloud.commands([(FRONT_DOOR, UNLOCK)]),
    }
    assert await asks[operation]()
    assert [entry["outcome"] for entry in client.account.requests(operation)] == ["INVALID_TOKEN", "ok"]
    assert len(client.account.requests("token")) == 1


@pytest.mark.parametrize("fault", ["error_envelope", "status"])
async def test_rejected_token(client: Client, fault: str) -> None:
    """A request that is refused for its token is sent once more with a new one.

    A new token that is refused as well is not replaced: the account would be hammered.
    """
    await client.account.fault(fault, code="INVALID_TOKEN", status=401, count=1)
    await client.cloud().commands([(FRONT_DOOR, UNLOCK)])
    assert len(client.account.requests("Command")) == 2
    assert len(client.account.requests("token")) == 1
    await client.account.fault(fault, code="INVALID_TOKEN", status=401, operation="Command")
    found = await failure(client.cloud())
    assert (found.kind, found.code) == (FailureKind.AUTHORIZATION, "TOKEN_REJECTED")
    assert len(client.account.requests("Command")) == 3
    assert len(client.account.requests("token")) == 1


async def test_device_error(client: Client) -> None:
    """What the cloud says of one device is an answer, not a failure."""
    await client.account.by_hand(FRONT, online=False)
    error = (await client.cloud().commands([(FRONT_DOOR, UNLOCK)]))[FRONT].error
    assert error is not None
    assert error.code == "DEVICE_OFFLINE"


async def test_commands_together(client: Client) -> None:
    """Commands for several devices share a request, and what the cloud says of one is not said of the other."""
    await client.account.by_hand(FRONT, online=False)
    replies = await client.cloud().commands([(FRONT_DOOR, UNLOCK), (BACK_DOOR, UNLOCK)])
    assert len(client.account.requests("Command")) == 1
    assert {device: reply.error is None for device, reply in replies.items()} == {FRONT: False, BACK: True}
    with pytest.raises(ValueError, match="twice"):
        await client.cloud().commands([(FRONT_DOOR, UNLOCK), (FRONT_DOOR, UNLOCK)])


async def test_log_out(client: Client) -> None:
    """The cloud is told that the login is over, and no longer knows its access token."""
    token = await client.tokens.access_token()
    await client.cloud().log_out()
    assert not client.account.cloud.grants.admits(token)


@pytest.mark.parametrize("empty", ["list", "object"])
async def test_register_notifications(client: Client, empty: str) -> None:
    """The cloud is told where notifications go and with which secret; the last one counts, and each is counted."""
    client.account.cloud.quirks.change({"empty_payload": empty})
    ledger = Ledger()
    for secret in ("a first secret", SECRET):
        await client.cloud(ledger=ledger).register_notifications("https://example.org/hook", secret)
    registered = client.account.cloud.pusher.registration
    assert registered is not None
    assert (registered.url, registered.token) == ("https://example.org/hook", SECRET)
    assert ledger.snapshot()["by_kind"] == {"register": 2}


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        ({"kind": "error_envelope", "code": "NO", "message": f"{SECRET}?"}, FailureKind.REJECTED, "NO: ***?"),
        ({"kind": "error_envelope", "code": SECRET, "message": ""}, FailureKind.REJECTED, "***"),
        ({"kind": "not_json", "body": SECRET}, FailureKind.UNCERTAIN, "UNREADABLE_REPLY"),
        ({"kind": "gateway_500"}, FailureKind.UNCERTAIN, "HTTP_500"),
        ({"kind": "timeout"}, FailureKind.UNCERTAIN, "TIMEOUT"),
    ],
)
async def test_register_keeps_the_secret(
    client: Client, fault: dict[str, Any], kind: FailureKind, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A registration that fails says why; nothing that it raises or logs has the secret, though the cloud repeat it."""
    caplog.set_level(logging.DEBUG)
    await client.account.fault(**fault)
    with pytest.raises(CloudError) as caught:
        await client.cloud(timeout=0.3).register_notifications("https://example.org/hook", SECRET)
    assert caught.value.failure.kind is kind
    assert str(caught.value).startswith(code)
    told = [caught.value, caught.value.__cause__, caught.value.__context__, caught.value.failure]
    assert SECRET not in "".join(map(repr, told)) + caplog.text


async def test_push_refused(client: Client) -> None:
    """A cloud that offers no notifications refuses a registration."""
    client.account.cloud.quirks.change({"push_mode": "off"})
    with pytest.raises(CloudError, match="BAD-REQUEST") as caught:
        await client.cloud().register_notifications("https://example.org/hook", SECRET)
    assert caught.value.failure.kind is FailureKind.REJECTED


async def test_every_request_is_counted(client: Client) -> None:
    """Each request to the API is counted by kind and by how it ended, one that is sent twice as two."""
    ledger = Ledger()
    cloud = client.cloud(ledger=ledger, timeout=0.5)
    await cloud.account()
    await cloud.list_devices()
    await client.account.fault("gateway_500", count=1)
    await failure(cloud)
    await client.account.fault("timeout", count=1)
    await failure(cloud)
    await client.account.fault("error_envelope", code="INVALID_TOKEN", count=1)
    await cloud.query([FRONT_DOOR])
    await cloud.log_out()
    counted = ledger.snapshot()
    assert counted["by_kind"] == {"account": 1, "command": 2, "list": 1, "logout": 1, "query": 2}
    assert counted["errors"] == {"authorization": 1, "uncertain": 2}
    assert counted["total"] == counted["last_24h"] == 7


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/action", "http://nobody..here/action"])
async def test_unreachable(client: Client, url: str) -> None:
    """A request that cannot have left the house is told from one that may have been executed."""
    found = await failure(client.cloud(url=url.format(port=free_port())))
    assert found.kind is FailureKind.UNREACHABLE


async def test_http_client() -> None:
    """The HTTP client says who we are, and gives up connecting before a request's own time is over."""
    async with http_client(60) as http:
        assert "uhome2mqtt" in http.headers["User-Agent"]
        assert http.timeout.connect == 10


class Gateway:
    """A server that answers as told: each connection takes a list of what it does with its requests."""

    def __init__(self, *connections: list[str]) -> None:
        self.connections = list(connections)
        self.requests = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for deed in self.connections.pop(0):
            try:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            except asyncio.IncompleteReadError:
                break
            length = int(head.split("content-length: ")[1].split("\r\n")[0])
            request = json.loads(await reader.readexactly(length))
            self.requests += 1
            if deed == "hang up":
                break
            body = json.dumps({"header": request["header"], "payload": {"devices": []}})
            writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen, and give the address."""
        async with await asyncio.start_server(self, "127.0.0.1", 0) as server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/action"


async def test_stale_connection(client: Client) -> None:
    """A kept connection that dies under a question is no failure: it is asked once more, on a new one."""
    gateway = Gateway(["answer", "hang up"], ["answer"])
    async with gateway.serve() as url:
        cloud = client.cloud(url=url)
        await cloud.query([FRONT_DOOR])
        assert await cloud.query([FRONT_DOOR]) == ()
    assert gateway.requests == 3


async def test_stale_connection_under_a_registration(client: Client) -> None:
    """A registration may be made twice, so that it is repeated like a question."""
    gateway = Gateway(["answer", "hang up"], ["answer"])
    async with gateway.serve() as url:
        cloud = client.cloud(url=url)
        await cloud.query([FRONT_DOOR])
        await cloud.register_notifications("https://example.org/hook", SECRET)
    assert gateway.requests == 3


async def test_stale_connection_under_a_command(client: Client) -> None:
    """A command whose kept connection dies may have been executed: it is uncertain, and not repeated in secret."""
    gateway = Gateway(["answer", "hang up"], ["answer"])
    async with gateway.serve() as url:
        cloud = client.cloud(url=url)
        await cloud.query([FRONT_DOOR])
        assert (await failure(cloud)).kind is FailureKind.UNCERTAIN
    assert gateway.requests == 2


async def test_new_connection_dies(client: Client) -> None:
    """A new connection that dies without an answer is a failure, also for a question."""
    gateway = Gateway(["hang up"], ["answer"])
    async with gateway.serve() as url:
        with pytest.raises(CloudError) as caught:
            await client.cloud(url=url).query([FRONT_DOOR])
    assert caught.value.failure.kind is FailureKind.UNCERTAIN
    assert gateway.requests == 1


async def test_no_connection_in_time(client: Client) -> None:
    """A time-out before the request could leave is told from one after it: nothing can have been executed."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        # A queue of connections that nobody accepts: the next one is left waiting.
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.settimeout(0)
            each.connect_ex(("127.0.0.1", port))
        found = await failure(client.cloud(url=f"http://127.0.0.1:{port}/action", timeout=0.5))
        for each in waiting:
            each.close()
    assert (found.kind, found.code) == (FailureKind.UNREACHABLE, "TIMEOUT")
