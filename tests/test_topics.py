from __future__ import annotations

import re
import string

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from uhome2mqtt.model import Attribute, Json, Pin
from uhome2mqtt.topics import (
    MAX_SLUG,
    RESERVED,
    GetTopic,
    RequestTopic,
    SetTopic,
    Topics,
    decode_pin,
    is_level,
    node_id,
    slug,
    unique_slug,
)

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast a machine is decides about no test."""

SLUGS = {
    "plain": ("Front Door", "front_door"),
    "umlauts": ("Küchentür groß", "kuchentur_gross"),
    "accents": ("Café à l'étage", "cafe_a_l_etage"),
    "dotted capital I": ("İstanbul", "istanbul"),
    "emoji behind": ("Door \N{DOOR}", "door"),
    "emoji between": ("My \N{DOOR} Door", "my_door"),
    "only emoji": ("\N{DOOR}\N{KEY}", ""),
    "Chinese": ("前门", ""),
    "Chinese and a digit": ("前门 2", "2"),
    "Cyrillic": ("Дверь", ""),
    "wildcards and slashes": ("a+b#c/d", "a_b_c_d"),
    "only wildcards": ("+#/", ""),
    "dollar": ("$SYS", "sys"),
    "letters of mathematics": ("\U0001d405\U0001d42b\U0001d428\U0001d427\U0001d42d", "front"),
    "full width": ("\uff26\uff32\uff2f\uff2e\uff34", "front"),
    "numero sign": ("\u2116 5", "no_5"),
    "Kelvin sign": ("\u212aeller", "keller"),
    "hyphen": ("Front-Door", "front-door"),
    "runs": ("a  --  b__c", "a_--_b_c"),
    "edges": ("__-Front-__", "front"),
    "control characters": ("a\0b\nc", "a_b_c"),
    "200 letters": ("x" * 200, "x" * MAX_SLUG),
    "cut at a gap": ("x" * (MAX_SLUG - 1) + " y", "x" * (MAX_SLUG - 1)),
    "only punctuation": ("!?.,", ""),
    "only underscores": ("_-_", ""),
    "empty": ("", ""),
}


@pytest.mark.parametrize(("text", "expected"), SLUGS.values(), ids=SLUGS)
def test_names_become_topic_levels(text: str, expected: str) -> None:
    """A name keeps its letters and digits as far as ASCII has them, and nothing that means something to MQTT."""
    assert slug(text) == expected


@PATIENT
@given(text=st.text())
def test_slugs_are_of_one_alphabet_and_final(text: str) -> None:
    """The slug of any name is made of `[a-z0-9_-]`, no longer than allowed, and its own slug."""
    assert re.fullmatch(rf"[a-z0-9_-]{{0,{MAX_SLUG}}}", slug(text))
    assert slug(slug(text)) == slug(text)


NODES = {
    "MAC address": ("C4:5B:BE:00:10:0A", "c45bbe00100a"),
    "lower-case MAC address": ("c4:5b:be:00:10:0a", "c45bbe00100a"),
    "plain": ("lock-1_a", "lock-1_a"),
    "longest plain": ("x" * MAX_SLUG, "x" * MAX_SLUG),
    "too long": ("x" * (MAX_SLUG + 1), "x" * 32 + "_9537c5fdf1"),
    "upper case": ("LOCK", "lock_74c4812d04"),
    "capital": ("Lock", "lock_db44b8db4f"),
    "space": ("x y", "x_y_887fcea6a8"),
    "no letter": ("\N{DOOR}", "b9a770b7be"),
    "empty": ("", "e3b0c44298"),
    "looks like a MAC address made plain": ("c45bbe00100a", "c45bbe00100a_5b35b16738"),
    "looks like a hash": ("b9a770b7be", "b9a770b7be_0a25f76445"),
    "looks hashed": ("x_y_887fcea6a8", "x_y_887fcea6a8_03d114a6da"),
    "half a MAC address": ("C4:5B:BE", "c4_5b_be_b81739ccee"),
}


@pytest.mark.parametrize(("device_id", "expected"), NODES.values(), ids=NODES)
def test_ids_become_node_ids(device_id: str, expected: str) -> None:
    """A MAC address becomes its digits, a plain id stays, anything else gets a hash behind it; for ever the same."""
    assert node_id(device_id) == expected


IDS = (
    st.text()
    | st.text(string.ascii_letters + "_-: ")
    | st.text("abcdef0123456789")
    | st.from_regex(r"([0-9A-F]{2}:){5}[0-9A-F]{2}", fullmatch=True)
)


@PATIENT
@given(first=IDS, second=IDS)
@example(first="Lock", second="LOCK")
@example(first="a b", second="a_b")
@example(first="a b", second="a:b")
@example(first="C4:5B:BE:00:10:0A", second="c45bbe00100a")
@example(first="x y", second="x_y_887fcea6a8")
@example(first="\N{DOOR}", second="b9a770b7be")
def test_node_ids_of_different_ids_differ(first: str, second: str) -> None:
    """Two ids that differ in anything have different node ids."""
    assert (node_id(first) == node_id(second)) == (first == second)


@PATIENT
@given(device_id=IDS)
@example(device_id="C4:5B:BE:00:10:0A")
def test_node_ids_are_fit_for_home_assistant_and_never_taken_for_another(device_id: str) -> None:
    """A node id is made of what Home Assistant allows in a topic, and a device with that very id gets another one."""
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", node_id(device_id))
    if node_id(device_id) != device_id:
        assert node_id(node_id(device_id)) != node_id(device_id)


LEVELS: dict[str, tuple[str, tuple[str, ...], str]] = {
    "free": ("Front Door", (), "front_door"),
    "taken": ("Front Door", ("front_door",), "front_door_2"),
    "taken twice": ("Front Door", ("front_door", "front_door_2"), "front_door_3"),
    "gap": ("Front Door", ("front_door", "front_door_3"), "front_door_2"),
    "bridge": ("Bridge", (), "bridge_2"),
    "bridge and its substitute": ("Bridge", ("bridge_2",), "bridge_3"),
    "no letter": ("前门", (), "c45bbe00100a"),
    "no letter, taken": ("+#/", ("c45bbe00100a",), "c45bbe00100a_2"),
}


@pytest.mark.parametrize(("name", "taken", "expected"), LEVELS.values(), ids=LEVELS)
def test_topic_levels_are_numbered_where_taken(name: str, taken: tuple[str, ...], expected: str) -> None:
    """A new device gets its name's slug or else its id's, with a number where another one has it."""
    assert unique_slug(name, "C4:5B:BE:00:10:0A", taken) == expected


def test_device_whose_id_is_the_reserved_word() -> None:
    """A device without a name whose id says `bridge` gets neither the bridge's level nor its node."""
    assert unique_slug("", RESERVED, ()) == node_id(RESERVED) != RESERVED


