from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from uhome2mqtt.simulator import color_bulb
from uhome2mqtt.simulator.household import COLOR_BULB

if TYPE_CHECKING:
    from .support import Client

RED = {"r": 255, "g": 0, "b": 0}
NAMES = {
    "as a client guesses": (
        ("st.colorTemperature.temperature", "st.colorTemperature.temperature", "value"),
        ("st.color.color", "st.color.color", "value"),
    ),
    "after SmartThings": (
        ("st.colorTemperature.colorTemperature", "st.colorTemperature.setColorTemperature", "temperature"),
        ("st.colorControl.color", "st.colorControl.setColor", "color"),
    ),
}


@pytest.mark.parametrize(("temperature", "color"), NAMES.values(), ids=NAMES)
async def test_a_color_bulb(client: Client, temperature: tuple[str, str, str], color: tuple[str, str, str]) -> None:
    """A bulb that was added takes the colours of its names, shows them, and stays off until it is turned on."""
    client.quirks(switch_seconds=0)
    client.cloud.put(color_bulb(temperature[0], color[0]))
    for (state, command, argument), value in ((temperature, 4000), (color, RED)):
        await client.command(COLOR_BULB, command, **{argument: value})
        states = await client.states(COLOR_BULB)
        assert states[state] == value
        assert states["st.switch.switch"] == "off"


async def test_a_color_bulb_of_the_control_interface(client: Client) -> None:
    """A colour bulb is also whatever is added with a state of such a name."""
    states = {"st.switch.switch": "on", "st.color.color": RED}
    await client.control("PUT", "devices/AA:03", {"name": "Bulb", "category": "LIGHT", "states": states})
    assert (await client.states("AA:03"))["st.color.color"] == RED
    reply = await client.command("AA:03", "st.color.color", value={"r": 0, "g": 0, "b": 1})
    assert "error" not in reply["devices"][0]


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "another argument": ("st.color.color", {"color": RED}),
    "two arguments": ("st.color.color", {"value": RED, "level": 1}),
    "flat": ("st.color.color", RED),
    "no object": ("st.color.color", {"value": "255,0,0"}),
    "two channels": ("st.color.color", {"value": {"r": 255, "g": 0}}),
    "too bright": ("st.color.color", {"value": {"r": 256, "g": 0, "b": 0}}),
    "boolean": ("st.color.color", {"value": {"r": True, "g": 0, "b": 0}}),
    "too warm": ("st.colorTemperature.temperature", {"value": 1999}),
    "names of another bulb": ("st.colorControl.setColor", {"color": RED}),
}


@pytest.mark.parametrize(("command", "arguments"), WRONG.values(), ids=WRONG)
async def test_colors_that_make_no_sense(client: Client, command: str, arguments: dict[str, Any]) -> None:
    """A colour command with other names, arguments or values than the bulb's own is refused."""
    client.cloud.put(color_bulb())
    reply = await client.command(COLOR_BULB, command, **arguments)
    assert reply["error"]["code"] == "BAD-REQUEST"
