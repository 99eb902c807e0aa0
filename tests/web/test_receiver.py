"""Where notifications arrive, over HTTP on loopback: who is let in, and how much of anything is read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import Logged
from tests.console.house import DeskHouse
from tests.support.account import Account
from tests.support.processor import cost
from tests.web.site import Clock, Served, closed, served
from uhome2mqtt.model import Notification, Report, attribute, parse_json
from uhome2mqtt.settings.model import OWN_BELOW, OWN_PATHS
from uhome2mqtt.settings.urls import path_of
from uhome2mqtt.uhome import decode_notification
from uhome2mqtt.web import ConsoleSite, Receiver, protocol
from uhome2mqtt.web.receiver import LARGEST

SECRET = "s-that-the-cloud-was-given"
BEARER = {"Authorization": f"Bearer {SECRET}"}
LOCKED = {"capability": "st.lock", "name": "lockState", "value": "locked"}
BODY = json.dumps(
    {"header": {"name": "DeviceState"}, "payload": {"devices": [{"id": "AA:BB", "states": [LOCKED]}, {}]}}
).encode()
TOLD = Notification(
    reports=(Report(device_id="AA:BB", states={attribute("st.lock", "lockState"): "locked"}),), unreadable=1
)


@dataclass(slots=True, kw_only=True)
class Bridge:
    """A site that takes notifications, and what it has taken."""

    site: Served
    receiver: Receiver
    clock: Clock
    taken: list[Notification]
    busy: list[bool] = field(default_factory=list)

    async def tell(self, content: bytes | AsyncIterator[bytes] = BODY, path: str = "/n", **how: Any) -> httpx.Response:
        """Send a notification, with the right secret unless it is said how."""
        return await self.site.http.post(path, content=content, **(how or {"headers": BEARER}))

    async def raw(self, said: str, first: int = 12) -> bytes:
        """Say something and give what is answered to it, at least its first bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.site.port)
        writer.write(said.replace("\n", "\r\n").encode())
        try:
            async with asyncio.timeout(5):
                return await reader.readexactly(first)
        finally:
            writer.close()


Bridges = Callable[..., AbstractAsyncContextManager[Bridge]]


@pytest.fixture
def bridges(cloud_account: Account, tmp_path: Path) -> Bridges:
    """Serve sites that take notifications."""

    @asynccontextmanager
    async def bridge(path: str = "/n", trusted_proxies: Sequence[str] = (), **how: Any) -> AsyncIterator[Bridge]:
        taken: list[Notification] = []

        def deliver(told: Notification) -> bool:
            if not found.busy:
                taken.append(told)
            return not found.busy

        clock = Clock()
        receiver = Receiver(path_of(f"https://h{path}"), lambda given: given == SECRET, deliver, clock)
        async with served(cloud_account, tmp_path, receiver=receiver, trusted_proxies=trusted_proxies, **how) as site:
            found = Bridge(site=site, receiver=receiver, clock=clock, taken=taken)
            yield found

    return bridge


@pytest.mark.parametrize(
    ("authorization", "query"),
    [
        (f"Bearer {SECRET}", None),
        (f"bearer  {SECRET}", None),
        (None, SECRET),
        ("Bearer wrong", SECRET),
        (f"Basic {SECRET}", SECRET),
        (f"BEARER {SECRET}", "wrong"),
    ],
)
async def test_accepted(bridges: Bridges, authorization: str | None, query: str | None) -> None:
    """A notification with the secret in its header or in its query is handed on, and answered at once."""
    headers = {} if authorization is None else {"Authorization": authorization}
    async with bridges() as bridge:
        answer = await bridge.tell(headers=headers, params={} if query is None else {"access_token": query})
        assert (answer.status_code, answer.json()) == (200, {"success": True})
        assert bridge.taken == [TOLD]
        assert bridge.receiver.counts == {"accepted": 1}