@PATIENT
@given(names=st.lists(st.sampled_from(["Door", "door 2", "door_2", "DOOR", "bridge", "Bridge 2", ""]) | st.text()))
def test_topic_levels_never_collide(names: list[str]) -> None:
    """However many devices come with whatever names, each has a level of its own, and none is `bridge`."""
    taken: list[str] = []
    for number, name in enumerate(names):
        taken.append(unique_slug(name, f"id {number}", taken))
    assert len(set(taken)) == len(taken)
    assert all(re.fullmatch(r"[a-z0-9_-]+", level) and level != RESERVED for level in taken)


PINS: dict[str, tuple[Json, Pin | None]] = {
    "all": (
        {"topic": "front_door", "name": "Front", "observed": ["st.lock.lockmode"]},
        Pin(topic="front_door", name="Front", observed=frozenset({Attribute("st.lock.lockmode")})),
    ),
    "topic alone": ({"topic": "front-door_2"}, Pin(topic="front-door_2")),
    "more than that": ({"topic": "door", "id": "1", "kind": "lock"}, Pin(topic="door")),
    "odd members": ({"topic": "door", "name": 5, "observed": "st.lock.lockmode"}, Pin(topic="door")),
    "odd attributes": (
        {"topic": "door", "observed": [None, "st.door", 1, ["x"]]},
        Pin(topic="door", observed=frozenset({Attribute("st.door")})),
    ),
    "reserved": ({"topic": "bridge"}, None),
    "upper case": ({"topic": "Door"}, None),
    "slash": ({"topic": "a/b"}, None),
    "wildcard": ({"topic": "+"}, None),
    "line end": ({"topic": "door\n"}, None),
    "empty": ({"topic": ""}, None),
    "topic a number": ({"topic": 5}, None),
    "no topic": ({"name": "Front"}, None),
    "list": (["front_door"], None),
    "word": ("front_door", None),
    "nothing": (None, None),
}


