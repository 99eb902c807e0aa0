from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uhome2mqtt import PROJECT_URL, __version__
from uhome2mqtt.catalogue import DESCRIPTIONS, KNOWN, descriptions_for, documented
from uhome2mqtt.catalogue.attributes import DOOR, LEVEL, LOCK_MODE
from uhome2mqtt.homeassistant import (
    Described,
    bridge_node,
    configs,
    describe_bridge,
    describe_device,
    device_node,
    farewell,
    is_ours,
    lint,
)
from uhome2mqtt.model import COLOR_TEMP, RGB, Attribute, Device, Discovery, Json, Outcome
from uhome2mqtt.topics import SetTopic, Topics

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast a machine is decides about no test."""

GOLDEN = Path(__file__).parent / "fixtures" / "discovery"
REWRITE = "REWRITE_GOLDEN_FILES" in os.environ
"""Set it to write the golden files instead of comparing with them; then read the difference."""

TOPICS = Topics(base="uhome2mqtt", discovery_prefix="homeassistant")
ROWS = {row.key: row for row in DESCRIPTIONS}

LOCK_WORDS = {"LOCKED", "LOCKING", "UNLOCKED", "UNLOCKING", "OPEN", "OPENING", "JAMMED"}
LOCK = Device(
    id="C4:5B:BE:00:10:01",
    name="Front Door",
    category="SmartLock",
    handle_type="utec-lock-sensor",
    manufacturer="U-tec",
    model="U-Bolt-Pro-WiFi",
    firmware="02.26.0021",
)
DIMMER = Device(
    id="C4:5B:BE:00:20:01",
    name="Küche",
    category="SmartSwitch",
    handle_type="utec-dimmer",
    manufacturer="U-tec",
    model="US01",
    firmware="01.01.0330",
)
SWITCH = Device(
    id="C4:5B:BE:00:30:01", name="Fan", category="SmartSwitch", handle_type="utec-switch", serial_number="S1"
)
PLUG = Device(id="C4:5B:BE:00:40:01", name="Plug", category="SMARTPLUG", handle_type="utec-switch", model="P1")
STRIP = Device(id="C4:5B:BE:00:20:03", name="Strip", category="LIGHT", handle_type="utec-light-rgbaw-br")

BULB = Device(
    id="C4:5B:BE:00:20:04",
    name="Floor Lamp",
    category="LIGHT",
    handle_type="utec-bulb-color-rgbw",
    manufacturer="U-tec",
    model="A19-C2",
)


def config(device: Device, level: str, *observed: Attribute, topics: Topics = TOPICS) -> dict[str, Any]:
    """Describe a device that has shown some attributes beside those of its profile."""
    known = documented(device) | {*observed}
    return device_config(topics, 1, device, level, device.name, known)


def device_config(
    topics: Topics, qos: int, device: Device, level: str, name: str, known: frozenset[Attribute]
) -> dict[str, Any]:
    """Describe a device in one payload."""
    [described] = configs(topics, Discovery.DEVICE, describe_device(topics, qos, device, level, name, known)).values()
    return described


def bridge_config(topics: Topics, qos: int) -> dict[str, Any]:
    """Describe the bridge in one payload."""
    [described] = configs(topics, Discovery.DEVICE, describe_bridge(topics, qos, push=True)).values()
    return described


LEVELS = {LOCK: "front_door", DIMMER: "kuche", SWITCH: "fan", PLUG: "plug"}


def describe(device: Device, level: str) -> Described:
    """Describe a device that has shown everything that a lock can show."""
    shown = {LOCK_MODE, DOOR} if device is LOCK else set()
    return describe_device(TOPICS, 1, device, level, device.name, documented(device) | shown)


CONFIGS: dict[str, dict[str, Any]] = {
    "lock": config(LOCK, "front_door", LOCK_MODE, DOOR),
    "dimmer": config(DIMMER, "kuche"),
    "switch": config(SWITCH, "fan"),
    "plug": config(PLUG, "plug"),
    "bulb": config(BULB, "floor_lamp", COLOR_TEMP, RGB),
    "bridge": bridge_config(TOPICS, 1),
}


def components(described: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the components of a config."""
    found: dict[str, dict[str, Any]] = described["components"]
    return found


