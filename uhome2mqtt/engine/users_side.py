"""Who has a code for a lock: requests about that, and what the cloud's answers to them lead to."""

from __future__ import annotations

import math
from dataclasses import replace

from uhome2mqtt import lock_users
from uhome2mqtt.effects import ManageUsers
from uhome2mqtt.engine import cloud_health
from uhome2mqtt.engine.addressing import device_of
from uhome2mqtt.engine.answers import Request, RequestError, answer, check_members, refuse
from uhome2mqtt.engine.house import USERS, House
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.pending import CONFIRM_AFTER, next_look
from uhome2mqtt.engine.policy import allows_codes
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.engine.user_jobs import MOST, Job, Step, has_happened, newcomers, shortfall, subject
from uhome2mqtt.errors import failure_of_code
from uhome2mqtt.events import UsersAnswered, UsersFailed
from uhome2mqtt.model import Command, Failure, FailureKind, Json, UsersReply

REQUESTS = tuple(f"lock_users/{kind}" for kind in ("list", "get", "add", "update", "delete"))


def asked(house: House, turn: Turn, request: Request) -> None:
    """Take a request in; the changes of a lock are ordered one after the other."""
    if not house.config.lock_users:
        raise RequestError("NOT_ALLOWED: managing keypad codes over MQTT is off; set lock_users.enabled to true")
    node, kind = device_of(house, request), request.name.rpartition("/")[2]
    _check_device(house, node, changes=kind not in {"list", "get"})
    job = _job(house, turn, request, node, kind)
    if job.changes and request.transaction is not None:
        transaction = (request.name, node.device.id, dump(request.transaction))
        if house.transactions.repeats(transaction, turn.now):
            raise RequestError("DUPLICATE: this transaction was given less than five minutes ago")
        house.transactions.remember(transaction, turn.now)
    house.jobs.put(job)
    turn.note("info", "lock_users_requested", device=node.level, request=kind, job=job.id)
    if job.changes:
        house.timers.set(Timer(USERS, job.id), request.latest)
        _proceed(house, turn, node.device.id)
    else:
        _ask(house, turn, replace(job, step=Step.ANSWER), job.order, request.latest)


def answered(house: House, turn: Turn, event: UsersAnswered) -> None:
    """Take the cloud's answer to what a job asked."""
    cloud_health.succeeded(house, turn)
    if (job := house.jobs.get(event.job)) is None:
        return
    reply = event.reply
    if job.step is Step.EFFECT:
        _looked(house, turn, job, reply)
    elif reply.error is not None:
        _no_result(house, turn, job, failure_of_code(reply.error.code, reply.error.message))
    elif job.step is Step.BEFORE:
        _order(house, turn, job, reply)
    elif job.changes:
        _await_effect(house, turn, job)
    else:
        _tell(house, turn, job, reply)


def failed(house: House, turn: Turn, event: UsersFailed) -> None:
    """Take the failure of a job's request."""
    cloud_health.heed(house, turn, event.failure)
    cloud_health.failed(house, turn, event.failure)
    if (job := house.jobs.get(event.job)) is None:
        return
    if job.step is Step.EFFECT:
        _plan_look(house, turn, job)
    else:
        _no_result(house, turn, job, event.failure)


def look(house: House, turn: Turn, number: int) -> None:
    """Look whether a change has happened; while the cloud wants fewer requests only once, the last time."""
    job = house.jobs[number]
    if job.step is Step.TURN:
        _end(house, turn, job, "EXPIRED: its time passed while another change of this lock was under way")
        return
    last = job.since + CONFIRM_AFTER[-1]
    if house.budget.held(turn.now) and turn.now.monotonic < last:
        house.timers.set(Timer(USERS, job.id), min(house.budget.held_until, last))
    else:
        _ask(house, turn, job, job.look, math.inf)


def abandon(house: House, turn: Turn, device_id: str, why: str) -> None:
    """End all jobs of a lock that can no longer be followed."""
    for job in house.jobs.of(device_id):
        house.jobs.remove(job)
        house.timers.cancel(Timer(USERS, job.id))
        started = job.step is Step.EFFECT or (job.step is Step.ANSWER and job.changes)
        refuse(turn, house.config, job.request, f"{why}; the order had been sent" if started else why)


def _check_device(house: House, node: Node, *, changes: bool) -> None:
    if node.kind != "lock":
        raise RequestError(f"{node.level} is no lock: it is a {node.kind}")
    if not node.enabled:
        raise RequestError(f"NOT_ALLOWED: {node.level} is disabled in the configuration")
    if changes and not allows_codes(house.config.allow, node):
        raise RequestError(f"NOT_ALLOWED: commands.allow has neither UNLOCK nor lock_users for {node.level}")


def _job(house: House, turn: Turn, request: Request, node: Node, kind: str) -> Job:
    members = {name: value for name, value in request.members.items() if name != "device"}
    user_id, arguments = 0, {}
    if kind in {"list", "get", "delete"}:
        check_members(request)
    if kind in {"get", "delete", "update"}:
        user_id = lock_users.read_id(members.pop("id", None))
    if kind in {"add", "update"}:
        arguments = lock_users.read_user(members, turn.now.utc)
    if len(house.jobs.of(node.device.id)) >= MOST:
        raise RequestError(f"BUSY: {MOST} requests about the codes of {node.level} are waiting; wait for their answers")
    number = house.commands.number()
    return Job(id=number, request=request, device_id=node.device.id, kind=kind, user_id=user_id, arguments=arguments)


