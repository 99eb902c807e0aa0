"""Section 6, 1-4: state that can be trusted."""

from __future__ import annotations

import json

import pytest

from uhome2mqtt.model import Device, Report, attribute

from .driver import BACK, FRONT, LAMP, PLUG, Driver, running
from .reports import report_of

STALE_AFTER = 120


def reported(**states: str | int) -> Driver:
    """Give a house whose front door has just reported."""
    house = running(FRONT)
    house.report("front", **{"lock": "Locked", "health": "Online", **states})
    return house


# --- reports ---


def test_what_is_retained_is_what_was_reported() -> None:
    """Each key holds what the cloud last reported, the document also how and when."""
    house = reported(battery=4, mode=1, door="closed")
    document = house.document("front")
    for key, value in {
        "lock": "LOCKED",
        "mode": "passage",
        "door": "closed",
        "battery": 80,
        "battery_low": "OFF",
    }.items():
        assert house[f"front/{key}"] == str(value)
        assert document[key] == value
    assert (document["source"], document["last_reported"]) == ("push", "2026-01-31T12:00:00Z")
    house.advance(30)
    house.answer("front", lock="Locked")
    assert (house.document("front")["source"], house["front/last_reported"]) == ("query", "2026-01-31T12:00:30Z")


def test_a_report_merges() -> None:
    """A report changes what it carries: it neither erases nor implies another attribute."""
    house = reported(door="open", battery=2)
    house.report("front", door="closed")
    assert (house["front/lock"], house["front/door"], house["front/battery_low"]) == ("LOCKED", "closed", "ON")
    house.report("front", lock="Unlocked")
    assert (house["front/lock"], house["front/door"]) == ("UNLOCKED", "closed")


def test_an_empty_report_changes_nothing() -> None:
    """A report without states and without an error changes nothing."""
    house = reported()
    house.advance(5)
    before = dict(house.broker)
    house.report("front")
    assert house.broker == before


def test_unknown_is_kept_and_noted_once() -> None:
    """An attribute that nobody knows is noted once; so is a device that nobody listed."""
    house = running(FRONT)
    for value in (1, 2):
        strange = Report(device_id=FRONT.id, states={attribute("st.new", "thing"): value})
        house.notified(strange, Report(device_id="nobody"))
    assert [note.fields["about"] for note in house.noted("unknown_attribute")] == ["st.new.thing"]
    assert [note.fields["about"] for note in house.noted("unknown_device_reported")] == ["nobody"]
    assert "st.new.thing" in json.loads(house["bridge/devices"])[0]["observed"]


def test_a_mode_exists_once_it_was_shown() -> None:
    """`mode` and `door` come into being with their first report, on the broker and in Home Assistant."""
    house = running(FRONT)
    assert not {"uhome2mqtt/front/mode", "uhome2mqtt/front/door"} & house.below("front")
    house.report("front", mode=2, door="open")
    assert (house["front/mode"], house["front/door"]) == ("locked", "open")
    assert {"mode", "door"} <= house.config_of(FRONT)["components"].keys()


# --- staleness ---


def test_stale_after_exactly() -> None:
    """At `stale_after` after its last report the lock becomes unknown and `stale` ON; not a moment earlier."""
    house = reported()
    house.advance(STALE_AFTER - 0.001)
    assert (house["front/lock"], house["front/stale"]) == ("LOCKED", "OFF")
    house.advance(0.001)
    assert (house["front/lock"], house["front/stale"]) == ("None", "ON")
    assert house["front/connectivity"] == "None"
    assert house.document("front")["last_known"] == {"lock": "LOCKED"}
    assert house["front/availability"] == "online"


def test_back_with_the_next_report() -> None:
    """The next report makes a stale device known again."""
    house = reported()
    house.advance(500)
    house.report("front", lock="Locked", health="Online")
    assert (house["front/lock"], house["front/stale"]) == ("LOCKED", "OFF")
    assert house.document("front")["last_known"] is None
    house.advance(STALE_AFTER)
    assert house["front/stale"] == "ON"


def test_regular_reports_keep_it_fresh() -> None:
    """A device that reports in time is never stale."""
    house = reported()
    for _ in range(20):
        house.advance(STALE_AFTER - 1)
        house.report("front", lock="Locked", health="Online")
    assert set(house.history("front/stale")) == {"OFF"}
    assert house.history("front/lock") == ["None", "LOCKED"]


def test_freshness_is_of_each_attribute() -> None:
    """A report refreshes what it carries only: an old lock state is not renewed by news of the door."""
    house = reported(door="open", mode=0, battery=5)
    house.advance(100)
    house.report("front", door="closed")
    house.advance(20)
    assert (house["front/lock"], house["front/door"], house["front/stale"]) == ("None", "closed", "ON")
    assert (house["front/mode"], house["front/battery"]) == ("normal", "100")
    house.advance(100)
    assert house["front/door"] == "None"


def test_a_stale_level_is_not_shown() -> None:
    """A light whose state is fresh and whose level is old is shown without a level."""
    house = running(LAMP)
    house.report("lamp", switch="on", level=50)
    house.advance(100)
    house.report("lamp", switch="on")
    house.advance(20)
    assert json.loads(house["lamp/light"]) == {"state": "ON"}


def test_never_reported_is_stale_too() -> None:
    """A device that has not reported within `stale_after` since it was listed is out of date."""
    house = running(FRONT, PLUG, LAMP)
    house.advance(STALE_AFTER - 0.001)
    assert house["front/stale"] == "OFF"
    house.advance(0.001)
    assert [house[f"{level}/stale"] for level in ("front", "plug", "lamp")] == ["ON"] * 3
    assert [house["front/lock"], house["plug/switch"], house["lamp/light"]] == ["None", "None", '{"state":null}']