@pytest.mark.parametrize(
    ("authorization", "query"),
    [
        (None, ""),
        (None, "access_token="),
        (None, "access_token=wrong"),
        (None, f"token={SECRET}"),
        (SECRET, ""),
        (f"Basic {SECRET}", ""),
        ("Bearer", ""),
        (f"Bearer{SECRET}", ""),
        (f"Bearer {SECRET}x", ""),
        ("Bearer \u00e4", "access_token=%ff%00"),
    ],
)
async def test_unauthorized(bridges: Bridges, authorization: str | None, query: str) -> None:
    """Whoever does not know the secret is told so and nothing else, and nothing is handed on."""
    headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
    async with bridges() as bridge:
        answer = await bridge.tell(path=f"/n?{query}", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert answer.json() == {"error": "the access token is missing or wrong"}
        assert bridge.taken == []
        assert bridge.receiver.counts == {"unauthorized": 1}


@pytest.mark.parametrize("more", ["", "Expect: 100-continue\n"])
async def test_secret_comes_first(bridges: Bridges, more: str) -> None:
    """Without the secret the answer does not wait for the body, nor asks for it."""
    async with bridges() as bridge:
        head = f"POST /n HTTP/1.1\nHost: x\n{more}Content-Length: 1000\n\n"
        assert await bridge.raw(head) == b"HTTP/1.1 401"


async def test_announced_too_large(bridges: Bridges) -> None:
    """A body that is announced to be too large is not begun; one that may come is asked for."""
    async with bridges() as bridge:
        for size, answer in ((LARGEST + 1, b"HTTP/1.1 413"), (10**18, b"HTTP/1.1 413"), (LARGEST, b"HTTP/1.1 100")):
            how = f"Expect: 100-continue\nContent-Length: {size}"
            assert await bridge.raw(f"POST /n?access_token={SECRET} HTTP/1.1\nHost: x\n{how}\n\n") == answer
        assert bridge.receiver.counts == {"too_large": 2}


async def pieces(size: int) -> AsyncIterator[bytes]:
    """Send so much without saying so before."""
    for _ in range(size // 1000):
        yield b" " * 1000


@pytest.mark.parametrize("announced", [True, False])
async def test_too_large(bridges: Bridges, *, announced: bool) -> None:
    """An ordinary client that sends too much can read that, and goes on on the same connection."""
    async with bridges() as bridge:
        for _ in range(3):
            answer = await bridge.tell(b" " * 100_000 if announced else pieces(100_000))
            assert answer.status_code == 413
            assert "65536 bytes" in answer.json()["error"]
        assert (await bridge.tell()).status_code == 200
        assert len(bridge.taken) == 1


@pytest.mark.parametrize("size", [LARGEST + 1, 300_000, 900_000])
async def test_too_large_and_closing(bridges: Bridges, size: int) -> None:
    """A client that wants the connection closed, as Python's own does, reads its answer although it still sends."""
    async with bridges() as bridge:

        def post() -> int:
            connection = HTTPConnection("127.0.0.1", bridge.site.port, timeout=5)
            connection.request("POST", "/n", b" " * size, {**BEARER, "Connection": "close"})
            return connection.getresponse().status

        assert await asyncio.to_thread(post) == 413


async def test_unauthorized_and_large(bridges: Bridges) -> None:
    """An ordinary client without the secret reads that as well, however much it sends on."""
    async with bridges() as bridge:
        for content in (b" " * 900_000, pieces(900_000)):
            assert (await bridge.tell(content, headers={})).status_code == 401
        assert (await bridge.tell()).status_code == 200


async def test_largest(bridges: Bridges) -> None:
    """A body of the largest size is taken, whole."""
    async with bridges() as bridge:
        assert (await bridge.tell(BODY.ljust(LARGEST))).status_code == 200
        assert (await bridge.tell(BODY.ljust(LARGEST + 1))).status_code == 413
        assert bridge.taken == [TOLD]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"NaN", b"[" * 30_000, b"1" * 60_000, b"a=b", BODY + b"}"])
async def test_not_json(bridges: Bridges, content: bytes) -> None:
    """What is no JSON is refused, and not repeated."""
    async with bridges() as bridge:
        answer = await bridge.tell(content)
        assert (answer.status_code, answer.json()) == (400, {"error": "the body is not JSON"})
        assert bridge.receiver.counts == {"not_json": 1}


@pytest.mark.parametrize("content", [b"5", b"null", b"[]", b'{"header": {"name": "Other"}}', b'"x"'])
async def test_senseless(bridges: Bridges, content: bytes) -> None:
    """JSON that makes no sense is no fault of whoever sent it in time: it is taken and counted."""
    async with bridges() as bridge:
        assert (await bridge.tell(content)).status_code == 200
        assert len(bridge.taken) == 1


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_other_methods(bridges: Bridges, method: str) -> None:
    """Notifications are posted; for anything else the answer says so."""
    async with bridges() as bridge:
        answer = await bridge.site.http.request(method, "/n", headers=BEARER)
        assert answer.status_code == 405
        assert answer.headers["Allow"] == "POST"
        assert bridge.taken == []


@pytest.mark.parametrize("path", ["/", ""])
async def test_no_path(bridges: Bridges, path: str) -> None:
    """Where the URL has no path notifications come to the first page's, which stays where it is."""
    async with bridges(path) as bridge:
        assert (await bridge.tell(path="/")).status_code == 200
        assert "Connected to U home" in (await bridge.site.http.get("/")).text
        assert (await bridge.site.http.head("/")).status_code == 200
        assert (await bridge.site.http.put("/")).status_code == 405


