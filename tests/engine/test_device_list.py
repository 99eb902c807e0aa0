"""Section 6, 5 and section 3: who is there, under which topic, and who has left."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

from uhome2mqtt.catalogue.attributes import LOCK_MODE, LOCK_STATE
from uhome2mqtt.effects import Effect, SavePins
from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.events import AccountIdentified, QueryEnded, Started, StatesReported
from uhome2mqtt.model import Device, Discovery, FailureKind, Pin, Report, Source

from .driver import BACK, BASE, FRONT, TOPICS, Driver, running

CONFIG = TOPICS.discovery("uhome2mqtt_0c7fed100001")


def levels(house: Driver) -> list[str]:
    """Give the topic levels in `bridge/devices`."""
    return [entry["topic"] for entry in json.loads(house["bridge/devices"])]


def test_an_outage_is_no_empty_account() -> None:
    """Before the first device list nothing is published of devices and nothing is removed, whatever fails."""
    left = {f"{BASE}/front/battery": "80", f"{BASE}/bridge/devices": '[{"id":"a","topic":"front"}]', CONFIG: "{}"}
    house = Driver()
    house.take(Started())
    house.connect(left)
    for kind in FailureKind:
        house.list_failed(kind)
        house.advance(400)
    house.reconnect()
    assert {topic: house.broker[topic] for topic in left} == left
    assert house["bridge/state"] == "online"
    assert house["bridge/cloud"] != "online"


def test_a_failed_list_removes_nobody() -> None:
    """Failures of the device list never count as lists without a device."""
    house = running(FRONT)
    before = house.below("front")
    house.listed()
    for _ in range(5):
        house.list_failed()
    assert house.below("front") == before


def test_the_first_list_waits_for_the_broker() -> None:
    """A list that comes before the broker's memory is known is kept until then, so that no topic is chosen twice."""
    house = Driver()
    house.take(Started())
    house.listed(FRONT)
    assert (house.asked, house.pins) == ([], {})
    entry = {"id": FRONT.id, "topic": "vorne", "name": "Vorne", "observed": ["st.doorsensor.sensorstate"]}
    house.connect({f"{BASE}/bridge/devices": json.dumps([entry])})
    assert levels(house) == ["vorne"]
    assert house["vorne/door"] == "None"
    assert len(house.asked) == 1
    assert house.pins[FRONT.id].topic == "vorne"


def test_the_account_is_identified_once() -> None:
    """After a list the account is asked for until it is known; its hashed id is told in `bridge/info`."""
    house = running(FRONT)
    house.listed(FRONT)
    assert house.identified == 2
    house.take(AccountIdentified(account="hash"))
    house.listed(FRONT)
    assert house.identified == 2
    assert json.loads(house["bridge/info"])["account"] == "hash"


def test_removal_after_two_lists() -> None:
    """A device is only noted as missing after one list without it, and removed after two, its config topic first."""
    house = running(FRONT, BACK)
    house.listed(BACK)
    assert house["front/availability"] == "online"
    assert json.loads(house["bridge/devices"])[0]["missing"] is True
    assert CONFIG in house.broker
    before = len(house.published)
    house.listed(BACK)
    assert house.below("front") == set()
    assert CONFIG not in house.broker
    clears = [publish.topic for publish in house.published[before:] if publish.retain and not publish.payload]
    assert clears[0] == CONFIG
    assert levels(house) == ["back"]
    assert [event["event_type"] for event in house.bridge_events()] == [
        "device_added",
        "device_added",
        "device_removed",
    ]


def test_the_second_list_comes_soon() -> None:
    """While a device is missing the list is asked for again after 60 s, else at its own interval."""
    house = running(FRONT, BACK)
    house.mark()
    house.advance(6 * 3600)
    assert len(house.lists) == 1
    house.listed(BACK)
    house.mark()
    house.advance(60)
    assert len(house.lists) == 1


def test_an_empty_account_is_looked_at_again() -> None:
    """An account without devices is said to be one, and looked at again after 5 minutes."""
    house = running()
    house.mark()
    house.advance(300)
    assert len(house.lists) == 1
    assert len(house.noted("no_devices")) == 1
    assert house.asked == []


def test_a_device_returns_in_time() -> None:
    """A device that is back in the second list was never gone."""
    house = running(FRONT)
    house.report("front", lock="Locked")
    house.listed()
    house.listed(FRONT)
    assert (house["front/availability"], house["front/lock"]) == ("online", "LOCKED")
    house.listed()
    assert house["front/availability"] == "online"
    assert CONFIG in house.broker


def test_a_device_returns_later() -> None:
    """A device that was removed and comes back has its old topic, and nothing is claimed of it."""
    house = running(FRONT)
    house.report("front", lock="Locked", door="open")
    house.listed()
    house.listed()
    house.advance(1000)
    other = Device(id="other", name="Front", handle_type="utec-lock")
    house.listed(other, FRONT)
    assert levels(house) == ["front_2", "front"]
    assert (house["front/lock"], house["front/door"], house["front/stale"]) == ("None", "None", "OFF")


