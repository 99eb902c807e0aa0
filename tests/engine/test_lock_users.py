"""Who has a code for a lock: requests, and what becomes of them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from uhome2mqtt.engine.answers import Request
from uhome2mqtt.events import Reply, UsersFailed
from uhome2mqtt.model import FailureKind, Json

from .codes import ANNA, GUEST, OWNER, REPLY, added, adding, answers, ask, everything_published, lock
from .driver import Driver, failure

# --- questions ---


def test_list() -> None:
    """`list` gives everybody who has a code, and no code."""
    house = lock()
    ask(house, "list", transaction="t")
    assert house.asked_of_locks() == ["Front list"]
    house.users_answer(OWNER, replace(GUEST, extra={"password": 94587}))
    [answer] = house.responses("lock_users/list")
    assert (answer["status"], answer["transaction"]) == ("ok", "t")
    assert answer["data"].keys() == {"device", "users"}
    assert answer["data"]["device"] == "front"
    owner, guest = answer["data"]["users"]
    assert owner == {"id": 4026531840, "name": "Owner", "type": 1, "status": 1, "sync_status": 1}
    assert guest["password"] == "***"


def test_a_code_is_for_the_one_who_asked() -> None:
    """`get` gives the code on the response topic of the request and nowhere else."""
    house = lock()
    house.say("bridge/request/lock_users/get", {"device": "front", "id": GUEST.id}, reply=REPLY)
    house.users_answer(user=replace(GUEST, extra={"password": 94587}))
    [mine] = [each for each in house.published if each.topic == "my/answers"]
    assert json.loads(mine.payload)["data"]["user"]["password"] == 94587
    assert (mine.retain, mine.correlation) == (False, b"7")
    assert house.responses("lock_users/get")[0]["data"]["user"]["password"] == "***"
    assert sum("94587" in publish.payload for publish in house.published) == 1
    assert "94587" not in repr(house.notes)


@pytest.mark.parametrize(("reveal", "shown"), [(False, "***"), (True, 94587)])
def test_without_a_response_topic(*, reveal: bool, shown: Json) -> None:
    """Without a response topic the answer shows the code only if the configuration says so."""
    house = lock(reveal_codes=reveal)
    ask(house, "get", id=GUEST.id)
    house.users_answer(user=replace(GUEST, extra={"password": 94587}))
    assert house.responses("lock_users/get")[0]["data"]["user"]["password"] == shown


def test_the_response_topic_of_all() -> None:
    """A response topic that all can read makes no code private."""
    house = lock()
    everywhere = Reply(topic="uhome2mqtt/bridge/response/lock_users/get")
    house.say("bridge/request/lock_users/get", {"device": "front", "id": GUEST.id}, reply=everywhere)
    house.users_answer(user=replace(GUEST, extra={"password": 94587}))
    assert "94587" not in everything_published(house)


ASTRAY: dict[str, tuple[str, Json]] = {
    "a list": ("bridge/request/lock_users/add", ["Anna", 4829156]),
    "a number": ("bridge/request/lock_users/add", 4829156),
    "in place of the device": ("bridge/request/lock_users/add", {"device": "4829156"}),
    "in place of the time": ("bridge/request/lock_users/add", {"device": "front", "sent_at": "4829156"}),
    "as a name": ("bridge/request/lock_users/get", {"device": "front", "4829156": 3}),
    "on a topic of a key": ("front/lock/set", {"name": "Anna", "pin": "4829156"}),
    "on a topic of no key": ("front/lock_users/set", {"value": {"pin": ["4829156", 4829156]}}),
    "on the topic of a device": ("front/set", {"name": "Anna", "password": 4829156, "4829156": "4829156"}),
}


@pytest.mark.parametrize(("topic", "payload"), ASTRAY.values(), ids=ASTRAY)
def test_codes_that_went_astray(topic: str, payload: Json) -> None:
    """A code in the wrong place of a message is in no log line and in no answer."""
    house = lock()
    house.say(topic, payload)
    assert "4829156" not in everything_published(house) + repr(house.notes)


@pytest.mark.parametrize("kind", ["list", "get"])
def test_no_answer_to_a_question(kind: str) -> None:
    """A reply without what was asked for, a refusal and a failure are told as such; none is an empty list."""
    house = lock()
    members: dict[str, Json] = {"id": 5} if kind == "get" else {}
    for _ in range(3):
        ask(house, kind, **members)
    house.users_answer(listed=False)
    house.users_answer(error="DEVICE_OFFLINE")
    house.users_fail(FailureKind.UNCERTAIN)
    assert answers(house, kind) == ["NO_ANSWER", "DEVICE_OFFLINE", "uncertain_code"]


def test_a_failure_without_words() -> None:
    """A refusal that has a code alone is told by it."""
    house = lock()
    ask(house, "list")
    number = next(iter(house.jobs_in_flight))
    house.take(UsersFailed(job=number, failure=replace(failure(FailureKind.REJECTED), code="NO", message="")))
    assert house.responses("lock_users/list")[0]["error"] == "NO"


# --- changes ---


def test_add() -> None:
    """An addition is found by comparing lists, and answered once the lock has it; the code is in no message."""
    house = adding()
    assert house.asked_of_locks() == ["Front list", "Front add"]
    assert dict(house.users[1].action.arguments) == {"name": "Anna", "type": 0, "password": 482915}
    house.advance(1)
    house.users_answer(OWNER, GUEST)
    house.advance(1)
    house.users_answer(OWNER, GUEST, added(sync_status=0))
    assert answers(house, "add") == []
    house.advance(1)
    house.users_answer(OWNER, GUEST, added())
    [answer] = house.responses("lock_users/add")
    assert answer["status"] == "ok"
    assert answer["data"]["id"] == 328417
    assert answer["data"]["user"]["sync_status"] == 1
    assert house.asked_of_locks()[2:] == ["Front list"] * 3
    assert "482915" not in everything_published(house) + repr(house.notes)
    house.advance(100)
    assert len(house.users) == 5


def test_no_code_in_words() -> None:
    """No code is in the words that Python has for a request and for what is done about it."""
    request = Request(name="lock_users/add", latest=0.0, members={"password": "482915"})
    assert "482915" not in repr(request) + repr(adding().users)


def test_when_it_looks() -> None:
    """What became of a change is looked for a second after the cloud has taken it, and not at once."""
    house = adding()
    house.advance(0.9)
    assert house.asked_of_locks() == ["Front list", "Front add"]
    house.advance(0.1)
    assert house.asked_of_locks() == ["Front list", "Front add", "Front list"]


def test_add_with_a_schedule() -> None:
    """A temporary user is sent with the full schedule, what was left out included."""
    house = lock()
    dates: list[Json] = ["2026-02-01 15:00", "2026-02-03 11:00"]
    guest: dict[str, Json] = {**ANNA, "type": 2, "daterange": dates}
    ask(house, "add", **guest)
    house.users_answer(OWNER)
    arguments = house.users[1].action.arguments
    assert arguments["daterange"] == dates
    assert (arguments["weeks"], arguments["timerange"], arguments["limit"]) == (
        [0, 1, 2, 3, 4, 5, 6],
        ["00:00", "23:59"],
        0,
    )


def test_somebody_of_the_same_name() -> None:
    """The new one is told from an older one of the same name by the id."""
    house = lock()
    ask(house, "add", **ANNA)
    house.users_answer(OWNER, added(id=5))
    house.users_answer(listed=False)
    house.advance(1)
    house.users_answer(OWNER, added(id=5))
    house.advance(1)
    house.users_answer(OWNER, added(id=5), added(id=6))
    assert house.responses("lock_users/add")[0]["data"]["id"] == 6


def test_never_on_the_lock() -> None:
    """An addition that the lock does not get within 56 s ends as an error that names the id."""
    house = adding()
    for pause in (1, 1, 1, 1, 2, 3, 5, 8, 13, 21):
        house.advance(pause)
        house.users_answer(OWNER, GUEST, added(sync_status=0))
    [answer] = house.responses("lock_users/add")
    assert answer["error"].startswith("NOT_REPORTED: the cloud accepted it, but it was not on the lock within 56 s")
    assert answer["data"]["id"] == 328417
    assert house.monotonic - house.marked == pytest.approx(56)


def test_a_name_that_the_cloud_changes() -> None:
    """Where nobody of that name comes, the error names those who did."""
    house = adding()
    for _ in range(60):
        house.advance(1)
        while house.jobs_in_flight:
            house.users_answer(OWNER, GUEST, added(name="ANNA"))
    [answer] = house.responses("lock_users/add")
    assert answer["error"].startswith("NOT_REPORTED")
    assert [user["id"] for user in answer["data"]["new"]] == [328417]


def test_never_in_the_list() -> None:
    """An addition that never shows ends as an error; looks without a result show nothing either."""
    house = adding()
    while house.monotonic < house.marked + 56:
        house.advance(1)
        while house.jobs_in_flight:
            house.users_fail(FailureKind.UNREACHABLE)
    assert house.responses("lock_users/add")[0]["error"] == (
        "NOT_REPORTED: the cloud accepted it, but the change did not show within 56 s"
    )


def test_an_addition_that_may_have_been_taken() -> None:
    """A time-out is never answered by adding once more: the lists show whether it was taken."""
    house = lock()
    ask(house, "add", **ANNA)
    house.users_answer(OWNER)
    house.users_fail(FailureKind.UNCERTAIN)
    house.advance(1)
    house.users_answer(OWNER, added())
    assert answers(house, "add") == ["ok"]
    assert house.asked_of_locks().count("Front add") == 1


def test_an_addition_that_was_not_taken() -> None:
    """Where a time-out leads to nothing, the answer says that it may not have been taken."""
    house = lock()
    ask(house, "add", **ANNA)
    house.users_answer(OWNER)
    house.users_answer(error="INTERNAL_ERROR")
    while not answers(house, "add"):
        house.advance(1)
        while house.jobs_in_flight:
            house.users_answer(OWNER)
    assert "the cloud may not have taken it (INTERNAL_ERROR)" in house.responses("lock_users/add")[0]["error"]


@pytest.mark.parametrize("kind", ["add", "update", "delete"])
def test_refused_by_the_cloud(kind: str) -> None:
    """A change that the cloud refuses ends there, with the cloud's own code."""
    house = lock()
    ask(house, kind, **(ANNA if kind != "delete" else {}), **({"id": GUEST.id} if kind != "add" else {}))
    house.users_answer(OWNER, GUEST, user=GUEST if kind == "update" else None)
    house.users_answer(error="BAD-REQUEST")
    assert answers(house, kind) == ["BAD-REQUEST"]
    house.advance(100)
    assert len(house.users) == 2


