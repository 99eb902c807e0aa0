"""Notifications: how the cloud is kept telling them, what they lead to, and how far they are relied on."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from uhome2mqtt.catalogue.attributes import LOCK_STATE
from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.engine.push_side import LADDER
from uhome2mqtt.engine.reports import MOST_ATTRIBUTES
from uhome2mqtt.events import Effect, HealthMeasured, LoggedIn, Started
from uhome2mqtt.model import Attribute, FailureKind, PushStatus, PushView, Report, Source

from .driver import BACK, FRONT, LAMP, SECRET, TOPICS, Driver, running
from .reports import report_of

PUSH = EngineConfig(topics=TOPICS, push=True)
UNREACHABLE, REJECTED = FailureKind.UNREACHABLE, FailureKind.REJECTED


def pushing(config: EngineConfig = PUSH) -> Driver:
    """Give a bridge with a front door that is locked, registered for notifications."""
    house = running(FRONT, config=config)
    house.registered()
    poll(house, "Locked")
    house.registrations.clear()
    house.mark()
    return house


def poll(house: Driver, state: str) -> None:
    """Go on to the next poll, and let it see a state."""
    while not any(query.source is Source.QUERY for query in house.open.values()):
        house.advance(0.5)
    house.answer("front", lock=state)


def change(house: Driver, state: str, *, pushed: bool) -> None:
    """Let somebody turn the key, and the next poll see it."""
    house.advance(11)
    if pushed:
        house.report("front", lock=state)
    poll(house, state)


def live(house: Driver, changes: str) -> None:
    """Turn the key to and fro, `+` pushed and `-` not, and wait for what comes too late."""
    for each in changes:
        change(house, "Locked" if house["front/lock"] == "UNLOCKED" else "Unlocked", pushed=each == "+")
        for _ in range(31 if each == "-" else 0):
            house.advance(1)
            house.answer("front", lock=house["front/lock"])


def status(house: Driver) -> str:
    """Read how far push is relied on."""
    told: str = json.loads(house["bridge/info"])["push"]
    return told


def interval(house: Driver) -> float:
    """Read the poll interval in use."""
    seconds: float = json.loads(house["bridge/info"])["poll_interval"]
    return seconds


def health(house: Driver) -> dict[str, Any]:
    """Read what `bridge/health` tells of push now."""
    house.take(HealthMeasured(requests={}))
    told: dict[str, Any] = json.loads(house["bridge/health"])["push"]
    return told


def ask(house: Driver, name: str, **members: Any) -> list[Effect]:
    """Ask the bridge for something."""
    return house.say(f"bridge/request/{name}", members)


# --- registration ---


def test_registered_at_start() -> None:
    """Notifications are registered once the cloud has answered, with the secret of the earlier run."""
    house = Driver(config=PUSH)
    house.take(Started())
    house.connect({})
    assert house.registrations == []
    house.listed(FRONT)
    assert [effect.renew for _, effect in house.registrations] == [False]
    house.registered()
    house.listed(FRONT)
    house.advance(3600)
    assert len(house.registrations) == 1
    assert status(house) == "unverified"


def test_disabled() -> None:
    """Without an address nothing is registered, and nothing is judged."""
    house = running(FRONT)
    live(house, "---")
    assert house.registrations == []
    assert (status(house), health(house)["evidence"]["miss"]) == ("disabled", 0)


def test_rotation() -> None:
    """Every day, or a bit earlier, there is a new secret."""
    house = pushing()
    house.advance(0.9 * 86400)
    house.end_queries()
    assert house.registrations == []
    house.advance(0.1 * 86400)
    assert [effect.renew for _, effect in house.registrations] == [True]


def test_the_ladder() -> None:
    """A registration that fails is tried again ever later, and nothing else waits for it or follows from it."""
    house = running(FRONT, config=PUSH)
    house.answer("front", lock="Locked")
    before = house["bridge/cloud"]
    times = [house.monotonic]
    for _ in range(7):
        house.registered(UNREACHABLE)
        while not house.registering:
            house.advance(1)
            house.end_queries()
        times.append(house.monotonic)
    waits = [after - before for before, after in pairwise(times)]
    assert waits == pytest.approx([*LADDER, LADDER[-1], LADDER[-1]], abs=1)
    assert (house["bridge/cloud"], interval(house)) == (before, 30)
    assert {query.source for _, query in house.asked} == {Source.QUERY}
    assert len(house.noted("push_not_registered")) == 7
    assert [note.level for note in house.noted("push_not_registered")].count("warning") == 1


def test_polling_is_untouched() -> None:
    """While registrations fail in every way, polls come as ever."""
    house = running(FRONT, config=PUSH)
    house.mark()
    for kind in FailureKind:
        house.registered(kind)
        while not house.registering:
            house.advance(1)
            house.end_queries()
    waits = {round(after - before) for before, after in pairwise(house.looks(Source.QUERY))}
    assert waits == {30}
    assert "cloud_rate_limited" not in {note.event for note in house.notes}


def test_retry_after_is_kept() -> None:
    """A longer Retry-After of the cloud is kept to."""
    house = running(FRONT, config=PUSH)
    house.registered(FailureKind.RATE_LIMITED, 500.0)
    house.advance(499)
    assert not house.registering
    house.advance(1)
    assert house.registering


def test_registration_failed() -> None:
    """A registration that failed is told, with its reason, until one succeeds."""
    house = running(FRONT, config=PUSH)
    house.registered(REJECTED)
    assert status(house) == "registration_failed"
    assert health(house)["failure"] == "rejected_code: rejected message"
    house.advance(70)
    house.registered()
    assert (status(house), health(house)["failure"]) == ("unverified", None)


def test_a_failed_rotation_spoils_nothing() -> None:
    """While notifications arrive, a registration that failed is no reason to distrust them."""
    house = pushing()
    live(house, "++++")
    ask(house, "notifications/register")
    house.registered(UNREACHABLE)
    assert status(house) == "healthy"
    live(house, "-")
    assert status(house) == "registration_failed"


def test_waiting_for_a_login() -> None:
    """Without a login it is tried every minute, which costs no request, and at once after a login."""
    house = running(FRONT, config=PUSH)
    house.registered(FailureKind.AUTHORIZATION)
    house.advance(60)
    house.registered(FailureKind.AUTHORIZATION)
    house.advance(60)
    house.registered(FailureKind.AUTHORIZATION)
    house.advance(1)
    house.take(LoggedIn())
    house.advance(0)
    assert house.registering


def test_registration_waits_for_a_hold() -> None:
    """While the cloud wants fewer requests, nothing is registered either."""
    house = running(FRONT, config=PUSH)
    house.registered(UNREACHABLE)
    house.advance(30)
    house.end_queries(FailureKind.RATE_LIMITED, 100.0)
    house.advance(99)
    assert not house.registering
    house.advance(10)
    assert house.registering


# --- requests ---


def test_register_on_request() -> None:
    """`notifications/register` registers a new secret, and is answered when that is done."""
    house = pushing()
    ask(house, "notifications/register", transaction=7)
    assert [effect.renew for _, effect in house.registrations] == [True]
    assert house.responses("notifications/register") == []
    house.registered()
    [answer] = house.responses("notifications/register")
    assert (answer["status"], answer["data"], answer["transaction"]) == ("ok", {"push": "unverified"}, 7)


def test_register_on_request_fails() -> None:
    """A registration that fails is answered with the cloud's reason; who asks too soon is told so."""
    house = pushing()
    ask(house, "notifications/register")
    ask(house, "notifications/register")
    house.registered(REJECTED)
    assert [answer["error"].split(":")[0] for answer in house.responses("notifications/register")] == [
        "TOO_SOON",
        "rejected_code",
    ]


