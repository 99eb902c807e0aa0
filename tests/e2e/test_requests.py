"""What can be asked of the bridge itself, and that every answer comes, once, where it is expected."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.account import BACK, FRONT
from tests.support.ear import properties
from tests.support.patience import eventually
from tests.support.process import Bridge
from tests.support.rr import request_response
from tests.support.stage import Stage

pytestmark = pytest.mark.e2e

BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])

CELLAR = "84:F7:03:30:00:99"
PLUG = {
    "name": "Cellar Plug",
    "category": "SmartPlug",
    "handleType": "utec-switch",
    "states": {"st.switch.switch": "on"},
}
COFFEE = "84:F7:03:30:00:07"

CONFIG = "ha/device/uhome2mqtt_0c7fed100001/config"
FRONT_KEYS = {"availability", "lock", "mode", "battery", "connectivity", "stale", "last_reported"}


async def ask(stage: Stage, name: str, members: dict[str, Any] | str | None = None, **options: Any) -> dict[str, Any]:
    """Ask something of the bridge and give its answer, the first on the topic that everybody reads."""
    since, topic = stage.ear.now, f"bridge/response/{name}"
    payload = json.dumps(members) if isinstance(members, dict) else members or ""
    await stage.ear.say(f"bridge/request/{name}", payload, **options)
    await stage.ear.until(topic, lambda _: True, since)
    return stage.ear.documents(topic, since)[0]


async def get(stage: Stage, device: str) -> dict[str, Any]:
    """Ask for a device's state and give the answer."""
    since = stage.ear.now
    await stage.ear.say(f"{device}/get", "")
    await stage.ear.until("bridge/response/get", lambda _: True, since)
    return stage.ear.documents("bridge/response/get", since)[0]


async def nothing_kept(stage: Stage) -> bool:
    """Tell whether the broker keeps neither a request nor an answer."""
    return not [topic for topic in await stage.held() if topic.startswith(("bridge/request", "bridge/response"))]


@BOTH
async def test_refresh(stage: Stage, protocol: str) -> None:
    """Refresh shows what has happened to any device and is answered then; asked again at once it says so."""
    await stage.up(mqtt={"protocol": protocol}, polling={"interval": 3600})
    await stage.account.by_hand(COFFEE, states={"st.switch.switch": "on"})
    since, queries = stage.ear.now, len(stage.account.requests("Query"))
    wishes = properties(ResponseTopic=stage.ear.topic("my/answers"), CorrelationData=b"\x00number 1")
    answer = await ask(stage, "refresh", {"transaction": 7}, properties=wishes)
    assert answer == {"status": "ok", "data": {"devices": 7}, "error": None, "transaction": 7}
    order = [heard.topic.removeprefix(f"{stage.ear.base}/") for heard in stage.ear.heard[since:]]
    assert order.index("coffee_machine/switch") < order.index("bridge/response/refresh")
    assert stage.ear.payloads("coffee_machine/switch", since) == ["ON"]
    refused = await ask(stage, "refresh", properties=wishes)
    assert refused["status"] == "error"
    assert refused["error"].startswith("TOO_SOON: asked for less than 10 s ago; again in ")
    assert len(stage.account.requests("Query")) == queries + 1
    await answered_there(stage, protocol, [answer, refused])
    assert await nothing_kept(stage)


async def answered_there(stage: Stage, protocol: str, answers: list[dict[str, Any]]) -> None:
    """Expect the answers on the response topic of MQTT 5 with their correlation data, and none without MQTT 5."""
    there = answers if protocol == "5" else []
    await eventually(lambda: stage.ear.documents("my/answers") == there)
    heard = [heard for heard in stage.ear.heard if heard.topic == stage.ear.topic("my/answers")]
    assert [each.correlation for each in heard] == [b"\x00number 1"] * len(there)


