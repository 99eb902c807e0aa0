"""What the bridge has ever said of a device, held against what the cloud had reported or shown by then."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.support.ear import Heard
from uhome2mqtt.simulator import demo_household

from .actors import Asked, Owner
from .scene import MAX_AGE, Scene
from .truth import level, told

SLACK = 1.0
"""Seconds by which what was said may be heard later than it is true on the broker."""
WORDS = {"LOCKING": "LOCK", "UNLOCKING": "UNLOCK"}
"""What is shown while a command is under way."""
LONGEST = MAX_AGE + 80.0
"""Seconds after which a command is over, whether or not its outcome was heard."""
ENDING = 2.0
"""Seconds after an outcome by which the states that go with it are heard."""
UNKNOWN = ("None", '{"state":null}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """What the keys of a device said from a moment on, as far as the cloud knew."""

    at: float
    keys: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Claims:
    """Reads all that was heard, once; `settled`: when all that was retained was true."""

    scene: Scene
    owner: Owner
    settled: list[float] = field(default_factory=lambda: [0.0])
    _past: defaultdict[str, list[Moment]] = field(default_factory=lambda: defaultdict(list))
    _sequence: int = 0
    _judged: int = 0

    def lies(self) -> list[str]:
        """Say what was heard since the last time that nobody had reported."""
        self._remember()
        ear = self.scene.stage.ear
        heard, self._judged = ear.heard[self._judged :], ear.now
        places = {ear.topic(level(device)): device.id for device in demo_household()}
        return [lie for one in heard for lie in self._lies(one, places)]

    def _remember(self) -> None:
        for entry in self.scene.stage.account.cloud.house.history.since(self._sequence):
            self._sequence = entry["sequence"]
            at = datetime.fromisoformat(entry["time"]).timestamp()
            self._past[entry["device"]].append(Moment(at=at, keys=told(entry["states"])))

    def _lies(self, heard: Heard, places: Mapping[str, str]) -> Iterator[str]:
        if heard.topic in places:
            document = json.loads(heard.payload) if heard.payload else {}
            said = {**document, **(document.get("last_known") or {})}
            device = places[heard.topic]
            yield from (lie for key, value in said.items() for lie in self._lie(heard, device, key, value))
            yield from self._idle(heard, device, document.get("pending") or {})
        else:
            place, _, key = heard.topic.rpartition("/")
            if place in places and heard.payload and heard.payload not in UNKNOWN:
                yield from self._lie(heard, places[place], key, heard.payload)

    def _lie(self, heard: Heard, device: str, key: str, said: Any) -> Iterator[str]:
        """Say what is wrong with a value, as text or as JSON."""
        if isinstance(said, str) and said in WORDS:
            if not any(asked.word == WORDS[said] for asked in self._under_way(heard, device, key)):
                yield f"{heard} was said while no command was under way"
            return
        since = self._since(heard)
        past = self._past[device]
        first = bisect_right(past, since, key=lambda moment: moment.at) - 1
        window = [moment.keys for moment in past[max(first, 0) :] if moment.at <= heard.at]
        true = [keys[key] for keys in window if key in keys]
        if true and not _unknown(said) and not any(_alike(value, said) for value in true):
            yield f"{heard}: {key} was none of that since {since:.3f}, but {true[-5:]}"

    def _idle(self, heard: Heard, device: str, pending: Mapping[str, Any]) -> Iterator[str]:
        for key, payload in pending.items():
            if not any(payload in {asked.word, asked.said} for asked in self._under_way(heard, device, key)):
                yield f"{heard} says that {key} is pending, and no command was under way"

    def _since(self, heard: Heard) -> float:
        """Give the moment from which on it must have been true: what was true then may be said again."""
        since = self._settled_before(heard.at)
        for killed, saved in self.scene.restored if heard.retained else ():
            if since <= killed <= heard.at:
                # A broker comes back with what it had saved.
                since = min(since, self._settled_before(saved))
        return since - SLACK

    def _settled_before(self, at: float) -> float:
        return self.settled[max(bisect_right(self.settled, at) - 1, 0)]

    def _under_way(self, heard: Heard, device: str, key: str) -> Iterator[Asked]:
        """Give the commands that were under way when it was heard or, if a broker restored it, at some time before."""
        begin = self._since(heard) if heard.retained else heard.at - ENDING
        for asked in self.owner.asked:
            mine = asked.target.device == device and asked.target.key == key
            then = asked.sent_at <= heard.at and asked.sent_at + LONGEST >= begin
            if mine and then and self._over(asked) >= begin:
                yield asked

    def _over(self, asked: Asked) -> float:
        heard = self.owner.heard_of(asked)
        return min(
            (one.at for one, result in heard if result["event_type"] != "accepted"), default=asked.sent_at + LONGEST
        )


def _unknown(said: Any) -> bool:
    return said is None or (isinstance(said, dict) and said.get("state") is None)


def _alike(value: Any, said: Any) -> bool:
    """Compare what a key had to say with what was said, as JSON or as text."""
    if value == said:
        return True
    if isinstance(value, dict):
        return isinstance(said, str) and bool(json.loads(said) == value)
    return isinstance(said, str) and str(value) == said