def test_removal_ends_its_commands() -> None:
    """The commands of a device that leaves end: what was sent is unconfirmed, what waited has failed."""
    house = running(FRONT)
    for word in ("LOCK", "UNLOCK"):
        house.say("front/lock/set", word)
    house.listed()
    house.listed()
    assert house.outcomes("front") == ["unconfirmed DEVICE_REMOVED", "failed DEVICE_REMOVED"]
    house.end_queries()
    house.advance(300)


def test_a_list_keeps_what_was_reported() -> None:
    """A list renews a device's record and keeps its states and commands."""
    house = running(FRONT)
    house.report("front", lock="Locked")
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    house.listed(replace(FRONT, firmware="2"))
    assert house["front/lock"] == "UNLOCKING"
    assert house.config_of(FRONT)["device"]["sw_version"] == "2"
    house.report("front", lock="Unlocked")
    assert house.outcomes("front") == ["accepted", "confirmed push"]


def test_a_rename_keeps_the_topic() -> None:
    """A rename in the app changes the shown name and never a topic, and is told."""
    house = running(FRONT)
    house.listed(replace(FRONT, name="Main entrance"))
    assert levels(house) == ["front"]
    assert house.config_of(FRONT)["device"]["name"] == "Main entrance"
    assert house.bridge_events()[-1]["event_type"] == "device_renamed"
    assert house.pins[FRONT.id] == Pin(topic="front", name="Main entrance")


def test_two_devices_of_one_name() -> None:
    """Equal names get `_2`, `_3`; a name without a usable letter gets the id's slug."""
    twins = [Device(id=str(number), name="Tür", handle_type="utec-lock") for number in range(3)]
    house = running(*twins, Device(id="AA:BB:CC:DD:EE:FF", name="門"), Device(id="b", name="Bridge"))
    assert levels(house) == ["tur", "tur_2", "tur_3", "aabbccddeeff", "bridge_2"]


def test_a_device_without_a_name() -> None:
    """A device without a name is shown by its id."""
    house = running(Device(id="abc", name=""))
    assert json.loads(house["bridge/devices"])[0]["name"] == "abc"


def test_overrides() -> None:
    """The configuration's topic and name go before the cloud's, and a topic that it gives away is taken."""
    config = EngineConfig(
        topics=TOPICS,
        overrides={BACK.id: Override(topic="front", name="Garden"), "absent": Override(topic="side")},
    )
    side = Device(id="side", name="Side", handle_type="utec-lock")
    house = running(FRONT, BACK, side, config=config, pins={FRONT.id: Pin(topic="front"), side.id: Pin(topic="side")})
    assert levels(house) == ["front_2", "front", "side_2"]
    assert house.config_of(BACK)["device"]["name"] == "Garden"
    house.say("front/lock/set", "LOCK")
    assert house.commands() == ["Back lock"]


def test_disabled_is_unavailable() -> None:
    """Of a disabled device the broker holds that it is unavailable, and nothing else."""
    house = running(FRONT, BACK, config=EngineConfig(topics=TOPICS, overrides={FRONT.id: Override(enabled=False)}))
    assert house.below("front") == {f"{BASE}/front/availability"}
    assert house["front/availability"] == "offline"
    assert CONFIG not in house.broker
    assert all(query.devices == (BACK,) for _, query in house.asked)


def test_without_json_state() -> None:
    """Without `json_state` there is no document, and the keys are there."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, json_state=False))
    assert f"{BASE}/front" not in house.broker
    assert house["front/lock"] == "None"


def test_without_discovery() -> None:
    """With discovery off nothing is published for Home Assistant."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, discovery=Discovery.OFF))
    assert all(topic.startswith(f"{BASE}/") for topic in house.broker)


@pytest.mark.parametrize("numbers", [range(20), range(20, 0, -1)])
def test_announcements_keep_the_order_of_the_list(numbers: Iterable[int]) -> None:
    """New devices are announced in the order in which the cloud lists them."""
    devices = [Device(id=str(number), name=f"n{number}") for number in numbers]
    house = running(*devices)
    assert [event["name"] for event in house.bridge_events()] == [device.name for device in devices]


def test_the_device_list_is_told_once_for_a_query() -> None:
    """What many devices show for the first time in the batches of one query is told, and kept, once at its end."""
    devices = [Device(id=f"id-{number}", name=f"Lock {number}", handle_type="utec-lock") for number in range(60)]
    house = Driver()
    house.take(Started())
    house.connect({})
    house.listed(*devices)
    [number] = house.open
    before = len(house.published)
    kept: list[Effect] = []
    for device in devices:
        report = Report(device_id=device.id, states={LOCK_MODE: 0, LOCK_STATE: "Locked"})
        kept += house.take(StatesReported(reports=(report,), source=Source.QUERY, query=number))
    kept += house.take(QueryEnded(query=number))
    told = [publish.topic for publish in house.published[before:]]
    assert told.count(f"{BASE}/bridge/devices") == 1
    assert len([effect for effect in kept if isinstance(effect, SavePins)]) == 1
    assert house["lock_59/mode"] == "normal"
