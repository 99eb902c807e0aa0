"""What the engine shows to whoever looks at the bridge itself, and how it answers them."""

from __future__ import annotations

import json
from typing import Any

from uhome2mqtt.effects import Answer, Effect
from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.events import AccountIdentified, UsersAnswered
from uhome2mqtt.model import Asker, LockUser, UsersReply

from .driver import BACK, FRONT, LAMP, TOPICS, Driver, running


def answers(effects: list[Effect]) -> list[tuple[int, dict[str, Any]]]:
    """Give the answers to somebody at the bridge's own pages, with their numbers."""
    return [(each.number, json.loads(each.payload)) for each in effects if isinstance(each, Answer)]


def test_device_as_on_mqtt() -> None:
    """A device is shown with the very words of `bridge/devices` and of its document, a command under way included."""
    house = running(FRONT, LAMP)
    house.report("front", lock="Locked", battery=4)
    house.say("front/lock/set", "UNLOCK")
    shown = house.engine.shown.device(FRONT.id, house.now)
    assert shown is not None
    assert shown.pop("document") == house.document("front")
    assert shown == json.loads(house["bridge/devices"])[0]


def test_nobody() -> None:
    """Of a device that does not exist nothing is shown, and nothing can be asked."""
    shown = running(FRONT).engine.shown
    assert shown.device("nobody", Driver().now) is None
    assert shown.topics("nobody", Driver().now) == []
    assert shown.at_level("nobody") is None
    assert (list(shown.devices), shown.at_level("front")) == ([FRONT.id], FRONT.id)


def test_topics() -> None:
    """The topics of a device are those that the broker holds, and those that take something, with an example each."""
    house = running(FRONT, LAMP)
    house.report("front", lock="Locked", mode=0)
    topics: list[Any] = house.engine.shown.topics(FRONT.id, house.now)
    states = {each["topic"]: each["payload"] for each in topics if each["use"] in {"state", "document", "availability"}}
    assert states == {topic: house.broker[topic] for topic in house.below("front")}
    asking = {each["topic"]: each["payload"] for each in topics if each["use"] not in {"state", "document"}}
    assert asking["uhome2mqtt/front/lock/set"] == "LOCK"
    assert asking["uhome2mqtt/front/mode/set"] == "normal"
    assert json.loads(asking["uhome2mqtt/front/set"]) == {"lock": "LOCK"}
    assert (asking["uhome2mqtt/front/get"], asking["uhome2mqtt/front/result"]) == ("", None)
    lamp: list[Any] = house.engine.shown.topics(LAMP.id, house.now)
    assert {each["payload"] for each in lamp if each["topic"] == "uhome2mqtt/lamp/brightness/set"} == {"100"}


def test_examples_are_taken() -> None:
    """Every example that is shown is taken as a command."""
    house = running(FRONT, LAMP)
    house.report("front", lock="Locked", mode=0)
    house.report("lamp", switch="on", level=20, color_temp=3000, rgb={"r": 1, "g": 2, "b": 3})
    for device in (FRONT, LAMP):
        topics: list[Any] = house.engine.shown.topics(device.id, house.now)
        for each in topics:
            if each["use"] == "set":
                house.say(each["topic"].removeprefix("uhome2mqtt/"), each["payload"])
    assert "refused" not in {each["event_type"] for level in ("front", "lamp") for each in house.results(level)}


def test_device_without_commands() -> None:
    """A device that takes nothing has no example for its set topic."""
    house = running(FRONT)
    only = FRONT.__class__(id="AA", name="Thing", category="OTHER", handle_type="nobody-knows")
    house.listed(FRONT, only)
    topics: list[Any] = house.engine.shown.topics("AA", house.now)
    assert {each["use"] for each in topics} == {"document", "availability", "get", "result"} | (
        {"state"} if any(each["use"] == "state" for each in topics) else set()
    )


def test_bridge() -> None:
    """Of the bridge is shown what `bridge/info` and `bridge/health` tell, and whether there is a device list yet."""
    house = Driver(config=EngineConfig(topics=TOPICS, about={"version": "1.2.3", "started": "then"}, lock_users=True))
    early = house.engine.shown.bridge()
    assert (early["listed"], early["health"], early["version"], early["started"]) == (False, None, "1.2.3", "then")
    house = running(FRONT, protocol="3.1.1")
    house.take(AccountIdentified(account="0123456789ab"))
    told = house.engine.shown.bridge()
    info = json.loads(house["bridge/info"])
    assert (told["account"], told["mqtt_protocol"]) == (info["account"], info["mqtt_protocol"])
    assert (told["account"], told["mqtt_protocol"]) == ("0123456789ab", "3.1.1")
    assert (told["listed"], told["cloud"], told["base_topic"], told["lock_users"]) == (
        True,
        "online",
        "uhome2mqtt",
        False,
    )
    push = told["push"]
    assert isinstance(push, dict)
    assert (push["status"], push["poll_interval"]) == ("disabled", 30.0)


