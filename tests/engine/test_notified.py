"""What a notification leads to."""

from __future__ import annotations

import json
from dataclasses import replace

from uhome2mqtt.catalogue.attributes import LOCK_STATE
from uhome2mqtt.engine.push import REMEMBERED
from uhome2mqtt.engine.reports import MOST_ATTRIBUTES
from uhome2mqtt.events import NotificationReceived, Started
from uhome2mqtt.model import Attribute, FailureKind, Notification, Report, Source

from .driver import BACK, FRONT, LAMP, PLUG, Driver, running
from .pushing import PUSH, ask, health, poll, pushing
from .reports import report_of

UNREACHABLE = FailureKind.UNREACHABLE


def test_a_keypad_entry() -> None:
    """What is pushed is published at once, and costs the cloud nothing."""
    house = pushing()
    house.report("front", lock="Unlocked")
    assert house["front/lock"] == "UNLOCKED"
    assert (house.looks(Source.QUERY), health(house)["received"]) == ([], 1)


def test_twice_and_overtaken() -> None:
    """Notifications that overtook one another do no lasting harm: the device is asked once, when all have come."""
    house = pushing()
    house.report("front", lock="Locked")
    house.report("front", lock="Unlocked")
    house.report("front", lock="Unlocked")
    house.report("front", lock="Locked")
    house.mark()
    house.advance(3)
    assert [query.devices for _, query in house.asked] == [(FRONT,)]
    house.answer("front", lock="Unlocked")
    assert house["front/lock"] == "UNLOCKED"
    house.report("front", lock="Locked")
    house.advance(9)
    assert house.looks(Source.QUERY) == [3]


def test_a_flood_asks_for_little() -> None:
    """However many notifications contradict one another, a device is asked for once in ten seconds."""
    house = pushing()
    for second in range(600):
        house.report("front", lock=("Locked", "Unlocked")[second % 2])
        house.advance(0.1)
        house.end_queries()
    assert len(house.looks(Source.QUERY)) <= 6 + 2


def test_a_name_alone() -> None:
    """A notification that names a device and says nothing of it is a reason to ask; of an unknown one for a list."""
    house = pushing()
    house.notified(Report(device_id=FRONT.id))
    house.advance(0)
    assert [query.devices for _, query in house.asked] == [(FRONT,)]


def test_looks_share_a_request() -> None:
    """Several devices that are to be asked for at once share a request."""
    house = running(FRONT, BACK, config=PUSH)
    house.mark()
    house.notified(Report(device_id=FRONT.id), Report(device_id=BACK.id))
    house.advance(0)
    assert [query.devices for _, query in house.asked] == [(FRONT, BACK)]


def test_no_look_during_a_hold() -> None:
    """While the cloud wants fewer requests, the next poll tells."""
    house = pushing()
    house.advance(30)
    house.end_queries(FailureKind.RATE_LIMITED, 100.0)
    house.mark()
    house.notified(Report(device_id=FRONT.id))
    house.advance(20)
    assert house.looks(Source.QUERY) == []


def test_an_unknown_device() -> None:
    """A device that nobody listed leads to a device list at once, and for the same again after ten minutes."""
    house = pushing()
    stranger = Report(device_id="stranger", states={LOCK_STATE: "Unlocked"})
    house.notified(stranger)
    house.advance(1)
    assert len(house.lists) == 1
    house.listed(FRONT)
    for _ in range(100):
        house.notified(stranger)
        house.advance(5)
        house.end_queries()
    assert len(house.lists) == 1
    house.advance(101)
    assert len(house.lists) == 2


def test_a_new_device() -> None:
    """DeviceSync leads to a device list, and the new device is there within a second of it."""
    house = pushing()
    house.notified(changed=(BACK.id,))
    house.advance(1)
    house.listed(FRONT, BACK)
    assert house["back/availability"] == "online"


