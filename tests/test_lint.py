"""What is wrong with a discovery payload is found and named, each kind of mistake by itself."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uhome2mqtt.homeassistant import lint
from uhome2mqtt.homeassistant.rules import DEVICE, LISTS, ORIGIN, PLATFORMS, SWITCHES, TEXTS, TOP_LEVEL, TOPICS
from uhome2mqtt.model import Json

TOPIC = "homeassistant/device/node/config"
GONE = "is not there at all"
"""Stands for a member that is taken away."""

GOOD: dict[str, Any] = {
    "device": {"identifiers": ["node"], "name": "Front door", "configuration_url": "https://example.com/"},
    "origin": {"name": "uhome2mqtt"},
    "availability": [{"topic": "a/state"}, {"topic": "a/front/availability"}],
    "availability_mode": "all",
    "qos": 1,
    "components": {
        "lock": {
            "platform": "lock",
            "unique_id": "node_lock",
            "default_entity_id": "lock.front",
            "name": None,
            "icon": "mdi:lock",
            "state_topic": "a/front/lock",
            "command_topic": "a/front/lock/set",
        },
        "battery": {
            "platform": "sensor",
            "unique_id": "node_battery",
            "state_topic": "a/front/battery",
            "device_class": "battery",
            "state_class": "measurement",
            "unit_of_measurement": "%",
            "entity_category": "diagnostic",
            "qos": 0,
        },
        "seen": {
            "platform": "sensor",
            "unique_id": "node_seen",
            "state_topic": "a/front/seen",
            "device_class": "timestamp",
            "enabled_by_default": False,
        },
        "status": {
            "platform": "sensor",
            "unique_id": "node_status",
            "state_topic": "a/front/status",
            "device_class": "enum",
            "options": ["good", "bad"],
        },
        "plain": {"platform": "sensor", "unique_id": "node_plain", "state_topic": "a/x", "device_class": None},
        "door": {
            "platform": "binary_sensor",
            "unique_id": "node_door",
            "state_topic": "a/front/door",
            "payload_on": "open",
            "payload_off": "closed",
        },
        "light": {
            "platform": "light",
            "unique_id": "node_light",
            "schema": "json",
            "command_topic": "a/lamp/light/set",
            "brightness": True,
            "brightness_scale": 100,
            "supported_color_modes": ["brightness"],
        },
        "result": {
            "platform": "event",
            "unique_id": "node_result",
            "state_topic": "a/front/result",
            "event_types": ["accepted", "confirmed"],
        },
    },
}
ALONE = {key: value for key, value in GOOD.items() if key != "components"} | {
    key: value for key, value in GOOD["components"]["lock"].items() if key != "platform"
}


def changed(path: str, value: object, config: dict[str, Any]) -> dict[str, Any]:
    """Give a config with another value at one place, or without it."""
    config = deepcopy(config)
    *above, last = path.split(".")
    place: Any = config
    for level in above:
        place = place[int(level)] if isinstance(place, list) else place[level]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    return config


def test_good_configs() -> None:
    """A config without a mistake is not complained of, as a whole device or as one entity, with or without a node."""
    assert lint("homeassistant", TOPIC, GOOD) == []
    for topic in ("homeassistant/lock/node/config", "homeassistant/lock/group/node-lock/config"):
        assert lint("homeassistant", topic, ALONE) == []


PROBLEMS: list[tuple[str, object, str]] = [
    ("speed", 1, "speed is not known to Home Assistant: the whole device is refused"),
    ("device", GONE, "device is missing"),
    ("device", [], "device is missing"),
    ("device.colour", "red", "device.colour is not known to Home Assistant: everything is refused"),
    ("device.model", "", "device.model is empty"),
    ("device.model", 7, "device.model is no text"),
    ("device.identifiers", [], "device has neither identifiers nor connections"),
    ("device.identifiers", [7], "device.identifiers is neither a text nor a list of texts"),
    ("device.identifiers", {"a": 1}, "device.identifiers is neither a text nor a list of texts"),
    ("device.configuration_url", "example.com", "device.configuration_url is no URL"),
    ("origin", GONE, "origin is missing"),
    ("origin.name", GONE, "origin.name is missing"),
    ("origin.url", "x", "origin.url is not known to Home Assistant: everything is refused"),
    ("origin.name", None, "origin.name is empty"),
    ("availability", "a/state", "availability is no list of objects with a topic each"),
    ("availability", ["a/state"], "availability is no list of objects with a topic each"),
    ("availability.0.topic", "a/+", "availability is no list of objects with a topic each"),
    ("availability.1.topic", "a/state", "availability names a topic twice, and only the last one counts"),
    ("availability.0.qos", 1, "availability.qos is not known to Home Assistant: it is refused"),
    ("availability_mode", "some", "availability_mode is none of all, any, latest"),
    ("availability_topic", "a/state", "availability and availability_topic exclude each other"),
    ("qos", 3, "qos 3 is none of 0, 1, 2"),
    ("components", GONE, "components is missing or empty"),
    ("components", {}, "components is missing or empty"),
    ("components.lock", [], "components.lock has none of the platforms lock,"),
    ("components.lock.platform", "toaster", "components.lock has none of the platforms lock,"),
    ("components.lock.platform", ["lock"], "components.lock has none of the platforms lock,"),
    ("components.lock.object_id", "x", "components.lock.object_id is not known to Home Assistant: it is dropped"),
    ("components.lock.unique_id", GONE, "components.lock.unique_id is missing"),
    ("components.lock.unique_id", 7, "components.lock.unique_id 7 is no text"),
    ("components.lock.unique_id", "node_battery", "unique_id node_battery stands twice"),
    ("components.lock.command_topic", GONE, "components.lock.command_topic is missing"),
    ("components.lock.command_topic", "a/#", "components.lock.command_topic 'a/#' is no topic"),
    ("components.lock.state_topic", "", "components.lock.state_topic '' is no topic"),
    ("components.lock.availability_topic", "a/+", "components.lock.availability_topic 'a/+' is no topic"),
    ("components.lock.json_attributes_topic", 7, "components.lock.json_attributes_topic 7 is no topic"),
    ("components.lock.availability", {}, "components.lock.availability is no list of objects with a topic each"),
    ("components.lock.qos", "1", "components.lock.qos '1' is none of 0, 1, 2"),
    ("components.lock.name", "", "components.lock.name '' is neither null nor a text"),
    ("components.lock.icon", "lock", "components.lock.icon 'lock' has no colon: the entity is refused"),
    ("components.lock.retain", True, "components.lock.retain: commands would be carried out again"),
    ("components.lock.optimistic", "yes", "components.lock.optimistic 'yes' is neither true nor false"),
    ("components.lock.payload_lock", 1, "components.lock.payload_lock 1 is no text"),
    ("components.lock.value_template", "", "components.lock.value_template '' is no text"),
    ("components.lock.state_locked", None, "components.lock.state_locked None is no text"),
    ("components.lock.entity_category", "system", "components.lock.entity_category 'system' is not for this platform"),
    ("components.lock.default_entity_id", "front", "default_entity_id 'front' is no entity id of lock"),
    ("components.lock.default_entity_id", "light.front", "default_entity_id 'light.front' is no entity id of lock"),
    ("components.battery.entity_category", "config", "entity_category 'config' is not for this platform"),
    ("components.battery.device_class", "humidity", "device_class 'humidity' is not for this platform"),
    ("components.battery.state_class", "average", "state_class 'average' is no state class"),
    ("components.battery.unit_of_measurement", "V", "unit_of_measurement 'V' is none of device_class battery"),
    ("components.battery.options", ["a"], "components.battery.options and the device class enum go together"),
    ("components.status.options", GONE, "components.status.options and the device class enum go together"),
    ("components.status.options", [], "components.status.options [] is no list of different texts"),
    ("components.status.options", ["a", "a"], "components.status.options ['a', 'a'] is no list of different texts"),
    ("components.status.state_class", "total", "device_class enum goes with neither state_class nor"),
    ("components.seen.unit_of_measurement", "s", "device_class timestamp goes with neither state_class nor"),
    ("components.door.payload_off", "open", "components.door.payload_on and payload_off are the same"),
    ("components.light.schema", GONE, "components.light.schema is not json"),
    ("components.light.brightness_scale", 0, "components.light.brightness_scale 0 is no number above 0"),
    ("components.light.supported_color_modes", ["pink"], "supported_color_modes has other words than brightness,"),
    ("components.light.supported_color_modes", ["color_temp"], "color_temp_kelvin is not true"),
    ("components.light.supported_color_modes", ["hs", "onoff"], "brightness and onoff go with no other"),
    ("components.light.supported_color_modes", "hs", "supported_color_modes 'hs' is no list of different texts"),
    ("components.result.event_types", [7], "components.result.event_types [7] is no list of different texts"),
]


@pytest.mark.parametrize(("path", "value", "problem"), PROBLEMS, ids=lambda case: str(case)[:40])
def test_problems(path: str, value: object, problem: str) -> None:
    """A single mistake is named, with its place and what Home Assistant makes of it."""
    found = lint("homeassistant", TOPIC, changed(path, value, GOOD))
    assert any(problem in each for each in found), found
    assert all(each.startswith(f"{TOPIC}: ") for each in found)


@pytest.mark.parametrize("config", [None, 7, "text", [], True])
def test_no_object(config: Json) -> None:
    """What is no JSON object is no config."""
    assert lint("homeassistant", TOPIC, config) == [f"{TOPIC}: the payload is no JSON object"]


@pytest.mark.parametrize(
    "topic",
    [
        "homeassistant/device/config",
        "homeassistant/device/a/b/c/config",
        "homeassistant/device/front door/config",
        "homeassistant/toaster/node/config",
        "elsewhere/device/node/config",
        "homeassistant/device/node",
        "homeassistant",
    ],
)
def test_topics(topic: str) -> None:
    """What is retained on another topic than that of a device or of a known platform is not found by Home Assistant."""
    [problem] = lint("homeassistant", topic, GOOD)
    assert "is no discovery topic below homeassistant/" in problem


def test_one_entity() -> None:
    """Described alone an entity is held against the same rules."""
    found = lint("homeassistant", "homeassistant/lock/node/config", {**ALONE, "platform": "lock", "retain": True})
    assert [each.partition(": ")[2].partition(" ")[0] for each in found] == ["platform", "retain:"]
    assert "origin is missing" in lint("homeassistant", "homeassistant/lock/node/config", {})[1]


WORDS = sorted(
    {*TOP_LEVEL, *DEVICE, *ORIGIN, *PLATFORMS, *SWITCHES, *LISTS, *TEXTS, *TOPICS, "platform", "enum", "a/b", "json"}
    | {key for platform in PLATFORMS.values() for key in platform.keys}
)
NAMES = st.sampled_from(WORDS) | st.text(max_size=5)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
COMPONENTS = st.dictionaries(
    NAMES,
    st.dictionaries(NAMES, VALUES, max_size=6) | st.fixed_dictionaries({"platform": st.sampled_from([*PLATFORMS])}),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(topic=st.sampled_from([TOPIC, *(f"homeassistant/{name}/node/config" for name in PLATFORMS)]) | st.text(),
       config=VALUES, spoilt=st.sampled_from([path for path, _, _ in PROBLEMS]), components=COMPONENTS)  # fmt: skip
def test_any_json(topic: str, config: Any, spoilt: str, components: Any) -> None:
    """Whatever JSON is retained there, the mistakes in it are named, and nothing else happens."""
    for given_config in (config, changed(spoilt, config, GOOD), {**GOOD, "components": components}):
        found = lint("homeassistant", topic, given_config)
        assert all(each.startswith(f"{topic}: ") for each in found)