def test_a_device_of_unknown_kind_goes_stale_by_its_health() -> None:
    """A device without a known state is fresh as long as its health is reported."""
    house = running(Device(id="thing", name="Thing"))
    house.advance(60)
    house.report("thing", health="Online")
    house.advance(STALE_AFTER - 1)
    assert house["thing/stale"] == "OFF"
    house.advance(1)
    assert house["thing/stale"] == "ON"


# --- reachability ---


def test_one_offline_report_is_a_blip() -> None:
    """A single offline report changes nothing that is shown."""
    house = reported()
    house.report("front", lock="Locked", health="Offline")
    house.report("front", lock="Locked", health="Online")
    house.report("front", lock="Locked", health="Offline")
    assert (house["front/lock"], house["front/connectivity"]) == ("LOCKED", "online")


def test_two_offline_reports() -> None:
    """Two offline reports in a row: the state is unknown, connectivity is offline, and it stays commandable."""
    house = reported(door="closed")
    for _ in range(2):
        house.report("front", lock="Locked", health="Offline")
        house.advance(1)
    assert (house["front/lock"], house["front/door"], house["front/connectivity"]) == ("None", "None", "offline")
    assert house.document("front")["last_known"] == {"lock": "LOCKED", "door": "closed"}
    assert house["front/availability"] == "online"
    house.report("front", lock="Locked", health="online")
    assert (house["front/lock"], house["front/connectivity"]) == ("LOCKED", "online")


def test_a_report_that_came_twice() -> None:
    """One offline report that was delivered twice, or stands twice in a notification, is one."""
    house = reported()
    offline = report_of(FRONT, lock="Locked", health="Offline")
    house.notified(offline, offline)
    house.advance(0.9)
    house.notified(offline)
    assert (house["front/lock"], house["front/connectivity"]) == ("LOCKED", "online")
    house.advance(0.1)
    house.notified(offline)
    assert (house["front/lock"], house["front/connectivity"]) == ("None", "offline")


@pytest.mark.parametrize("code", ["DEVICE_OFFLINE", "DEVICE-OFFLINE"])
def test_an_offline_error_is_an_offline_report(code: str) -> None:
    """DEVICE_OFFLINE in place of states counts like an offline report."""
    house = reported()
    house.report("front", code)
    assert house["front/lock"] == "LOCKED"
    house.advance(1)
    house.report("front", code)
    assert house["front/lock"] == "None"
    assert [note.fields["error"] for note in house.noted("device_error")] == [code, code]


def test_another_error_is_no_offline_report() -> None:
    """Any other error in place of states says nothing of the device's reachability."""
    house = reported()
    for _ in range(3):
        house.report("front", "INTERNAL_ERROR")
    assert house["front/lock"] == "LOCKED"


def test_a_report_without_health_shows_that_the_device_is_there() -> None:
    """Whoever reports is within reach: states without a health end a row of offline reports."""
    house = reported()
    house.report("front", health="Offline")
    house.report("front", battery=3)
    house.advance(1)
    house.report("front", health="Offline")
    assert house["front/connectivity"] == "online"
    house.advance(1)
    house.report("front", "DEVICE_OFFLINE")
    assert house["front/lock"] == "None"
    house.report("front", lock="Locked")
    assert house["front/lock"] == "LOCKED"


def test_an_unknown_health() -> None:
    """A word of health that nobody knows is unknown; the device has reported all the same."""
    house = reported()
    house.report("front", health="Sleeping", lock="Unlocked")
    assert (house["front/connectivity"], house["front/lock"]) == ("None", "UNLOCKED")


def test_the_first_report_ever_is_offline() -> None:
    """Of a device whose first report ever is offline nothing is claimed from the start."""
    house = running(FRONT)
    house.report("front", lock="Unlocked", health="Offline", battery=3)
    assert (house["front/lock"], house["front/connectivity"], house["front/battery"]) == ("None", "offline", "60")
    assert house.document("front")["last_known"] == {"lock": "UNLOCKED"}
    assert house["front/last_reported"] == "None"


def test_memories_make_nothing_fresh() -> None:
    """The states that an offline report carries are the cloud's memory: they do not keep a device from going stale."""
    house = reported()
    for _ in range(12):
        house.advance(10)
        house.report("front", lock="Locked", health="Offline")
    assert house["front/stale"] == "ON"
    assert house["front/last_reported"] == "2026-01-31T12:00:00Z"
    house.report("front", health="Online")
    assert (house["front/lock"], house["front/connectivity"]) == ("None", "online")


# --- get ---


def test_get_asks_for_one_device() -> None:
    """A message on the get topic asks for that device alone, at most once in 2 s each."""
    house = running(FRONT, BACK)
    house.mark()
    house.say("front/get", "")
    house.say("front/get", "please")
    house.say("back/get", "")
    house.end_queries()
    house.advance(2)
    house.say("front/get", "")
    house.say("nobody/get", "")
    assert [(at - house.marked, query.devices) for at, query in house.asked] == [
        (0, (FRONT,)),
        (0, (BACK,)),
        (pytest.approx(2), (FRONT,)),
    ]
    assert [answer["error"] and answer["error"].partition(":")[0] for answer in house.responses("get")] == [
        "TOO_SOON",
        None,
        None,
        "UNKNOWN_DEVICE",
    ]
