"""From the account to topics, from topics to the lock, and back."""

from __future__ import annotations

import json

import pytest

from tests.support.account import BACK, FRONT
from tests.support.ear import properties
from tests.support.rr import request_response
from tests.support.stage import Stage

pytestmark = pytest.mark.e2e


async def test_household(stage: Stage) -> None:
    """Every device of the account shows on the broker: keys, availability, config for Home Assistant."""
    await stage.up()
    await stage.ear.until("bridge/state", "online")
    await stage.ear.until("bridge/cloud", "online")
    retained = await stage.held()
    assert retained["front_door/lock"] == "LOCKED"
    assert retained["front_door/mode"] == "normal"
    assert retained["front_door/battery"] == "100"
    assert retained["garage/door"] == "closed"
    assert retained["hall_light/switch"] == "OFF"
    assert json.loads(retained["dining_room/light"])["state"] == "OFF"
    assert retained["front_door/availability"] == "online"
    assert json.loads(retained["front_door"])["lock"] == "LOCKED"
    devices = json.loads(retained["bridge/devices"])
    assert {device["topic"]: device["id"] for device in devices}["back_door"] == BACK
    config = json.loads(retained["ha/device/uhome2mqtt_0c7fed100001/config"])
    assert config["components"]["lock"]["command_topic"] == stage.ear.topic("front_door/lock/set")
    info = json.loads(retained["bridge/info"])
    assert info["mqtt_protocol"] == "5"
    assert info["account"] != stage.account.cloud.user_id


async def test_unlock(stage: Stage) -> None:
    """UNLOCK is accepted and then confirmed, the lock shows UNLOCKING until it has been reported, then UNLOCKED."""
    await stage.up()
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", '{"value": "UNLOCK", "transaction": "t-1"}')
    confirmed = await stage.ear.until_event("front_door/result", "confirmed", since)
    assert stage.ear.events("front_door/result", since) == ["accepted", "confirmed"]
    assert confirmed["key"] == "lock"
    assert confirmed["payload"] == "UNLOCK"
    assert confirmed["transaction"] == "t-1"
    assert confirmed["reason"] == "query"
    assert 0 < confirmed["seconds"] < 10
    assert stage.ear.payloads("front_door/lock", since) == ["UNLOCKING", "UNLOCKED"]
    assert stage.account.commands() == [(FRONT, "unlock")]
    documents = stage.ear.documents("front_door", since)
    assert documents[0]["pending"] == {"lock": "UNLOCK"}
    assert documents[-1]["pending"] is None
    assert documents[-1]["source"] == "confirm"


async def test_reply(stage: Stage) -> None:
    """The final outcome of a message with an MQTT 5 response topic is said there, too, with its correlation data."""
    await stage.up()
    since = stage.ear.now
    wishes = properties(ResponseTopic=stage.ear.topic("my/answers"), CorrelationData=b"\x00my\xff")
    await stage.ear.say("garage/lock/set", "UNLOCK", properties=wishes)
    await stage.ear.until_event("my/answers", "confirmed", since)
    assert stage.ear.payloads("my/answers", since) == stage.ear.payloads("garage/result", since)[-1:]
    answers = [heard for heard in stage.ear.heard[since:] if heard.topic == stage.ear.topic("my/answers")]
    assert [answer.correlation for answer in answers] == [b"\x00my\xff"]


async def test_mosquitto_rr(stage: Stage) -> None:
    """The final outcome is what `mosquitto_rr` gets, which takes the first message on its topic for the answer."""
    await stage.up()
    answer = await request_response(stage, "front_door/lock/set", "UNLOCK")
    assert answer["event_type"] == "confirmed"


async def test_light(stage: Stage) -> None:
    """A light's JSON command turns it on at the brightness that is asked for."""
    await stage.up()
    since = stage.ear.now
    await stage.ear.say("dining_room/light/set", '{"state": "ON", "brightness": 40}')
    await stage.ear.until_event("dining_room/result", "confirmed", since)
    light = json.loads(stage.ear.payloads("dining_room/light", since)[-1])
    assert (light["state"], light["brightness"]) == ("ON", 40)


async def test_order(stage: Stage) -> None:
    """Commands of one device are sent in the order in which they came; the last one is what comes true."""
    await stage.up()
    since = stage.ear.now
    for payload in ("UNLOCK", "LOCK", "UNLOCK"):
        await stage.ear.say("front_door/lock/set", payload)
    await stage.ear.until_event("front_door/result", "confirmed", since)
    assert stage.account.commands() == [(FRONT, "unlock"), (FRONT, "lock"), (FRONT, "unlock")]
    events = stage.ear.events("front_door/result", since)
    assert sorted(events) == ["accepted", "accepted", "accepted", "confirmed", "superseded", "superseded"]
    assert stage.ear.payloads("front_door/lock", since)[-1] == "UNLOCKED"


async def test_executed_in_spite_of_500(stage: Stage) -> None:
    """A command that takes effect although both of its answers are HTTP 500 is confirmed."""
    await stage.up()
    await stage.account.fault("gateway_500", operation="Command", count=2, executed=True)
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "confirmed", since)
    assert stage.ear.events("front_door/result", since) == ["confirmed"]
    assert stage.account.commands() == [(FRONT, "unlock")] * 2


async def test_offline_device(stage: Stage) -> None:
    """The cloud's refusal for a lock out of reach is the command's outcome, with the cloud's own code."""
    await stage.up()
    await stage.account.by_hand(BACK, online=False)
    since = stage.ear.now
    await stage.ear.say("back_door/lock/set", "UNLOCK")
    rejected = await stage.ear.until_event("back_door/result", "rejected", since)
    assert rejected["reason"] == "DEVICE_OFFLINE"
    assert stage.ear.payloads("back_door/availability", since) == []


async def test_birth(stage: Stage) -> None:
    """When Home Assistant starts, everything retained is published once more within some seconds."""
    await stage.up()
    await stage.ear.until("bridge/info", lambda text: json.loads(text)["account"])
    before = await stage.held()
    since = stage.ear.now
    await stage.ear.say("ha/status", "online")
    await stage.ear.until("ha/device/uhome2mqtt_0c7fed100001/config", lambda _: True, since)
    await stage.ear.until("bridge/state", "online", since)
    again = {heard.topic.removeprefix(f"{stage.ear.base}/") for heard in stage.ear.heard[since:]}
    assert again >= before.keys()
