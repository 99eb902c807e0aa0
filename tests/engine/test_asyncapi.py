"""Every message that the bridge publishes is one of its AsyncAPI document, and what that says it takes is taken."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.interface import Interface
from uhome2mqtt.asyncapi import document
from uhome2mqtt.catalogue import DESCRIPTIONS
from uhome2mqtt.compose import asyncapi_document, engine_config
from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.engine.announcing import SETTLE
from uhome2mqtt.engine.members import TAKES
from uhome2mqtt.engine.requests import ACTIONS
from uhome2mqtt.events import (
    AccountIdentified,
    BridgeHeard,
    BrokerDisconnected,
    ConfigCleared,
    HealthMeasured,
    HomeAssistantStarted,
    Started,
    StopRequested,
)
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.lock_users import PERSON, SCHEDULE
from uhome2mqtt.model import Discovery, FailureKind, Json
from uhome2mqtt.settings import load

from . import codes, pushing
from .driver import BACK, BASE, FRONT, LAMP, PLUG, SECRET, TOPICS, Driver, running
from .reports import report_of

ROOT = Path(__file__).parent.parent.parent
STATE_DIRECTORY = {"STATE_DIRECTORY": "/s"}
NOWHERE = Path("/nonexistent")
SETTINGS = load(None, STATE_DIRECTORY, secrets_directory=NOWHERE)
CONFIG = replace(engine_config(SETTINGS), push=True, lock_users=True)
API = Interface(json.loads(CONFIG.asyncapi))
DEVICES = (FRONT, BACK, LAMP, PLUG)

ANNA: dict[str, Json] = {
    "device": "front",
    "name": "Anna",
    "password": "482915",
    "type": "temporary",
    "daterange": ["2030-01-01 00:00", "2030-02-01 00:00"],
}
GOOD: dict[str, dict[str, Json]] = {
    "refresh": {},
    "discover": {},
    "reassert": {},
    "device/rename": {"device": "lamp", "topic": "light", "name": "Light"},
    "device/restore": {"device": "front"},
    "notifications/register": {},
    "notification": {"token": SECRET, "body": [{"id": FRONT.id, "states": []}]},
    "log_level": {"level": "debug"},
    "health_check": {},
    "lock_users/list": {"device": "front"},
    "lock_users/get": {"device": "front", "id": codes.GUEST.id},
    "lock_users/add": {**ANNA, "weeks": [1, 4], "timerange": ["08:00", "12:00"], "limit": 3},
    "lock_users/update": {**ANNA, "id": str(codes.GUEST.id), "type": 0, "password": 482915},
    "lock_users/delete": {"device": "front", "id": codes.GUEST.id},
}
"""One of each request that is carried out."""
GOOD["lock_users/update"].pop("daterange")


def house(config: EngineConfig = CONFIG) -> Driver:
    """Give a bridge with everything that can be set up, registered for notifications."""
    bridge = running(*DEVICES, config=config)
    if bridge.registering:
        bridge.registered()
    return bridge


def ask(bridge: Driver, name: str, **about: Json) -> None:
    """Send the good request of a name."""
    bridge.say(f"bridge/request/{name}", GOOD[name] | about)


def states() -> Driver:
    """Let every key be shown, known and unknown, and be read back by the next run."""
    bridge = house()
    bridge.take(AccountIdentified(account="0123456789ab"))
    bridge.take(HealthMeasured(requests=ledger().snapshot(), memory=30_000_000))
    bridge.report("front", lock="Locked", mode=1, door="closed", battery=2, health="Online")
    bridge.report("back", lock="Jammed", battery=5, health="Online")
    bridge.report("lamp", switch="on", level=40, health="Online")
    bridge.report("lamp", switch="off", level=0)
    bridge.report("lamp", switch="on", level=40, color_temp=2700, rgb="255,0,0")
    bridge.report("plug", switch="on", health="Online")
    bridge.report("front", lock="Unlocked", mode="strange", door="ajar", battery=9)
    bridge.take(HomeAssistantStarted())
    bridge.advance(4000)
    bridge.take(HealthMeasured(requests=ledger().snapshot()))
    bridge.take(StopRequested())
    later = Driver(config=CONFIG)
    later.take(Started())
    later.connect(bridge.broker)
    later.advance(1000)
    bridge.published += later.published
    return bridge


def ledger() -> Ledger:
    """Give the accounts of a request that went well."""
    accounts = Ledger()
    with accounts.request("Query"):
        pass
    return accounts


def commands() -> Driver:
    """Let commands end in every way."""
    bridge = house()
    bridge.report("front", lock="Locked", mode=0, health="Online")
    bridge.say("front/lock/set", "UNLOCK")
    bridge.accept(report=report_of(FRONT, lock="Unlocked"))
    bridge.say("front/lock/set", {"value": "lock", "transaction": 7})
    bridge.accept()
    bridge.advance(120)
    bridge.end_queries()
    bridge.say("back/lock/set", "LOCK")
    bridge.accept("DEVICE_OFFLINE")
    bridge.say("front/set", {"mode": "passage", "transaction": "t", "sent_at": "2026-01-31T12:02:00Z"})
    for _ in range(2):
        bridge.fail(FailureKind.UNREACHABLE)
        bridge.advance(3)
    bridge.say("lamp/light/set", {"state": "ON", "brightness": 40})
    bridge.say("lamp/brightness/set", "50")
    bridge.say("lamp/brightness/set", "60")
    bridge.accept()
    for topic, payload in (("lamp/lock/set", "LOCK"), ("front/lock/set", "OPEN"), ("nobody/lock/set", "LOCK")):
        bridge.say(topic, payload)
    bridge.say("front/lock/set", "LOCK", retained=True)
    bridge.say("front/get", "")
    bridge.end_queries()
    bridge.say("nobody/get", "now")
    bridge.take(HealthMeasured(requests=ledger().snapshot()))
    return bridge


def requests() -> Driver:
    """Let everything be asked for, well and badly."""
    bridge = house()
    bridge.take(ConfigCleared(topic=TOPICS.entity_discovery("lock", "uhome2mqtt_0c7fed100001", "lock")))
    for name in GOOD:
        ask(bridge, name, transaction={"of": [name]})
        if name.startswith("lock_users/"):
            answer_about_codes(bridge, name.partition("/")[2])
        elif name == "discover":
            bridge.listed(*DEVICES)
        elif name == "notifications/register":
            bridge.registered()
        bridge.end_queries()
        assert bridge.responses(name)[-1]["status"] == "ok", bridge.responses(name)
        bridge.say(f"bridge/request/{name}", {"nonsense": True})
    bridge.say("bridge/request/unheard/of", "")
    bridge.say("bridge/request/refresh", "{}", retained=True)
    bridge.say("bridge/request/lock_users/add", GOOD["lock_users/add"] | {"name": "Nobody"})
    for _ in range(20):
        if bridge.jobs_in_flight:
            bridge.users_answer(codes.OWNER)
        bridge.advance(5)
    return bridge


def answer_about_codes(bridge: Driver, kind: str) -> None:
    """Let the cloud carry out what is asked about codes."""
    guest, anna = replace(codes.GUEST, extra={"password": "482915"}), codes.added()
    if kind in {"list", "get"}:
        bridge.users_answer(*(() if kind == "get" else (codes.OWNER, guest)), user=guest if kind == "get" else None)
        return
    changed = replace(guest, name="Anna")
    bridge.users_answer(codes.OWNER, guest, user=guest if kind == "update" else None)
    bridge.users_answer(listed=False)
    bridge.advance(1.1)
    if kind == "update":
        bridge.users_answer(user=changed)
    else:
        bridge.users_answer(codes.OWNER, *((guest, anna) if kind == "add" else ()))


def household() -> Driver:
    """Let devices come, go, change their names, be deleted in Home Assistant and be restored."""
    bridge = house(replace(CONFIG, overrides={PLUG.id: Override(enabled=False)}))
    bridge.listed(replace(FRONT, name="Main"), LAMP, PLUG)
    bridge.listed(replace(FRONT, name="Main"), LAMP, PLUG)
    bridge.say("bridge/request/device/rename", {"device": "lamp", "topic": "light"})
    for node in ("uhome2mqtt_bridge", "uhome2mqtt_0c7fed100001"):
        bridge.broker.pop(TOPICS.discovery(node))
        bridge.take(ConfigCleared(topic=TOPICS.discovery(node)))
    for named in ("bridge", "front"):
        bridge.say("bridge/request/device/restore", {"device": named})
    return bridge


def trouble() -> Driver:
    """Let the login be lost and found, notifications fail and come back, and the broker go away."""
    bridge = pushing.pushing(CONFIG)
    pushing.live(bridge, "--++++")
    bridge.take(HealthMeasured(requests=ledger().snapshot()))
    bridge.list_failed(FailureKind.AUTHORIZATION)
    bridge.list_failed(FailureKind.RATE_LIMITED, 60.0)
    bridge.take(HealthMeasured(requests=ledger().snapshot()))
    bridge.advance(100)
    bridge.listed(FRONT)
    bridge.end_queries()
    bridge.take(BrokerDisconnected())
    bridge.connect(protocol="3.1.1")
    return bridge


def layouts() -> Driver:
    """Let the layout of discovery change from one to the other."""
    earlier = house()
    earlier.report("front", mode=0)
    earlier.broker[TOPICS.bridge_state] = "offline"
    config = replace(CONFIG, discovery=Discovery.ENTITY)
    bridge = Driver(config=config, pins=earlier.pins, announced=earlier.announced)
    bridge.take(Started())
    bridge.connect(earlier.broker)
    bridge.listed(*DEVICES)
    bridge.advance(4 * SETTLE)
    back = Driver(config=CONFIG, pins=bridge.pins, announced=bridge.announced)
    back.take(Started())
    back.connect(bridge.broker | {TOPICS.bridge_state: "offline"})
    back.listed(*DEVICES)
    back.advance(4 * SETTLE)
    bridge.published += back.published
    return bridge


def company() -> Driver:
    """Work beside another bridge, and with another configuration."""
    bridge = house(replace(CONFIG, instance="one"))
    other: dict[str, Json] = {"instance": "two", "version": "1", "started": "2026-01-31T12:00:00Z", "role": "active"}
    bridge.take(BridgeHeard(topic=TOPICS.bridge_presence, payload=json.dumps(other).encode()))
    bridge.advance(200)
    bridge.configure(max_age=60.0)
    return bridge


SITUATIONS: tuple[Callable[[], Driver], ...] = (states, commands, requests, household, trouble, layouts, company)


@cache
def seen(situation: Callable[[], Driver]) -> set[tuple[str, str]]:
    """Hold everything that is published in a situation against the document; gives the messages that it was."""
    found: set[tuple[str, str]] = set()
    for publish in situation().published:
        [(channel, parameters)] = API.channels(publish.topic).items() or [(f"none for {publish.topic}", {})]
        binding = API.binding(channel)
        assert binding["qos"] == (CONFIG.qos if publish.qos is None else publish.qos), publish
        if not publish.payload and publish.retain:
            continue  # is cleared, which the bridge also does with commands that were retained
        assert (binding["action"], binding["retain"]) == ("send", publish.retain), publish
        fitting = [*API.fitting(publish.topic, publish.payload)]
        assert fitting, (
            publish,
            [API.problems(channel, key, publish.payload) for key in API.messages(channel, parameters)],
        )
        found.update(fitting)
    return found


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.__name__)
def test_what_is_published(situation: Callable[[], Driver]) -> None:
    """Every message is on exactly one channel of the document, and has a form, a QoS and a retain flag of that one."""
    assert seen(situation)


def test_everything_is_published() -> None:
    """The document describes no message that the bridge never publishes."""
    sent = {
        (name, key)
        for name, channel in API.document["channels"].items()
        if API.binding(name)["action"] == "send"
        for key in channel["messages"]
    }
    assert sent - set().union(*(seen(situation) for situation in SITUATIONS)) == set()


def test_the_document_is_retained() -> None:
    """The document is asserted at each connection and at no other time, whatever changes."""
    bridge = house()
    bridge.take(AccountIdentified(account="0123456789ab"))
    pushing.live(running_locks(bridge), "--")
    assert bridge.history("bridge/asyncapi") == [CONFIG.asyncapi]
    bridge.reconnect()
    bridge.advance(10)
    assert bridge.history("bridge/asyncapi") == [CONFIG.asyncapi] * 2


def running_locks(bridge: Driver) -> Driver:
    """Give the front door a first state."""
    pushing.poll(bridge, "Locked")
    return bridge


def test_no_document() -> None:
    """An engine that was given no document publishes none."""
    assert running(FRONT).history("bridge/asyncapi") == []


def test_another_base_topic() -> None:
    """When the base topic changes the document goes with the rest of the old one."""
    earlier = house()
    topics = replace(TOPICS, base="elsewhere")
    bridge = Driver(config=replace(CONFIG, topics=topics), pins=earlier.pins, announced=earlier.announced)
    bridge.take(Started())
    bridge.connect(earlier.broker | {TOPICS.bridge_state: "offline"})
    bridge.listed(*DEVICES)
    bridge.advance(4 * SETTLE)
    assert TOPICS.bridge_asyncapi not in bridge.broker
    assert bridge.broker[topics.bridge_asyncapi] == CONFIG.asyncapi


def test_nobody_else_writes_there() -> None:
    """The topic of the document is no command, no state of a device and no place for answers."""
    assert TOPICS.parse_command(TOPICS.bridge_asyncapi) is None
    assert TOPICS.parse_state(TOPICS.bridge_asyncapi) is None
    assert TOPICS.is_bridges_own(TOPICS.bridge_asyncapi)


# What the bridge takes


def test_one_place_for_requests() -> None:
    """Every request has its members in the one table, a lock's user with those that are read."""
    assert [*TAKES] == [*ACTIONS] == [*GOOD]
    assert TAKES["lock_users/add"].keys() == {"device", *PERSON, *SCHEDULE}