@pytest.mark.parametrize(("kind", "asked"), [("update", "get"), ("delete", "list")])
def test_unknown_user(kind: str, asked: str) -> None:
    """Nobody is changed or removed whom the cloud does not show."""
    house = lock()
    ask(house, kind, id=5, **(ANNA if kind == "update" else {}))
    house.users_answer(OWNER)
    assert answers(house, kind) == ["UNKNOWN_USER"]
    assert house.asked_of_locks() == [f"Front {asked}"]


def test_no_change_without_a_list() -> None:
    """Where the cloud does not tell who has a code, nothing is changed."""
    house = lock()
    ask(house, "add", **ANNA)
    house.users_answer(listed=False)
    ask(house, "add", **ANNA)
    house.users_answer(error="DEVICE_OFFLINE")
    assert answers(house, "add") == ["NO_LIST", "DEVICE_OFFLINE"]
    assert house.asked_of_locks() == ["Front list", "Front list"]


def test_update() -> None:
    """A change is sent as a whole, and answered once `get` shows it and the lock has it."""
    house = lock()
    ask(house, "update", id=str(GUEST.id), **ANNA)
    house.users_answer(user=replace(GUEST, extra={"password": 1111}))
    sent = house.users[1].action
    assert (sent.name, sent.arguments["id"], sent.arguments["password"]) == ("update", GUEST.id, 482915)
    house.users_answer(listed=False)
    old = replace(GUEST, extra={"password": 1111})
    new = replace(GUEST, name="Anna", extra={"password": 482915})
    for seen in (old, replace(new, sync_status=0), new):
        house.advance(1)
        assert house.users[-1].action.name == "get"
        assert answers(house, "update") == []
        house.users_answer(user=seen)
    [answer] = house.responses("lock_users/update")
    assert answer["status"] == "ok"
    assert answer["data"]["user"]["name"] == "Anna"
    assert "482915" not in everything_published(house) + repr(house.notes)


