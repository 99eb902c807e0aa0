"""How far notifications can be relied on: the registration, and the evidence."""

from __future__ import annotations

import math

from uhome2mqtt.engine.answers import Request
from uhome2mqtt.engine.evidence import Evidence, Verdict
from uhome2mqtt.model import Failure, Json, Notification, PushStatus

HITS_NEEDED = 4
"""Of the last five pieces of evidence."""
REMEMBERED = 64
"""How many notifications are known again."""
ENOUGH = 3
"""Pieces of evidence; with fewer nothing is said, unless the last two were missed."""


class Push:
    """The registration and what came of it; times in monotonic seconds.

    `failures`: how many attempts to register failed in a row, `failed` the last one's reason, `failing_since` the first
    one's time. `told`: the status that was published. `healed_at`: when push was last registered anew because it was
    unhealthy. `alarmed`: whether people were told that it is unhealthy, and not yet that it is healthy again.
    """

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self.evidence = Evidence()
        self.registering = False
        self.registered: str | None = None
        self.failed: Failure | None = None
        self.failures = 0
        self.failing_since: float | None = None
        self.healed_at = -math.inf
        self.asked: list[Request] = []
        self.last_request: float | None = None
        self.renewal_wanted = False
        self.refused_at = -math.inf
        self._notifications: dict[str, int] = {}
        self.received = 0
        self.last_received: str | None = None
        self.told = self.status
        self.alarmed = False

    @property
    def status(self) -> PushStatus:
        """Judge by the evidence, and by the registration only as long as nothing contradicts it."""
        latest = list(self.evidence.latest)
        hits = latest.count(Verdict.HIT)
        if not self.enabled:
            return PushStatus.DISABLED
        if self.failed is not None and latest[-1:] != [Verdict.HIT]:
            return PushStatus.REGISTRATION_FAILED
        if latest[-2:] == [Verdict.MISS] * 2:
            return PushStatus.UNHEALTHY
        if hits >= HITS_NEEDED and latest[-1] is Verdict.HIT:
            return PushStatus.HEALTHY
        if len(latest) < ENOUGH or hits == len(latest):
            return PushStatus.UNVERIFIED
        return PushStatus.DEGRADED

    @property
    def arrives(self) -> bool:
        """Whether notifications arrive, as far as is known: the newest evidence is no miss."""
        return not self.evidence.latest or self.evidence.latest[-1] is not Verdict.MISS

    def is_repeated(self, notification: Notification) -> bool:
        """Tell whether a notification came before, word for word: the cloud's numbers may not be unique."""
        number, words = notification.message_id, hash(repr(notification))
        if not number:
            return False
        repeated = self._notifications.pop(number, None) == words
        self._notifications[number] = words
        if len(self._notifications) > REMEMBERED:
            del self._notifications[next(iter(self._notifications))]
        return repeated

    @property
    def account(self) -> dict[str, Json]:
        """Give what `bridge/health` tells."""
        counts = {str(verdict): count for verdict, count in self.evidence.counts.items()}
        return {
            "status": str(self.status),
            "evidence": {**counts, "latest": [str(verdict) for verdict in self.evidence.latest]},
            "received": self.received,
            "last_received": self.last_received,
            "registered": self.registered,
            "failure": None if self.failed is None else self.failed.text,
        }
