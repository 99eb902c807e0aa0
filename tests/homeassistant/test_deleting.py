"""What becomes of a device that somebody deletes in Home Assistant."""

from __future__ import annotations

import pytest

from tests.support.account import BACK, FRONT, GARAGE
from tests.support.patience import eventually

from .hass import PATIENCE, until
from .home import Home, node

pytestmark = pytest.mark.homeassistant


async def deleted(home: Home, device_id: str) -> None:
    """Wait until a device is gone from Home Assistant and from the broker."""

    async def gone() -> bool:
        return node(device_id) not in await home.ha.devices() and not [
            topic for topic in await home.configs() if node(device_id) in topic
        ]

    await until(gone)


async def excluded(home: Home, count: int) -> None:
    """Wait until the bridge has seen so many configs emptied; Home Assistant warns of what it hears of itself then."""
    await eventually(lambda: home.stage.ear.events("bridge/event").count("device_excluded") == count, PATIENCE)
    await home.caught_up()
    complaints = await home.ha.complaints()
    assert [text for text in complaints if "No device components to cleanup" not in text] == []
    await home.ha.forget_complaints()


@pytest.mark.parametrize(("layout", "device_id"), [("device", FRONT), ("entity", BACK)])
async def test_device(home: Home, layout: str, device_id: str) -> None:
    """A device that was deleted stays away over restarts, until the bridge is asked to restore it: as it was."""
    bridge = await home.up(homeassistant={"discovery": layout})
    before = await home.registry()
    mine = [entry for entry in before if entry["unique_id"].startswith(node(device_id))]
    await home.ha.delete_device(node(device_id))
    await deleted(home, device_id)
    await excluded(home, len(mine) if layout == "entity" else 1)
    await bridge.stop()
    bridge = await home.again(homeassistant={"discovery": layout})
    await home.caught_up()
    await deleted(home, device_id)
    assert await home.registry() == [entry for entry in before if entry not in mine]
    await home.request("device/restore", device=device_id)
    await home.known()
    restored = {entry["unique_id"]: entry["entity_id"] for entry in await home.registry()}
    assert restored == {entry["unique_id"]: entry["entity_id"] for entry in before}


async def test_bridge(home: Home) -> None:
    """The bridge's own device can be deleted and restored, too; the devices below it stay."""
    await home.up()
    devices = await home.ha.devices()
    bridge = next(name for name in devices if name.endswith("_bridge"))
    await home.ha.delete_device(bridge)
    await excluded(home, 1)
    assert devices.keys() - (await home.ha.devices()).keys() <= {bridge}
    await home.request("device/restore", device="bridge")
    await home.known()


async def test_entity(home: Home) -> None:
    """A single entity that was deleted in the layout `entity` stays away until its device is restored."""
    await home.up(homeassistant={"discovery": "entity"})
    before = await home.registry()
    await home.ha.ask("config/entity_registry/remove", entity_id="sensor.garage_battery")
    await home.stage.ear.until("bridge/event", lambda text: '"key":"battery"' in text, deadline=30)
    assert len(await home.registry()) == len(before) - 1
    await home.request("device/restore", device=GARAGE)
    await home.known()


async def test_entity_of_device(home: Home) -> None:
    """Of a device that is described as one, Home Assistant lets a single entity go for a while only, and says so."""
    bridge = await home.up()
    await home.ha.ask("config/entity_registry/remove", entity_id="sensor.garage_battery")
    await home.caught_up()
    complaints = await home.ha.complaints()
    assert len(complaints) == 1
    assert "was removed from Home Assistant, it will be added again" in complaints[0]
    assert "device_excluded" not in "".join(home.stage.ear.payloads("bridge/event"))
    await home.ha.forget_complaints()
    await bridge.stop()
    await home.again()
    await home.known()


async def test_mqtt_removed(home: Home) -> None:
    """Home Assistant without its MQTT integration forgets the devices; with it again it finds all of them."""
    await home.up()
    before = {entry["unique_id"]: entry["entity_id"] for entry in await home.registry()}
    configs = await home.configs()
    [entry] = await home.ha.ask("config_entries/get", domain="mqtt")
    await home.ha.ask("config_entries/disable", entry_id=entry["entry_id"], disabled_by="user")
    await home.ha.ask("config_entries/disable", entry_id=entry["entry_id"], disabled_by=None)
    await home.known()
    await home.hass.remove_entry(entry["entry_id"])
    assert await home.ha.entities() == {}
    assert await home.configs() == configs
    await home.hass.add_mqtt(home.stage.broker.port)
    await home.known()
    assert {entry["unique_id"]: entry["entity_id"] for entry in await home.registry()} == before
    assert "device_excluded" not in "".join(home.stage.ear.payloads("bridge/event"))
