"""How the cloud is kept telling changes, and what is asked of the bridge about that."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest

from uhome2mqtt.engine.push_side import LADDER
from uhome2mqtt.events import LoggedIn, Started
from uhome2mqtt.model import FailureKind, Source

from .driver import FRONT, SECRET, START, Driver, running
from .pushing import PUSH, ask, health, interval, live, pushing, status

UNREACHABLE, REJECTED = FailureKind.UNREACHABLE, FailureKind.REJECTED


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


def test_another_reason() -> None:
    """That registrations fail is warned of once; a reason that is new is told, the same one again is a detail."""
    house = running(FRONT, config=PUSH)
    for kind in (UNREACHABLE, UNREACHABLE, REJECTED, REJECTED):
        house.registered(kind)
        while not house.registering:
            house.advance(10)
            house.end_queries()
    told = [(note.level, note.fields["error"]) for note in house.noted("push_not_registered")]
    assert told == [
        ("warning", "unreachable_code"),
        ("debug", "unreachable_code"),
        ("info", "rejected_code"),
        ("debug", "rejected_code"),
    ]
    house.registered()
    [note] = house.noted("push_registered")
    assert note.fields["seconds"] == round(house.monotonic - START)


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
    """Who asks while a registration is under way gets a new secret all the same, once that one has ended."""
    house = running(FRONT, config=PUSH)
    ask(house, "notifications/register")
    assert [effect.renew for _, effect in house.registrations] == [False]
    house.registered()
    assert house.responses("notifications/register") == []
    assert [effect.renew for _, effect in house.registrations] == [False, True]
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


def test_asked_while_the_cloud_is_away() -> None:
    """Who asks while the cloud is away gets an attempt, and its result."""
    house = pushing()
    while house["bridge/cloud"] != "offline":
        house.advance(1)
        house.end_queries(UNREACHABLE)
    ask(house, "notifications/register")
    house.registered(UNREACHABLE)
    assert house.responses("notifications/register")[0]["error"].startswith("unreachable_code")


def test_wrong_tokens_do_not_fill_the_log() -> None:
    """Wrong tokens are answered each, and told in the log once a minute."""
    house = pushing()
    for _ in range(120):
        ask(house, "notification", token="wrong", body=[])
        house.advance(1)
    assert len(house.responses("notification")) == 120
    assert [note.level for note in house.noted("request_refused")].count("warning") == 2
