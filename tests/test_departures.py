"""What the bridge has given up, or left behind, never reaches the cloud, here one that does not read for a while."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.support.account import Account
from tests.support.patience import eventually
from tests.support.process import environment
from tests.support.sockets import departures, unsent
from uhome2mqtt import oauth
from uhome2mqtt.cloud import Cloud, http_client
from uhome2mqtt.errors import CloudError
from uhome2mqtt.model import Command, Device, FailureKind
from uhome2mqtt.refresh_worker import work
from uhome2mqtt.token_store import Kept, encode

DEVICES = [Device(id=f"0C:7F:ED:10:00:{number:02X}", name="Door") for number in range(100)]
HEAD = 2048
"""Bytes, more than the head of a request has: when so much waits, its body has left the process."""


class Known:
    """A token that is always there."""

    async def access_token(self) -> str:
        return "token"

    async def renew(self, rejected: str) -> str:
        return rejected


async def unlock(url: str, patience: float) -> None:
    """Send so many commands in one request that the receiver has no room for them; the child process runs this, too."""
    async with http_client(patience) as http:
        unlocking = Command(capability="st.lock", name="unlock")
        await Cloud(http, Known(), url=url, timeout=patience).commands([(device, unlocking) for device in DEVICES])


class Deaf:
    """A server that takes a connection and reads nothing until it is asked to."""

    def __init__(self) -> None:
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self._listener.settimeout(0)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/action"

    async def accept(self) -> socket.socket:
        """Take a connection, and leave it until bytes wait on its other side."""
        taken, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        await eventually(lambda: max(unsent(self.port), default=0) > HEAD)
        return taken

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def deaf() -> Iterator[Deaf]:
    """Listen, and read nothing."""
    server = Deaf()
    yield server
    server.close()


async def read_all(taken: socket.socket) -> bytes:
    """Read whatever comes until the other side has nothing any more."""
    received = b""
    with taken:
        try:
            async with asyncio.timeout(10):
                while more := await asyncio.get_running_loop().sock_recv(taken, 65536):
                    received += more
        except ConnectionResetError:
            pass
    return received


def whole(received: bytes) -> bool:
    """Tell whether all of a request is there."""
    head, _, body = received.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return length is not None and len(body) >= int(length[1])


async def commanding_process(url: str, patience: int) -> asyncio.subprocess.Process:
    """Let another process send the commands."""
    script = f"import asyncio, tests.test_departures as here; asyncio.run(here.unlock({url!r}, {patience}))"
    root = Path(__file__).parent.parent
    return await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=root, env=environment())


async def test_given_up(deaf: Deaf) -> None:
    """A command that has been given up does not leave when the way is free again, though the system had taken it."""
    commanding = asyncio.create_task(unlock(deaf.url, 1.0))
    taken = await deaf.accept()
    with pytest.raises(CloudError, match="TIMEOUT"):
        await commanding
    assert not whole(await read_all(taken))


async def test_killed(deaf: Deaf) -> None:
    """A command of a bridge that is killed dies with it."""
    process = await commanding_process(deaf.url, 60)
    taken = await deaf.accept()
    process.send_signal(signal.SIGKILL)
    await process.wait()
    assert not whole(await read_all(taken))


async def test_hanging(deaf: Deaf) -> None:
    """A command of a bridge that hangs is dropped by the system when its time is over."""
    process = await commanding_process(deaf.url, 2)
    taken = await deaf.accept()
    process.send_signal(signal.SIGSTOP)
    await eventually(lambda: unsent(deaf.port) == [], 20)
    process.kill()
    await process.wait()
    assert not whole(await read_all(taken))


async def test_connections(cloud_account: Account) -> None:
    """Every connection to the cloud drops what has not left when it closes, or waits for as long as the bridge does."""
    port = int(cloud_account.url.rsplit(":", 1)[1])
    ours = departures(port)
    async with http_client(7) as http:
        with pytest.raises(CloudError, match="INVALID_TOKEN"):
            await Cloud(http, Known(), url=f"{cloud_account.url}/action", timeout=7).account()
        await oauth.refresh(http, cloud_account.client(), cloud_account.grant().refresh_token or "")
        assert set(departures(port)) - set(ours) == {(True, 7.0)}


async def test_renewal(deaf: Deaf, cloud_account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renewal that has been given up does not spend the refresh token later, when nobody would hear the new one."""
    monkeypatch.setattr(oauth, "LONGEST_EXCHANGE", 1.0)
    grant = oauth.Grant(access_token="a", refresh_token="r" * 20_000, expires_at=0)
    client = cloud_account.client(token_url=deaf.url)
    job = {
        "state_dir": str(tmp_path),
        "client": asdict(client),
        "kept": encode(Kept(grant=grant, login="one")).decode(),
        "agent": "a",
    }
    working = asyncio.create_task(work(job))
    taken = await deaf.accept()
    assert (await working)["failure"]["kind"] is FailureKind.UNCERTAIN
    assert not whole(await read_all(taken))