def blind() -> Driver:
    """Give a bridge with an update that changes nothing that `get` could show, just ordered."""
    house = lock()
    ask(house, "update", id=GUEST.id, **ANNA)
    house.users_answer(user=replace(GUEST, name="Anna", extra={"password": 482915}))
    return house


def test_update_that_nothing_can_show() -> None:
    """An update of what cannot be read, such as the type, is answered with what is known: that the cloud took it."""
    house = blind()
    house.users_answer(listed=False)
    house.advance(1)
    house.users_answer(user=replace(GUEST, name="Anna", extra={"password": 482915}))
    [answer] = house.responses("lock_users/update")
    assert answer["status"] == "ok"
    assert "nothing that can be read tells it from how it was" in answer["data"]["note"]


def test_update_that_may_have_been_taken_and_that_nothing_can_show() -> None:
    """Where neither the cloud's answer nor a look can tell, the error of the order is the answer."""
    house = blind()
    house.users_fail(FailureKind.UNCERTAIN)
    [answer] = house.responses("lock_users/update")
    assert answer["error"].startswith("uncertain_code")
    assert "note" not in answer["data"]


def test_update_that_does_not_show() -> None:
    """A change that `get` does not tell of within 56 s is told as not reported."""
    house = lock()
    ask(house, "update", id=GUEST.id, **ANNA)
    house.users_answer(user=GUEST)
    house.users_answer(listed=False)
    for _ in range(60):
        house.advance(1)
        while house.jobs_in_flight:
            house.users_answer(listed=False)
    assert answers(house, "update") == ["NOT_REPORTED"]