def test_a_hint_during_a_list() -> None:
    """What is told while a list is under way is worth another one."""
    house = pushing()
    ask(house, "discover")
    house.notified(changed=(BACK.id,))
    house.advance(2)
    house.listed(FRONT)
    assert len(house.lists) == 1
    house.advance(1)
    assert len(house.lists) == 2


def test_deleted() -> None:
    """DeviceDelete is believed once the next list confirms it."""
    house = running(FRONT, BACK, config=PUSH)
    house.notified(deleted=(BACK.id.lower(), "nobody"))
    assert house["back/availability"] == "online"
    house.advance(1)
    assert len(house.lists) == 2
    house.listed(FRONT)
    assert house.below("back") == set()


def test_not_deleted_after_all() -> None:
    """A DeviceDelete that the next list contradicts has no effect, also not on the next absence."""
    house = running(FRONT, BACK, config=PUSH)
    house.notified(deleted=(BACK.id,))
    house.listed(FRONT, BACK)
    house.listed(FRONT)
    assert house["back/availability"] == "online"


def test_made_up_attributes() -> None:
    """What nobody knows is kept only up to a bound; what is known always counts."""
    house = pushing()
    strange = {Attribute(f"st.new.{number}"): 1 for number in range(3 * MOST_ATTRIBUTES)}
    house.notified(Report(device_id=FRONT.id, states={**strange, LOCK_STATE: "Unlocked"}))
    house.notified(Report(device_id=FRONT.id, states={Attribute("st.more.thing"): 1}))
    assert house["front/lock"] == "UNLOCKED"
    assert len(json.loads(house["bridge/devices"])[0]["observed"]) == MOST_ATTRIBUTES


def test_a_push_during_a_poll() -> None:
    """The answer to a query that was asked before a push came does not undo it: the device is asked once more."""
    house = pushing()
    while not house.open:
        house.advance(0.5)
    house.report("front", lock="Unlocked")
    house.answer("front", lock="Locked", battery=3)
    assert (house["front/lock"], house["front/battery_level"]) == ("UNLOCKED", "3")
    for _ in range(7):
        house.advance(10)
        house.answer("front", lock="Locked")
    assert house["front/lock"] == "LOCKED"


def test_a_lagging_poll() -> None:
    """A query that shows what was true before a push is repeated until the cloud has caught up, for a minute."""
    house = pushing()
    house.advance(25)
    house.report("front", lock="Unlocked")
    poll(house, "Locked")
    house.mark()
    for _ in range(15):
        house.advance(10)
        house.answer("front", lock="Locked")
    looks = house.looks(Source.QUERY)
    assert len(looks) <= 7 + 5
    house.report("front", lock="Unlocked")
    poll(house, "Locked")
    house.advance(3)
    house.answer("front", lock="Unlocked")
    assert house["front/lock"] == "UNLOCKED"


def test_no_registration_beside_a_probe() -> None:
    """While the cloud is away and a poll finds out when it is back, nothing is registered."""
    house = running(FRONT, config=PUSH)
    house.registered(UNREACHABLE)
    for _ in range(3):
        while not house.open:
            house.advance(1)
        house.end_queries(UNREACHABLE)
    house.registrations.clear()
    house.advance(600)
    house.end_queries(UNREACHABLE)
    assert house.registrations == []
    while not house.open:
        house.advance(1)
    house.end_queries()
    house.advance(60)
    assert house.registering


def test_a_word_for_word_repetition() -> None:
    """A notification that comes again word for word, long after another one, is checked with a query."""
    house = pushing()
    first = Notification(reports=(report_of(FRONT, lock="Unlocked"),), message_id="1")
    second = Notification(reports=(report_of(FRONT, lock="Locked"),), message_id="2")
    for notification in (first, second):
        house.take(NotificationReceived(notification=notification))
        house.advance(31)
        house.answer("front", lock=house["front/lock"])
    house.mark()
    house.take(NotificationReceived(notification=first))
    house.advance(3)
    assert [query.devices for _, query in house.asked] == [(FRONT,)]
    house.answer("front", lock="Locked")
    assert house["front/lock"] == "LOCKED"