async def test_discover(stage: Stage) -> None:
    """Discover finds a device that somebody has added to the account, announces it and shows its state."""
    await stage.up(polling={"interval": 3600})
    await stage.account.control("PUT", f"devices/{CELLAR}", PLUG)
    since = stage.ear.now
    answer = await ask(stage, "discover")
    assert answer["data"] == {"devices": 8, "added": ["cellar_plug"], "removed": []}
    added = await stage.ear.until_event("bridge/event", "device_added", since)
    assert (added["id"], added["topic"], added["name"], added["kind"]) == (
        CELLAR,
        "cellar_plug",
        "Cellar Plug",
        "switch",
    )
    await stage.ear.until("cellar_plug/switch", "ON", since)
    retained = await stage.held()
    assert [device["topic"] for device in json.loads(retained["bridge/devices"])][-1] == "cellar_plug"
    assert "ha/device/uhome2mqtt_84f703300099/config" in retained
    assert (await ask(stage, "discover"))["error"].startswith("TOO_SOON")
    assert await nothing_kept(stage)


@pytest.mark.parametrize(("protocol", "memory"), [("5", "state"), ("3.1.1", "nothing")])
async def test_rename(stage: Stage, protocol: str, memory: str) -> None:
    """A renamed device moves to its new topics, where it stays over a restart, and is the same to Home Assistant.

    That holds, too, when all that is left of the bridge's memory is what the broker retains.
    """
    bridge = await stage.up(mqtt={"protocol": protocol})
    before = json.loads((await stage.held())[CONFIG])
    since = stage.ear.now
    answer = await ask(stage, "device/rename", {"device": FRONT, "topic": "haustuer", "name": "Haustür"})
    assert answer["data"] == {"id": FRONT, "topic": "haustuer", "name": "Haustür", "from": "front_door"}
    event = await stage.ear.until_event("bridge/event", "device_renamed", since)
    assert (event["topic"], event["from"], event["name"]) == ("haustuer", "front_door", "Haustür")
    await moved(stage, before)
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    refused = await stage.ear.until_event("bridge/event", "refused", since)
    assert refused["reason"] == "UNKNOWN_DEVICE"
    assert await bridge.stop() == 0
    stage.account.log_in(stage.directory / "nothing")
    await again(stage, stage.bridge(mqtt={"protocol": protocol}, state_dir=str(stage.directory / memory)))
    await moved(stage, before)
    since = stage.ear.now
    await stage.ear.say("haustuer/lock/set", "UNLOCK")
    await stage.ear.until_event("haustuer/result", "confirmed", since)
    assert stage.account.commands() == [(FRONT, "unlock")]


async def again(stage: Stage, bridge: Bridge) -> None:
    """Start a bridge and wait until it has shown the states anew."""
    since = stage.ear.now
    await bridge.start()
    await stage.ear.until("bridge/state", "online", since)
    await stage.ear.until("haustuer/lock", "LOCKED", since)
    await stage.ear.until("coffee_machine/switch", "OFF", since)


async def moved(stage: Stage, before: dict[str, Any]) -> None:
    """Expect the front door at its new topics alone, with the identity that it had before."""
    retained = await stage.held()
    levels = {topic.split("/")[0] for topic in retained}
    assert "haustuer" in levels
    assert "front_door" not in levels
    assert {f"haustuer/{key}" for key in FRONT_KEYS} <= retained.keys()
    assert retained["haustuer/lock"] == "LOCKED"
    config = json.loads(retained[CONFIG])
    assert config["device"]["identifiers"] == before["device"]["identifiers"]
    assert config["device"]["name"] == "Haustür"
    assert config["components"]["lock"]["command_topic"] == stage.ear.topic("haustuer/lock/set")
    assert unique_ids(config) == unique_ids(before)
    devices = {device["id"]: device for device in json.loads(retained["bridge/devices"])}
    assert (devices[FRONT]["topic"], devices[FRONT]["alias"]) == ("haustuer", "Haustür")
    assert "front_door" not in retained[CONFIG]


def unique_ids(config: dict[str, Any]) -> dict[str, str]:
    """Give the identity of each entity in a config for Home Assistant."""
    return {key: component["unique_id"] for key, component in config["components"].items()}


