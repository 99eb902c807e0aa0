"""Reports against what has just been confirmed."""

from __future__ import annotations

import json

import pytest

from uhome2mqtt.events import HealthMeasured, QueryEnded, QueryFailed, StatesReported
from uhome2mqtt.model import FailureKind, Json, Source

from .driver import BACK, FRONT, LAMP, Driver, failure, running
from .reports import report_of


def confirmed(word: str = "LOCK", **states: Json) -> Driver:
    """Give a lock whose command has just been confirmed by a push."""
    house = running(FRONT, BACK, LAMP)
    house.report("front", lock="Unlocked", health="Online")
    house.say("front/lock/set", word)
    house.accept()
    house.report("front", lock=states.get("lock", "Locked"), health="Online")
    assert house.outcomes("front")[-1] == "confirmed push"
    house.mark()
    return house


def test_one_query_decides_for_the_report() -> None:
    """A lock that relocks or is opened right after a confirmation is asked once more, and then shown as it answers."""
    house = confirmed()
    house.advance(3)
    house.report("front", lock="Unlocked", health="Online")
    assert house["front/lock"] == "LOCKED"
    assert house.looks() == [3]
    house.answer("front", lock="Unlocked", health="Online")
    assert house["front/lock"] == "UNLOCKED"
    assert house.outcomes("front") == ["accepted", "confirmed push"]


def test_one_query_decides_against_the_report() -> None:
    """A late report of how the lock was before leads to one query, and nothing false is ever shown."""
    house = confirmed()
    house.report("front", lock="Unlocked", health="Online")
    house.answer("front", lock="Locked", health="Online")
    assert house.history("front/lock")[-1] == "LOCKED"
    assert house.history("front/lock").count("UNLOCKED") == 1
    house.advance(20)
    assert house["front/lock"] == "LOCKED"


def test_a_jam_after_the_confirmation() -> None:
    """A jam is doubted like any other contradiction, and shown when the answer says so, too."""
    house = confirmed()
    house.report("front", lock="Jammed", health="Online")
    house.answer("front", lock="Jammed", health="Online")
    assert house["front/lock"] == "JAMMED"


def test_only_the_contradicted_attribute_waits() -> None:
    """What else the report carries is taken at once."""
    house = confirmed()
    house.report("front", lock="Unlocked", battery=2, health="Online")
    assert (house["front/lock"], house["front/battery"]) == ("LOCKED", "40")


def test_asked_once_only() -> None:
    """Further contradictions before the answer lead to no further query, nor do any after it."""
    house = confirmed()
    for _ in range(3):
        house.report("front", lock="Unlocked", health="Online")
    assert len(house.open) == 1
    house.answer("front", lock="Locked", health="Online")
    house.report("front", lock="Unlocked", health="Online")
    assert house.open == {}
    assert house["front/lock"] == "UNLOCKED"


def test_no_doubt_after_ten_seconds() -> None:
    """A contradiction that comes ten seconds later is simply news."""
    house = confirmed()
    house.advance(10)
    house.report("front", lock="Unlocked", health="Online")
    assert house.open == {}
    assert house["front/lock"] == "UNLOCKED"


def test_no_answer_in_time() -> None:
    """Where no answer comes within 5 s the report is believed; the answer is news then."""
    house = confirmed()
    house.report("front", lock="Unlocked", health="Online")
    house.advance(4.9)
    assert house["front/lock"] == "LOCKED"
    house.advance(0.2)
    assert house["front/lock"] == "UNLOCKED"
    house.answer("front", lock="Locked", health="Online")
    assert house["front/lock"] == "LOCKED"


@pytest.mark.parametrize("kind", [FailureKind.UNCERTAIN, FailureKind.RATE_LIMITED, None])
def test_no_result(kind: FailureKind | None) -> None:
    """Where the query fails, or its answer does not mention the device, the report is believed."""
    house = confirmed()
    house.report("front", lock="Unlocked", health="Online")
    [number] = house.open
    if kind is not None:
        house.take(QueryFailed(query=number, failure=failure(kind)))
    house.take(QueryEnded(query=number))
    assert house["front/lock"] == "UNLOCKED"


def test_an_answer_without_the_attribute() -> None:
    """Where the answer does not carry what is doubted, the report is believed."""
    house = confirmed()
    house.report("front", lock="Unlocked", health="Online")
    house.answer("front", battery=3)
    assert house["front/lock"] == "UNLOCKED"


def test_the_cloud_wants_fewer_requests() -> None:
    """During a hold nothing more is asked, and the newest report is believed."""
    house = confirmed()
    house.say("back/lock/set", "LOCK")
    house.fail(FailureKind.RATE_LIMITED, 100.0)
    house.report("front", lock="Unlocked", health="Online")
    assert house.looks() == []
    assert house["front/lock"] == "UNLOCKED"


