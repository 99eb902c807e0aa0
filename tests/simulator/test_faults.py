from __future__ import annotations

import asyncio
import gzip
import logging
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from uhome2mqtt.simulator import Fault, ManualClock
from uhome2mqtt.simulator.dice import Dice
from uhome2mqtt.simulator.faults import Faults
from uhome2mqtt.simulator.vocabulary import FaultKind

from .support import HALL, Client, eventually, message

if TYPE_CHECKING:
    from collections.abc import Iterator

GET = message("Uhome.User/Get", {})


@pytest.fixture(autouse=True)
def _no_errors_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    yield
    errors = [line.getMessage() for line in caplog.records if line.levelno >= logging.ERROR]
    assert errors == []


async def order(client: Client, kind: str, **more: Any) -> None:
    """Order one fault."""
    await client.control("POST", "faults", {"kind": kind, **more})


@pytest.mark.parametrize(
    ("kind", "more", "status", "content"),
    [
        ("http_500", {}, 500, b"Internal Server Error"),
        ("gateway_500", {}, 500, b'{"message": "Internal server error"}'),
        ("empty_400", {}, 400, b""),
        ("status", {}, 503, b""),
        ("status", {"status": 418, "body": "teapot"}, 418, b"teapot"),
        ("rate_limited", {}, 429, b'{"message":"Too Many Requests"}'),
        ("not_json", {}, 200, b"<html><body>Maintenance</body></html>"),
        ("not_json", {"body": "{"}, 200, b"{"),
    ],
)
async def test_answers_out_of_order(
    client: Client, kind: str, more: dict[str, Any], status: int, content: bytes
) -> None:
    """Each kind answers as it is called, once, and then the service is well again."""
    await order(client, kind, count=1, **more)
    response = await client.post(GET)
    assert (response.status_code, response.content) == (status, content)
    assert (await client.post(GET)).status_code == 200
    journal = (await client.control("GET", "requests"))["requests"]
    assert [entry["outcome"] for entry in journal] == [f"fault {kind}", "ok"]
    assert [entry["answered"] is None for entry in journal] == [True, False]


@pytest.mark.parametrize("kind", ["status", "rate_limited"])
async def test_retry_after(client: Client, kind: str) -> None:
    """Retry-After is sent when it is asked for."""
    await order(client, kind, retry_after=7)
    assert (await client.post(GET)).headers["retry-after"] == "7"


@pytest.mark.parametrize("ahead", [0, 1e6, -1e6])
async def test_retry_after_as_a_date(client: Client, ahead: float) -> None:
    """The wait can be said as a date, beside the time of the answer, both by a clock that may be wrong."""
    await order(client, "rate_limited", retry_after=7, retry_after_date=True, clock_ahead=ahead)
    headers = (await client.post(GET)).headers
    sent, until = (parsedate_to_datetime(headers[name]) for name in ("date", "retry-after"))
    assert (until - sent).total_seconds() == 7
    assert sent.timestamp() == pytest.approx(time.time() + ahead, abs=3)


@pytest.mark.parametrize("wanted", ["gzip", "br, gzip;q=0.5"])
async def test_gzip(client: Client, wanted: str) -> None:
    """A client that takes answers compressed gets them so, and finds the true one in it."""
    headers = {"Authorization": f"Bearer {client.token}", "Accept-Encoding": wanted}
    plain = await client.post(GET, **headers)
    await order(client, "gzip")
    packed = await client.post(GET, **headers)
    assert (plain.headers.get("content-encoding"), packed.headers["content-encoding"]) == (None, "gzip")
    assert packed.json() == plain.json()
    assert "access_token" not in (await client.http.post("/token", data={}, headers={"Accept-Encoding": wanted})).json()


async def test_gzip_unwanted(client: Client) -> None:
    """A client that does not take answers compressed gets them as they are."""
    await order(client, "gzip")
    headers = {"Authorization": f"Bearer {client.token}", "Accept-Encoding": "identity"}
    response = await client.post(GET, **headers)
    assert "content-encoding" not in response.headers
    assert "user" in response.json()["payload"]


