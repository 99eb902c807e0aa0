"""Requests to the bridge itself: each is answered, once."""

from __future__ import annotations

import json

import pytest

from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.events import Reply, StatesReported, StopRequested
from uhome2mqtt.model import FailureKind, Source

from .driver import BACK, BASE, FRONT, LAMP, PLUG, TOPICS, Driver, running
from .reports import report_of

REPLY = Reply(topic="my/answers", correlation=b"7")


def ask(house: Driver, name: str, payload: object = "", **how: object) -> None:
    """Send a request; what is no text is written as JSON."""
    house.say(f"bridge/request/{name}", payload if isinstance(payload, str) else json.dumps(payload), **how)


def errors(house: Driver, name: str) -> list[str]:
    """Give the first words of the errors in the answers to a request."""
    return [str(answer["error"]).partition(":")[0] for answer in house.responses(name) if answer["status"] == "error"]


def test_refresh() -> None:
    """`refresh` queries all devices now, and is answered when all of them have been asked for."""
    house = running(FRONT, BACK, LAMP)
    house.mark()
    ask(house, "refresh", {"transaction": "t-1"})
    [(_, query)] = house.asked
    assert query.devices == (FRONT, BACK, LAMP)
    assert house.responses("refresh") == []
    house.answer("front", lock="Locked")
    assert house.responses("refresh") == [{"status": "ok", "data": {"devices": 3}, "error": None, "transaction": "t-1"}]


def test_refresh_joins_the_poll_under_way() -> None:
    """Never two polls at a time: a `refresh` during one waits for its end."""
    house = running(FRONT)
    house.advance(30)
    ask(house, "refresh")
    assert len(house.open) == 1
    house.end_queries()
    assert house.responses("refresh")[0]["status"] == "ok"


def test_refresh_at_most_every_ten_seconds() -> None:
    """A second `refresh` within ten seconds is not carried out, and the answer says when it will be."""
    house = running(FRONT)
    house.mark()
    ask(house, "refresh")
    house.end_queries()
    house.advance(4)
    ask(house, "refresh")
    assert house.responses("refresh")[1]["error"] == "TOO_SOON: asked for less than 10 s ago; again in 6.0 s"
    house.advance(6)
    ask(house, "refresh")
    assert house.looks(Source.QUERY) == [0, 10]


def test_refresh_that_fails() -> None:
    """A `refresh` that the cloud does not answer is answered with the reason."""
    house = running(FRONT)
    ask(house, "refresh")
    house.end_queries(FailureKind.UNREACHABLE)
    [answer] = house.responses("refresh")
    assert (answer["status"], answer["error"]) == ("error", "unreachable_code: unreachable message")


def test_refresh_of_nobody() -> None:
    """Without devices there is nothing to refresh; before the first device list the answer says that."""
    house = running()
    ask(house, "refresh")
    assert "select devices" in house.responses("refresh")[0]["error"]
    early = Driver()
    early.connect({})
    ask(early, "refresh")
    assert "the device list has not been read yet" in early.responses("refresh")[0]["error"]


def test_during_a_hold() -> None:
    """While the cloud wants fewer requests, refresh and discover wait for nothing: they are refused."""
    house = running(FRONT)
    house.advance(30)
    house.end_queries(FailureKind.RATE_LIMITED, 100.0)
    ask(house, "refresh")
    ask(house, "discover")
    assert errors(house, "refresh") == errors(house, "discover") == ["RATE_LIMITED"]


def test_discover() -> None:
    """`discover` reads the device list now and tells who came and who left."""
    house = running(FRONT)
    house.mark()
    ask(house, "discover")
    assert house.lists == [house.monotonic]
    house.listed(FRONT, BACK)
    assert house.responses("discover")[0]["data"] == {"devices": 2, "added": ["back"], "removed": []}
    ask(house, "discover")
    assert errors(house, "discover") == ["TOO_SOON"]
    house.end_queries()
    house.listed(BACK)
    house.advance(10)
    ask(house, "discover")
    house.listed(BACK)
    assert house.responses("discover")[-1]["data"]["removed"] == ["front"]