@pytest.mark.parametrize(("entry", "expected"), PINS.values(), ids=PINS)
def test_pins_are_read(entry: Json, expected: Pin | None) -> None:
    """A pin is read as far as it is sound, and not at all where its topic could be no device's level."""
    assert decode_pin(entry) == expected


@PATIENT
@given(name=st.text(), device_id=IDS)
def test_chosen_levels_can_be_pinned(name: str, device_id: str) -> None:
    """Every level that is chosen for a device is one that is read back."""
    level = unique_slug(name, device_id, ())
    assert is_level(level)
    assert decode_pin({"topic": level}) == Pin(topic=level)


BASES = ["uhome2mqtt", "home/locks", "a/bridge/b", "set", "get/set"]


def _topics(base: str) -> Topics:
    return Topics(base=base, discovery_prefix="homeassistant")


WRITTEN = {
    "bridge_state": (_topics("b/c").bridge_state, "b/c/bridge/state"),
    "bridge_cloud": (_topics("b/c").bridge_cloud, "b/c/bridge/cloud"),
    "bridge_info": (_topics("b/c").bridge_info, "b/c/bridge/info"),
    "bridge_devices": (_topics("b/c").bridge_devices, "b/c/bridge/devices"),
    "bridge_event": (_topics("b/c").bridge_event, "b/c/bridge/event"),
    "device": (_topics("b/c").device("door"), "b/c/door"),
    "key": (_topics("b/c").key("door", "lock"), "b/c/door/lock"),
    "set": (_topics("b/c").set("door", "lock"), "b/c/door/lock/set"),
    "availability": (_topics("b/c").availability("door"), "b/c/door/availability"),
    "result": (_topics("b/c").result("door"), "b/c/door/result"),
    "discovery": (_topics("b/c").discovery("node"), "homeassistant/device/node/config"),
}


@pytest.mark.parametrize(("written", "expected"), WRITTEN.values(), ids=WRITTEN)
def test_topics_are_those_of_the_contract(written: str, expected: str) -> None:
    """Each topic is written as users were told."""
    assert written == expected


def test_subscriptions() -> None:
    """The bridge subscribes to commands and requests, and at start to all that it may have left on the broker."""
    topics = _topics("b/c")
    assert topics.command_filters == ("b/c/+/+/set", "b/c/+/set", "b/c/+/get", "b/c/bridge/request/#")
    entities = f"homeassistant/+/{node_id('b/c')}/+/config"
    assert topics.read_back_filters == ("b/c/#", "homeassistant/device/+/config", entities)
    assert topics.discovery_filters == topics.read_back_filters[1:]


