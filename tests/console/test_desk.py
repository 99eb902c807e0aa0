"""What people see and ask for at the desk of a running engine."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.console.house import DeskHouse, parsed
from tests.engine.driver import BACK, FRONT, TOPICS
from tests.engine.reports import report_of
from uhome2mqtt.console import LeftToOtherError, MovedError, NoAnswerError, StoppingError, UnknownError, desk
from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.events import BridgeHeard, BrokerConnected, BrokerDisconnected, StopRequested


def whole(house: DeskHouse) -> Any:
    """Give all of the front door."""
    return house.desk.whole(house.desk.find("front"))


def timeline(house: DeskHouse) -> list[Any]:
    """Give the timeline of the front door."""
    return list(whole(house)["timeline"])


async def test_device() -> None:
    """A device is shown as on MQTT, with its newest outcome and since when it is what it is."""
    house = DeskHouse.running(FRONT)
    house.report("front", lock="Locked")
    house.desk.command("front", {"lock": "UNLOCK"})
    house.accept()
    house.report("front", lock="Unlocked")
    shown: Any = house.desk.device(FRONT.id)
    assert shown["document"] == house.document("front")
    assert shown["recent"] == house.results("front")[-1]
    assert shown["since"] == {"lock": house.now.stamp}
    assert house.desk.device("nobody") is None


async def test_whole() -> None:
    """The page of a device has its timeline, its last report and its topics; a stranger has none."""
    house = DeskHouse.running(FRONT)
    house.report("front", lock="Locked")
    house.desk.command("front", {"lock": "UNLOCK"})
    house.accept()
    found = whole(house)
    assert found["device"] == house.desk.device(FRONT.id)
    assert [each["what"] for each in found["timeline"]][-3:] == ["report", "change", "outcome"]
    assert (found["report"]["source"], list(found["report"]["states"].values())) == ("push", ["Locked"])
    assert found["topics"]
    assert house.desk.find("front", FRONT.id) == FRONT.id
    with pytest.raises(UnknownError, match="'nobody' is not the topic level of a device"):
        house.desk.find("nobody")


async def test_report_with_an_answer() -> None:
    """What the cloud reports as it takes a command is told as a confirmation."""
    house = DeskHouse.running(FRONT)
    house.report("front", lock="Locked")
    house.desk.command("front", {"lock": "UNLOCK"})
    house.accept(report=report_of(FRONT, lock="Unlocked"))
    [told] = [each for each in timeline(house) if each["what"] == "report" and each["source"] == "confirm"]
    assert told["states"]["lock"] == "UNLOCKED"


async def test_two_reports_at_once() -> None:
    """Of several reports in one notification the last one counts; all of them are in the timeline."""
    house = DeskHouse.running(FRONT)
    house.notified(report_of(FRONT, lock="Locked"), report_of(FRONT, lock="Unlocked"))
    found = whole(house)
    assert list(found["report"]["states"].values()) == ["Unlocked"]
    assert sum(each["count"] for each in found["timeline"] if each["what"] == "report") == 2


async def test_goes_stale() -> None:
    """That a state has gone out of date is told though nobody has reported it."""
    house = DeskHouse.running(FRONT)
    house.answer("front", lock="Locked")
    house.report("front", lock="Locked")
    house.advance(1000)
    assert {"what": "change", "lock": "None"} in [
        {"what": each["what"], "lock": each.get("states", {}).get("lock")} for each in timeline(house)
    ]


async def test_removed() -> None:
    """Of a device that has left nothing is kept."""
    house = DeskHouse.running(FRONT, BACK)
    house.report("front", lock="Locked")
    house.listed(BACK)
    house.listed(BACK)
    with pytest.raises(UnknownError):
        house.desk.find("front")
    house.listed(FRONT, BACK)
    assert "LOCKED" not in json.dumps(timeline(house))


@pytest.mark.parametrize("given", [None, "mine-1"])
async def test_command(given: str | None) -> None:
    """A command goes the way of a message on the device's set topic, with its transaction or a new one."""
    house = DeskHouse.running(FRONT)
    members = {"lock": "LOCK"} if given is None else {"lock": "LOCK", "transaction": given}
    transaction = house.desk.command("front", members)
    assert house.commands() == ["Front lock"]
    house.accept()
    assert house.results("front")[-1]["transaction"] == transaction
    assert transaction == given if given else transaction.startswith("console-")


