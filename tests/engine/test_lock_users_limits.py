"""Who has a code for a lock: order, time, limits, and what is refused."""

from __future__ import annotations

import pytest

from uhome2mqtt.engine import Override
from uhome2mqtt.events import StopRequested, UsersAnswered, UsersFailed
from uhome2mqtt.model import FailureKind, Json, UsersReply

from .codes import ANNA, GUEST, OWNER, added, adding, answers, ask, lock
from .driver import BACK, failure

# --- order, time, limits ---


def test_one_after_the_other() -> None:
    """Changes of one lock wait until the one before is known; those of several locks, questions and commands do not."""
    house = lock()
    ask(house, "delete", id=GUEST.id)
    ask(house, "add", **ANNA)
    ask(house, "delete", id=GUEST.id, device="back")
    ask(house, "list")
    house.say("front/lock/set", "LOCK")
    assert house.asked_of_locks() == ["Front list", "Back list", "Front list"]
    assert house.commands() == ["Front lock"]
    house.users_answer(GUEST)
    house.users_answer(GUEST)
    assert house.asked_of_locks()[3:] == ["Front delete", "Back delete"]
    house.users_answer(GUEST)
    assert answers(house, "list") == ["ok"]
    house.users_answer(listed=False)
    assert house.asked_of_locks()[5:] == ["Front list"]


def test_the_next_addition() -> None:
    """The next addition begins when the one before shows, not only when the lock has it; each finds its own."""
    house = adding()
    ask(house, "add", **{**ANNA, "password": "111111"})
    house.advance(1)
    house.users_answer(OWNER, GUEST)
    assert len(house.users) == 3
    house.advance(1)
    house.users_answer(OWNER, GUEST, added(sync_status=0))
    assert house.asked_of_locks()[4:] == ["Front list"]
    house.users_answer(OWNER, GUEST, added(sync_status=0))
    house.users_answer(listed=False)
    house.advance(1)
    both = (OWNER, GUEST, added(sync_status=0), added(id=9))
    house.users_answer(*both)
    house.users_answer(*both)
    [answer] = house.responses("lock_users/add")
    assert answer["data"]["id"] == 9
    house.advance(1)
    house.users_answer(OWNER, GUEST, added(), added(id=9))
    assert house.responses("lock_users/add")[1]["data"]["id"] == 328417


def test_too_many() -> None:
    """More than ten that wait for one lock are refused."""
    house = lock()
    for _ in range(11):
        ask(house, "list")
    assert answers(house, "list") == ["BUSY"]


def test_waited_too_long() -> None:
    """What has waited beyond its time is told so then; nor is an order sent whose time has passed during the list."""
    house = lock()
    for _ in range(3):
        ask(house, "add", **ANNA)
    house.advance(30)
    assert answers(house, "add") == ["EXPIRED", "EXPIRED"]
    house.users_answer(OWNER)
    assert answers(house, "add") == ["EXPIRED", "EXPIRED", "EXPIRED"]
    assert house.asked_of_locks() == ["Front list"]


def test_during_a_hold() -> None:
    """While the cloud wants fewer requests a change is looked for at the end of the hold, or the last time."""
    house = adding()
    house.say("back/lock/set", "LOCK")
    house.fail(FailureKind.RATE_LIMITED, 30.0)
    house.advance(29)
    assert len(house.users) == 2
    house.advance(1)
    assert len(house.users) == 3
    house.users_fail(FailureKind.RATE_LIMITED, 300.0)
    house.advance(25)
    assert len(house.users) == 3
    house.advance(1)
    house.users_answer(added())
    assert answers(house, "add") == ["ok"]


def test_duplicate() -> None:
    """The same transaction again within five minutes adds nobody; a question may be asked again."""
    house = lock()
    for _ in range(2):
        ask(house, "add", **ANNA, transaction="t")
        ask(house, "list", transaction="t")
    assert answers(house, "add") == ["DUPLICATE"]
    assert answers(house, "list") == []
    ask(house, "add", device="back", **ANNA, transaction="t")
    assert house.asked_of_locks() == ["Front list"] * 3 + ["Back list"]