def test_discover_that_fails() -> None:
    """A list that does not come is told to all who wait for it, and one list answers all of them."""
    house = running(FRONT)
    house.mark()
    ask(house, "discover", {"transaction": 1})
    house.advance(10)
    ask(house, "discover", {"transaction": 2})
    assert len(house.lists) == 1
    house.list_failed()
    assert [answer["transaction"] for answer in house.responses("discover")] == [1, 2]
    assert errors(house, "discover") == ["unreachable_code", "unreachable_code"]


def test_log_level() -> None:
    """`log_level` sets the level at once, in any letter case, and refuses what is none."""
    house = running()
    ask(house, "log_level", {"level": "Debug"})
    assert house.levels == ["debug"]
    for wrong in ({"level": "loud"}, {"level": 7}, {}):
        ask(house, "log_level", wrong)
    assert house.levels == ["debug"]
    assert house.responses("log_level")[1]["error"] == "level 'loud' is not one of debug, info, warning, error"


def test_health_check() -> None:
    """`health_check` says whether the bridge can do its work, and what stands in its way."""
    house = running(FRONT, protocol="3.1.1")
    house.advance(5)
    ask(house, "health_check")
    assert house.responses("health_check")[0]["data"] == {
        "healthy": True,
        "cloud": "online",
        "listed": True,
        "devices": 1,
        "push": "disabled",
        "mqtt_protocol": "3.1.1",
        "uptime": 5,
    }
    house.list_failed(FailureKind.AUTHORIZATION)
    ask(house, "health_check")
    assert house.responses("health_check")[1]["data"]["healthy"] is False
    early = Driver()
    early.connect({})
    ask(early, "health_check")
    told = early.responses("health_check")[0]["data"]
    assert (told["healthy"], told["listed"], told["devices"]) == (False, False, 0)


def test_large() -> None:
    """A request of more than 16384 bytes is not read."""
    house = running(FRONT)
    ask(house, "health_check", " " * 16382 + "{}")
    ask(house, "health_check", " " * 16383 + "{}")
    assert [answer["status"] for answer in house.responses("health_check")] == ["ok", "error"]
    assert "at most 16384" in house.responses("health_check")[1]["error"]


@pytest.mark.parametrize("name", ["", "unheard/of", "set", "REFRESH"])
def test_unknown_request(name: str) -> None:
    """A name that is no request is answered with those there are."""
    house = running(FRONT)
    ask(house, name)
    [publish] = [each for each in house.published if each.topic.startswith(f"{BASE}/bridge/response")]
    assert publish.topic == f"{BASE}/bridge/response/{name}".rstrip("/")
    assert "health_check" in json.loads(publish.payload)["error"]


@pytest.mark.parametrize("payload", ["{", "[]", "7", "text", b"\xff", b"\xff" * 20_000])
def test_bad_json(payload: str | bytes) -> None:
    """A payload that is no JSON object is answered with what is wrong with it."""
    house = running(FRONT)
    house.say("bridge/request/refresh", payload)
    [answer] = house.responses("refresh")
    assert answer["status"] == "error"
    assert answer["error"]


def test_unknown_member() -> None:
    """A misspelt member is refused with the nearest right one, and nothing is done."""
    house = running(FRONT)
    ask(house, "log_level", {"levle": "debug"})
    [answer] = house.responses("log_level")
    assert answer["error"] == "log_level has no member 'levle' (did you mean 'level'?); it takes level"
    ask(house, "refresh", {"all": True})
    assert house.responses("refresh")[0]["error"] == "refresh has no member 'all'; it takes none"
    assert house.levels == []


