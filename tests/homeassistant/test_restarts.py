"""Whoever of the three is restarted, and however it ends, Home Assistant has the same entities afterwards."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.account import FRONT, GARAGE
from tests.support.mosquitto import ANYBODY, Mosquitto

from .hass import Hass
from .home import Home, moved_in

pytestmark = pytest.mark.homeassistant


@pytest.fixture(params=[False, True], ids=["forgetful", "persistent"])
async def alone(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Home]:
    """Move in with a broker of one's own, which keeps nothing over a restart, or everything."""
    kept = ("persistence true", f"persistence_location {tmp_path}/")
    (tmp_path / "hass").mkdir()
    with Mosquitto(tmp_path, *ANYBODY, *(kept if request.param else ())) as broker:
        hass = Hass(tmp_path / "hass", broker.port)
        hass.start()
        try:
            async with moved_in(tmp_path, broker, hass) as home:
                yield home
        finally:
            hass.stop()


async def test_broker(alone: Home) -> None:
    """After a restart of the broker, whether it has kept anything or not, everything is there again."""
    await alone.up()
    before = await alone.registry()
    await alone.ha.forget_complaints()
    alone.stage.broker.end()
    await alone.ha.until_state("lock.front_door", "unavailable")
    await alone.stage.account.by_hand(GARAGE, states={"st.doorSensor.sensorState": "Open"})
    alone.stage.broker.start()
    await alone.known()
    await alone.ha.until_state("binary_sensor.garage_door", "on")
    assert await alone.registry() == before
    # It says that it has lost the broker, as it should, in whichever part of it was talking to the broker just then.
    expected = ("mqtt.client", "Error talking to MQTT", "reset by peer", "Task exception was never retrieved")
    complaints = await alone.ha.complaints()
    assert [text for text in complaints if not any(word in text for word in expected)] == []
    await alone.ha.forget_complaints()


async def test_home_assistant(home: Home) -> None:
    """After a restart of Home Assistant, also a hard one, it finds the same entities with what is true by then."""
    await home.up()
    before = await home.registry()
    for how, state, shown in ((signal.SIGTERM, "Unlocked", "unlocked"), (signal.SIGKILL, "Locked", "locked")):
        home.hass.stop(how)
        await home.stage.account.by_hand(FRONT, states={"st.lock.lockState": state})
        await home.hass_back()
        await home.known()
        await home.ha.until_state("lock.front_door", shown)
        assert await home.registry() == before
        await home.calm()


async def test_bridge(home: Home) -> None:
    """After a restart of the bridge, also a hard one, the entities are the same, and show what is true by then."""
    bridge = await home.up()
    before = await home.registry()
    for how in (signal.SIGTERM, signal.SIGKILL):
        await bridge.stop(how)
        await home.ha.until_state("lock.front_door", "unavailable")
        await home.stage.account.by_hand(FRONT, states={"st.lock.lockState": "Unlocked"})
        bridge = await home.again()
        await home.known()
        await home.ha.until_state("lock.front_door", "unlocked")
        assert await home.registry() == before