async def test_gzip_bomb(client: Client) -> None:
    """A bomb is small on the way, JSON of the ordered size once it is unpacked, and compressed to its end."""
    await order(client, "gzip_bomb", size=100_000_000)
    async with client.http.stream("POST", "/action", json=GET) as response:
        packed = b"".join([chunk async for chunk in response.aiter_raw()])
    assert response.headers["content-encoding"] == "gzip"
    assert len(packed) < 200_000
    text = gzip.decompress(packed)
    assert len(text) - 100_000_000 == len(b'{"payload": {"padding": ""}}')
    assert text.endswith(b'x"}}')


async def test_error_envelope(client: Client) -> None:
    """An ordered error is an envelope with the code, and at the token endpoint a plain error."""
    await order(client, "error_envelope", code="BUSY", message="later")
    assert await client.payload("Uhome.User/Get", {}) == {"error": {"code": "BUSY", "message": "later"}}
    reply = await client.http.post("/token", data={})
    assert reply.json() == {"error": "BUSY", "error_description": "later"}


async def test_wrong_message_id(client: Client) -> None:
    """The reply is the right one under a wrong message id; replies without a header stay as they are."""
    await order(client, "wrong_message_id")
    reply = await client.act("Uhome.User/Get", {})
    assert reply["header"]["messageId"] == "00000000-0000-4000-8000-000000000000"
    assert "user" in reply["payload"]
    assert "error" in (await client.http.post("/token", data={})).json()


async def test_timeout(client: Client) -> None:
    """A request that times out gets no answer at all."""
    await order(client, "timeout", count=1)
    with pytest.raises(httpx.ReadTimeout):
        await client.http.post("/action", json=GET, timeout=0.1)


async def test_reset(client: Client) -> None:
    """A reset is a real one: the client's socket sees ECONNRESET, not an orderly end."""
    await order(client, "reset", count=1)
    url = client.http.base_url
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST /action HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_truncated(client: Client) -> None:
    """A truncated answer ends in the middle of its promised length."""
    await order(client, "truncated", count=1)
    with pytest.raises(httpx.RemoteProtocolError, match="without sending complete message body"):
        await client.post(GET)