async def test_refused(stage: Stage) -> None:
    """Whatever cannot be done is answered once, with the reason, and leads to nothing."""
    await stage.up(polling={"interval": 3600})
    before, asked = await stage.held(), len(stage.account.requests("Query"))
    for name, payload, why in (
        ("refesh", "", "UNKNOWN_REQUEST: 'refesh' is none of refresh, discover"),
        ("device/reboot", "{}", "UNKNOWN_REQUEST"),
        ("refresh", "{", "the payload is not JSON"),
        ("refresh", "\xff", "the payload is not JSON"),
        ("refresh", "[1]", "the payload is a list, and not a JSON object"),
        ("refresh", '{"divice": "front_door"}', "refresh has no member 'divice'"),
        ("refresh", '{"sent_at": 5}', "EXPIRED: the message is "),
        ("log_level", '{"level": "loud"}', "level 'loud' is not one of debug, info"),
        ("device/rename", "{}", "device/rename needs device"),
        ("device/rename", '{"device": "cellar", "topic": "x"}', "UNKNOWN_DEVICE: 'cellar'"),
        ("device/rename", '{"device": "front_door"}', "device/rename needs topic, name, or both"),
        ("device/rename", '{"device": "front_door", "topic": "garage"}', "topic 'garage' is taken by device"),
        ("device/rename", '{"device": "front_door", "topic": "a/b"}', "topic 'a/b' cannot be used"),
        ("device/rename", '{"device": "front_door", "topic": "bridge"}', "topic 'bridge' cannot be used"),
        ("lock_users/list", '{"device": "front_door"}', "NOT_ALLOWED: managing keypad codes over MQTT is off"),
    ):
        since = stage.ear.now
        answer = await ask(stage, name, payload)
        assert answer["status"] == "error"
        assert answer["error"].startswith(why)
        assert len(stage.ear.payloads(f"bridge/response/{name}", since)) == 1
    assert (await get(stage, "cellar"))["error"].startswith("UNKNOWN_DEVICE: 'cellar'")
    after = await stage.held()
    assert {**after, "bridge/health": ""} == {**before, "bridge/health": ""}
    assert len(stage.account.requests("Query")) == asked


async def test_log_level(stage: Stage) -> None:
    """The log tells as much as it was last asked to: details appear, and all but errors vanish."""
    bridge = await stage.up(log={"level": "info"}, polling={"interval": 3600})
    await stage.account.fault("gateway_500", operation="Query")
    for device in ("front_door", "back_door"):
        assert (await get(stage, device))["error"].startswith("HTTP_500")
    await bridge.until_logged("request_refused", 2)
    assert bridge.logged("cloud_request_failed") == []
    assert (await ask(stage, "log_level", {"level": "DEBUG"}))["data"] == {"level": "debug"}
    for device in ("garage", "hall_light"):
        assert (await get(stage, device))["status"] == "error"
    await bridge.until_logged("request_refused", 4)
    assert [line["level"] for line in bridge.logged("cloud_request_failed")] == ["debug"]
    assert (await ask(stage, "log_level", {"level": "error"}))["status"] == "ok"
    for device in ("dining_room", "bedside_lamp"):
        assert (await get(stage, device))["status"] == "error"
    assert await bridge.stop() == 0
    assert len(bridge.logged("request_refused")) == 4
    assert len(bridge.logged("cloud_request_failed")) == 1
    assert bridge.logged("stopped") == []


async def test_health_check(stage: Stage) -> None:
    """A health check tells how the bridge is doing before there is a login, with one, and while the cloud fails."""
    bridge = stage.bridge(polling={"interval": 3600})
    await bridge.start()
    await stage.ear.until("bridge/cloud", "unauthorized")
    answer = await ask(stage, "health_check")
    assert answer["status"] == "ok"
    assert (answer["data"]["healthy"], answer["data"]["listed"]) == (False, False)
    unlisted = "NO_DEVICE_LIST: the device list has not been read yet, since the cloud is unauthorized"
    assert (await ask(stage, "refresh"))["error"] == unlisted
    assert (await get(stage, "front_door"))["error"] == unlisted
    await stage.log_in()
    await stage.complete()
    healthy = (await ask(stage, "health_check", {"transaction": "h"}))["data"]
    assert healthy.pop("uptime") in range(60)
    well = {"healthy": True, "cloud": "online", "listed": True, "devices": 7, "push": "disabled", "mqtt_protocol": "5"}
    assert healthy == well
    await stage.account.fault("gateway_500")
    assert (await ask(stage, "refresh"))["error"].startswith("HTTP_500: ")
    assert (await ask(stage, "discover"))["error"].startswith("HTTP_500: ")
    failing = (await ask(stage, "health_check"))["data"]
    assert (failing["healthy"], failing["cloud"], failing["devices"]) == (True, "degraded", 7)