@pytest.mark.parametrize("name", GOOD)
def test_requests(name: str) -> None:
    """A request with all that it takes is one of the document, and so is its topic."""
    topic, payload = f"{BASE}/bridge/request/{name}", json.dumps(GOOD[name] | {"transaction": 1, "sent_at": 2})
    assert [channel for channel, _ in API.fitting(topic, payload)] == ["bridge_request"]
    assert bool([*API.fitting(topic, "")]) is not any(member.needed for member in TAKES[name].values())


NEEDED = [(name, needed) for name in GOOD for needed, member in TAKES[name].items() if member.needed]


@pytest.mark.parametrize(("name", "left_out"), NEEDED)
def test_needed_members(name: str, left_out: str) -> None:
    """Without a member that it needs a request is not one of the document, and the bridge refuses it."""
    asked: dict[str, Any] = {member: value for member, value in GOOD[name].items() if member != left_out}
    assert [*API.fitting(f"{BASE}/bridge/request/{name}", json.dumps(asked))] == []
    bridge = house()
    bridge.say(f"bridge/request/{name}", asked)
    assert [answer["status"] for answer in bridge.responses(name)] == ["error"]


@pytest.mark.parametrize("name", GOOD)
def test_unknown_members(name: str) -> None:
    """A member that a request does not have is neither in the document nor taken by the bridge."""
    asked = {**GOOD[name], "more": 1}
    assert [*API.fitting(f"{BASE}/bridge/request/{name}", json.dumps(asked))] == []
    bridge = house()
    bridge.say(f"bridge/request/{name}", asked)
    assert [answer["status"] for answer in bridge.responses(name)] == ["error"]