@pytest.mark.parametrize("name", CONFIGS)
def test_golden_files(name: str) -> None:
    """A device is described to the letter as it was in the last release, but for the version."""
    written = json.dumps(CONFIGS[name], indent=2, ensure_ascii=False) + "\n"
    written = written.replace(f'"sw_version": "{__version__}"', '"sw_version": "VERSION"')
    path = GOLDEN / f"{name}.json"
    if REWRITE:
        path.write_text(written)
    assert written == path.read_text()


def test_golden_identities() -> None:
    """No topic and no unique id of either layout ever changes unnoticed: it would cost users what they have set up."""
    described = [describe(device, level) for device, level in LEVELS.items()]
    described.append(describe_bridge(TOPICS, 1, push=True))
    identities = {
        str(layout): {
            topic: [entity["unique_id"] for entity in config.get("components", {"": config}).values()]
            for each in described
            for topic, config in cast("dict[str, dict[str, Any]]", configs(TOPICS, layout, each)).items()
        }
        for layout in (Discovery.DEVICE, Discovery.ENTITY)
    }
    written = json.dumps(identities, indent=2) + "\n"
    path = GOLDEN / "identities.json"
    if REWRITE:
        path.write_text(written)
    assert written == path.read_text()


def test_both_layouts_at_once() -> None:
    """Asked for both layouts, a device is described in either, the whole device first."""
    each = describe(LOCK, "front_door")
    both = configs(TOPICS, Discovery.BOTH, each)
    assert both == configs(TOPICS, Discovery.DEVICE, each) | configs(TOPICS, Discovery.ENTITY, each)
    assert next(iter(both)) == TOPICS.discovery(each.node)
    assert configs(TOPICS, Discovery.OFF, each) == {}


@pytest.mark.parametrize("name", ["lock", "dimmer", "switch", "plug"])
def test_entities_one_by_one(name: str) -> None:
    """An entity that is described alone says all that it says as a part of its device, and keeps the rules."""
    device = {"lock": LOCK, "dimmer": DIMMER, "switch": SWITCH, "plug": PLUG}[name]
    each = describe(device, LEVELS[device])
    whole = CONFIGS[name]
    for topic, alone in configs(TOPICS, Discovery.ENTITY, each).items():
        assert lint("homeassistant", topic, alone) == []
        _, platform, base, entity, _ = topic.split("/")
        node, key = cast("tuple[str, str]", TOPICS.parse_discovery(topic))
        assert (node, base, entity) == (each.node, "uhome2mqtt", f"{each.node}-{key}")
        shared = {name: value for name, value in whole.items() if name != "components"}
        assert {"platform": platform, **alone} == {**components(whole)[key], **shared}


def test_every_golden_file_is_compared() -> None:
    """No golden file lies about that nothing is compared with."""
    assert {path.stem for path in GOLDEN.iterdir()} == {*CONFIGS, "identities"}


# Rules of Home Assistant, for any device


def judge(described: dict[str, Any], node: str) -> None:
    """Hold a config against Home Assistant's rules."""
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert lint("homeassistant", TOPICS.discovery(node), described) == []
    assert described["device"]["identifiers"] == [node]
    assert described["availability_mode"] == "all"
    for key, entity in components(described).items():
        assert entity["unique_id"] == f"{node}_{key}"
        assert {"default_entity_id", "name"} <= entity.keys()


@pytest.mark.parametrize("name", CONFIGS)
def test_configs_keep_home_assistants_rules(name: str) -> None:
    """Only documented keys are written, everything is identified, and nothing contradicts a platform's rules."""
    nodes = {"lock": LOCK, "dimmer": DIMMER, "switch": SWITCH, "plug": PLUG, "bulb": BULB}
    judge(CONFIGS[name], device_node(nodes[name].id) if name in nodes else bridge_node(TOPICS))


TEXTS = st.text() | st.sampled_from(["", "SmartPlug", "LIGHT", "utec-lock", "utec-dimmer", "C4:5B:BE:00:10:01"])
DEVICES = st.builds(
    Device,
    id=TEXTS.filter(bool),
    name=TEXTS,
    category=TEXTS,
    handle_type=TEXTS,
    manufacturer=TEXTS,
    model=TEXTS,
    firmware=TEXTS,
    serial_number=TEXTS,
)
ATTRIBUTES = st.frozensets(st.sampled_from(sorted({*KNOWN, Attribute("st.new.thing")})))


