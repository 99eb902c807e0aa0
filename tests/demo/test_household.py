"""The demo, from the inside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiomqtt import ProtocolVersion

from tests.support.account import new_http
from tests.support.ear import client, held
from tests.support.patience import eventually, free_port, listening
from uhome2mqtt.demo import run_demo, run_simulator
from uhome2mqtt.demo.household import MQTT_PORT, parse_quirks
from uhome2mqtt.errors import UhomeToMqttError


class Demo:
    """A demo that is running, and what it says."""

    def __init__(
        self,
        *,
        seconds: float | None = None,
        mqtt_port: int | None = None,
        cloud_port: int = 0,
        web_port: int | None = None,
    ) -> None:
        self.said: list[str] = []
        self.stopping = asyncio.Event()
        work = run_demo(
            self.stopping,
            seconds=seconds,
            mqtt_port=mqtt_port,
            cloud_port=cloud_port,
            web_port=web_port,
            say=self.said.append,
        )
        self.task = asyncio.create_task(work)

    async def stop(self) -> None:
        self.stopping.set()
        async with asyncio.timeout(10):
            await self.task


async def test_household() -> None:
    """The household is on the broker, a command works, and afterwards nothing listens any more."""
    mqtt_port, cloud_port = free_port(), free_port()
    demo = Demo(mqtt_port=mqtt_port, cloud_port=cloud_port)
    await eventually(lambda: demo.task.done() or demo.said)
    assert f"-p {mqtt_port}" in demo.said[0]
    assert f"http://127.0.0.1:{cloud_port}" in demo.said[0]
    async with client(mqtt_port) as person, asyncio.timeout(20):
        await person.subscribe("uhome2mqtt/front_door/#", qos=1)
        told = False
        async for message in person.messages:
            if str(message.topic).endswith("/lock") and message.payload == b"LOCKED" and not told:
                told = True
                await person.publish("uhome2mqtt/front_door/lock/set", "UNLOCK", qos=1)
            elif str(message.topic).endswith("/lock") and message.payload == b"UNLOCKED":
                break
    assert (await held(mqtt_port, "uhome2mqtt/bridge"))["uhome2mqtt/bridge/state"] == "online"
    await demo.stop()
    assert not listening(mqtt_port)
    assert not listening(cloud_port)


async def test_watched_with_311() -> None:
    """Who watches with MQTT 3.1.1, as `mosquitto_sub` does by itself, sees what becomes of a command."""
    mqtt_port = free_port()
    demo = Demo(mqtt_port=mqtt_port, web_port=0)
    await eventually(lambda: demo.task.done() or demo.said)
    events: list[str] = []
    async with client(mqtt_port, ProtocolVersion.V311) as person, asyncio.timeout(20):
        await person.subscribe("uhome2mqtt/#", qos=1)
        async for message in person.messages:
            if str(message.topic) == "uhome2mqtt/front_door/lock" and message.payload == b"LOCKED" and not events:
                await person.publish("uhome2mqtt/front_door/lock/set", "UNLOCK", qos=1)
            if str(message.topic) == "uhome2mqtt/front_door/result":
                events.append(json.loads(message.payload)["event_type"])
                if events[-1] == "confirmed":
                    break
    await demo.stop()
    assert events == ["accepted", "confirmed"]


async def test_usual_port() -> None:
    """Without a wish the usual MQTT port is taken, or a free one where that is in use."""
    first = Demo()
    await eventually(lambda: first.task.done() or first.said)
    second = Demo()
    await eventually(lambda: second.task.done() or second.said)
    await asyncio.gather(first.stop(), second.stop())
    assert f" -p {MQTT_PORT}" not in first.said[0]
    assert " -p " in second.said[0]


async def test_some_seconds() -> None:
    """The demo ends by itself after the seconds that are asked for."""
    demo = Demo(seconds=0.5, mqtt_port=0)
    async with asyncio.timeout(10):
        await demo.task


async def test_cloud_port_in_use() -> None:
    """A port for the cloud that is taken is named."""
    async with _simulator() as url:
        port = int(url.rpartition(":")[2])
        with pytest.raises(UhomeToMqttError, match=str(port)):
            await Demo(cloud_port=port, mqtt_port=0).task


@asynccontextmanager
async def _simulator(*assignments: str, live: bool = False) -> AsyncIterator[str]:
    """Run the simulated cloud alone on a free port and give its address."""
    said: list[str] = []
    stopping = asyncio.Event()
    work = run_simulator(
        stopping, host="127.0.0.1", port=0, quirks=parse_quirks(assignments), live=live, say=said.append
    )
    task = asyncio.create_task(work)
    try:
        await eventually(lambda: task.done() or said)
        yield said[0].split("/authorize")[0].rpartition(" ")[2]
    finally:
        stopping.set()
        async with asyncio.timeout(5):
            await task


async def test_simulator() -> None:
    """The simulated cloud alone serves its control interface with the quirks that were asked for."""
    async with _simulator("bolt_seconds=2", "push_mode=dead", live=True) as url, new_http(url) as http:
        quirks = (await http.get("/control/quirks")).json()
        assert (quirks["bolt_seconds"], quirks["push_mode"]) == (2, "dead")
