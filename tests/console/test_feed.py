"""What browsers are sent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import pytest

from tests.console.house import parsed
from uhome2mqtt.console import Feed, TooManyReadersError, feed
from uhome2mqtt.model import Json


class Street:
    """Some houses that change when a test changes them."""

    def __init__(self, *names: str) -> None:
        self.states: dict[str, str] = dict.fromkeys(names, "quiet")
        self.looked: list[str] = []
        self.bridges = 0

    def bridge(self) -> dict[str, Json]:
        self.bridges += 1
        return {"cloud": "online"}

    def devices(self) -> Iterable[str]:
        return tuple(self.states)

    def device(self, device_id: str) -> dict[str, Json] | None:
        self.looked.append(device_id)
        return {"id": device_id, "state": self.states[device_id]} if device_id in self.states else None

    def time(self) -> str:
        return "noon"


async def first(reading: Any) -> Any:
    """Read the house that a feed begins with."""
    name, house = parsed(await anext(reading))
    assert name == "house"
    return house


async def test_begins_with_everything() -> None:
    """A reader is told everything first, and then what changes and nothing else."""
    street = Street("a", "b")
    feeding = Feed(street)
    reading = feeding.read()
    house = await first(reading)
    assert house == {
        "bridge": {"cloud": "online"},
        "devices": [{"id": "a", "state": "quiet"}, {"id": "b", "state": "quiet"}],
    }
    street.states["b"] = "loud"
    feeding.touch(["b"])
    assert parsed(await anext(reading)) == ("changes", {"devices": [{"id": "b", "state": "loud"}], "removed": []})
    await reading.aclose()


async def test_nothing_without_readers() -> None:
    """As long as nobody looks nothing is looked at."""
    street = Street("a")
    feeding = Feed(street)
    feeding.touch(["a"], bridge=True)
    feeding.tell("told", {})
    await asyncio.sleep(3 * feed.GATHER)
    assert (street.looked, street.bridges) == ([], 0)


async def test_changes_are_gathered() -> None:
    """What changes in one moment comes in one event; what was touched and is as it was is not told again."""
    street = Street("a", "b", "c")
    feeding = Feed(street)
    reading = feeding.read()
    await first(reading)
    feeding.touch(["a"])
    assert [each["id"] for each in parsed(await anext(reading))[1]["devices"]] == ["a"]
    feeding.touch(["a"])
    street.states["b"] = "loud"
    feeding.touch(["b"])
    del street.states["c"]
    feeding.touch(["c"])
    assert parsed(await anext(reading)) == ("changes", {"devices": [{"id": "b", "state": "loud"}], "removed": ["c"]})
    await reading.aclose()


async def test_nothing_has_changed() -> None:
    """Where nothing has changed nothing is told; what happens once comes in between."""
    street = Street("a")
    feeding = Feed(street)
    reading = feeding.read()
    await first(reading)
    feeding.touch(["a"])
    await anext(reading)
    feeding.touch(["a"])
    await asyncio.sleep(3 * feed.GATHER)
    feeding.tell("outcome", {"event_type": "confirmed"})
    assert parsed(await anext(reading)) == ("outcome", {"event_type": "confirmed"})
    await reading.aclose()


@pytest.mark.parametrize("touched", [1, 2 * feed.AT_ONCE + 1])
async def test_state_before_outcome(touched: int) -> None:
    """A page never hears that a command is confirmed before it has been told the state that confirms it."""
    names = [f"d{number}" for number in range(touched)]
    feeding = Feed(Street(*names))
    reading = feeding.read()
    await first(reading)
    feeding.tell("outcome", {"event_type": "confirmed"})
    feeding.touch(names)
    told: list[str] = []
    while (event := parsed(await anext(reading)))[0] == "changes":
        told += [device["id"] for device in event[1]["devices"]]
    assert (event[0], told) == ("outcome", names)
    await reading.aclose()


async def test_list_concerns_all() -> None:
    """What changes in the list of devices may concern all of them: they are looked at a part at a time."""
    street = Street(*(f"d{number}" for number in range(250)))
    feeding = Feed(street)
    reading = feeding.read()
    assert len((await first(reading))["devices"]) == 250
    feeding.touch([], bridge=True, listed=True)
    events = [parsed(await anext(reading))[1] for _ in range(3)]
    assert [len(each["devices"]) for each in events] == [100, 100, 50]
    assert ["bridge" in each for each in events] == [True, False, False]
    await reading.aclose()


async def test_what_happens_comes_first() -> None:
    """A device to which something has happened does not wait for all those that are only in the list."""
    street = Street(*(f"d{number}" for number in range(250)))
    feeding = Feed(street)
    reading = feeding.read()
    await first(reading)
    feeding.touch([], listed=True)
    feeding.touch(["d249"])
    events = [parsed(await anext(reading))[1]["devices"] for _ in range(3)]
    assert events[0][0]["id"] == "d249"
    assert sorted(each["id"] for event in events for each in event) == sorted(street.states)
    await reading.aclose()


async def test_bridge_alone() -> None:
    """What concerns the bridge alone lets no device be looked at."""
    street = Street("a")
    feeding = Feed(street)
    reading = feeding.read()
    await first(reading)
    street.looked.clear()
    feeding.touch([], bridge=True)
    assert parsed(await anext(reading))[1] == {"devices": [], "removed": [], "bridge": {"cloud": "online"}}
    assert street.looked == []
    await reading.aclose()


async def test_joins_in_between() -> None:
    """Whoever joins while something is under way that comes to nothing is told the truth in the end."""
    street = Street("a")
    feeding = Feed(street)
    early = feeding.read()
    await first(early)
    street.states["a"] = "loud"
    feeding.touch(["a"])
    await anext(early)
    street.states["a"] = "quiet"
    feeding.touch(["a"])
    late = feeding.read()
    assert (await first(late))["devices"] == [{"id": "a", "state": "quiet"}]
    street.states["a"] = "loud"
    feeding.touch(["a"])
    assert parsed(await anext(late))[1]["devices"] == [{"id": "a", "state": "loud"}]
    for each in (early, late):
        await each.aclose()


async def test_slow_reader() -> None:
    """A reader that does not keep up is told everything anew; memory does not grow for it."""
    street = Street("a")
    feeding = Feed(street)
    slow, quick = feeding.read(), feeding.read()
    await first(slow)
    await first(quick)
    for number in range(feed.BACKLOG + 10):
        feeding.tell("told", {"number": number})
        if number % 10 == 9:
            assert [parsed(await anext(quick))[0] for _ in range(10)] == ["told"] * 10
    assert parsed(await anext(slow))[0] == "house"
    feeding.tell("told", {"number": "last"})
    assert parsed(await anext(slow)) == ("told", {"number": "last"})
    for each in (slow, quick):
        await each.aclose()


async def test_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing happens a reader is told the time, so that it knows that it is still connected."""
    monkeypatch.setattr(feed, "ALIVE_EVERY", 0.02)
    reading = Feed(Street("a")).read()
    await first(reading)
    assert parsed(await anext(reading)) == ("time", {"time": "noon"})
    await reading.aclose()