def test_a_refused_request_is_no_transaction() -> None:
    """A request that was refused may be sent again with its transaction once it is right."""
    house = lock()
    ask(house, "add", **{**ANNA, "password": "1"}, transaction="t")
    ask(house, "add", **ANNA, transaction="t")
    assert house.asked_of_locks() == ["Front list"]


# --- what is not allowed, or wrong ---


def test_off() -> None:
    """Without `lock_users.enabled` nothing is asked, and the answer says how to change that."""
    house = lock(lock_users=False)
    for kind in ("list", "get", "add", "update", "delete"):
        ask(house, kind, id=5, **ANNA)
        assert "lock_users.enabled" in house.responses(f"lock_users/{kind}")[0]["error"]
    assert house.users == []


def test_policy() -> None:
    """Who may not unlock changes no codes either, unless the configuration says so; reading is another matter."""
    house = lock(allow={"front": ("LOCK", "mode"), "back": ("lock_users",), "lock": ()})
    ask(house, "add", **ANNA)
    ask(house, "list")
    ask(house, "add", device="back", **ANNA)
    assert answers(house, "add") == ["NOT_ALLOWED"]
    assert house.asked_of_locks() == ["Front list", "Back list"]


@pytest.mark.parametrize("entry", ["UNLOCK", "unlock", "lock_users"])
def test_who_may_open(entry: str) -> None:
    """Where the configuration lets MQTT unlock a lock, or change its codes, codes are changed."""
    house = lock(allow={"front": (entry,)})
    ask(house, "delete", id=OWNER.id + 1)
    assert house.asked_of_locks() != []


def test_disabled() -> None:
    """A disabled lock is left alone."""
    house = lock(overrides={BACK.id: Override(enabled=False)})
    ask(house, "list", device="back")
    assert answers(house, "list") == ["NOT_ALLOWED"]
    assert house.users == []


WRONG: dict[str, tuple[str, dict[str, Json], str]] = {
    "no lock": ("list", {"device": "lamp"}, "lamp is no lock"),
    "nobody": ("list", {"device": "nobody"}, "UNKNOWN_DEVICE"),
    "no id": ("get", {}, "id is missing"),
    "bad id": ("delete", {"id": "all"}, "id is 'all'"),
    "too much": ("list", {"id": 5}, "takes device"),
    "misspelt": ("get", {"idd": 5}, "did you mean 'id'?"),
    "short": ("add", {**ANNA, "password": "482"}, "password has 3 digits"),
    "zero": ("add", {**ANNA, "password": "0482"}, "begins with 0"),
    "nothing": ("update", {"id": 5}, "name is missing"),
}


@pytest.mark.parametrize(("kind", "members", "why"), WRONG.values(), ids=WRONG)
def test_wrong(kind: str, members: dict[str, Json], why: str) -> None:
    """What cannot be right is refused before anything is asked."""
    house = lock()
    ask(house, kind, **members)
    [answer] = house.responses(f"lock_users/{kind}")
    assert why in answer["error"]
    assert house.users == []


# --- ends from outside ---


def test_stop() -> None:
    """When the bridge stops, everybody who waits is told, and whether the order had been sent."""
    house = adding()
    ask(house, "list")
    house.take(StopRequested())
    assert house.responses("lock_users/add")[0]["error"] == "the bridge stops; the order had been sent"
    assert house.responses("lock_users/list")[0]["error"] == "the bridge stops"


def test_a_lock_that_leaves() -> None:
    """When the lock leaves the account, whoever waits is told; what comes later is nobody's."""
    house = lock()
    ask(house, "add", **ANNA)
    house.users_answer(OWNER)
    number = house.users[1].job
    house.listed(BACK)
    house.listed(BACK)
    assert house.responses("lock_users/add")[0]["error"] == "the device has left the account; the order had been sent"
    house.take(UsersAnswered(job=number, reply=UsersReply()))
    house.take(UsersFailed(job=number, failure=failure(FailureKind.UNCERTAIN)))
    house.advance(100)
    assert answers(house, "add") == ["the device has left the account; the order had been sent"]
