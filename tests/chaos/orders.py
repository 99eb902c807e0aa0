"""What reached the cloud, held against what the owner asked and what he was told of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from .actors import SLACK, Asked, Owner
from .scene import Scene

AGAIN = 0.9
"""Seconds: the one repetition of a request that failed comes a second later."""
AT_DEATH = 1.0
"""Seconds for what had left already when the bridge was killed."""
ENDING = 10.0
"""Seconds before its end within which a bridge has something left to say."""
HARMLESS = {"INVALID_TOKEN"}
"""Outcomes in the cloud's journal of requests that were not executed, and are sent once more with another token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One command as it reached the cloud; `answered`: when its answer left, if there was somebody to hear it."""

    device: str
    command: Mapping[str, Any]
    at: float
    outcome: str
    answered: float | None

    def fits(self, asked: Asked) -> bool:
        wire, got = asked.wire, self.command
        same = all(got.get(name) == wire.get(name) for name in ("capability", "name"))
        return same and (got.get("arguments") or {}) == wire.get("arguments", {})


@dataclass(slots=True, kw_only=True)
class Orders:
    """Reads the cloud's journal, once, and judges each command of the owner's once."""

    scene: Scene
    owner: Owner
    _sequence: int = 0
    _judged: int = 0

    def hold(self) -> None:
        """Expect that nothing was executed but what the owner wanted at that moment, and that he knows how it ended."""
        got: defaultdict[int, list[Sent]] = defaultdict(list)
        for sent in self._sent():
            asked = self._wanted(sent)
            late = sent.at - asked.over_at
            assert late <= 0, f"{sent} reached the cloud {late:.1f} s after the end of {asked}"
            self._not_from_the_dead(sent, asked)
            assert asked.number >= self._judged, f"{sent} reached the cloud when all was over of {asked}"
            got[asked.number].append(sent)
        for asked in self.owner.asked[self._judged :]:
            self._outcome(asked, got[asked.number])
            self._repeated(asked, got[asked.number])
        self._judged = len(self.owner.asked)

    def _sent(self) -> list[Sent]:
        """Read the cloud's journal on from where it was read before."""
        found = []
        for entry in self.scene.stage.account.cloud.requests.since(self._sequence):
            self._sequence = entry["sequence"]
            if entry["name"] == "Command" and entry["outcome"] not in HARMLESS:
                answered = None if entry["answered"] is None else _seconds(entry["answered"])
                found += [
                    Sent(
                        device=device,
                        command=command,
                        at=_seconds(entry["time"]),
                        outcome=entry["outcome"],
                        answered=answered,
                    )
                    for device, command in zip(entry["devices"], entry["commands"], strict=True)
                ]
        return found

    def _wanted(self, sent: Sent) -> Asked:
        """Find the command that it was sent for: the newest for its device, from which the one before it differs."""
        mine = [asked for asked in self.owner.asked if asked.target.device == sent.device and asked.sent_at <= sent.at]
        assert mine, f"nobody asked for {sent}"
        older = next((asked for asked in reversed(mine[:-1]) if sent.fits(asked)), None)
        assert sent.fits(mine[-1]), (
            f"nobody asked for {sent}: the newest command was {mine[-1]}, and this one was asked for by {older}"
        )
        return mine[-1]

    def _not_from_the_dead(self, sent: Sent, asked: Asked) -> None:
        """Expect that a new run sends nothing that was asked of an earlier one."""
        for death in self.scene.deaths + self.scene.ends:
            revived = asked.sent_at < death and sent.at > death + AT_DEATH
            assert not revived, f"{sent} was asked for before the bridge ended, and sent after it: {asked}"

    def _repeated(self, asked: Asked, got: list[Sent]) -> None:
        """Expect a second sending only where the first has failed, or its answer may not have been heard."""
        assert len(got) <= 2, f"{asked} was sent {len(got)} times"
        for first, second in pairwise(got):
            pause = second.at - first.at
            assert pause >= AGAIN / self.scene.speed, f"{asked} was sent twice at once: {got}"
            assert self._unheard(first, second), f"{asked} was sent again although the cloud had answered: {got}"

    def _unheard(self, first: Sent, second: Sent) -> bool:
        """Tell whether the bridge may not have heard in time that a request was accepted."""
        if first.outcome != "ok" or first.answered is None or first.answered - first.at > self.scene.timeout:
            return True
        if self.scene.cloud_gate.spoiled(first.at - SLACK, second.at):
            return True
        # At a hundred times the speed there is no time for anything.
        busy = self.scene.speed > 1 or any(
            begin <= second.at and end >= first.at - SLACK for begin, end in self.scene.hindered
        )
        return busy and second.at - first.at >= self.scene.timeout

    def _outcome(self, asked: Asked, got: list[Sent]) -> None:
        finals, heard = self.owner.finals(asked), self.owner.results(asked)
        # What was on its way when a connection was lost may be told again: its id says that it is the same.
        assert len({final["id"] for final in finals}) <= 1, f"{asked} has the outcomes {finals}"
        refused = finals and finals[0]["event_type"] == "refused"
        assert not (refused and got), f"{asked} was refused, and sent: {finals} {got}"
        excused = (
            any(asked.sent_at <= end for _, end in self.scene.outages)
            or any(asked.sent_at <= death for death in self.scene.deaths)
            # What was said at the end is lost with the way to the broker.
            or any(
                asked.sent_at <= end and self.scene.broker_gate.spoiled(end - ENDING, end) for end in self.scene.ends
            )
        )
        assert finals or excused or not (heard or got), f"{asked} has no outcome; heard {heard}, sent {got}"


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
