"""Logins under way: each begins with an address to open and ends with the browser's return."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from enum import StrEnum

import httpx

from uhome2mqtt import oauth
from uhome2mqtt.errors import CloudError, StorageError
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.model import Failure, FailureKind

LIFETIME = 900.0
"""Seconds that a person has for logging in and allowing the access."""
MOST = 32
"""How many logins can be under way, and of how many ends are remembered; of more, the oldest are forgotten."""

Problem = CloudError | StorageError


class Stage(StrEnum):
    """How far a login has come."""

    OPEN = "open"
    GRANTED = "granted"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Logins:
    """Every login has a state that nobody can guess, that is good once, and not for long.

    `keep` takes the tokens; `ended` hears how each login that was begun here has ended, None: well.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        client: oauth.Client,
        keep: Callable[[oauth.Grant], None],
        *,
        ended: Callable[[Problem | None], None] = lambda _problem: None,
        ledger: Ledger | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._http = http
        self._client = client
        self._keep = keep
        self._ended = ended
        self._ledger = ledger or Ledger()
        self._clock = clock
        self._until: dict[str, float] = {}
        self._over: dict[str, Problem | None] = {}

    def begin(self) -> str:
        """Begin a login and give the address that a person has to open."""
        state = oauth.new_state()
        self._until[state] = self._clock() + LIFETIME
        _shorten(self._until)
        return oauth.authorize_url(self._client, state)

    async def finish(self, query: Mapping[str, str]) -> None:
        """Take what the browser came back with and keep the tokens.

        Raises CloudError where the login was not granted, StorageError where the tokens cannot be kept on disk.
        """
        state = query.get("state", "")
        if self._clock() >= self._until.pop(state, 0.0):
            raise _unknown()
        try:
            self._keep(await self._exchanged(oauth.code_of(query)))
        except (CloudError, StorageError) as problem:
            self._end(state, problem)
            raise
        self._end(state, None)

    def stage(self, state: str) -> tuple[Stage, str | None]:
        """Tell how far the login with this state has come, and why it failed."""
        if state in self._over:
            problem = self._over[state]
            return (Stage.GRANTED, None) if problem is None else (Stage.FAILED, str(problem))
        return (Stage.OPEN if self._clock() < self._until.get(state, 0.0) else Stage.UNKNOWN), None

    def _end(self, state: str, problem: Problem | None) -> None:
        self._over[state] = problem
        _shorten(self._over)
        self._ended(problem)

    async def _exchanged(self, code: str) -> oauth.Grant:
        with self._ledger.request("token"):
            return await oauth.exchange(self._http, self._client, code)


def _shorten(logins: dict[str, float] | dict[str, Problem | None]) -> None:
    while len(logins) > MOST:
        del logins[next(iter(logins))]


def _unknown() -> CloudError:
    why = "this login is not under way here: it has been used, has expired, or began elsewhere; start again"
    return CloudError(Failure(kind=FailureKind.AUTHORIZATION, code="state_mismatch", message=why))