@PATIENT
@given(
    device=DEVICES, known=ATTRIBUTES, level=st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True), qos=st.integers(0, 2)
)
def test_any_device_keeps_home_assistants_rules(
    device: Device, known: frozenset[Attribute], level: str, qos: int
) -> None:
    """Whatever the cloud says of a device and whatever it can do, its description keeps the rules."""
    described: dict[str, Any] = device_config(TOPICS, qos, device, level, "Name", known)
    judge(described, device_node(device.id))
    assert described["qos"] == qos
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", device_node(device.id))
    node = device_node(device.id)
    assert TOPICS.parse_discovery(TOPICS.discovery(node)) == (node, None)
    for key in components(described):
        assert TOPICS.parse_discovery(TOPICS.entity_discovery("sensor", node, key)) == (node, key)
    rows = {row.key for row in descriptions_for(known) if row.platform is not None}
    assert {*components(described)} - {"result"} == rows


@pytest.mark.parametrize("base", ["uhome2mqtt", "home/locks"])
@pytest.mark.parametrize("device", [LOCK, DIMMER, SWITCH, PLUG, STRIP], ids=lambda device: device.name)
def test_topics_are_read_back_as_their_keys(device: Device, base: str) -> None:
    """Every state and command topic that Home Assistant is given is that of its key on this device."""
    topics = Topics(base=base, discovery_prefix="homeassistant")
    entities = components(config(device, "my_level", LOCK_MODE, DOOR, topics=topics))
    assert entities.pop("result")["state_topic"] == topics.result("my_level")
    for key, entity in entities.items():
        assert topics.parse_state(entity["state_topic"]) == ("my_level", key)
        row = ROWS[key]
        assert entity["platform"] == row.platform
        command = SetTopic(device="my_level", key=key) if row.settable else None
        assert topics.parse_command(entity.get("command_topic", "")) == command


def test_availability_is_that_of_the_bridge_and_of_the_device() -> None:
    """A device is there where both the bridge and the device itself say so."""
    assert CONFIGS["lock"]["availability"] == [
        {"topic": "uhome2mqtt/bridge/state"},
        {"topic": "uhome2mqtt/front_door/availability"},
    ]
    assert CONFIGS["bridge"]["availability"] == [{"topic": "uhome2mqtt/bridge/state"}]


def test_identity_comes_from_the_id_alone() -> None:
    """A device that was renamed, or moved to another topic, keeps its identifiers and unique ids."""
    renamed = device_config(TOPICS, 1, LOCK, "somewhere_else", "Another Name", documented(LOCK) | {LOCK_MODE, DOOR})
    before, after = components(CONFIGS["lock"]), components(renamed)
    assert {key: entity["unique_id"] for key, entity in after.items()} == {
        key: entity["unique_id"] for key, entity in before.items()
    }
    assert CONFIGS["lock"]["device"] == {**CONFIGS["lock"]["device"], "identifiers": ["uhome2mqtt_c45bbe001001"]}
    assert renamed["device"] == {**CONFIGS["lock"]["device"], "name": "Another Name"}


def test_devices_belong_to_the_bridge() -> None:
    """A device is connected by way of the bridge's own device, of which each base topic has one."""
    other = Topics(base="uhome2mqtt2", discovery_prefix="homeassistant")
    assert (
        CONFIGS["lock"]["device"]["via_device"] == CONFIGS["bridge"]["device"]["identifiers"][0] == bridge_node(TOPICS)
    )
    assert bridge_node(other) != bridge_node(TOPICS)


def test_origin_names_the_program() -> None:
    """Every description says which program wrote it."""
    origin = {"name": "uhome2mqtt", "sw_version": __version__, "support_url": PROJECT_URL}
    assert all(described["origin"] == origin for described in CONFIGS.values())


def test_words_of_the_lock_are_home_assistants() -> None:
    """Every word that a lock shows, and every word that it takes, is Home Assistant's own."""
    assert {*ROWS["lock"].values} <= LOCK_WORDS
    assert {*ROWS["lock"].settable} == {"LOCK", "UNLOCK"}
    assert "payload_reset" not in components(CONFIGS["lock"])["lock"]


@pytest.mark.parametrize("key", [row.key for row in DESCRIPTIONS if row.platform in {"binary_sensor", "select"}])
def test_entities_know_the_words_of_their_keys(key: str) -> None:
    """A binary sensor knows both words that its key shows, a select offers exactly those that can be set."""
    entity = ROWS[key].options(LOCK, frozenset())
    if ROWS[key].platform == "select":
        assert entity["options"] == [*ROWS[key].settable]
    else:
        assert {entity.get("payload_on", "ON"), entity.get("payload_off", "OFF")} == {*ROWS[key].values}