async def test_escaped_path(bridges: Bridges) -> None:
    """A path is the one that is meant by what is escaped in it, once, and dots mean nothing but dots."""
    async with bridges("/a%20b/c.d%2541") as bridge:
        assert (await bridge.tell(path="/a b/c.d%2541")).status_code == 200
        for other in ("/a b/cxd%2541", "/a b/c.dA", "/a b/c.d%2541/"):
            assert (await bridge.tell(path=other)).status_code == 404


async def test_own_paths(bridges: Bridges) -> None:
    """The configuration knows all paths that the bridge's web server needs for itself."""
    async with bridges(console=lambda guard: ConsoleSite(desk=DeskHouse().desk, guard=guard)) as bridge:
        paths = {path for path in bridge.site.paths if not path.startswith(OWN_BELOW)}
        assert {"/", "/n", *OWN_PATHS} == paths


async def test_overloaded(bridges: Bridges) -> None:
    """Where too much waits already the cloud may try again in a second."""
    async with bridges() as bridge:
        bridge.busy.append(True)
        answer = await bridge.tell()
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.json() == {"error": "too much is waiting already"}
        bridge.busy.clear()
        assert (await bridge.tell()).status_code == 200
        assert bridge.receiver.counts == {"overloaded": 1, "accepted": 1}


async def test_slow_body(bridges: Bridges, monkeypatch: pytest.MonkeyPatch, logged: Logged) -> None:
    """A body that does not end in time ends with its connection, without a trace of it in the log."""
    monkeypatch.setattr(protocol, "REQUEST_WITHIN", 0.5)
    async with bridges() as bridge:
        reader, writer = await asyncio.open_connection("127.0.0.1", bridge.site.port)
        writer.write(f"POST /n?access_token={SECRET} HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{{".encode())
        assert (await bridge.tell()).status_code == 200
        async with asyncio.timeout(5):
            assert await closed(reader) == b""
        writer.close()
        assert bridge.receiver.counts == {"accepted": 1}
    assert not logged("library_message")


async def test_log(bridges: Bridges, logged: Logged) -> None:
    """Refusals are told once a minute for each reason, with how many they were; what is taken, for whoever debugs."""
    async with bridges() as bridge:
        for _ in range(3):
            await bridge.tell(headers={"Authorization": "Bearer w-that-is-wrong"}, params={"access_token": "q-wrong"})
            await bridge.tell(b"b-that-is-no-json")
        bridge.clock.now += 59
        await bridge.tell(path="/n?access_token=q-wrong", headers={})
        assert [line["count"] for line in logged("notification_refused")] == [1, 1]
        bridge.clock.now += 1
        await bridge.tell(path="/n?access_token=q-wrong", headers={})
        await bridge.tell()
        parts = ("level", "outcome", "client", "count")
        refused = [tuple(line[part] for part in parts) for line in logged("notification_refused")]
        assert refused == [
            ("warning", "unauthorized", "127.0.0.1", 1),
            ("warning", "not_json", "127.0.0.1", 1),
            ("warning", "unauthorized", "127.0.0.1", 4),
        ]
        [line] = logged("notification_received")
        assert line["level"] == "debug"
        facts = {name: line[name] for name in ("client", "reports", "changed", "deleted", "unreadable")}
        assert facts == {"client": "127.0.0.1", "reports": 1, "changed": 0, "deleted": 0, "unreadable": 1}


async def test_nothing_shown(bridges: Bridges, capsys: pytest.CaptureFixture[str], logged: Logged) -> None:
    """No log line has a secret, right or wrong, or anything of a body."""
    async with bridges() as bridge:
        for content in (BODY, b"AA:BB no JSON", b"AA:BB".ljust(LARGEST + 1)):
            await bridge.tell(content)
            await bridge.tell(content, path=f"/n?access_token={SECRET}", headers={})
            await bridge.tell(content, path="/n?access_token=q-wrong", headers={"Authorization": "Bearer w-wrong"})
    written = capsys.readouterr().err
    assert written.count("notification_") == 5
    assert not any(text in written for text in (SECRET, "q-wrong", "w-wrong", "AA:BB", "locked"))
    assert not logged("library_message")


