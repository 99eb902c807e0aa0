"""Moves between the layouts of discovery: Home Assistant keeps what its owner has made of the entities."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.process import Bridge

from .hass import until
from .home import Home

pytestmark = pytest.mark.homeassistant

NAMED, TURNED_ON, TURNED_OFF = "lock.front_door", "sensor.front_door_battery_level", "sensor.garage_battery"

NOTHING_LEFT = "No device components to cleanup"
"""What Home Assistant says when the config of a device is cleared that has moved on: harmless, and inevitable."""
TWICE = "does not generate unique IDs"


async def customise(home: Home) -> None:
    """Do what an owner does: give a name and an area, enable an entity, and disable one."""
    await home.ha.customise(NAMED, name="Our door", new_entity_id="lock.our_door")
    await home.ha.customise(TURNED_ON, disabled_by=None)
    await home.ha.customise(TURNED_OFF, disabled_by="user")
    # Home Assistant reloads MQTT for an entity that has been enabled, half a minute later; who cannot wait asks for it.
    [entry] = await home.ha.ask("config_entries/get", domain="mqtt")
    await home.ha.ask("call_service", domain="homeassistant", service="reload_config_entry",
                      service_data={"entry_id": entry["entry_id"]})  # fmt: skip
    await home.ha.until_state(TURNED_ON, "5")
    await home.known()


async def move(home: Home, **settings: Any) -> Bridge:
    """Start the bridge with another layout, and wait until it has moved everything."""
    bridge = await home.again(homeassistant=settings)
    await bridge.until_logged("discovery_moved", deadline=60)
    await home.caught_up()
    return bridge


async def test_there_and_back(home: Home) -> None:
    """From one payload per device to one per entity and back, every entity stays what it is."""
    bridge = await home.up()
    await customise(home)
    before = await home.registry()
    for layout in ("entity", "device"):
        await bridge.stop()
        bridge = await move(home, discovery=layout)
        await home.known()
        assert await home.registry() == before
        topics = await home.configs()
        assert {topic.split("/")[1] == "device" for topic in topics} == {layout == "device"}
        assert await home.ha.state("lock.our_door") == "locked"
        assert await home.ha.state(TURNED_ON) == "5"
        complaints = await home.ha.complaints()
        assert [text for text in complaints if NOTHING_LEFT not in text] == []
        await home.ha.forget_complaints()


async def test_unseen(home: Home) -> None:
    """A move that Home Assistant sleeps through changes nothing either."""
    bridge = await home.up()
    before = await home.registry()
    await bridge.stop()
    home.hass.stop()
    bridge = await home.again(homeassistant={"discovery": "entity"})
    await bridge.until_logged("discovery_moved", deadline=60)
    await home.hass_back()
    await home.known()
    assert await home.registry() == before


async def test_both(home: Home) -> None:
    """With both layouts every entity is there once, and Home Assistant complains of the other one of each."""
    await home.up(homeassistant={"discovery": "both"})
    complaints = await home.ha.complaints()
    assert complaints
    assert [text for text in complaints if TWICE not in text] == []
    await home.ha.forget_complaints()


async def test_off(home: Home) -> None:
    """Without discovery Home Assistant knows nothing of the bridge, and the broker holds no config."""
    bridge = await home.up()
    await bridge.stop()
    await home.again(homeassistant={"discovery": "off"})

    async def gone() -> bool:
        return not await home.ha.entities()

    await until(gone)
    assert await home.configs() == {}
    assert await home.ha.devices() == {}
