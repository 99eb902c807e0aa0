"""Brokers that take no packet as large as the largest document of the bridge."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.mosquitto import ANYBODY, Mosquitto
from tests.support.stage import staged

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_commands_work(tmp_path: Path, protocol: str) -> None:
    """Where a broker does not take the largest documents, states are told and commands carried out all the same."""
    with Mosquitto(tmp_path, *ANYBODY, "max_packet_size 20000") as broker:
        async with staged(tmp_path, broker) as stage:
            bridge = await stage.up(mqtt={"protocol": protocol})
            await stage.ear.until("bridge/state", "online")
            [left_out] = bridge.logged("publish_too_large")
            assert left_out["topic"] == stage.ear.topic("bridge/asyncapi")
            await stage.ear.say("front_door/lock/set", "UNLOCK")
            await stage.ear.until("front_door/result", lambda text: json.loads(text)["event_type"] == "confirmed")
            assert "bridge/asyncapi" not in await stage.held()
            assert len(bridge.logged("broker_connected")) == (1 if protocol == "5" else 3)
            assert bridge.logged("internal_error") == []
