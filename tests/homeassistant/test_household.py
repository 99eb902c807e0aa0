"""What Home Assistant makes of the household, and what its actions lead to."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest

from tests.support.account import BACK, COFFEE, DINING, FRONT, GARAGE, HALL

from .hass import Json, until
from .home import ENTITIES, Home, node

pytestmark = pytest.mark.homeassistant

OFF_BY_DEFAULT = {"battery_level", "last_reported"}


def described(configs: dict[str, str]) -> dict[str, Json]:
    """Give the components of all configs by unique id, each with its device."""
    found = {}
    for payload in configs.values():
        config = json.loads(payload)
        for component in config["components"].values():
            found[component["unique_id"]] = {**component, "device": config["device"]}
    return found


def expected_state(component: Json, topics: dict[str, str]) -> str | None:
    """Say what the state of an entity should be by what stands on its topic; None where that is not compared."""
    if component["platform"] in {"event", "button"}:
        return "unknown"
    text = topics[component["state_topic"]]
    if "value_template" in component:
        found: Any = json.loads(text)
        for member in component["value_template"].strip("{} ").split(".")[1:]:
            found = found[member]
        text = str(found)
    if component["platform"] == "light":
        text = json.loads(text)["state"] or "None"
    if component.get("device_class") == "timestamp" or component.get("state_class") == "measurement":
        return None if text != "None" else "unknown"
    on, off = component.get("payload_on", "ON"), component.get("payload_off", "OFF")
    return {"None": "unknown", on: "on", off: "off"}.get(
        text, text.lower() if component["platform"] == "lock" else text
    )


async def test_entities(home: Home) -> None:
    """Every entity of the household is registered as it is described, and shows what its topic says."""
    await home.up()
    components, entities = described(await home.configs()), await home.known()
    assert entities.keys() == components.keys()
    devices = await home.ha.devices()
    topics = {home.stage.ear.topic(topic): text for topic, text in (await home.stage.held()).items()}
    for unique_id, component in components.items():
        entry = await home.ha.entity(entities[unique_id]["entity_id"])
        is_off = component.get("enabled_by_default") is False
        assert entry["entity_id"] == component["default_entity_id"].replace("-", "_")
        assert entry["entity_id"].partition(".")[0] == component["platform"]
        assert entry["original_name"] == component["name"]
        assert entry["original_device_class"] == component.get("device_class")
        assert entry["entity_category"] == component.get("entity_category")
        assert entry["original_icon"] == component.get("icon")
        assert entry["disabled_by"] == ("integration" if is_off else None)
        assert entry["device_id"] == devices[component["device"]["identifiers"][0]]["id"]
        expected = None if is_off else expected_state(component, topics)
        if expected is not None:
            await home.ha.until_state(entry["entity_id"], expected)
    off = {unique_id.split("_", 2)[2] for unique_id, entry in entities.items() if entry["disabled_by"]}
    assert off == OFF_BY_DEFAULT


async def test_devices(home: Home) -> None:
    """Every device hangs below the bridge, and both say what they are."""
    await home.up()
    devices = await home.ha.devices()
    bridge = devices.pop(next(name for name in devices if name.endswith("_bridge")))
    assert (bridge["name"], bridge["model"], bridge["via_device_id"]) == ("U home bridge", "MQTT bridge", None)
    assert {device["via_device_id"] for device in devices.values()} == {bridge["id"]}
    front = devices[node(FRONT)]
    assert (front["name"], front["manufacturer"], front["model"]) == ("Front Door", "U-tec", "U-Bolt-Pro-WiFi")
    assert front["sw_version"] == "02.26.0021"
    of_bridge = [entry for entry in (await home.ha.entities()).values() if entry["device_id"] == bridge["id"]]
    platforms = sorted(entry["entity_id"].partition(".")[0] for entry in of_bridge)
    assert platforms == ["binary_sensor", "button", "button", "sensor", "sensor", "sensor", "sensor"]


async def test_actions(home: Home) -> None:
    """Actions on locks, lights, switches and selects reach the cloud, and what comes of them is shown."""
    await home.up()
    for entity_id, action, data, state in (
        ("lock.front_door", "lock.unlock", {}, "unlocked"),
        ("lock.front_door", "lock.lock", {}, "locked"),
        ("light.dining_room", "light.turn_on", {"brightness_pct": 40}, "on"),
        ("light.bedside_lamp", "light.turn_on", {}, "on"),
        ("light.bedside_lamp", "light.turn_off", {}, "off"),
        ("switch.hall_light", "switch.turn_on", {}, "on"),
        ("switch.coffee_machine", "switch.toggle", {}, "on"),
        ("select.front_door_mode", "select.select_option", {"option": "passage"}, "passage"),
    ):
        await home.ha.act(entity_id, action, **data)
        await home.ha.until_state(entity_id, state)
    light = (await home.ha.states())["light.dining_room"]["attributes"]
    assert (light["brightness"], light["color_mode"]) == (102, "brightness")
    commands = home.stage.account.commands()
    assert commands[:2] == [(FRONT, "unlock"), (FRONT, "lock")]
    assert {(DINING, "setLevel"), (HALL, "on"), (COFFEE, "on"), (FRONT, "setMode")} <= set(commands)


async def test_outcomes(home: Home) -> None:
    """What becomes of a command is an event for automations: accepted, then confirmed; or what the cloud said."""
    await home.up()
    await home.stage.account.by_hand(BACK, online=False)
    changes = await home.ha.listen("subscribe_events", event_type="state_changed")

    def outcomes(entity_id: str) -> list[tuple[str, Any]]:
        new = [change["data"]["new_state"] for change in changes if change["data"]["entity_id"] == entity_id]
        return [(state["attributes"]["event_type"], state["attributes"]["reason"]) for state in new]

    await home.ha.act("lock.front_door", "lock.unlock")
    await home.ha.act("lock.back_door", "lock.unlock")

    async def told() -> bool:
        return len(outcomes("event.front_door_result")) == 2 and len(outcomes("event.back_door_result")) == 1

    await until(told)
    assert outcomes("event.front_door_result") == [("accepted", None), ("confirmed", "query")]
    assert outcomes("event.back_door_result") == [("rejected", "DEVICE_OFFLINE")]


async def test_buttons(home: Home) -> None:
    """The bridge's buttons ask for the states, and for the list of devices."""
    await home.up()
    bridge = f"{home.stage.ear.base}_bridge".replace("-", "_")
    assert f"button.{bridge}_refresh" in await home.ha.states(), sorted(await home.ha.states())
    await home.stage.account.by_hand(GARAGE, states={"st.doorSensor.sensorState": "Open"})
    await home.ha.act(f"button.{bridge}_refresh", "button.press")
    await home.ha.until_state("binary_sensor.garage_door", "on")
    lists = len(home.stage.account.requests("Discovery"))
    await home.ha.act(f"button.{bridge}_discover", "button.press")
    await home.stage.ear.until("bridge/response/discover", lambda _: True)
    assert len(home.stage.account.requests("Discovery")) == lists + 1