def _proceed(house: House, turn: Turn, device_id: str) -> None:
    """Begin the oldest change of a lock that waits, if it is its turn."""
    jobs = [job for job in house.jobs.of(device_id) if job.changes]
    waiting = next((job for job in jobs if job.step is Step.TURN), None)
    if waiting is not None and not any(job.has_turn for job in jobs):
        house.timers.cancel(Timer(USERS, waiting.id))
        _ask(house, turn, replace(waiting, step=Step.BEFORE), waiting.look, waiting.request.latest)


def _ask(house: House, turn: Turn, job: Job, action: Command, not_after: float) -> None:
    house.jobs.put(job)
    device = house.registry.nodes[job.device_id].device
    turn.emit(ManageUsers(job=job.id, device=device, action=action, not_after=not_after))


def _order(house: House, turn: Turn, job: Job, before: UsersReply) -> None:
    """Give the order, now that it is known how it was before."""
    why = _unknown(job, before)
    if why is None and turn.now.monotonic >= job.request.latest:
        why = "EXPIRED: its time passed before it could be sent"
    if why is not None:
        _end(house, turn, job, why)
        return
    ids = frozenset(user.id for user in before.users or ())
    blind = before.user is not None and lock_users.shows(before.user, job.arguments)
    _ask(house, turn, replace(job, step=Step.ANSWER, before=ids, blind=blind), job.order, job.request.latest)


def _unknown(job: Job, before: UsersReply) -> str | None:
    """Say what is not known that has to be known before a change; None if all is."""
    if job.kind == "update":
        known = before.user is not None
    elif before.users is None:
        return "NO_LIST: the cloud gave no list of the lock's users, without which nothing is changed"
    else:
        known = job.kind == "add" or job.user_id in {user.id for user in before.users}
    return None if known else f"UNKNOWN_USER: the cloud shows no user {job.user_id} of this lock; see lock_users/list"


def _no_result(house: House, turn: Turn, job: Job, failure: Failure) -> None:
    """Take it that nothing came of a request, unless it may have been carried out: then that will show."""
    will_show = job.changes and job.step is Step.ANSWER and not job.blind
    if failure.kind is FailureKind.UNCERTAIN and will_show:
        _await_effect(house, turn, replace(job, uncertain=failure.code))
    else:
        _end(house, turn, job, failure.text)


def _await_effect(house: House, turn: Turn, job: Job) -> None:
    job = replace(job, step=Step.EFFECT, since=turn.now.monotonic)
    house.jobs.put(job)
    house.timers.set(Timer(USERS, job.id), job.since + CONFIRM_AFTER[0])
    _proceed(house, turn, job.device_id)


def _looked(house: House, turn: Turn, job: Job, reply: UsersReply) -> None:
    """Hold the answer to a look against what was wanted."""
    user = subject(job, reply)
    seen = replace(job, seen=user or job.seen, others=newcomers(job, reply) if job.kind == "add" else ())
    if has_happened(job, reply, user):
        _end(house, turn, seen)
    else:
        _plan_look(house, turn, seen)
        _proceed(house, turn, job.device_id)


def _plan_look(house: House, turn: Turn, job: Job) -> None:
    house.jobs.put(job)
    following = next_look(job.since, turn.now.monotonic)
    if following is None:
        _end(house, turn, job, shortfall(job, CONFIRM_AFTER[-1]))
    else:
        house.timers.set(Timer(USERS, job.id), following)


def _tell(house: House, turn: Turn, job: Job, reply: UsersReply) -> None:
    """Answer a question; a code is for the one who asked alone."""
    found, level = reply.users if job.kind == "list" else reply.user, house.registry.nodes[job.device_id].level
    if found is None:
        _end(house, turn, job, "NO_ANSWER: the cloud's reply held no such thing; the lock may be out of reach")
        return
    private: dict[str, Json] | None = None
    if isinstance(found, tuple):
        data: dict[str, Json] = {"device": level, "users": [lock_users.rendered(user, codes=False) for user in found]}
    else:
        data = {"device": level, "user": lock_users.rendered(found, codes=False)}
        private = {"device": level, "user": lock_users.rendered(found, codes=True)}
    answer(turn, house.config, job.request, data, private=private)
    _leave(house, turn, job)


def _end(house: House, turn: Turn, job: Job, why: str | None = None) -> None:
    """Answer the request of a job: it was carried out, or `why` not."""
    subject_id = job.user_id if job.seen is None else job.seen.id
    data: dict[str, Json] = {"device": house.registry.nodes[job.device_id].level}
    if subject_id:
        data["id"] = subject_id
    if job.seen is not None and job.kind != "delete":
        data["user"] = lock_users.rendered(job.seen, codes=False)
    if job.seen is None and job.others:
        data["new"] = [lock_users.rendered(user, codes=False) for user in job.others]
    if why is None:
        if job.blind:
            data["note"] = "the cloud accepted it; nothing that can be read tells it from how it was"
        turn.note("info", "lock_users_changed", device=data["device"], request=job.kind, user=subject_id, job=job.id)
        answer(turn, house.config, job.request, data)
    else:
        refuse(turn, house.config, job.request, why, data)
    _leave(house, turn, job)


def _leave(house: House, turn: Turn, job: Job) -> None:
    house.jobs.remove(job)
    house.timers.cancel(Timer(USERS, job.id))
    _proceed(house, turn, job.device_id)