async def test_right_is_withdrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that may look no longer is let go at the next sign of life."""
    monkeypatch.setattr(feed, "ALIVE_EVERY", 0.02)
    may = True
    reading = Feed(Street("a")).read(lambda: may)
    await first(reading)
    may = False
    assert {parsed(each)[0] async for each in reading} <= {"time"}


async def test_too_many() -> None:
    """More readers than may look are refused; one that leaves makes room."""
    feeding = Feed(Street("a"))
    readers = [feeding.read() for _ in range(feed.READERS)]
    for each in readers:
        await first(each)
    with pytest.raises(TooManyReadersError):
        await anext(feeding.read())
    await readers[0].aclose()
    one_more = feeding.read()
    await first(one_more)
    for each in (*readers, one_more):
        await each.aclose()


async def test_end() -> None:
    """At the end of the bridge every reader is let go, and none is taken any more."""
    feeding = Feed(Street("a"))
    reading = feeding.read()
    await first(reading)
    feeding.close()
    with pytest.raises(StopAsyncIteration):
        await anext(reading)
    with pytest.raises(StopAsyncIteration):
        await anext(feeding.read())


async def test_house_alone() -> None:
    """Everything can be had without the events."""
    assert '"devices":[{"id":"a","state":"quiet"}]' in await Feed(Street("a")).house()


async def test_device_leaves_meanwhile() -> None:
    """A device that leaves while everything is being told is left out."""
    street = Street(*(f"d{number}" for number in range(150)))
    telling = asyncio.create_task(Feed(street).house())
    await asyncio.sleep(0)
    del street.states["d149"]
    assert '"d149"' not in await telling
