"""How much the log says of an outage: once at its beginning, once at its end, whatever is tried in between."""

from __future__ import annotations

import asyncio
import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.mosquitto import Mosquitto
from tests.support.patience import free_port
from tests.support.process import Bridge
from tests.support.push import receiving
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.e2e


def said(bridge: Bridge, *events: str) -> list[tuple[str, str]]:
    """Give level and name of the lines of some events, without what is said at debug."""
    lines = [json.loads(line) for line in bridge.err if line.startswith("{")]
    return [(line["level"], line["event"]) for line in lines if line["event"] in events and line["level"] != "debug"]


def seconds(line: dict[str, Any]) -> int:
    """Give the length of an outage out of the line at its end."""
    length: int = line["seconds"]
    return length


async def test_broker(tmp_path: Path) -> None:
    """A broker that is away for many attempts is one warning, and one line when it is back."""
    with Mosquitto(tmp_path) as broker:
        async with staged(tmp_path, broker) as stage:
            bridge = await stage.up()
            broker.end(signal.SIGKILL)
            await bridge.until_logged("broker_unreachable", 4, deadline=90)
            broker.start()
            [_, again] = await bridge.until_logged("broker_connected", 2, deadline=90)
            assert seconds(again) >= 3
            assert said(bridge, "broker_unreachable", "broker_connected") == [
                ("info", "broker_connected"),
                ("warning", "broker_unreachable"),
                ("info", "broker_connected"),
            ]


async def test_cloud(stage: Stage) -> None:
    """A cloud that fails, first some and then all requests, is one warning, and one line when it is back."""
    bridge = await stage.up()
    cloud = ("cloud_online", "cloud_degraded", "cloud_offline", "cloud_unauthorized")
    before = len(said(bridge, *cloud))
    await stage.account.fault("reset")
    await stage.ear.say("hall_light/get", "")
    await bridge.until_logged("cloud_offline", deadline=90)
    await bridge.until_logged("cloud_request_failed", deadline=120)
    await stage.account.control("DELETE", "faults")
    await stage.ear.say("hall_light/get", "")
    lines = await bridge.until_logged("cloud_online", 2, deadline=120)
    assert seconds(lines[-1]) >= 1
    levels = [level for level, _ in said(bridge, *cloud)[before:]]
    assert levels.count("warning") == 1
    assert levels[0] == "warning"
    assert said(bridge, *cloud)[-1] == ("info", "cloud_online")


async def test_push(stage: Stage) -> None:
    """A registration that is refused is one warning, and one line when it is taken."""
    house = await receiving(stage, {"polling": {"interval": 3600}})
    bridge = house.bridge
    await stage.account.control("PATCH", "quirks", {"push_mode": "off"})
    await stage.ear.say("bridge/request/notifications/register", "")
    await bridge.until_logged("push_not_registered")
    await stage.account.control("PATCH", "quirks", {"push_mode": "on"})
    lines = await bridge.until_logged("push_registered", 2, deadline=90)
    assert seconds(lines[-1]) >= 0
    assert said(bridge, "push_not_registered", "push_registered") == [
        ("info", "push_registered"),
        ("warning", "push_not_registered"),
        ("info", "push_registered"),
    ]
    stage.secrets.add(house.secret)


async def test_port(stage: Stage) -> None:
    """A port that somebody else has is one error, and one line when the pages are there."""
    port = free_port()
    taken = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", port)
    await stage.log_in()
    bridge = stage.bridge(web={"port": port})
    async with taken:
        await bridge.start()
        await bridge.until_logged("web_not_listening", 2, deadline=90)
    [line] = await bridge.until_logged("web_listening", deadline=90)
    assert seconds(line) >= 1
    assert said(bridge, "web_not_listening", "web_listening") == [
        ("error", "web_not_listening"),
        ("info", "web_listening"),
    ]


async def test_disk(stage: Stage) -> None:
    """What cannot be written is one error for each kind; it is written once that is possible, which is one line."""
    await stage.log_in()
    in_the_way = stage.state_dir / "devices.json"
    (in_the_way / "full").mkdir(parents=True)
    bridge = stage.bridge()
    await bridge.start()
    await stage.complete()
    await bridge.until_logged("state_not_saved")
    (in_the_way / "full").rmdir()
    in_the_way.rmdir()
    [line] = await bridge.until_logged("state_saved", deadline=120)
    assert (line["what"], line["level"]) == ("devices", "info")
    assert said(bridge, "state_not_saved", "state_saved") == [("error", "state_not_saved"), ("info", "state_saved")]
    assert "front_door" in in_the_way.read_text()