async def test_old_command() -> None:
    """A command that says when it was given, and is old, is refused as on MQTT."""
    house = DeskHouse.running(FRONT)
    house.desk.command("front", {"lock": "UNLOCK", "sent_at": house.now.utc.timestamp() - 60})
    assert (house.commands(), house.outcomes("front")) == ([], ["refused EXPIRED"])


async def test_ask() -> None:
    """A request is answered to the one who asked, as on its response topic."""
    house = DeskHouse.running(FRONT)
    answer = await house.desk.ask("device/rename", {"device": "front", "name": "Main door"})
    assert answer == house.responses("device/rename")[-1]
    assert answer["status"] == "ok"


async def test_get() -> None:
    """A device that is asked now is answered when it has been."""
    house = DeskHouse.running(FRONT)
    asking = asyncio.create_task(house.desk.get("front"))
    await asyncio.sleep(0)
    house.answer("front", lock="Locked")
    assert (await asking)["status"] == "ok"


async def test_only_codes_are_private() -> None:
    """Only the request for one code is answered with more than what everybody sees."""
    house = DeskHouse.running(FRONT)
    for name in ("lock_users/list", "lock_users/get"):
        await house.desk.ask(name, {"device": "front"})
    asked = {message.topic.rpartition("/")[2]: message.reply for message in house.heard}
    assert [getattr(asked[name], "private", None) for name in ("list", "get")] == [False, True]