def test_register_while_it_is_under_way() -> None:
    """Who asks while a registration is under way gets its result."""
    house = running(FRONT, config=PUSH)
    ask(house, "notifications/register")
    assert len(house.registrations) == 1
    house.registered()
    assert [answer["status"] for answer in house.responses("notifications/register")] == ["ok"]


def test_a_notification_by_mqtt() -> None:
    """A notification that somebody forwards with the right secret is taken like any other, as object or as text."""
    house = pushing()
    states = [{"capability": "st.lock", "name": "lockState", "value": "Unlocked"}]
    ask(house, "notification", token=SECRET, body=[{"id": FRONT.id.lower(), "states": states}], transaction="t")
    assert (house["front/lock"], house.document("front")["source"]) == ("UNLOCKED", "push")
    entry = {"id": FRONT.id, "states": {"st.Lock": {"lockState": "locked"}}}
    ask(house, "notification", token=SECRET, body=json.dumps({"payload": {"devices": [entry]}}))
    assert house["front/lock"] == "LOCKED"
    first, second = house.responses("notification")
    assert first["data"] == second["data"] == {"reports": 1, "changed": 0, "deleted": 0, "unreadable": 0}
    assert SECRET not in json.dumps([first, second]) + repr(house.notes)


@pytest.mark.parametrize(
    ("members", "error"),
    [
        ({"token": "wrong", "body": []}, "UNAUTHORIZED"),
        ({"token": None, "body": []}, "UNAUTHORIZED"),
        ({"body": []}, "UNAUTHORIZED"),
        ({"token": SECRET, "body": "{"}, "body is not JSON"),
        ({"token": SECRET, "body": " " * 140_000}, "bytes are too many: at most 131072 are read"),
        ({"token": SECRET, "boddy": []}, "notification has no member 'boddy' (did you mean 'body'?)"),
    ],
)
def test_a_bad_notification_by_mqtt(members: dict[str, Any], error: str) -> None:
    """A forwarded notification without the secret, or that cannot be read, is refused with the reason."""
    house = pushing()
    ask(house, "notification", **members)
    [answer] = house.responses("notification")
    assert answer["status"] == "error"
    assert error in answer["error"]
    assert health(house)["received"] == 0


