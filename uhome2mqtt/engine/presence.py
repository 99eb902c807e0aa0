"""Other bridges on the same base topic: how they are noticed, and which of them works.

Every bridge says now and then that it is there. One that finds another at work stands by: two that execute the same
commands and clear each other's topics are worse than none. It takes over when the other has left or fallen silent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from uhome2mqtt.model import Json

EVERY = 60.0
"""Seconds between two signs of life."""
SILENT_AFTER = 150.0
"""Seconds of silence after which another bridge counts as gone."""
SUSPECT_FOR = 3.0
"""Seconds in which a bridge that somebody has called offline can say that it is not."""
ANSWER_WITHIN = 2.0
"""Seconds for which is waited, at the start, for the bridge that is said to be online."""
SHUNNED_FOR = 600.0
"""Seconds for which a bridge is not believed that did nothing like one."""
MOST = 16
"""Other bridges that are remembered; more are no mistake but mischief."""
LONGEST = 64
"""Characters of what another bridge says of itself."""


class Role(StrEnum):
    """What a bridge does on its base topic."""

    ACTIVE = "active"
    ASKING = "asking"
    """It waits whether somebody is there."""
    STANDING_BY = "standing_by"


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    """Another bridge; `until`: monotonic seconds at which it counts as gone unless it is heard again."""

    instance: str
    started: str
    version: str
    role: Role
    until: float

    def elder(self, started: str, instance: str) -> bool:
        """Tell whether it has run for longer than a bridge; both come to the same result."""
        return (self.started, self.instance) < (started, instance)


class Presence:
    """The role of this bridge, and the others by instance; without an `instance` of its own it is alone.

    `had_company`: whether there has ever been another one. `stood_by`: whether this one did, and has not worked since.
    `unproven`: to whom the work was left last, and who has not shown yet that he does it.
    """

    def __init__(self, instance: str, started: str) -> None:
        self.instance = instance
        self.started = started
        self.role = Role.ACTIVE
        self.others: dict[str, Other] = {}
        self.had_company = self.stood_by = False
        self.unproven: str | None = None
        self._shunned: dict[str, float] = {}

    @property
    def works(self) -> bool:
        """Whether this bridge executes commands and publishes."""
        return self.role is Role.ACTIVE

    @property
    def active(self) -> list[Other]:
        """The others that work, the eldest first."""
        return sorted(
            (other for other in self.others.values() if other.role is Role.ACTIVE),
            key=lambda other: (other.started, other.instance),
        )

    @property
    def nobody_works(self) -> bool:
        """Whether this bridge and all others stand by for one another."""
        roles = {self.role, *(other.role for other in self.others.values())}
        return roles == {Role.STANDING_BY}

    @property
    def next_expiry(self) -> float:
        """When the next of the others counts as gone; infinity without others."""
        return min((other.until for other in self.others.values()), default=math.inf)

    def heard(self, document: Json, now: float) -> Other | None:
        """Take what a bridge says of itself; None for this one, and for what is no such thing."""
        if not isinstance(document, Mapping) or not self.instance:
            return None
        told = {name: document.get(name) for name in ("instance", "started", "version", "role")}
        texts = {name: text for name, text in told.items() if isinstance(text, str) and 0 < len(text) <= LONGEST}
        if texts.keys() != told.keys() or texts["instance"] == self.instance or texts["role"] not in set(Role):
            return None
        if self._shunned.get(texts["instance"], -math.inf) > now:
            return None
        self._make_room(texts["instance"])
        self.had_company = True
        other = Other(
            instance=texts["instance"],
            started=texts["started"],
            version=texts["version"],
            role=Role(texts["role"]),
            until=now + SILENT_AFTER,
        )
        self.others[other.instance] = other
        return other

    def yields_to(self, other: Other) -> bool:
        """Tell whether this bridge leaves the work to another one: who works goes on, of two the elder."""
        if self.role is other.role:
            return self.role is not Role.STANDING_BY and other.elder(self.started, self.instance)
        return other.role is Role.ACTIVE and self.role is Role.ASKING

    def expire(self, now: float) -> list[Other]:
        """Forget those that have fallen silent, and give them."""
        gone = [other for other in self.others.values() if other.until <= now]
        for other in gone:
            del self.others[other.instance]
        return gone

    def shun(self, now: float) -> Other | None:
        """Believe no longer in the bridge that has not shown that it works; None where it has gone anyway."""
        other = self.others.pop(self.unproven or "", None)
        if other is not None:
            self._shunned = {name: until for name, until in self._shunned.items() if until > now}
            self._shunned[other.instance] = now + SHUNNED_FOR
        return other

    def _make_room(self, instance: str) -> None:
        """Forget somebody who does not work, or the one that was heard least lately, where there are too many."""
        if instance not in self.others and len(self.others) >= MOST:
            last = min(self.others.values(), key=lambda other: (other.role is Role.ACTIVE, other.until))
            del self.others[last.instance]

    def told(self, version: str) -> dict[str, Json]:
        """Give what this bridge says of itself."""
        return {"instance": self.instance, "version": version, "started": self.started, "role": str(self.role)}