LIGHTS = {
    "dimmer": (
        CONFIGS["dimmer"],
        {"brightness": True, "brightness_scale": 100, "supported_color_modes": ["brightness"]},
    ),
    "strip": (config(STRIP, "strip"), {"supported_color_modes": ["onoff"]}),
    "strip with a level": (
        config(STRIP, "strip", LEVEL),
        {"brightness": True, "brightness_scale": 100, "supported_color_modes": ["brightness"]},
    ),
    "bulb that has shown no color": (
        config(BULB, "bulb"),
        {"brightness": True, "brightness_scale": 100, "supported_color_modes": ["brightness"]},
    ),
    "bulb": (
        CONFIGS["bulb"],
        {
            "brightness": True,
            "brightness_scale": 100,
            "color_temp_kelvin": True,
            "min_kelvin": 2000,
            "max_kelvin": 9000,
            "supported_color_modes": ["color_temp", "rgb"],
        },
    ),
    "strip with a color": (config(STRIP, "strip", RGB), {"supported_color_modes": ["rgb"]}),
    "strip with a temperature": (
        config(STRIP, "strip", COLOR_TEMP),
        {"color_temp_kelvin": True, "min_kelvin": 2000, "max_kelvin": 9000, "supported_color_modes": ["color_temp"]},
    ),
}


@pytest.mark.parametrize(("described", "modes"), LIGHTS.values(), ids=LIGHTS)
def test_lights_neither_flash_nor_fade(described: dict[str, Any], modes: dict[str, Any]) -> None:
    """A light takes JSON, has the modes of what it has shown, and offers neither flash nor transition."""
    light = components(described)["light"]
    expected = {"schema": "json", "flash": False, "transition": False, **modes}
    common = {"platform", "unique_id", "default_entity_id", "name", "state_topic", "command_topic"}
    own = {key: value for key, value in light.items() if key not in common}
    assert own == expected


@pytest.mark.parametrize(("name", "device_class"), [("switch", "switch"), ("plug", "outlet")])
def test_plugs_are_outlets(name: str, device_class: str) -> None:
    """A device of the category SmartPlug is an outlet, in any letter case, any other one a switch."""
    assert components(CONFIGS[name])["switch"]["device_class"] == device_class


def test_results_are_events_of_settable_devices() -> None:
    """A device that can be commanded has an event entity for every outcome, and one that cannot has none."""
    result = components(CONFIGS["lock"])["result"]
    assert result["event_types"] == [str(outcome) for outcome in Outcome]
    assert "result" not in components(config(Device(id="1", name="Toaster"), "toaster"))


def test_main_entity_bears_the_devices_name() -> None:
    """The one entity that is the device itself has no name of its own, and its id is the topic level."""
    for name, key in {"lock": "lock", "dimmer": "light", "switch": "switch"}.items():
        nameless = {k: entity for k, entity in components(CONFIGS[name]).items() if entity["name"] is None}
        assert {*nameless} == {key}
    assert components(CONFIGS["lock"])["lock"]["default_entity_id"] == "lock.front_door"
    assert components(CONFIGS["lock"])["mode"]["default_entity_id"] == "select.front_door_mode"


def test_unknown_manufacturer() -> None:
    """A device that does not say who made it was made by U-tec; what else it does not say is left out."""
    assert config(Device(id="1", name="Toaster"), "toaster")["device"] == {
        "identifiers": ["uhome2mqtt_1"],
        "name": "Toaster",
        "manufacturer": "U-tec",
        "via_device": "uhome2mqtt_bridge",
    }


AREAS = {
    "Living Room Lamp": "Living Room",
    "living room": "living room",
    "Kitchen": "Kitchen",
    "Garage Door": "Garage",
    "Master Bedroom Light": "Master Bedroom",
    "Bedroom 2 Fan": "Bedroom 2",
    "Hall Light": "Hall",
    "Laundry Room Lamp": "Laundry Room",
    "Hallway": "Hallway",
    "Front Door": None,
    "Lamp in the Kitchen": None,
    "Halloween": None,
    "Bedroom2": None,
    "Küche": None,
    "厨房": None,
    "": None,
}


@pytest.mark.parametrize(("name", "area"), AREAS.items())
def test_suggested_area(name: str, area: str | None) -> None:
    """A device whose name begins with a room is suggested for it, and where the name tells nothing, no area is."""
    described = describe_device(TOPICS, 1, DIMMER, "dimmer", name, documented(DIMMER))
    assert described.device.get("suggested_area") == area