def test_nonsense_by_mqtt() -> None:
    """JSON that is no notification is answered with what was made of it, and noted once."""
    house = pushing()
    for body in (7, None, "null", {"payload": 3}):
        ask(house, "notification", token=SECRET, body=body)
    assert [answer["data"]["unreadable"] for answer in house.responses("notification")] == [1, 1, 1, 1]
    assert len(house.noted("notification_unreadable")) == 1


@pytest.mark.parametrize("name", ["notification", "notifications/register"])
def test_no_address(name: str) -> None:
    """Without an address these requests are refused with what to configure."""
    house = running(FRONT)
    ask(house, name)
    assert "notifications.public_url is not set" in house.responses(name)[0]["error"]


# --- what a notification says ---


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
    house.advance(3)
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


# --- how far it is relied on ---


def test_proven() -> None:
    """After four changes that were pushed before a poll saw them, polls are ten times as rare, and states age later."""
    house = pushing()
    for number, expected in enumerate(["unverified", "unverified", "unverified", "healthy"], 1):
        assert interval(house) == 30
        live(house, "+")
        assert (number, status(house)) == (number, expected)
    assert interval(house) == 300
    house.mark()
    house.advance(299)
    assert house.looks(Source.QUERY) == []
    assert house["front/lock"] in {"LOCKED", "UNLOCKED"}
    house.advance(1)
    assert house.looks(Source.QUERY) == [300]
    assert health(house)["evidence"] == {"hit": 4, "late": 0, "miss": 0, "latest": ["hit"] * 4}
    evidence = {"hit": 4, "late": 0, "miss": 0}
    view = PushView(status=PushStatus.HEALTHY, received=4, evidence=evidence, poll_interval=300)
    assert house.engine.push == view


def test_one_miss_restores_the_interval() -> None:
    """One miss, and polls come as without push again, at once."""
    house = pushing()
    live(house, "++++")
    poll(house, "Unlocked" if house["front/lock"] == "LOCKED" else "Locked")
    house.mark()
    house.advance(30)
    assert (status(house), interval(house)) == ("degraded", 30)
    house.advance(30)
    assert house.looks(Source.QUERY) == [60]
    assert house["front/stale"] == "OFF"
    assert [event["event_type"] for event in house.bridge_events()] == ["device_added"]