async def test_client_gone(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """A client that goes in the middle of its request is in the journal, and is no error of the cloud's."""
    url = client.http.base_url
    _reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"POST /action HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
    await writer.drain()
    writer.close()
    await eventually(lambda: bool(client.cloud.requests.since()))
    (entry,) = client.cloud.requests.since()
    assert (entry["path"], entry["outcome"]) == ("/action", "client gone")
    assert "devices" in await client.payload("Uhome.Device/Discovery", {})
    assert caplog.records == []


async def test_slow_loris(client: Client) -> None:
    """A slow answer dribbles in, complete in the end, and holds nobody else up."""
    await order(client, "slow", count=1, delay=2, operation="Get")
    started = time.monotonic()
    slow = asyncio.create_task(client.post(GET))
    await eventually(lambda: bool(client.cloud.requests.since()))
    assert "devices" in await client.payload("Uhome.Device/Discovery", {})
    assert not slow.done()
    response = await slow
    assert time.monotonic() - started >= 2
    assert "user" in response.json()["payload"]


async def test_slow_loris_arrives_in_pieces(client: Client) -> None:
    """No single read times out although the whole answer takes long, and a client may leave in the middle."""
    await order(client, "slow", delay=0.5)
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client.http.stream("POST", "/action", json=GET, headers=headers, timeout=0.2) as response:
        parts = response.aiter_raw()
        assert await anext(parts)
        assert await anext(parts)


async def test_huge(client: Client) -> None:
    """A huge answer has the ordered size and is JSON to the end."""
    await order(client, "huge", size=300_000)
    response = await client.post(GET)
    assert len(response.json()["payload"]["padding"]) == 300_000


@pytest.mark.parametrize("kind", ["gateway_500", "timeout", "reset"])
async def test_executed_nevertheless(client: Client, kind: str) -> None:
    """A command may take effect although its answer is broken."""
    await order(client, kind, operation="Command", count=1, executed=True)
    command = {"id": HALL, "command": {"capability": "st.switch", "name": "on"}}
    body = message("Uhome.Device/Command", {"devices": [command]})
    headers = {"Authorization": f"Bearer {client.token}"}
    try:
        response = await client.http.post("/action", json=body, headers=headers, timeout=0.2)
        assert response.status_code == 500
    except httpx.TransportError:
        assert kind != "gateway_500"
    await eventually(lambda: client.cloud.house.devices[HALL].states["st.switch.switch"] == "on")


async def test_not_executed(client: Client) -> None:
    """Without that a broken command does not happen."""
    await order(client, "gateway_500", operation="Command", count=1)
    order_on = {"id": HALL, "command": {"capability": "st.switch", "name": "on"}}
    assert (await client.post(message("Uhome.Device/Command", {"devices": [order_on]}))).status_code == 500
    await asyncio.sleep(0.1)
    assert client.cloud.house.devices[HALL].states["st.switch.switch"] == "off"


@pytest.mark.parametrize("operation", ["Query", "query", "Uhome.Device/Query"])
async def test_one_operation(client: Client, operation: str) -> None:
    """A fault for one operation leaves the others alone."""
    await order(client, "empty_400", operation=operation)
    assert (await client.post(message("Uhome.Device/Query", {}))).status_code == 400
    assert (await client.post(GET)).status_code == 200
    assert (await client.http.post("/token", data={})).status_code == 200


async def test_token_faults(client: Client) -> None:
    """The token endpoint can be broken by itself."""
    await order(client, "gateway_500", operation="token")
    assert (await client.http.post("/token", data={})).status_code == 500
    assert (await client.post(GET)).status_code == 200


async def test_the_end_of_faults(client: Client) -> None:
    """Standing faults are listed with what is left of them, and can be called off together."""
    await order(client, "empty_400", count=3)
    await client.post(GET)
    [standing] = (await client.control("GET", "faults"))["faults"]
    assert (standing["kind"], standing["count"]) == ("empty_400", 2)
    await client.control("DELETE", "faults")
    assert (await client.control("GET", "faults"))["faults"] == []
    assert (await client.post(GET)).status_code == 200


async def test_a_fault_for_some_time(client: Client) -> None:
    """A fault that stands for some seconds ends by itself."""
    await order(client, "empty_400", seconds=0.2)
    assert (await client.post(GET)).status_code == 400

    async def well() -> bool:
        return (await client.post(GET)).status_code == 200

    await eventually(well)


def test_counts_seconds_and_chance() -> None:
    """Orders end by count or by time, oldest first; a probability lets some requests through."""
    clock = ManualClock()
    faults = Faults(clock=clock, dice=Dice(0, "test"))
    faults.order(Fault(kind=FaultKind.RESET, count=2))
    faults.order(Fault(kind=FaultKind.TIMEOUT, seconds=10))
    kinds = [fault.kind if (fault := faults.take("Query")) else None for _ in range(3)]
    assert kinds == ["reset", "reset", "timeout"]
    clock.advance(10)
    assert faults.take("Query") is None
    faults.order(Fault(kind=FaultKind.RESET, probability=0.5))
    hits = sum(faults.take("Query") is not None for _ in range(200))
    assert 60 < hits < 140


def test_the_first_limit_ends_a_fault() -> None:
    """A fault with several limits ends at the first of them."""
    clock = ManualClock()
    faults = Faults(clock=clock, dice=Dice(0, "test"))
    faults.order(Fault(kind=FaultKind.RESET, count=100, seconds=1))
    assert faults.take("Query") is not None
    clock.advance(2)
    assert faults.take("Query") is None
    assert faults.standing() == []


async def test_a_burst_meets_exactly_the_count(client: Client) -> None:
    """Of many requests at once exactly as many are broken as were ordered."""
    await order(client, "empty_400", count=7)
    replies = await asyncio.gather(*(client.post(GET) for _ in range(30)))
    assert sorted(reply.status_code for reply in replies) == [200] * 23 + [400] * 7


@pytest.mark.parametrize(
    "body",
    [{}, {"kind": "nonsense"}, {"kind": "reset", "count": 0}, {"kind": "slow", "delay": -1}, {"kind": "slow", "x": 1}],
)
async def test_wrong_orders(client: Client, body: Any) -> None:
    """A fault that makes no sense is refused with a sentence that names the field."""
    response = await client.http.post("/control/faults", json=body)
    assert response.status_code == 422
    assert response.json()["error"]