async def test_transitions(home: Home) -> None:
    """A lock shows that its bolt is turning, and a jam as such."""
    await home.up()
    changes = await home.ha.listen("subscribe_events", event_type="state_changed")

    def shown() -> list[str]:
        events = [change["data"] for change in changes if change["data"]["entity_id"] == "lock.front_door"]
        return [event["new_state"]["state"] for event in events]

    await home.ha.act("lock.front_door", "lock.unlock")
    await home.ha.until_state("lock.front_door", "unlocked")
    assert shown() == ["unlocking", "unlocked"]
    await home.stage.account.by_hand(FRONT, jam=True)
    await home.ha.act("lock.front_door", "lock.lock")
    await home.ha.until_state("lock.front_door", "jammed")
    assert shown()[2:] == ["locking", "jammed"]


async def test_trouble(home: Home) -> None:
    """A device out of reach becomes unknown and stays operable, and a lost login shows as the bridge's problem."""
    await home.up(polling={"interval": 10})
    await home.stage.account.by_hand(BACK, online=False)
    await home.ha.until_state("binary_sensor.back_door_connectivity", "off")
    await home.ha.until_state("lock.back_door", "unknown")
    bridge = f"{home.stage.ear.base}_bridge".replace("-", "_")
    assert await home.ha.state(f"binary_sensor.{bridge}_authorization") == "off"
    await home.stage.account.control("POST", "revoke")
    await home.ha.act("lock.front_door", "lock.unlock")
    await home.ha.until_state(f"binary_sensor.{bridge}_authorization", "on")
    await home.ha.until_state(f"sensor.{bridge}_cloud", "unauthorized")
    assert await home.ha.state("lock.front_door") == "locked"


async def test_bridge_ends(home: Home) -> None:
    """Everything is unavailable while the bridge is not there, however it ended, and back with it."""
    bridge = await home.up()
    await bridge.stop()
    await home.ha.until_state("lock.front_door", "unavailable")
    bridge = await home.again()
    await home.known()
    await bridge.stop(signal.SIGKILL)
    await home.ha.until_state("lock.front_door", "unavailable")
    await home.again()
    await home.known()
    assert await home.ha.state("lock.front_door") == "locked"


async def test_leaving(home: Home) -> None:
    """A device that leaves the account leaves Home Assistant, and the broker."""
    await home.up(polling={"discovery_interval": 600})
    await home.stage.account.control("DELETE", f"devices/{COFFEE}")
    await home.request("discover")

    async def gone() -> bool:
        if node(COFFEE) in await home.ha.devices():
            since = home.stage.ear.now
            await home.stage.ear.say("bridge/request/discover", "")
            await home.stage.ear.until("bridge/response/discover", lambda _: True, since)
            return False
        return True

    await until(gone)
    assert not [entity_id for entity_id in await home.ha.states() if "coffee" in entity_id]
    assert not [topic for topic in await home.configs() if node(COFFEE) in topic]
    assert len(await home.ha.entities()) == ENTITIES - 5