COMMANDS: dict[str, tuple[str, SetTopic | GetTopic | RequestTopic | None]] = {
    "key": ("door/lock/set", SetTopic(device="door", key="lock")),
    "document": ("door/set", SetTopic(device="door", key=None)),
    "get": ("door/get", GetTopic(device="door")),
    "key of a device called set": ("set/lock/set", SetTopic(device="set", key="lock")),
    "device called set": ("set/set", SetTopic(device="set", key=None)),
    "get of a device called set": ("set/get", GetTopic(device="set")),
    "device called get": ("get/set", SetTopic(device="get", key=None)),
    "get of a device called get": ("get/get", GetTopic(device="get")),
    "key called set": ("door/set/set", SetTopic(device="door", key="set")),
    "key called get": ("door/get/set", SetTopic(device="door", key="get")),
    "bridge": ("bridge/set", None),
    "get of the bridge": ("bridge/get", None),
    "key of the bridge": ("bridge/lock/set", None),
    "request": ("bridge/request/refresh", RequestTopic(name="refresh")),
    "request of two levels": ("bridge/request/lock_users/add", RequestTopic(name="lock_users/add")),
    "request called set": ("bridge/request/set", RequestTopic(name="set")),
    "request without a name": ("bridge/request", RequestTopic(name="")),
    "response": ("bridge/response/refresh", None),
    "document of a device called set": ("set", None),
    "document of a device called get": ("get", None),
    "state": ("door/lock", None),
    "state of a device called set": ("set/lock", None),
    "get of a key": ("door/lock/get", None),
    "too deep": ("door/lock/mode/set", None),
    "letter case": ("door/lock/SET", None),
    "trailing slash": ("door/set/", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(("rest", "expected"), COMMANDS.values(), ids=COMMANDS)
def test_command_topics_are_read(base: str, rest: str, expected: SetTopic | GetTopic | RequestTopic | None) -> None:
    """A command topic names device and key by its place below the base topic, whatever the levels are called."""
    assert _topics(base).parse_command(f"{base}/{rest}") == expected


STATES: dict[str, tuple[str, tuple[str, str | None] | None]] = {
    "document": ("door", ("door", None)),
    "key": ("door/lock", ("door", "lock")),
    "availability": ("door/availability", ("door", "availability")),
    "document of a device called set": ("set", ("set", None)),
    "document of a device called get": ("get", ("get", None)),
    "key of a device called set": ("set/lock", ("set", "lock")),
    "key of a device called result": ("result/lock", ("result", "lock")),
    "document of a device called result": ("result", ("result", None)),
    "set": ("door/set", None),
    "get": ("door/get", None),
    "result": ("door/result", None),
    "set of a key": ("door/lock/set", None),
    "bridge": ("bridge", None),
    "state of the bridge": ("bridge/state", None),
    "nested state of the bridge": ("bridge/request/refresh", None),
}


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize(("rest", "expected"), STATES.values(), ids=STATES)
def test_state_topics_are_read(base: str, rest: str, expected: tuple[str, str | None] | None) -> None:
    """A state topic names device and key by its place; what is no state of a device is none."""
    assert _topics(base).parse_state(f"{base}/{rest}") == expected


FOREIGN = {
    "base alone": "b/c",
    "longer base": "b/c2/door/set",
    "shorter base": "b/door/lock/set",
    "another base": "x/door/lock/set",
    "base elsewhere": "x/b/c/door/set",
    "letter case": "B/C/door/set",
    "empty": "",
}


@pytest.mark.parametrize("topic", FOREIGN.values(), ids=FOREIGN)
def test_foreign_topics_are_nothing(topic: str) -> None:
    """A topic that is not below the base topic is neither command nor state."""
    topics = _topics("b/c")
    assert topics.parse_command(topic) is None
    assert topics.parse_state(topic) is None


LEVEL = st.text("abcdeghistr012_-", min_size=1, max_size=8).filter(lambda level: level != RESERVED)


@PATIENT
@given(base=st.sampled_from(BASES), level=LEVEL | st.sampled_from(["set", "get", "result"]), key=LEVEL)
def test_what_is_written_is_read_back(base: str, level: str, key: str) -> None:
    """The topics of a device and its keys are read as what they were written for, and as nothing else."""
    topics = _topics(base)
    assert topics.parse_command(topics.set(level, key)) == SetTopic(device=level, key=key)
    assert topics.parse_state(topics.set(level, key)) is None
    assert topics.parse_state(topics.device(level)) == (level, None)
    assert topics.parse_command(topics.device(level)) is None
    if key not in {"set", "get", "result"}:
        assert topics.parse_state(topics.key(level, key)) == (level, key)
        assert topics.parse_command(topics.key(level, key)) is None
    for topic in (topics.result(level), topics.availability(level)):
        assert topics.parse_command(topic) is None


@PATIENT
@given(topic=st.text() | st.text("b/+#setgcridge"))
def test_reading_topics_raises_nothing(topic: str) -> None:
    """Whatever the topic, it is read or it is nothing, and is never taken for the bridge."""
    topics = _topics("b")
    for read in (topics.parse_command(topic), topics.parse_command(f"b/{topic}")):
        assert read is None or isinstance(read, RequestTopic) or read.device != RESERVED
    config = topics.parse_discovery(topic)
    assert config is None or config[0]
    state = topics.parse_state(f"b/{topic}")
    assert state is None or state[0] != RESERVED


CONFIGS = {
    "device": ("device/uhome2mqtt_1/config", ("uhome2mqtt_1", None)),
    "device with a node": ("device/node/uhome2mqtt_1/config", None),
    "entity": ("lock/b_c_1f5b8e7b0d/uhome2mqtt_1-lock/config", None),
    "our entity": ("lock/{base}/uhome2mqtt_1-battery_low/config", ("uhome2mqtt_1", "battery_low")),
    "our entity of a device with a hyphen": ("lock/{base}/uhome2mqtt_a-b-lock/config", ("uhome2mqtt_a-b", "lock")),
    "entity without a key": ("lock/{base}/uhome2mqtt_1/config", None),
    "nobody's entity": ("lock/{base}/-lock/config", None),
    "entity without a node": ("lock/uhome2mqtt_1/config", None),
    "no config": ("device/uhome2mqtt_1/state", None),
    "too short": ("device/config", None),
    "nothing": ("", None),
}


@pytest.mark.parametrize("prefix", ["homeassistant", "home/assistant", "device"])
@pytest.mark.parametrize(("rest", "expected"), CONFIGS.values(), ids=CONFIGS)
def test_config_topics_are_known(prefix: str, rest: str, expected: tuple[str, str | None] | None) -> None:
    """Config topics of devices, and of our entities, are told from others, whatever the discovery prefix."""
    topics = Topics(base="b/c", discovery_prefix=prefix)
    assert topics.parse_discovery(f"{prefix}/{rest.replace('{base}', node_id('b/c'))}") == expected
    assert topics.parse_discovery(topics.discovery("uhome2mqtt_1")) == ("uhome2mqtt_1", None)
    assert topics.parse_discovery(topics.entity_discovery("lock", "uhome2mqtt_a-b", "x")) == ("uhome2mqtt_a-b", "x")


@pytest.mark.parametrize("topic", ["device/x/config", "other/device/x/config", "homeassistant2/device/x/config"])
def test_config_topics_below_another_prefix(topic: str) -> None:
    """A config topic below another prefix is none of ours."""
    assert _topics("b").parse_discovery(topic) is None


def test_own_topics() -> None:
    """Topics below the base topic, and config topics below the prefix, are those of this configuration."""
    topics = Topics(base="b", discovery_prefix="ha")
    assert all(map(topics.is_own, ("b/x", "b/bridge/state", "ha/device/x/config", "ha/lock/b/x-lock/config")))
    assert not any(map(topics.is_own, ("b", "c/x", "ha2/device/x/config", "ha/lock/c/x-lock/config")))