@pytest.mark.parametrize("protocol", ["3.1.1", "5"])
def test_retained_request(protocol: str) -> None:
    """A retained request is never carried out, and its topic is cleared; what follows is one again, even if empty.

    Under MQTT 3.1.1 the broker first sends our own clear back.
    """
    house = running(FRONT, protocol=protocol)
    house.mark()
    ask(house, "refresh", "{}", retained=True)
    assert errors(house, "refresh") == ["RETAINED"]
    assert house.history("bridge/request/refresh") == [""]
    if protocol == "3.1.1":
        ask(house, "refresh")
    assert house.asked == []
    ask(house, "refresh")
    assert len(house.asked) == 1


@pytest.mark.parametrize(
    ("payload", "how"),
    [({}, {"expiry": 0.0}), ({"sent_at": "2026-01-31T11:59:00Z"}, {}), ({"sent_at": "2026-01-31T12:01:00Z"}, {})],
)
def test_old_request(payload: object, how: dict[str, object]) -> None:
    """A request whose time has passed, or that comes from another clock, is not carried out."""
    house = running(FRONT)
    house.mark()
    ask(house, "refresh", payload, **how)
    assert house.responses("refresh")[0]["status"] == "error"
    assert house.asked == []


def test_no_time() -> None:
    """A `sent_at` that is no time is refused; the answer keeps the transaction."""
    house = running(FRONT)
    ask(house, "refresh", {"sent_at": "noon", "transaction": "t"})
    [answer] = house.responses("refresh")
    assert answer["transaction"] == "t"
    assert "is no time" in answer["error"]


def test_response_topic() -> None:
    """The answer goes to the response topic as well, with its correlation data, neither retained."""
    house = running(FRONT)
    ask(house, "health_check", {"transaction": 5}, reply=REPLY)
    [mine] = [each for each in house.published if each.topic == "my/answers"]
    assert mine.correlation == b"7"
    assert not mine.retain
    assert [json.loads(mine.payload)] == house.responses("health_check")
    assert not next(each for each in house.published if each.topic.endswith("response/health_check")).retain


def test_get_is_answered() -> None:
    """A `get` is answered with the state once the device has been asked, to its response topic, too."""
    house = running(FRONT)
    house.say("front/get", {"transaction": "g"}, reply=REPLY)
    assert house.responses("get") == []
    house.answer("front", lock="Locked", health="Online")
    [answer] = house.responses("get")
    assert answer["transaction"] == "g"
    assert answer["data"]["device"] == "front"
    assert answer["data"]["state"] == house.document("front")
    assert [json.loads(each.payload) for each in house.published if each.topic == "my/answers"] == [answer]


def test_get_that_fails() -> None:
    """A `get` that the cloud does not answer is answered with the reason."""
    house = running(FRONT)
    house.say("front/get", "")
    house.end_queries(FailureKind.UNCERTAIN)
    [answer] = house.responses("get")
    assert (answer["error"], answer["data"]) == ("uncertain_code: uncertain message", {"device": "front"})


def test_get_with_bad_json() -> None:
    """A `get` with half an object is refused."""
    house = running(FRONT)
    house.mark()
    house.say("front/get", "{")
    assert "not JSON" in house.responses("get")[0]["error"]
    assert house.asked == []


def test_get_of_a_device_that_leaves() -> None:
    """A device that has left while it was asked for is answered as such: there is no state."""
    house = running(FRONT, BACK)
    house.say("front/get", "")
    house.listed(BACK)
    house.listed(BACK)
    house.end_queries()
    assert errors(house, "get") == ["UNKNOWN_DEVICE"]


def test_get_of_a_device_that_is_renamed() -> None:
    """Whoever has the topic level in the end: the answer is about the device that was asked for."""
    house = running(FRONT, BACK)
    house.report("back", lock="Unlocked")
    house.say("front/get", "")
    ask(house, "device/rename", {"device": "front", "topic": "x"})
    ask(house, "device/rename", {"device": "back", "topic": "front"})
    house.answer("front", lock="Locked")
    [answer] = house.responses("get")
    assert (answer["data"]["device"], answer["data"]["state"]["lock"]) == ("x", "LOCKED")


