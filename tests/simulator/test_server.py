from __future__ import annotations

import asyncio
import logging
import signal
import time
from contextlib import suppress

import httpx
import pytest

from uhome2mqtt.simulator import Quirks, SimulatedCloud, serve, simulate
from uhome2mqtt.simulator.clock import LoopClock, sleep

from .support import Client, eventually, message, new_http


async def test_free_ports() -> None:
    """Port 0 is a free one each time, and the URL says which."""
    async with serve(SimulatedCloud()) as one, serve(SimulatedCloud()) as two:
        assert one.port != two.port
        assert one.url == f"http://127.0.0.1:{one.port}"


async def test_ipv6() -> None:
    """An IPv6 address stands in brackets in the URL."""
    async with serve(SimulatedCloud(), host="::1") as running:
        assert running.url == f"http://[::1]:{running.port}"
        async with new_http() as http:
            assert (await http.get(f"{running.url}/control/quirks")).status_code == 200


async def test_a_port_in_use() -> None:
    """A port in use is an OSError, not the end of the process."""
    async with serve(SimulatedCloud()) as running:
        with pytest.raises(OSError, match="in use"):
            async with serve(SimulatedCloud(), port=running.port):
                pytest.fail("two servers on one port")


async def test_signals_are_left_alone() -> None:
    """Serving does not touch the process's signal handlers."""
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    async with serve(SimulatedCloud()):
        assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before


async def test_quiet(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """Serving, answering, cutting off and stopping leave no line in the log or on the screen."""
    caplog.set_level(logging.DEBUG, logger="uvicorn")
    cloud = SimulatedCloud()
    cloud.quirks.change({"latency": 30})
    async with serve(cloud) as running, new_http(running.url) as http:
        await http.get("/control/quirks")
        hanging = asyncio.create_task(http.post("/action", json={}))
        await eventually(lambda: bool(cloud.requests.since()))
    with pytest.raises(httpx.TransportError):
        await hanging
    assert [line for line in caplog.records if line.name.startswith(("uvicorn", "uhome2mqtt"))] == []
    assert capsys.readouterr() == ("", "")


async def test_stops_at_once() -> None:
    """Stopping does not wait for idle connections, hanging requests or slow answers."""
    cloud = SimulatedCloud()
    async with new_http() as http:
        async with serve(cloud) as running:
            await http.get(f"{running.url}/control/quirks")
            await http.post(f"{running.url}/control/faults", json={"kind": "timeout", "count": 1})
            await http.post(f"{running.url}/control/faults", json={"kind": "slow", "delay": 60})
            requests = [asyncio.create_task(http.post(f"{running.url}/action", json={})) for _ in range(2)]
            await eventually(lambda: len(cloud.requests.since()) == 2)
            await asyncio.sleep(0.05)
            started = time.monotonic()
        assert time.monotonic() - started < 20
        outcomes = await asyncio.gather(*requests, return_exceptions=True)
        assert all(isinstance(outcome, httpx.TransportError) for outcome in outcomes)


async def test_unknown_paths(client: Client) -> None:
    """Paths and methods that the cloud does not have are 404 and 405."""
    assert (await client.http.get("/")).status_code == 404
    assert (await client.http.get("/action")).status_code == 405


async def test_text_that_utf_8_cannot_carry(client: Client) -> None:
    """A message id of half a surrogate pair is given back, not crashed on."""
    request = message("Uhome.User/Get", {}, messageId="?")
    content = httpx.Request("POST", "http://x", json=request).content.replace(b'"?"', b'"\\ud800"')
    response = await client.http.post("/action", content=content)
    assert response.status_code == 200
    assert b'"\\ud800"' in response.content


@pytest.mark.parametrize("live", [False, True])
async def test_simulate(*, live: bool) -> None:
    """The command line's cloud runs until it is cancelled, and tells its URL once it can be used."""
    urls: list[str] = []
    task = asyncio.create_task(simulate("127.0.0.1", 0, Quirks.parse(["push_mode=dead"]), live=live, ready=urls.append))
    await eventually(lambda: bool(urls))
    async with new_http() as http:
        assert (await http.get(f"{urls[0]}/control/quirks")).json()["push_mode"] == "dead"
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


async def test_simulate_needs_no_callback() -> None:
    """Nobody has to be told."""
    task = asyncio.create_task(simulate("127.0.0.1", 0, Quirks(), live=False))
    await asyncio.sleep(0.05)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def test_sleep_gives_its_timer_back() -> None:
    """A cancelled sleep leaves nothing behind, and none at all does not wait."""
    await sleep(LoopClock(), 0)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sleep(LoopClock(), 60), 0.01)