def plain(schema: dict[str, Any]) -> list[str]:
    """Give payloads that a schema of plain text allows: all of the words, or the first and the last number."""
    bounds = [schema[name] for name in ("minimum", "maximum") if name in schema]
    return [str(value) for value in schema.get("enum", bounds)]


WORDS = [
    (message["name"], text)
    for message in API.document["channels"]["device_key_set"]["messages"].values()
    if message["contentType"] == "text/plain"
    for text in plain(message["payload"])
]


@pytest.mark.parametrize(("key", "text"), WORDS)
def test_words(key: str, text: str) -> None:
    """Every word that the document lists is taken: as it is, as a value in JSON, and among several keys."""
    bridge = house()
    bridge.report("front", lock="Locked", mode=0)
    bridge.report("lamp", switch="on", level=40, color_temp=2700, rgb="255,0,0")
    bridge.report("plug", switch="on")
    level = {"lock": "front", "mode": "front", "switch": "plug"}.get(key, "lamp")
    value: Json = int(text) if text.isdecimal() else text
    forms = ((f"{level}/{key}/set", text), (f"{level}/{key}/set", {"value": value}), (f"{level}/set", {key: value}))
    for topic, payload in forms:
        written = payload if isinstance(payload, str) else json.dumps(payload)
        assert [*API.fitting(f"{BASE}/{topic}", written)]
        bridge.say(topic, payload)
    assert "refused" not in " ".join(bridge.outcomes(level))
    assert len(bridge.noted("command_received")) == len(forms)


