from __future__ import annotations

import pytest

from uhome2mqtt.catalogue import KNOWN
from uhome2mqtt.model import COLOR_TEMP, RGB, Attribute, Command, Device, Json
from uhome2mqtt.uhome import (
    LightNames,
    command_payload,
    decode_command_replies,
    decode_notification,
    decode_reports,
)
from uhome2mqtt.uhome.lights import LONGEST_NAME, parse_command, parse_state

RED: dict[str, Json] = {"r": 255, "g": 0, "b": 0}
OTHER = LightNames(
    color_temp_state="st.colorTemperature.colorTemperature",
    color_temp_command="st.colorTemperature.setColorTemperature(temperature)",
    rgb_state="st.colorControl.color",
    rgb_command="st.colorControl.setColor(color)",
)
BULB = Device(id="1", name="Bulb")


def shown(capability: str, name: str, value: Json) -> dict[str, Json]:
    """Give a reply that shows one state of the bulb."""
    return {"devices": [{"id": "1", "states": [{"capability": capability, "name": name, "value": value}]}]}


HEARD: dict[str, tuple[LightNames, dict[str, Json], dict[Attribute, Json]]] = {
    "guessed temperature": (
        LightNames(),
        shown("st.ColorTemperature", "temperature", 2700),
        {COLOR_TEMP: 2700},
    ),
    "guessed color": (LightNames(), shown("st.color", "color", RED), {RGB: "255,0,0"}),
    "color as text": (LightNames(), shown("st.color", "color", "255,0,0"), {RGB: "255,0,0"}),
    "color that nobody can read": (LightNames(), shown("st.color", "color", {"h": 1}), {RGB: {"h": 1}}),
    "other temperature": (OTHER, shown("ST.COLORTEMPERATURE", "colortemperature", 2700), {COLOR_TEMP: 2700}),
    "other color": (OTHER, shown("st.colorControl", "color", RED), {RGB: "255,0,0"}),
    "guessed name where there is another": (OTHER, shown("st.color", "color", RED), {}),
    "something else": (OTHER, shown("st.switch", "switch", "on"), {Attribute("st.switch.switch"): "on"}),
}


@pytest.mark.parametrize(("names", "payload", "states"), HEARD.values(), ids=HEARD)
def test_states_are_heard(names: LightNames, payload: dict[str, Json], states: dict[Attribute, Json]) -> None:
    """Colours are heard under the names that are configured, in replies of every kind and in notifications."""
    [report] = decode_reports(payload, names)
    [notified] = decode_notification({"payload": payload}, names).reports
    answered = decode_command_replies(payload, {"1"}, names)["1"].report
    assert report.states == notified.states == states
    assert (answered.states if answered else {}) == states


SAID: dict[str, tuple[LightNames, Command, dict[str, Json]]] = {
    "guessed temperature": (
        LightNames(),
        Command(capability="st.colorTemperature", name="temperature", arguments={"value": 2700}),
        {"capability": "st.colorTemperature", "name": "temperature", "arguments": {"value": 2700}},
    ),
    "other temperature": (
        OTHER,
        Command(capability="st.colorTemperature", name="temperature", arguments={"value": 2700}),
        {"capability": "st.colorTemperature", "name": "setColorTemperature", "arguments": {"temperature": 2700}},
    ),
    "other color": (
        OTHER,
        Command(capability="st.color", name="color", arguments={"value": RED}),
        {"capability": "st.colorControl", "name": "setColor", "arguments": {"color": RED}},
    ),
    "something else": (
        OTHER,
        Command(capability="st.switch", name="on"),
        {"capability": "st.switch", "name": "on"},
    ),
}


@pytest.mark.parametrize(("names", "command", "wire"), SAID.values(), ids=SAID)
def test_commands_are_said(names: LightNames, command: Command, wire: dict[str, Json]) -> None:
    """Colours are commanded under the names that are configured, everything else as it is."""
    assert command_payload([(BULB, command)], names) == {"devices": [{"id": "1", "command": wire}]}


@pytest.mark.parametrize(
    "text", ["", "color", ".color", "st.", "st color.c", "st.color.c(x)", "st.f\u00e4rbe.c", "a." * 64 + "b"]
)
def test_names_that_are_no_states(text: str) -> None:
    """A state is a capability and a name, in ASCII letters and of bounded length."""
    with pytest.raises(ValueError, match="it is not a capability and a name with a dot between them"):
        parse_state(text)
    assert parse_state("St.Color-X.color_1") == "st.color-x.color_1"
    assert LONGEST_NAME == 128


@pytest.mark.parametrize(
    "text", ["", "st.c.set", "set(x)", "st.c.set()", "st.c.set(a,b)", "st.c.set(a) ", "a." * 64 + "b(c)"]
)
def test_names_that_are_no_commands(text: str) -> None:
    """A command is a capability, a name and one argument in brackets."""
    with pytest.raises(ValueError, match="it is not a capability, a command and its one argument in brackets"):
        parse_command(text)
    assert parse_command("st.color.setColor(color)") == ("st.color", "setColor", "color")


@pytest.mark.parametrize(
    ("capability", "name"),
    [
        ("st.switch", "switch"),
        ("st.switchLevel", "level"),
        ("st.brightness", "brightness"),
        ("st.healthCheck", "status"),
    ],
)
def test_known_by_its_name(capability: str, name: str) -> None:
    """What documented lights report is known by the names that the cloud gives it, however they are spelt."""
    [report] = decode_reports(shown(capability.upper(), name, 50), LightNames())
    assert report.states
    assert report.states.keys() <= KNOWN