# Leaving components


def test_leaving_components_are_sent_as_their_platform_alone() -> None:
    """Before a component leaves, the new description is sent once with that component as its platform alone."""
    before, after = CONFIGS["lock"], config(LOCK, "front_door")
    goodbye = farewell(before, after)
    assert goodbye == {
        **after,
        "components": {**components(after), "mode": {"platform": "select"}, "door": {"platform": "binary_sensor"}},
    }
    assert "mode" not in components(after)


NO_FAREWELL: dict[str, tuple[Json, Json]] = {
    "unchanged": (CONFIGS["lock"], CONFIGS["lock"]),
    "only new ones": (config(LOCK, "front_door"), CONFIGS["lock"]),
    "nothing before": (None, CONFIGS["lock"]),
    "nothing after": (CONFIGS["lock"], None),
    "list": ([], CONFIGS["lock"]),
    "no components before": ({}, CONFIGS["lock"]),
    "no components after": (CONFIGS["lock"], {}),
    "components a list": ({"components": ["lock"]}, CONFIGS["lock"]),
    "component no object": ({"components": {"gone": "lock"}}, CONFIGS["lock"]),
    "component without a platform": ({"components": {"gone": {}}}, CONFIGS["lock"]),
}


@pytest.mark.parametrize(("old", "new"), NO_FAREWELL.values(), ids=NO_FAREWELL)
def test_no_farewell_where_nothing_leaves(old: Json, new: Json) -> None:
    """Where no component leaves, or what was there is no description, there is nothing to say."""
    assert farewell(old, new) is None


# What an earlier run left


@pytest.mark.parametrize("name", CONFIGS)
def test_own_configs_are_recognised(name: str) -> None:
    """A description is recognised by the bridge that wrote it, and by none on another base topic."""
    payload = json.dumps(CONFIGS[name]).encode()
    assert is_ours(TOPICS, payload)
    for base in ("uhome2mqtt2", "uhome", "home/uhome2mqtt", "uhome2mqtt/bridge"):
        assert not is_ours(Topics(base=base, discovery_prefix="homeassistant"), payload)


OURS: dict[str, Any] = {"origin": {"name": "uhome2mqtt"}, "availability": [{"topic": "uhome2mqtt/bridge/state"}]}
FOREIGN: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b"\xff",
    "100,000 brackets": b"[" * 100_000,
    "list": b"[]",
    "null": b"null",
    "empty": b"{}",
    "another program": json.dumps({**OURS, "origin": {"name": "zigbee2mqtt"}}).encode(),
    "origin a word": json.dumps({**OURS, "origin": "uhome2mqtt"}).encode(),
    "no origin": json.dumps({"availability": OURS["availability"]}).encode(),
    "no availability": json.dumps({"origin": OURS["origin"]}).encode(),
    "availability an object": json.dumps({**OURS, "availability": OURS["availability"][0]}).encode(),
    "another bridge": json.dumps({**OURS, "availability": [{"topic": "other/bridge/state"}]}).encode(),
}


@pytest.mark.parametrize("payload", FOREIGN.values(), ids=FOREIGN)
def test_foreign_configs_are_left_alone(payload: bytes) -> None:
    """What another program or another bridge wrote, or nobody can read, is not ours."""
    assert is_ours(TOPICS, json.dumps(OURS).encode())
    assert not is_ours(TOPICS, payload)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.sampled_from(["uhome2mqtt", "uhome2mqtt/bridge/state"]),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["origin", "name", "availability", "topic", "components", "platform"]), inner)
    ),
)


@PATIENT
@given(payload=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_retained_payload_is_judged(payload: bytes) -> None:
    """Whatever was retained on a config topic, it is ours or it is not."""
    assert is_ours(TOPICS, payload) in {True, False}


@PATIENT
@given(old=JSON, new=JSON)
def test_any_farewell_is_said_or_not(old: Json, new: Json) -> None:
    """Whatever two descriptions hold, what is sent between them holds all of the new one."""
    goodbye = farewell(old, new)
    if goodbye is not None:
        assert isinstance(new, dict)
        kept, sent = new["components"], goodbye["components"]
        assert isinstance(kept, dict)
        assert isinstance(sent, dict)
        assert all(sent[key] == component for key, component in kept.items())
        assert len(sent) > len(kept)
        assert {**goodbye, "components": kept} == new