def test_memory_of_the_cloud() -> None:
    """What the cloud remembers of a lock out of reach contradicts nothing, and leads to no query."""
    house = confirmed()
    house.report("front", lock="Unlocked", health="Offline")
    assert house.open == {}


def test_out_of_reach_while_in_doubt() -> None:
    """A lock that gets out of reach while a query decides is not within reach again by what was held back."""
    house = confirmed()
    house.report("front", lock="Unlocked", health="Online")
    house.report("front", lock="Unlocked", health="Offline")
    house.answer("front", lock="Unlocked", health="Offline")
    assert house["front/connectivity"] == "offline"
    house.advance(6)
    assert house["front/connectivity"] == "offline"


def test_the_next_command_of_the_lock() -> None:
    """What the next command brings about is no contradiction to the one before."""
    house = confirmed()
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    house.report("front", lock="Unlocked", health="Online")
    assert house.open == {}
    assert house.outcomes("front")[-1] == "confirmed push"
    assert house["front/lock"] == "UNLOCKED"


def test_a_command_while_in_doubt() -> None:
    """A command that is given while a query decides is confirmed by the next report, whatever was held back."""
    house = confirmed()
    house.report("front", lock="Jammed", health="Online")
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    house.report("front", lock="Unlocked", health="Online")
    assert house.outcomes("front")[-1] == "confirmed push"
    house.end_queries()
    assert house["front/lock"] == "UNLOCKED"


@pytest.mark.parametrize("end", ["time", "failure", "offline"])
def test_what_was_held_back_confirms_nothing_later(end: str) -> None:
    """What was reported before a command and held back does not confirm it, however the doubt ends."""
    house = confirmed()
    house.advance(1)
    house.report("front", lock="Unlocked", health="Online")
    house.advance(1)
    house.say("front/lock/set", "UNLOCK")
    house.accept()
    house.advance(0.5)
    if end == "failure":
        house.end_queries(FailureKind.UNCERTAIN)
    elif end == "offline":
        house.report("front", lock="Locked", health="Offline")
    else:
        house.advance(4)
    assert house.outcomes("front")[-1] == "accepted"


def test_confirmed_again_while_in_doubt() -> None:
    """A second confirmation is protected like the first, though the query about that has not been answered yet."""
    house = confirmed()
    house.report("front", lock="Unlocked", health="Online")
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.report("front", lock="Locked", health="Online")
    house.mark()
    house.report("front", lock="Unlocked", health="Online")
    assert house["front/lock"] == "LOCKED"
    assert house.looks() == [0]


def test_a_device_that_leaves() -> None:
    """A device that leaves the account while a query decides leaves nothing behind."""
    house = confirmed()
    house.report("front", lock="Unlocked", health="Online")
    house.listed(BACK)
    house.listed(BACK)
    house.advance(6)
    house.end_queries()
    assert house.below("front") == set()


def test_a_ramp_of_a_dimmer() -> None:
    """A value on the way that is pushed after the confirmation of a level is asked about as well."""
    house = running(LAMP)
    house.say("lamp/brightness/set", 50)
    house.accept()
    house.report("lamp", switch="on", level=50)
    house.report("lamp", switch="on", level=35)
    assert house["lamp/brightness"] == "50"
    house.answer("lamp", switch="on", level=50)
    assert house["lamp/brightness"] == "50"


def test_what_a_poll_says() -> None:
    """A poll that was under way and still tells the old state leads to one query; its own end decides nothing."""
    house = running(FRONT)
    house.advance(30)
    [poll] = house.open
    house.say("front/lock/set", "LOCK")
    house.accept()
    house.report("front", lock="Locked")
    house.take(StatesReported(reports=(report_of(FRONT, lock="Unlocked"),), source=Source.QUERY, query=poll))
    house.take(QueryEnded(query=poll))
    del house.open[poll]
    assert house["front/lock"] == "LOCKED"
    house.answer("front", lock="Locked")
    assert "UNLOCKED" not in house.history("front/lock")


def test_get_waits_for_the_decision() -> None:
    """A `get` whose own answer is in doubt is answered with what the deciding query says, not with what was before."""
    house = confirmed()
    house.say("front/get", "")
    [number] = house.open
    house.take(StatesReported(reports=(report_of(FRONT, lock="Unlocked"),), source=Source.QUERY, query=number))
    house.take(QueryEnded(query=number))
    del house.open[number]
    assert house.responses("get") == []
    house.answer("front", lock="Unlocked")
    [answer] = house.responses("get")
    assert answer["data"]["state"]["lock"] == "UNLOCKED"


def test_it_is_told() -> None:
    """The log tells of a contradiction, and the health counts it."""
    house = confirmed()
    house.report("front", lock="Unlocked", health="Online")
    [note] = house.noted("confirmed_state_contradicted")
    assert note.fields == {"device": "front", "reported": {"st.lock.lockstate": "Unlocked"}, "source": "push"}
    house.take(HealthMeasured(requests={}))
    assert json.loads(house["bridge/health"])["contradictions"] == 1