def test_delete() -> None:
    """A removal is answered once the list no longer has the user; a reply without a list proves nothing."""
    house = lock()
    ask(house, "delete", id=GUEST.id)
    house.users_answer(OWNER, GUEST)
    house.users_answer(listed=False)
    house.advance(1)
    house.users_answer(listed=False)
    house.advance(1)
    house.users_answer(OWNER, GUEST)
    assert answers(house, "delete") == []
    house.advance(1)
    house.users_answer(OWNER)
    assert house.responses("lock_users/delete")[0]["data"] == {"device": "front", "id": GUEST.id}


def test_somebody_new_beside_a_removal() -> None:
    """Whoever is new in the list when somebody is removed is not what was asked for."""
    house = lock()
    ask(house, "delete", id=GUEST.id)
    house.users_answer(OWNER, GUEST)
    house.users_answer(listed=False)
    house.advance(1)
    house.users_answer(OWNER, added())
    assert house.responses("lock_users/delete")[0]["data"] == {"device": "front", "id": GUEST.id}


def test_delete_that_does_not_show() -> None:
    """A user who is still there after 56 s is told of."""
    house = lock()
    ask(house, "delete", id=GUEST.id)
    house.users_answer(GUEST)
    house.users_answer(listed=False)
    for _ in range(60):
        house.advance(1)
        while house.jobs_in_flight:
            house.users_answer(GUEST)
    assert "the user was still in the lock's list within 56 s" in house.responses("lock_users/delete")[0]["error"]
