"""A colour bulb, such as nobody has captured, from the cloud to the broker and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.push import receiving
from tests.support.stage import Stage
from uhome2mqtt.simulator import color_bulb
from uhome2mqtt.simulator.household import COLOR_BULB

pytestmark = pytest.mark.e2e

RED = {"r": 255, "g": 0, "b": 0}
NAMES = {
    "guessed": ({}, {}, ["color", "temperature"]),
    "configured": (
        {"temperature": "st.colorTemperature.colorTemperature", "color": "st.colorControl.color"},
        {
            "color_temp_state": "st.colorTemperature.colorTemperature",
            "color_temp_command": "st.colorTemperature.setColorTemperature(temperature)",
            "rgb_state": "st.colorControl.color",
            "rgb_command": "st.colorControl.setColor(color)",
        },
        ["setColor", "setColorTemperature"],
    ),
}


async def shine(stage: Stage, topic: str, payload: object) -> dict[str, Any]:
    """Give a command to the bulb, wait until it is confirmed, and give what the light then shows."""
    since = stage.ear.now
    await stage.ear.say(f"floor_lamp/{topic}/set", payload if isinstance(payload, str) else json.dumps(payload))
    await stage.ear.until_event("floor_lamp/result", "confirmed", since)
    assert stage.ear.events("floor_lamp/result", since) == ["accepted", "confirmed"]
    light: dict[str, Any] = json.loads((await stage.held())["floor_lamp/light"])
    return light


@pytest.mark.parametrize(("wire", "configured", "commands"), NAMES.values(), ids=NAMES)
async def test_colors(stage: Stage, wire: dict[str, str], configured: dict[str, str], commands: list[str]) -> None:
    """Colours and levels are set as Home Assistant asks for them and come back, whatever the cloud calls them."""
    stage.account.cloud.put(color_bulb(**wire))
    await stage.up(lights=configured)
    await stage.ear.until("floor_lamp/rgb", "255,255,255")
    config = json.loads((await stage.held())["ha/device/uhome2mqtt_84f703300008/config"])
    assert config["components"]["light"]["supported_color_modes"] == ["color_temp", "rgb"]

    red: dict[str, Any] = {"state": "ON", "brightness": 60, "color_mode": "rgb", "color": RED}
    assert await shine(stage, "light", {"state": "ON", "color": RED}) == red
    warm = {"state": "ON", "brightness": 40, "color_mode": "color_temp", "color_temp": 4000}
    assert await shine(stage, "light", {"state": "ON", "color_temp": 4000, "brightness": 40}) == warm
    assert await shine(stage, "rgb", "0,0,255") == red | {"brightness": 40, "color": {"r": 0, "g": 0, "b": 255}}
    assert await shine(stage, "color_temp", "2000") == warm | {"color_temp": 2000}

    color, temperature = commands
    names = [name for device, name in stage.account.commands() if device == COLOR_BULB]
    assert names == ["on", color, "setLevel", temperature, color, temperature]
    retained = await stage.held()
    assert (retained["floor_lamp/color_temp"], retained["floor_lamp/rgb"]) == ("2000", "0,0,255")


async def test_notifications(stage: Stage) -> None:
    """A colour that is pushed is read with the configured name, without a query."""
    stage.account.cloud.put(color_bulb(color="st.colorControl.color"))
    await receiving(stage, {"polling": {"interval": 600}, "lights": {"rgb_state": "st.colorControl.color"}})
    await stage.ear.until("floor_lamp/rgb", "255,255,255")
    since = stage.ear.now
    await stage.account.by_hand(COLOR_BULB, states={"st.colorControl.color": RED})
    await stage.ear.until("floor_lamp/rgb", "255,0,0", since)
    # The document follows the key.
    await stage.ear.until("floor_lamp", lambda text: json.loads(text)["source"] == "push", since)


async def test_names_that_are_wrong(stage: Stage) -> None:
    """Under names that the cloud does not know a bulb is a lamp without colours, and a colour is refused."""
    stage.account.cloud.put(color_bulb(color="st.light.paint", temperature="st.light.heat"))
    await stage.up()
    await stage.ear.until("floor_lamp/light", lambda text: json.loads(text)["state"] == "OFF")
    since = stage.ear.now
    await stage.ear.say("floor_lamp/light/set", json.dumps({"state": "ON", "color": RED}))
    refused = await stage.ear.until_event("floor_lamp/result", "refused", since)
    assert refused["reason"] == "UNKNOWN_KEY"
    devices = json.loads((await stage.held())["bridge/devices"])
    [observed] = [device["observed"] for device in devices if device["id"] == COLOR_BULB]
    assert {"st.light.paint", "st.light.heat"} <= {*observed}