def test_changes() -> None:
    """After each event it can be seen of which devices it has changed which keys."""
    house = running(FRONT, BACK)
    house.report("front", lock="Locked")
    assert house.engine.news.devices[FRONT.id]["lock"] == "LOCKED"
    assert BACK.id not in house.engine.news.devices
    house.report("front", lock="Locked")
    assert house.engine.news.devices[FRONT.id].keys() <= {"last_reported"}
    house.listed(FRONT)
    house.listed(FRONT)
    assert house.engine.news.devices[BACK.id] == {}
    assert (house.engine.news.bridge, house.engine.news.listed) == (True, True)


def test_request_is_answered() -> None:
    """Somebody at the bridge's own pages gets the answer with the number that was asked, as everybody sees it."""
    house = running(FRONT)
    effects = house.say("bridge/request/log_level", {"level": "debug"}, reply=Asker(number=7))
    [(number, answer)] = answers(effects)
    assert (number, answer["status"]) == (7, "ok")
    assert house.responses("log_level") == [answer]


def test_refusal_is_answered() -> None:
    """So is a request that is refused."""
    house = running(FRONT)
    [(number, answer)] = answers(house.say("bridge/request/no_such", {}, reply=Asker(number=8)))
    assert (number, answer["status"]) == (8, "error")


def test_command_is_answered() -> None:
    """A command that says who waits for its outcome is answered once, with its end."""
    house = running(FRONT)
    told = answers(house.say("front/lock/set", "LOCK", reply=Asker(number=9)))
    told += answers(house.accept())
    assert told == []
    told = answers(house.report("front", lock="Locked"))
    assert [(number, answer["event_type"]) for number, answer in told] == [(9, "confirmed")]


def codes_shown(*, private: bool, reveal: bool) -> tuple[bool, bool]:
    """Ask for the code of a lock; tells whether the asker sees it, and whether everybody does."""
    config = EngineConfig(topics=TOPICS, lock_users=True, reveal_codes=reveal)
    house = running(FRONT, config=config)
    house.say("bridge/request/lock_users/get", {"device": "front", "id": 3}, reply=Asker(number=1, private=private))
    user = LockUser(id=3, name="Anna", type=0, extra={"password": "135790"})
    [job] = house.jobs_in_flight
    effects = house.take(UsersAnswered(job=job, reply=UsersReply(user=user)))
    [(_, answer)] = answers(effects)
    return "135790" in json.dumps(answer), "135790" in json.dumps(house.responses("lock_users/get"))


def test_codes() -> None:
    """A code is shown to who asks for it in private, and to everybody only where nobody asks in private and all may."""
    assert codes_shown(private=True, reveal=False) == (True, False)
    assert codes_shown(private=False, reveal=False) == (False, False)
    assert codes_shown(private=True, reveal=True) == (True, False)


def test_overrides_are_shown() -> None:
    """A device that the configuration disables is shown as such, and claims nothing."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, overrides={FRONT.id: Override(enabled=False)}))
    shown = house.engine.shown.device(FRONT.id, house.now)
    assert shown is not None
    assert shown["enabled"] is False
    topics: list[Any] = house.engine.shown.topics(FRONT.id, house.now)
    assert "state" not in {each["use"] for each in topics}


def test_described_keys() -> None:
    """`bridge/devices` says of each key what it may be: its words, or its bounds and unit, and what can be set."""
    house = running(FRONT)
    keys = {key["key"]: key for key in json.loads(house["bridge/devices"])[0]["keys"]}
    assert keys["lock"] == {
        "key": "lock",
        "type": "string",
        "settable": ["LOCK", "UNLOCK"],
        "values": ["LOCKED", "UNLOCKED", "LOCKING", "UNLOCKING", "JAMMED"],
    }
    assert keys["battery"] == {"key": "battery", "type": "number", "settable": [], "min": 20, "max": 100, "unit": "%"}