def test_nothing_ages_early() -> None:
    """When the interval shrinks, what the last of the rare polls reported stands until the next poll has ended."""
    house = pushing()
    live(house, "++++")
    house.advance(200)
    before = house["front/lock"]
    house.advance(11)
    house.say("front/get", "")
    house.answer("front", lock="Unlocked" if before == "LOCKED" else "Locked")
    house.advance(30)
    assert (interval(house), house["front/stale"]) == (30, "OFF")
    house.advance(30)
    house.end_queries(UNREACHABLE)
    house.advance(61)
    assert house["front/stale"] == "ON"


def test_push_dies_silently() -> None:
    """Two missed changes make push unhealthy: that is told once, and it is registered anew at most every six hours."""
    house = pushing()
    live(house, "++++--")
    assert (status(house), interval(house)) == ("unhealthy", 30)
    assert [effect.renew for _, effect in house.registrations] == [True]
    house.registered()
    live(house, "--+--")
    events = [event for event in house.bridge_events() if event["event_type"].startswith("push")]
    assert [event["event_type"] for event in events] == ["push_unhealthy"]
    assert events[0]["evidence"] == ["hit", "hit", "hit", "miss", "miss"]
    assert len(house.registrations) == 1
    house.advance(6 * 3600)
    assert len(house.registrations) == 2


def test_push_recovers() -> None:
    """Push that has come back is relied on again once it has proven itself, and that is told."""
    house = pushing()
    live(house, "--")
    assert status(house) == "unhealthy"
    house.registered()
    live(house, "+++")
    assert (status(house), interval(house)) == ("degraded", 30)
    live(house, "+")
    assert (status(house), interval(house)) == ("healthy", 300)
    events = [event["event_type"] for event in house.bridge_events()]
    assert events == ["device_added", "push_unhealthy", "push_restored"]
    house.advance(7 * 3600)
    assert len(house.registrations) == 1


def test_late_push() -> None:
    """Push that is always late is degraded, and does not relax anything."""
    house = pushing()
    for state in ("Unlocked", "Locked", "Unlocked", "Locked"):
        change(house, state, pushed=False)
        house.advance(5)
        house.report("front", lock=state)
    assert (status(house), interval(house)) == ("degraded", 30)
    assert health(house)["evidence"]["late"] == 4


def test_looks_for_a_command_are_no_evidence() -> None:
    """What the bridge asks for because of a command proves nothing: the next poll judges."""
    house = pushing()
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    house.advance(1)
    house.answer("front", lock="Unlocked")
    house.advance(1)
    house.report("front", lock="Unlocked")
    poll(house, "Unlocked")
    assert health(house)["evidence"]["latest"] == ["hit"]


def test_out_of_reach() -> None:
    """What the cloud remembers of a device out of reach is no evidence."""
    house = pushing()
    for state in ("Unlocked", "Locked", "Unlocked"):
        house.advance(30)
        house.answer("front", lock=state, health="Offline")
    house.advance(60)
    assert health(house)["evidence"]["latest"] == []


def test_a_device_leaves() -> None:
    """A device that leaves the account takes along what waited for its notification."""
    house = pushing()
    change(house, "Unlocked", pushed=False)
    house.notified(Report(device_id=FRONT.id))
    house.listed()
    house.listed()
    house.advance(60)
    assert health(house)["evidence"]["latest"] == []


def test_a_configured_age_limits_the_interval() -> None:
    """Where states become unknown at a configured age, proven push does not let them reach it."""
    house = pushing(EngineConfig(topics=TOPICS, push=True, stale_after=200.0))
    live(house, "++++")
    assert interval(house) == 100


def test_push_and_a_strained_cloud() -> None:
    """While the cloud wants even fewer requests than proven push allows, that counts."""
    house = pushing(EngineConfig(topics=TOPICS, push=True, push_interval=40.0))
    live(house, "++++")
    assert interval(house) == 40
    house.advance(40)
    house.end_queries(FailureKind.RATE_LIMITED)
    assert interval(house) == 60


def test_other_devices_are_left_alone() -> None:
    """A notification touches the devices that it names, and no others."""
    house = running(FRONT, LAMP, config=PUSH)
    effects = house.notified(report_of(FRONT, lock="Unlocked"))
    assert not [effect for effect in effects if "/lamp" in str(getattr(effect, "topic", ""))]