@pytest.mark.parametrize(
    "payload", ["OPEN", '{"value": "LOCK", "more": 1}', "{}", '{"value": "OPEN"}', '{"transaction": 1}']
)
def test_nonsense(payload: str) -> None:
    """What the bridge refuses is not in the document."""
    bridge = house()
    bridge.report("front", lock="Locked")
    bridge.say("front/lock/set", payload)
    assert bridge.outcomes("front") == ["refused INVALID_PAYLOAD"]
    assert [*API.fitting(f"{BASE}/front/lock/set", payload)] == []


@pytest.mark.parametrize(
    "payload", ['{"state": "ON"}', '{"brightness": 4, "transaction": 1}', '{"value": {"state": "OFF"}}']
)
def test_lights(payload: str) -> None:
    """A light takes its own JSON, with what belongs to a command beside it or around it."""
    assert [*API.fitting(f"{BASE}/lamp/light/set", payload)] == [("device_key_set", "light")]


def test_every_key() -> None:
    """Every key of the catalogue has a message, and every key that can be set one for commands."""
    channels = API.document["channels"]
    names = {channel: {each["name"] for each in channels[channel]["messages"].values()} for channel in channels}
    assert names["device_key"] == {row.key for row in DESCRIPTIONS}
    assert names["device_key_set"] == {row.key for row in DESCRIPTIONS if row.settable}


@pytest.mark.parametrize("qos", [0, 1, 2])
def test_base_topic_and_qos(qos: int) -> None:
    """Topics, QoS and the birth message are those of the configuration."""
    topics = replace(TOPICS, base="home/locks", discovery_prefix="ha")
    other = Interface(document(topics, qos, "ha/born"))
    addresses = {name: channel["address"] for name, channel in other.document["channels"].items()}
    assert addresses["device_key"] == "home/locks/{device}/{key}"
    assert addresses["homeassistant_device"] == "ha/device/{node}/config"
    assert addresses["homeassistant_status"] == "ha/born"
    assert (other.binding("device_key")["qos"], other.binding("bridge_state")["qos"]) == (qos, 1)


def test_the_page() -> None:
    """docs/asyncapi.yaml is the document of the example's configuration."""
    settings = load(ROOT / "config.example.yaml", STATE_DIRECTORY, secrets_directory=NOWHERE)
    page = yaml.load((ROOT / "docs" / "asyncapi.yaml").read_text(), Loader=yaml.CSafeLoader)
    assert json.loads(json.dumps(asyncapi_document(settings))) == page
