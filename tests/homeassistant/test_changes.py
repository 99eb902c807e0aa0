"""Names, other topics, and many devices: nothing is left behind in Home Assistant or on the broker."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.account import COFFEE, FRONT, HALL
from tests.support.ear import held

from .hass import Json, until
from .home import ENTITIES, Home, node

pytestmark = pytest.mark.homeassistant

LOCK: Json = {"states": {"st.lock.lockState": "Locked", "st.lock.lockMode": 0, "st.batteryLevel.level": 5}}
NAMES = ("前门", "🚪🔒", "a + b # c / d", "N" * 200, "Twin", "Twin", "'\"{{ 1 / 0 }}\\")
OF_A_LOCK = 9
MANY = 200


async def add(home: Home, number: int, name: str, **record: Any) -> str:
    """Put a device into the account."""
    device_id = f"0C:7F:ED:20:{number // 256:02X}:{number % 256:02X}"
    await home.stage.account.control("PUT", f"devices/{device_id}", {"name": name, **record})
    return device_id


async def test_names(home: Home) -> None:
    """Whatever people call a device, Home Assistant shows that name, and everything below it works."""
    added = {await add(home, number, name, **LOCK): name for number, name in enumerate(NAMES)}
    await home.up(count=ENTITIES + OF_A_LOCK * len(NAMES))
    devices, entities = await home.ha.devices(), await home.ha.entities()
    for device_id, name in added.items():
        assert devices[node(device_id)]["name"] == name
        assert await home.ha.state(entities[f"{node(device_id)}_lock"]["entity_id"]) == "locked"
    twin = entities[f"{node(list(added)[5])}_lock"]["entity_id"]
    assert twin == "lock.twin_2"
    await home.ha.act(twin, "lock.unlock")
    await home.ha.until_state(twin, "unlocked")
    assert await home.ha.state("lock.twin") == "locked"


async def test_rename(home: Home) -> None:
    """A device that is given another topic and name keeps its entities, and nothing stays behind on the broker."""
    await home.up()
    before = {entry["unique_id"]: entry["entity_id"] for entry in await home.registry()}
    await home.request("device/rename", device=FRONT, topic="main_entrance", name="Main Entrance")

    async def renamed() -> bool:
        return str((await home.ha.devices())[node(FRONT)]["name"]) == "Main Entrance"

    await until(renamed)
    await home.known()
    assert {entry["unique_id"]: entry["entity_id"] for entry in await home.registry()} == before
    assert not [topic for topic in await home.stage.held() if topic.startswith("front_door")]
    await home.ha.act("lock.front_door", "lock.unlock")
    await home.ha.until_state("lock.front_door", "unlocked")


async def test_not_enabled(home: Home) -> None:
    """A device that the configuration leaves out is gone from Home Assistant, and comes back as it was."""
    bridge = await home.up()
    before = {entry["unique_id"]: entry["entity_id"] for entry in await home.registry()}
    await bridge.stop()
    bridge = await home.again(devices={HALL: {"enabled": False}})

    async def gone() -> bool:
        return node(HALL) not in await home.ha.devices()

    await until(gone)
    assert not [topic for topic in await home.configs() if node(HALL) in topic]
    await bridge.stop()
    await home.again()
    await home.known()
    assert {entry["unique_id"]: entry["entity_id"] for entry in await home.registry()} == before


async def test_base_topic(home: Home) -> None:
    """Below another base topic the devices are the same, and nothing is left of the old one."""
    bridge = await home.up()
    before = {entry["unique_id"]: entry["entity_id"] for entry in await home.registry()}
    await bridge.stop()
    old, home.stage.ear.base = home.stage.ear.base, f"{home.stage.ear.base}/other"
    await home.again()
    await home.known()

    async def cleared() -> bool:
        left = await held(home.stage.broker, old)
        return not [topic for topic in left if not topic.startswith(f"{old}/other/")]

    await until(cleared)
    after = {entry["unique_id"]: entry["entity_id"] for entry in await home.registry()}
    mine = {unique_id: entity_id for unique_id, entity_id in before.items() if "_bridge_" not in unique_id}
    assert {unique_id: entity_id for unique_id, entity_id in after.items() if "_bridge_" not in unique_id} == mine
    await home.ha.act("lock.front_door", "lock.unlock")
    await home.ha.until_state("lock.front_door", "unlocked")


async def test_prefix(home: Home) -> None:
    """With another discovery prefix nothing is left below the old one, nor in the Home Assistant that listens there."""
    bridge = await home.up()
    await bridge.stop()
    await home.again(homeassistant={"discovery_prefix": f"{home.stage.ear.base}/elsewhere"})

    async def gone() -> bool:
        return not await home.ha.entities() and await home.configs() == {}

    await until(gone)
    elsewhere = await held(home.stage.broker, f"{home.stage.ear.base}/elsewhere")
    assert f"{home.stage.ear.base}/elsewhere/device/{node(COFFEE)}/config" in elsewhere


async def test_many(home: Home) -> None:
    """Two hundred more devices arrive, all of them, and leave no complaint."""
    for number in range(MANY):
        record: Json = {"category": "SmartPlug", "handleType": "utec-switch", "states": {"st.switch.switch": "off"}}
        await add(home, 1000 + number, f"Plug {number}", **record)
    await home.up(count=ENTITIES + 5 * MANY, uhome={"query_batch_size": 100})
    states = await home.ha.states()
    assert len([entity_id for entity_id in states if entity_id.startswith("switch.plug_")]) == MANY
