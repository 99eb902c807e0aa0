"""The console's side of the bridge: what it sees, and what people ask for there."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from itertools import count
from typing import Protocol, TypeVar

from uhome2mqtt.console.chronicle import Chronicle
from uhome2mqtt.console.feed import Feed
from uhome2mqtt.effects import Answer, Effect, Publish
from uhome2mqtt.events import (
    BrokerConnected,
    BrokerDisconnected,
    CommandAnswered,
    DevicesListed,
    LoggedIn,
    MessageReceived,
    NotificationReceived,
    Now,
    StatesReported,
    StopRequested,
)
from uhome2mqtt.model import Asker, Json, Report, Source, parse_json, quoted
from uhome2mqtt.topics import Topics
from uhome2mqtt.vitals import News

T = TypeVar("T")

ANSWER_WITHIN = 90.0
"""Seconds; the longest answer is about a keypad code, whose change is looked for during a minute."""
AT_EDGES = (BrokerConnected, BrokerDisconnected, LoggedIn)
"""Events after which the edges have something else to tell."""
PRIVATE = frozenset({"lock_users/get"})
"""Requests whose whole answer is for the one who asks; all others are answered as everybody sees it."""


class Seen(Protocol):
    """What the engine shows."""

    @property
    def devices(self) -> Iterable[str]: ...

    @property
    def requests(self) -> Collection[str]: ...

    def at_level(self, level: str) -> str | None: ...

    def device(self, device_id: str, now: Now) -> dict[str, Json] | None: ...

    def topics(self, device_id: str, now: Now) -> list[Json]: ...

    def bridge(self) -> dict[str, Json]: ...


class NoAnswerError(Exception):
    """Nobody has answered in time."""


class LeftToOtherError(Exception):
    """Another bridge does the work, or may do it, and this one executes nothing; the text says so."""


class StoppingError(Exception):
    """The bridge stops."""


class UnknownError(Exception):
    """There is no such device or request; the text says what was asked for."""


class MovedError(Exception):
    """The topic level belongs to another device than the one that is meant."""


class Desk:
    """Shows the house to browsers, keeps what happens, and passes on what people ask for.

    `edges`: what `Seen.bridge` does not know: login, broker, what is waited for. `send`: takes what would be said on a
    command topic. `waited_since`: since when that which is asked now may have waited. `not_at_work`: why the bridge
    executes nothing now, in words.
    """

    def __init__(
        self,
        topics: Topics,
        seen: Callable[[], Seen],
        edges: Callable[[], dict[str, Json]],
        not_at_work: Callable[[], Sequence[str]],
        clock: Callable[[], Now],
    ) -> None:
        self._topics = topics
        self._seen = seen
        self._edges = edges
        self._not_at_work = not_at_work
        self._clock = clock
        self._chronicle = Chronicle()
        self.feed = Feed(self)
        self.send: Callable[[MessageReceived], None] = lambda _message: None
        self.waited_since: Callable[[], float | None] = lambda: None
        self._numbers = count(1)
        self._asked: dict[int, asyncio.Future[str]] = {}
        self._commanded: dict[int, tuple[str, str]] = {}
        """Commands that have no final outcome yet: the device's id and the transaction."""
        self._stopping = asyncio.Event()

    # --- what a feed looks at ---

    def time(self) -> str:
        return self._clock().stamp

    def bridge(self) -> dict[str, Json]:
        return {**self._seen().bridge(), **self._edges(), "time": self.time()}

    def devices(self) -> Iterable[str]:
        return self._seen().devices

    def device(self, device_id: str) -> dict[str, Json] | None:
        shown = self._seen().device(device_id, self._clock())
        if shown is None:
            return None
        recent = self._chronicle.recent(device_id)
        return {**shown, "recent": None if recent is None else dict(recent), "since": self._chronicle.since(device_id)}

    # --- what people ask for ---

    def find(self, level: str, meant: str | None = None) -> str:
        """Give the id of the device with a topic level; raises UnknownError, or MovedError where another is meant."""
        device_id = self._seen().at_level(level)
        if device_id is None:
            raise UnknownError(f"{quoted(level)} is not the topic level of a device")
        if meant is not None and meant != device_id:
            raise MovedError(f"{quoted(level)} is the topic level of another device now: look again")
        return device_id

    def whole(self, device_id: str) -> dict[str, Json]:
        """Give everything of a device."""
        seen, now = self._seen(), self._clock()
        return {
            "device": self.device(device_id),
            "timeline": self._chronicle.timeline(device_id, now),
            "report": self._chronicle.report(device_id),
            "topics": seen.topics(device_id, now),
        }

    def command(self, level: str, members: Mapping[str, Json], meant: str | None = None) -> str:
        """Give a command as on `<device>/set`, and return its transaction; raises as `find`, or LeftToOtherError."""
        device_id = self.find(level, meant)
        self._check_work()
        given = members.get("transaction")
        transaction = given if isinstance(given, str) and given else f"console-{secrets.token_hex(6)}"
        payload = json.dumps({**members, "transaction": transaction}).encode()
        number = next(self._numbers)
        self._commanded[number] = device_id, transaction
        self._say(self._topics.set_all(level), payload, Asker(number=number))
        return transaction

    async def ask(self, name: str, members: Mapping[str, Json]) -> dict[str, Json]:
        """Ask as on `bridge/request/<name>`, and return the answer.

        Raises UnknownError, LeftToOtherError, NoAnswerError or StoppingError.
        """
        if name not in self._seen().requests:
            raise UnknownError(f"{quoted(name)} is not a request; there are {', '.join(self._seen().requests)}")
        return await self._ask(self._topics.bridge_request(name), members, private=name in PRIVATE)

    async def get(self, level: str, meant: str | None = None) -> dict[str, Json]:
        """Ask as on `<device>/get`; raises as `find` and as `ask`."""
        self.find(level, meant)
        return await self._ask(self._topics.get(level), {}, private=False)

    def _say(self, topic: str, payload: bytes, asker: Asker) -> None:
        self.send(MessageReceived(topic=topic, payload=payload, since=self.waited_since(), reply=asker))

    async def _ask(self, topic: str, members: Mapping[str, Json], *, private: bool) -> dict[str, Json]:
        self._check_work()
        number = next(self._numbers)
        self._asked[number] = waiting = asyncio.get_running_loop().create_future()
        asker = Asker(number=number, private=private)
        try:
            self._say(topic, json.dumps(dict(members)).encode(), asker)
            async with asyncio.timeout(ANSWER_WITHIN):
                answer = _object(await self.unless_stopping(waiting))
        except TimeoutError:
            raise NoAnswerError(f"no answer within {ANSWER_WITHIN:.0f} s") from None
        finally:
            del self._asked[number]
        return answer

    async def unless_stopping(self, work: Awaitable[T]) -> T:
        """Wait for something, but not beyond the end of the bridge; raises StoppingError."""
        doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if not doing.done():
                raise StoppingError("the bridge stops")
            return doing.result()
        finally:
            for each in (doing, stopping):
                each.cancel()
            await asyncio.wait({doing, stopping})

    def _check_work(self) -> None:
        if words := self._not_at_work():
            raise LeftToOtherError("; ".join(words))

    # --- what the bridge tells ---

    def answered(self, answer: Answer) -> None:
        """Hand an answer to the one who waits for it; whoever has gone gets none."""
        if (commanded := self._commanded.pop(answer.number, None)) is not None:
            self._ended(*commanded, _object(answer.payload))
            return
        waiting = self._asked.get(answer.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer.payload)

    def _ended(self, device_id: str, transaction: str, answer: Mapping[str, Json]) -> None:
        """Tell of a command that was left to another bridge; all others have an outcome as on MQTT."""
        shown = self._seen().device(device_id, now := self._clock())
        if "event_type" in answer or shown is None:
            return
        why: dict[str, Json] = {
            "reason": "STANDING_BY",
            "message": answer.get("error"),
            "seconds": 0.0,
            "at": now.stamp,
        }
        outcome = {"event_type": "failed", "key": None, "payload": None, "transaction": transaction, **why, "id": None}
        self._chronicle.ended(device_id, outcome, now)
        self.feed.tell("outcome", {"device": shown["topic"], "id_of_device": device_id, **outcome})

    def turned(self, event: object, effects: Sequence[Effect], news: News, now: Now) -> None:
        """Take in what has happened, what the engine made of it, and what that has changed."""
        reports = _reports(event)
        for device_id, changed in news.devices.items():
            carried = reports.get(device_id, [])
            for number, (report, source) in enumerate(carried, 1):
                self._chronicle.reported(report, source, changed if number == len(carried) else {}, now)
            if not carried:
                self._chronicle.changed(device_id, changed, now)
        if isinstance(event, DevicesListed):
            self._chronicle.keep(self._seen().devices)
        told = [self._told(each, now) for each in effects if isinstance(each, Publish) and not each.retain]
        bridge = news.bridge or isinstance(event, AT_EDGES)
        self.feed.touch({*news.devices, *filter(None, told)}, bridge=bridge, listed=news.listed)
        if isinstance(event, StopRequested):
            self._stopping.set()
            self.feed.close()

    def _told(self, publish: Publish, now: Now) -> str | None:
        """Take in what is published once; gives the id of the device whose outcome it is."""
        if publish.topic == self._topics.bridge_event:
            self.feed.tell("told", _object(publish.payload))
            return None
        level = self._topics.parse_result(publish.topic)
        device_id = None if level is None else self._seen().at_level(level)
        if device_id is None:
            return None
        outcome = _object(publish.payload)
        self._chronicle.ended(device_id, outcome, now)
        self.feed.tell("outcome", {"device": level, "id_of_device": device_id, **outcome})
        return device_id


def _object(payload: str) -> dict[str, Json]:
    document = parse_json(payload)
    return document if isinstance(document, dict) else {}


def _reports(event: object) -> dict[str, list[tuple[Report, Source]]]:
    """Give the reports that an event carries, by device."""
    match event:
        case StatesReported(reports=reports, source=source):
            pass
        case NotificationReceived(notification=notification):
            reports, source = notification.reports, Source.PUSH
        case CommandAnswered(report=Report() as report):
            reports, source = (report,), Source.CONFIRM
        case _:
            return {}
    found: dict[str, list[tuple[Report, Source]]] = {}
    for each in reports:
        found.setdefault(each.device_id, []).append((each, source))
    return found