def test_gets_do_not_pile_up() -> None:
    """While the cloud is slow, a further `get` of a device waits for the answer to the one before."""
    house = running(FRONT)
    house.mark()
    for number in range(4):
        house.say("front/get", {"transaction": number})
        house.advance(2)
    assert len(house.asked) == 1
    house.answer("front", lock="Locked")
    assert [answer["transaction"] for answer in house.responses("get")] == [0, 1, 2, 3]
    house.say("front/get", "")
    assert len(house.asked) == 2


def test_get_that_is_old() -> None:
    """A `get` that says that it was sent long ago is not carried out."""
    house = running(FRONT)
    house.mark()
    house.say("front/get", {"sent_at": "2026-01-31T11:59:00Z"})
    assert errors(house, "get") == ["EXPIRED"]
    assert house.asked == []


def test_all_disabled() -> None:
    """Where the configuration has disabled all devices there is nothing to refresh."""
    house = running(FRONT, config=EngineConfig(topics=TOPICS, overrides={FRONT.id: Override(enabled=False)}))
    ask(house, "refresh")
    house.say("front/get", "")
    assert errors(house, "refresh") == errors(house, "get") == ["NOT_ALLOWED"]


def test_stop() -> None:
    """Whoever still waits when the bridge stops is told."""
    house = running(FRONT)
    ask(house, "refresh")
    ask(house, "discover")
    house.say("front/get", "")
    house.take(StopRequested())
    for name in ("refresh", "discover", "get"):
        assert errors(house, name) == ["the bridge stops"]


def test_one_report_of_many() -> None:
    """A `refresh` waits for the last part of its query."""
    house = running(FRONT, PLUG)
    ask(house, "refresh")
    [number] = house.open
    house.take(StatesReported(reports=(report_of(FRONT, lock="Locked"),), source=Source.QUERY, query=number))
    assert house.responses("refresh") == []
    house.end_queries()
    assert house.responses("refresh")[0]["status"] == "ok"


OWN = [
    "back/lock/set", "back/get", "bridge/request/refresh", "bridge/state", "bridge/event", "back", "back/lock",
]  # fmt: skip


@pytest.mark.parametrize("topic", [*(f"{BASE}/{topic}" for topic in OWN), "homeassistant/device/x/config"])
def test_a_response_topic_that_is_our_own(topic: str) -> None:
    """The bridge writes no answer where it tells states or hears commands: that topic is no response topic."""
    house = running(FRONT, BACK)
    house.report("back", lock="Locked")
    before = house.history("back/lock"), house.history("back")
    house.say("front/lock/set", "LOCK", reply=Reply(topic=topic))
    ask(house, "health_check", reply=Reply(topic=topic))
    house.accept()
    house.report("front", lock="Locked")
    answers = [each for each in house.published if each.topic == topic and "event_type" in each.payload]
    assert [each for each in answers if "device_added" not in each.payload] == []
    assert (house.history("back/lock"), house.history("back")) == before
    assert house.outcomes("front") == ["accepted", "confirmed push"]
    assert len(house.noted("response_topic_ignored")) == 2


@pytest.mark.parametrize("topic", [f"{BASE}/my/answers", f"{BASE}/bridge/response/x", "elsewhere/front/lock"])
def test_other_response_topics(topic: str) -> None:
    """Any other topic is one, also below the base topic."""
    house = running(FRONT)
    ask(house, "health_check", reply=Reply(topic=topic))
    assert [each.topic for each in house.published if each.topic == topic] == [topic]


def test_the_response_topic_of_all() -> None:
    """Who names the bridge's own response topic gets one answer there, with his correlation data."""
    house = running(FRONT)
    ask(house, "health_check", reply=Reply(topic=f"{BASE}/bridge/response/health_check", correlation=b"9"))
    [answer] = [each for each in house.published if each.topic.endswith("response/health_check")]
    assert answer.correlation == b"9"