@pytest.mark.parametrize(
    ("proxies", "forwarded", "client"),
    [
        ([], "203.0.113.9", "127.0.0.1"),
        (["172.16.0.0/12"], "203.0.113.9", "127.0.0.1"),
        (["127.0.0.1"], "203.0.113.9", "203.0.113.9"),
        (["127.0.0.0/8"], "203.0.113.9", "203.0.113.9"),
        (["127.0.0.0/8"], "6.6.6.6, 203.0.113.9", "203.0.113.9"),
        (["127.0.0.0/8", "172.16.0.0/12"], "203.0.113.9, 172.17.0.1", "203.0.113.9"),
        (["127.0.0.0/8", "172.16.0.0/12"], "203.0.113.9, 172.32.0.1", "172.32.0.1"),
        (["127.0.0.1", "fd00::/8"], "2001:db8::1, fd00::5", "2001:db8::1"),
        (["127.0.0.1"], "", "127.0.0.1"),
    ],
)
async def test_proxies(bridges: Bridges, logged: Logged, proxies: list[str], forwarded: str, client: str) -> None:
    """A proxy that is trusted is believed for whom it asks, nobody else is, and no more than it can know."""
    async with bridges(trusted_proxies=proxies) as bridge:
        await bridge.tell(headers={**BEARER, "X-Forwarded-For": forwarded})
        await bridge.tell(headers={"X-Forwarded-For": forwarded})
    lines = [*logged("notification_received"), *logged("notification_refused")]
    assert [line["client"] for line in lines] == [client, client]


def framed(devices: str) -> str:
    """Put a device list into the documented frame."""
    return f'{{"header":{{"name":"DeviceState"}},"payload":{{"devices":{devices}}}}}'


def filled(entry: str, frame: Callable[[str], str] = framed) -> str:
    """Repeat an entry of a list as often as there is room; `#` becomes a number of its own."""
    parts: list[str] = []
    room = LARGEST - len(frame("[]"))
    while (room := room - len(part := entry.replace("#", f"{len(parts):05}")) - 1) >= 0:
        parts.append(part)
    return frame(f"[{','.join(parts)}]")


def stated(states: str) -> str:
    """Put states into the notification of one device."""
    return framed(f'[{{"id":"a","states":{states}}}]')


WORST = {
    "deep lists": "[" * 32_000 + "]" * 32_000,
    "deep objects": '{"a":' * 10_000 + "1" + "}" * 10_000,
    "deep payload": framed("[" * 32_000 + "]" * 32_000),
    "as deep as may be": filled("[" * 56 + "]" * 56),
    "empty entries": filled("{}"),
    "numbers as entries": filled("1"),
    "ids": filled('{"id":"#"}'),
    "bare ids": filled('{"id":"#"}', lambda listed: listed),
    "records": filled('{"id":"#","name":"n"}', lambda listed: f'{{"payload":{{"devices":{listed}}}}}'),
    "errors": filled('{"id":"#","payload":{"error":{"code":"x"}}}'),
    "states": filled('{"capability":"st.c","name":"#","value":1}', stated),
    "states as an object": stated("{" + ",".join(f'"c{n:05}":{n}' for n in range(4_500)) + "}"),
    "empty states": filled("{}", stated),
    "nearly empty states": filled('{"":0}', stated),
    "nearly empty capabilities": filled('{"":{}}', stated),
    "members": "{" + ",".join(f'"{n:05}":0' for n in range(6_000)) + "}",
    "long id": framed(f'[{{"id":"{"x" * 60_000}"}}]'),
    "long value": filled('{"capability":"st.c","name":"n","value":"' + "9" * 30_000 + '"}', stated),
    "escapes": framed('[{"id":"' + "\\u00e4" * 10_000 + '"}]'),
    "halves of pairs": framed('[{"id":"' + "\\ud83d" * 10_000 + '"}]'),
    "escaped names": "{" + ",".join(f'"\\u0041{n:05}":0' for n in range(4_000)) + "}",
    "escapes and entries": filled('{"id":"\\u0041"}'),
    "whole number": framed(f'[{{"id":{"9" * 60_000}}}]'),
    "many long numbers": filled("9" * 4_300),
    "fraction": framed(f'[{{"id":0.{"1" * 60_000}}}]'),
    "nearly nothing": framed(f'[{{"id":0.{"0" * 60_000}1}}]'),
    "exponent": framed(f'[{{"id":1e{"9" * 60_000}}}]'),
    "negative exponent": framed(f'[{{"id":1e-{"9" * 60_000}}}]'),
    "spaces": framed("[" + " " * 60_000 + "]"),
    "unclosed text": '"' + "\\\\" * 32_000,
}


@pytest.mark.parametrize("name", WORST)
def test_worst_bodies(name: str) -> None:
    """Whatever fits into a notification is read or refused within 50 ms of the processor: doors wait meanwhile."""
    body = WORST[name].encode()
    assert LARGEST * 0.6 < len(body) <= LARGEST

    def read() -> None:
        with suppress(ValueError):
            decode_notification(parse_json(body))

    assert cost(read, times=5) < 0.05
