"""Jobs about the codes of locks: how far each has come, and what the cloud's answers show of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from uhome2mqtt import lock_users
from uhome2mqtt.engine.answers import Request
from uhome2mqtt.model import Command, Json, LockUser, UsersReply

MOST = 10
"""Jobs of one lock that may wait."""


class Step(Enum):
    """What a job waits for."""

    TURN = auto()
    """Another change of the lock: who was added is found by comparing lists."""
    BEFORE = auto()
    """How it is before a change."""
    ANSWER = auto()
    """The cloud's answer to what was asked for."""
    EFFECT = auto()
    """That a change shows, and is on the lock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One request about the codes of a lock.

    `kind`: `list`, `get`, `add`, `update` or `delete`. `before`: the ids in the list before the change. `blind`:
    nothing that can be read will show the change. `since`: when the cloud took it, monotonic. `uncertain`: the error of
    a change that may or may not have been taken. `seen`: the user as the last look showed it; `others`: who is new.
    """

    id: int
    request: Request
    device_id: str
    kind: str
    user_id: int = 0
    arguments: Mapping[str, Json] = field(default_factory=dict, repr=False)
    step: Step = Step.TURN
    before: frozenset[int] = frozenset()
    blind: bool = False
    since: float = 0.0
    uncertain: str | None = None
    seen: LockUser | None = None
    others: tuple[LockUser, ...] = ()

    @property
    def changes(self) -> bool:
        return self.kind not in {"list", "get"}

    @property
    def has_turn(self) -> bool:
        """Whether the next change of the lock has to wait: until it is known who was added, and any other is taken."""
        finding = self.kind == "add" and self.seen is None
        return self.changes and (self.step in {Step.BEFORE, Step.ANSWER} or (self.step is Step.EFFECT and finding))

    @property
    def order(self) -> Command:
        """What was asked for, as the cloud's command."""
        match self.kind:
            case "list":
                return lock_users.LIST
            case "get":
                return lock_users.get(self.user_id)
            case "add":
                return lock_users.add(self.arguments)
            case "update":
                return lock_users.update(self.user_id, self.arguments)
            case _:
                return lock_users.delete(self.user_id)

    @property
    def look(self) -> Command:
        """What shows how it is, before and after: of a user who is changed only `get` tells everything."""
        return lock_users.get(self.user_id) if self.kind == "update" else lock_users.LIST


def subject(job: Job, reply: UsersReply) -> LockUser | None:
    """Find the user whom a change is about in the answer to a look; None where it does not show, or not yet."""
    if job.kind == "update":
        changed = reply.user is not None and lock_users.shows(reply.user, job.arguments)
        return reply.user if changed else None
    listed = reply.users or ()
    if job.kind == "delete":
        return next((user for user in listed if user.id == job.user_id), None)
    if job.seen is not None:
        return next((user for user in listed if user.id == job.seen.id), None)
    added = [user for user in newcomers(job, reply) if user.name == job.arguments["name"]]
    return added[-1] if added else None


def newcomers(job: Job, reply: UsersReply) -> tuple[LockUser, ...]:
    """Give those who have come into the list since the change was ordered."""
    return tuple(user for user in reply.users or () if user.id not in job.before)


def has_happened(job: Job, reply: UsersReply, user: LockUser | None) -> bool:
    """Tell whether a change has come to its end; a reply without what was asked for shows nothing."""
    if job.kind == "delete":
        return reply.users is not None and user is None
    return user is not None and lock_users.on_lock(user)


def shortfall(job: Job, seconds: float) -> str:
    """Say what was not seen of a change within a time."""
    within = f"within {seconds:.0f} s"
    if job.kind == "delete":
        missing = f"the user was still in the lock's list {within}"
    elif job.seen is not None:
        missing = f"it was not on the lock {within}; it may come there later"
    else:
        missing = f"the change did not show {within}"
    taken = "the cloud accepted it" if job.uncertain is None else f"the cloud may not have taken it ({job.uncertain})"
    return f"NOT_REPORTED: {taken}, but {missing}"


class Jobs:
    """All jobs that have not been answered, the oldest first."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}

    def get(self, number: int) -> Job | None:
        return self._jobs.get(number)

    def __getitem__(self, number: int) -> Job:
        return self._jobs[number]

    def put(self, job: Job) -> None:
        self._jobs[job.id] = job

    def remove(self, job: Job) -> None:
        del self._jobs[job.id]

    def of(self, device_id: str) -> list[Job]:
        return [job for job in self._jobs.values() if job.device_id == device_id]