def test_many_numbers() -> None:
    """Only the latest notifications are known again: what is kept of them stays small."""
    house = pushing()
    for number in range(3 * REMEMBERED):
        report = report_of(FRONT, battery=1 + number % 5)
        house.take(NotificationReceived(notification=Notification(reports=(report,), message_id=str(number))))
    push = vars(house.engine)["_house"].push
    assert len(vars(push)["_notifications"]) == REMEMBERED


def test_the_same_number_for_everything() -> None:
    """A cloud that gives all notifications one number is taken at its word, and asked for nothing more."""
    house = pushing()
    for number in range(100):
        told = Notification(reports=(report_of(FRONT, lock="Locked", battery=1 + number % 5),), message_id="same")
        house.take(NotificationReceived(notification=told))
        assert house["front/battery_level"] == str(1 + number % 5)
    assert house.looks(Source.QUERY) == []


def test_before_the_first_list() -> None:
    """Before the first device list notifications are left out: nobody knows of whom they speak."""
    house = Driver(config=PUSH)
    house.take(Started())
    house.notified(report_of(FRONT, lock="Locked"))
    house.connect({})
    house.listed(FRONT)
    assert not house.noted("unknown_device_reported")
    house.advance(700)
    assert len(house.lists) == 1


def test_what_looks_may_cost() -> None:
    """Whatever is pushed, looks cost no more than a few dozen requests, and then one in five minutes."""
    devices = tuple(replace(PLUG, id=f"plug-{number}", name=f"Plug {number}") for number in range(20))
    house = running(*devices, config=PUSH)
    house.mark()
    for _ in range(360):
        for device in devices:
            house.notified(Report(device_id=device.id))
            house.advance(0.5)
            house.end_queries()
    looks = [query for _, query in house.asked if len(query.devices) < len(devices)]
    assert len(looks) <= 30 + 3600 / 300


def test_no_look_while_the_cloud_is_away() -> None:
    """While the cloud is away, no notification adds a request to the one that finds out when it is back."""
    house = pushing()
    while house["bridge/cloud"] != "offline":
        house.advance(1)
        house.end_queries(UNREACHABLE)
    house.mark()
    for _ in range(20):
        house.notified(Report(device_id=FRONT.id))
        house.advance(1)
    assert house.looks(Source.QUERY) == []


def test_a_poll_is_older_than_a_push() -> None:
    """That goes for every attribute, also one that no query has shown before, and for looks after a command."""
    house = running(FRONT, LAMP, config=PUSH)
    house.advance(30)
    house.report("front", mode=1, lock="Unlocked")
    house.answer("front", mode=0, lock="Locked", battery=2)
    assert (house["front/mode"], house["front/lock"], house["front/battery_level"]) == ("passage", "UNLOCKED", "2")
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.advance(1)
    house.report("front", mode=2)
    house.answer("front", mode=1)
    assert house["front/mode"] == "locked"


def test_a_lag_of_a_moment() -> None:
    """A query that shows what was true before a push does not undo it, if the next one three seconds later agrees."""
    house = pushing()
    house.advance(25)
    house.report("front", lock="Unlocked")
    poll(house, "Locked")
    assert house["front/lock"] == "UNLOCKED"
    house.advance(3)
    house.answer("front", lock="Unlocked")
    house.advance(20)
    assert house.history("front/lock")[-1] == "UNLOCKED"


def test_a_lost_push() -> None:
    """A change back whose push was lost shows three seconds after the poll, and later at once: pushes get lost."""
    house = pushing()
    house.advance(25)
    house.report("front", lock="Unlocked")
    poll(house, "Locked")
    house.advance(3)
    house.answer("front", lock="Locked")
    assert house["front/lock"] == "LOCKED"
    while house.monotonic < house.marked + 140:
        house.advance(10)
        house.answer("front", lock="Locked")
    assert health(house)["evidence"]["latest"] == ["miss"]
    house.report("front", lock="Unlocked")
    poll(house, "Locked")
    assert house["front/lock"] == "LOCKED"