@BOTH
async def test_retained(stage: Stage, protocol: str) -> None:
    """A request that the broker kept is refused and cleared, once, and never carried out."""
    rename = json.dumps({"device": FRONT, "topic": "haustuer"})
    await stage.ear.say("bridge/request/device/rename", rename, retain=True)
    await stage.ear.say("front_door/get", "now", retain=True)
    bridge = await stage.up(mqtt={"protocol": protocol})
    await stage.ear.until("bridge/response/device/rename", lambda _: True)
    await stage.ear.until_event("front_door/result", "refused")
    [answer] = stage.ear.documents("bridge/response/device/rename")
    assert (answer["status"], answer["error"].partition(":")[0]) == ("error", "RETAINED")
    assert [found["reason"] for found in stage.ear.documents("front_door/result")] == ["RETAINED"]
    assert await nothing_kept(stage)
    assert not [topic for topic in await stage.held() if topic.endswith("/get")]
    since = stage.ear.now
    assert await bridge.stop() == 0
    await bridge.start()
    await stage.ear.until("bridge/state", "online", since)
    await stage.complete(since)
    await stage.fence(1)
    assert stage.ear.payloads("bridge/response/device/rename", since) == []
    assert stage.ear.events("bridge/event", since) == ["device_added"] * 7


async def test_live_request_with_the_flag(stage: Stage) -> None:
    """Under MQTT 5 a live request with the retain flag is refused and cleared, too; without the flag it is taken."""
    await stage.up(polling={"interval": 3600})
    queries = len(stage.account.requests("Query"))
    assert (await ask(stage, "refresh", "{}", retain=True))["error"].startswith("RETAINED")
    assert await nothing_kept(stage)
    assert len(stage.account.requests("Query")) == queries
    assert (await ask(stage, "refresh"))["status"] == "ok"
    assert len(stage.account.requests("Query")) == queries + 1


async def test_get(stage: Stage) -> None:
    """`mosquitto_rr` on a device's `get` prints its state as it is now; asked again at once it prints why not."""
    await stage.up(polling={"interval": 3600})
    await stage.account.by_hand(BACK, states={"st.lock.lockState": "Unlocked"}, cause="key")
    answer = await request_response(stage, "back_door/get")
    assert answer["status"] == "ok"
    assert answer["data"]["device"] == "back_door"
    assert answer["data"]["state"]["lock"] == "UNLOCKED"
    assert answer["data"]["state"] == json.loads((await stage.held())["back_door"])
    refused = await request_response(stage, "back_door/get", '{"transaction": "t"}')
    assert (refused["status"], refused["data"], refused["transaction"]) == ("error", {"device": "back_door"}, "t")
    assert refused["error"].startswith("TOO_SOON: asked for less than 2 s ago")
    assert stage.ear.documents("bridge/response/get") == [answer, refused]
    assert await nothing_kept(stage)


async def test_stop(stage: Stage) -> None:
    """Whoever waits for an answer when the bridge stops is told that."""
    bridge = await stage.up(polling={"interval": 3600}, uhome={"timeout": 60})
    await stage.account.fault("timeout")
    before, since = asked(stage), stage.ear.now
    await stage.ear.say("garage/get", "")
    for name in ("refresh", "discover"):
        await stage.ear.say(f"bridge/request/{name}", "")
    await eventually(lambda: asked(stage) == before + 3)
    assert await bridge.stop() == 0
    await stage.ear.until("bridge/state", "offline", since)
    for name in ("get", "refresh", "discover"):
        assert [found["error"] for found in stage.ear.documents(f"bridge/response/{name}", since)] == [
            "the bridge stops"
        ]


def asked(stage: Stage) -> int:
    """Count the questions about devices that have reached the cloud."""
    return len(stage.account.requests("Query")) + len(stage.account.requests("Discovery"))