async def test_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gets no answer in time is told so, and an answer that comes later finds nobody."""
    monkeypatch.setattr(desk, "ANSWER_WITHIN", 0.05)
    house = DeskHouse.running(FRONT)
    with pytest.raises(NoAnswerError, match="no answer within"):
        await house.desk.get("front")
    house.answer("front", lock="Locked")
    assert house.document("front")["lock"] == "LOCKED"


async def test_asker_has_gone() -> None:
    """An answer to somebody who has gone is thrown away."""
    house = DeskHouse.running(FRONT)
    asking = asyncio.create_task(house.desk.get("front"))
    await asyncio.sleep(0)
    house.answers = False
    house.end_queries()
    asking.cancel()
    house.answers = True
    [message] = house.heard
    assert message.reply is not None
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_left_to_another() -> None:
    """A bridge that leaves the work to another one takes neither commands nor requests, and says why."""
    house = DeskHouse.running(FRONT)
    house.other = ("another bridge is at work",)
    with pytest.raises(LeftToOtherError, match="another bridge is at work"):
        house.desk.command("front", {"lock": "UNLOCK"})
    with pytest.raises(LeftToOtherError):
        await house.desk.ask("refresh", {})
    assert house.heard == []


async def test_end() -> None:
    """As the bridge stops, whoever looks is let go, and who waits for something gets an answer or hears of the end."""
    house = DeskHouse.running(FRONT)
    events = house.desk.feed.read()
    await anext(events)
    asking = asyncio.create_task(house.desk.get("front"))
    other = asyncio.create_task(house.desk.unless_stopping(asyncio.sleep(3600)))
    await asyncio.sleep(0)
    house.take(StopRequested())
    assert "time" not in {parsed(each)[0] async for each in events}
    assert (await asking)["status"] == "error"
    with pytest.raises(StoppingError):
        await other


async def test_unknown_request() -> None:
    """What is no request is not asked for: the name could not even be a topic."""
    house = DeskHouse.running(FRONT)
    for name in ("", "no_such", "a/+/#", "\0", "x" * 60_000):
        with pytest.raises(UnknownError, match="is not a request; there are refresh, "):
            await house.desk.ask(name, {})
    assert house.heard == []


async def test_topic_of_another_device() -> None:
    """Who means a device by its id does nothing to the one that has got its topic meanwhile."""
    house = DeskHouse.running(FRONT, BACK)
    for device, topic in (("front", "elsewhere"), ("back", "front")):
        await house.desk.ask("device/rename", {"device": device, "topic": topic})
    house.heard.clear()
    with pytest.raises(MovedError, match="'front' is the topic level of another device now"):
        house.desk.command("front", {"lock": "UNLOCK"}, FRONT.id)
    with pytest.raises(MovedError):
        await house.desk.get("front", FRONT.id)
    assert house.heard == []
    house.desk.command("front", {"lock": "UNLOCK"}, BACK.id)
    assert house.commands() == ["Back unlock"]


async def test_rename_changes_no_state() -> None:
    """That a device has another topic is no news of its state."""
    house = DeskHouse.running(FRONT)
    house.report("front", lock="Locked")
    before = timeline(house)
    await house.desk.ask("device/rename", {"device": "front", "topic": "main"})
    assert house.desk.whole(house.desk.find("main"))["timeline"] == before


async def test_left_in_the_last_moment() -> None:
    """What another bridge turns out to be at work for has an answer, and a command its outcome, in the page alone."""
    house = DeskHouse.running(
        FRONT, config=EngineConfig(topics=TOPICS, instance="one", about={"started": "2026-01-02"})
    )
    events = house.desk.feed.read()
    await anext(events)
    house.take(BrokerDisconnected())
    house.connect()
    meet(house, "asking")
    house.take(BrokerDisconnected())
    house.connect()
    assert house.engine.not_at_work
    transaction = house.desk.command("front", {"lock": "UNLOCK"})
    asking = asyncio.create_task(house.desk.ask("refresh", {}))
    await asyncio.sleep(0)
    meet(house, "active")
    assert str((await asking)["error"]).startswith("STANDING_BY: another bridge is at work")
    assert (house.commands(), house.outcomes("front")) == ([], [])
    heard = [parsed(await anext(events)) for _ in range(3)]
    [outcome] = [told for name, told in heard if name == "outcome"]
    assert {"transaction": transaction, "event_type": "failed", "reason": "STANDING_BY"}.items() <= outcome.items()
    assert timeline(house)[-1]["reason"] == "STANDING_BY"
    assert house.engine.not_at_work == house.engine.leaves_work


def meet(house: DeskHouse, role: str) -> None:
    """Let an older bridge speak."""
    told = {"instance": "two", "version": "1", "started": "2026-01-01", "role": role}
    house.take(BridgeHeard(topic=TOPICS.bridge_presence, payload=json.dumps(told).encode()))


async def test_feed_hears() -> None:
    """Whoever looks hears of outcomes, of the bridge's events, and of the broker that goes and comes."""
    house = DeskHouse.running(FRONT)
    events = house.desk.feed.read()
    assert parsed(await anext(events))[0] == "house"
    house.desk.command("front", {"lock": "LOCK"})
    house.accept()
    house.listed(FRONT, BACK)
    house.take(BrokerDisconnected())
    heard = [parsed(await anext(events)) for _ in range(3)]
    assert [name for name, _ in heard] == ["changes", "outcome", "told"]
    assert {each["topic"] for each in heard[0][1]["devices"]} == {"front", "back"}
    assert "bridge" in heard[0][1]
    assert {"device": "front", "id_of_device": FRONT.id, "event_type": "accepted"}.items() <= heard[1][1].items()
    assert heard[2][1]["event_type"] == "device_added"
    house.take(BrokerConnected(protocol="5"))
    assert "bridge" in parsed(await anext(events))[1]
    await events.aclose()
