"""How the cloud is doing, judged by the requests that were made anyway."""

from __future__ import annotations

from uhome2mqtt.errors import LOGIN_NEEDED
from uhome2mqtt.model import CloudStatus, Failure, FailureKind

OFFLINE_AFTER = 3
LONGEST_PAUSE = 900.0
"""Seconds; no pause between attempts is longer."""


_ANSWERS = frozenset({FailureKind.REJECTED, FailureKind.RATE_LIMITED})


class CloudState:
    """The status, and what it follows from.

    `failures`: how many there were in a row, `failed_polls`: how many of them were polls. `unauthorized`: whether a
    login has been missing since the last success, whatever failed since.
    """

    def __init__(self) -> None:
        self.status = CloudStatus.OFFLINE
        self.failures = 0
        self.failed_polls = 0
        self.unauthorized = False
        self._reached = False
        self.failing_since: float | None = None
        """In monotonic seconds."""

    @property
    def away(self) -> bool:
        """Whether several requests in a row got no answer at all."""
        return self.failures >= OFFLINE_AFTER and self.status is CloudStatus.OFFLINE

    def succeeded(self) -> None:
        self.failures = 0
        self.failed_polls = 0
        self.unauthorized = False
        self.status = CloudStatus.ONLINE
        self._reached = True

    def failed(self, failure: Failure) -> None:
        """Count a failure; a refusal is an answer, and whoever answers is there.

        Waiting for a login is no row of failures: nobody was asked.
        """
        self.failures += 1
        if failure.code == LOGIN_NEEDED:
            self.failures = 1
        if failure.kind is FailureKind.AUTHORIZATION:
            self.unauthorized = True
            self.status = CloudStatus.UNAUTHORIZED
        elif failure.kind in _ANSWERS or (self._reached and self.failures < OFFLINE_AFTER):
            self.status = CloudStatus.DEGRADED
        else:
            self.status = CloudStatus.OFFLINE


def pause(base: float, failures: int, chance: float, failure: Failure | None = None) -> float:
    """Tell how many seconds to wait before the next attempt.

    The first repetition comes after `base`, later ones ever later; `chance` of 0…1 spreads them by a fifth. A longer
    `Retry-After` is kept to.
    """
    growing: float = base * 2 ** min(max(failures - 1, 0), 10)
    wanted = 0.0 if failure is None or failure.retry_after is None else failure.retry_after
    return min(max(growing * (0.9 + 0.2 * chance), wanted), LONGEST_PAUSE)
