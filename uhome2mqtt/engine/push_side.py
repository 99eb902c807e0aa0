"""What notifications lead to, and how the cloud is kept telling them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from typing import Literal

from uhome2mqtt.effects import RegisterPush
from uhome2mqtt.engine import background, health, reports
from uhome2mqtt.engine.answers import answer, refuse
from uhome2mqtt.engine.house import EVIDENCE, HEAL, LOOK, REGISTER, House
from uhome2mqtt.engine.node import is_out_of_reach
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.errors import LOGIN_NEEDED
from uhome2mqtt.events import NotificationReceived, PushNotRegistered
from uhome2mqtt.model import Attribute, BridgeEvent, Failure, Json, Notification, PushStatus, Report, Source

LADDER = (60.0, 300.0, 900.0, 3600.0, 21600.0)
"""Seconds until a registration is tried again, by the number of failures in a row."""
LOGIN_RETRY = 60.0
"""Seconds; without usable tokens no request leaves the house."""
HEAL_EVERY = 21600.0
"""Seconds between two registrations because push is unhealthy."""
ORDER_SETTLED = 3.0
"""Seconds after which notifications that overtook one another have all come."""
NAMED = 10
"""How many of the unknown devices of one notification are named in the log."""
GAP = 30.0
"""Seconds, beside one and a half intervals, after which a look is a fresh beginning."""


def register(house: House, turn: Turn, *, renew: bool, asked: bool = False) -> None:
    """Tell the cloud where notifications go, once at a time; `asked`: somebody wants it now.

    While the cloud is away a poll finds out when it is back.
    """
    push = house.push
    if not push.enabled or not house.presence.works or house.must_wait(turn, Timer(REGISTER)):
        return
    if push.registering:
        push.renewal_wanted |= renew
    elif background.poll_probes(house) and not asked:
        house.timers.set(Timer(REGISTER), turn.now.monotonic + LADDER[0])
    else:
        push.registering = True
        turn.emit(RegisterPush(renew=renew))


def register_again(house: House, turn: Turn) -> None:
    """Register when it is time: with a new secret, unless the one of a failed attempt is still to be tried."""
    register(house, turn, renew=house.push.registered is not None and house.push.failed is None)


def register_first(house: House, turn: Turn) -> None:
    """Register once the cloud has shown that it is there; the secret of an earlier run will do."""
    if house.push.registered is None and Timer(REGISTER) not in house.timers:
        register(house, turn, renew=False)


def registered(house: House, turn: Turn) -> None:
    """Plan the next registration, with another secret; whoever wanted that meanwhile gets it now."""
    push = house.push
    push.registering, push.failed, push.failures = False, None, 0
    push.registered = turn.now.stamp
    since, push.failing_since = push.failing_since, None
    length: dict[str, Json] = {} if since is None else {"seconds": round(turn.now.monotonic - since)}
    turn.note("info", "push_registered", **length)
    wait = house.config.rotate_every * (0.9 + 0.1 * house.chance())
    house.timers.set(Timer(REGISTER), turn.now.monotonic + wait)
    health.soon(house, turn)
    if push.renewal_wanted:
        push.renewal_wanted = False
        register(house, turn, renew=True, asked=True)
        return
    waiting, push.asked = push.asked, []
    for request in waiting:
        answer(turn, house.config, request, {"push": str(push.status)})


def not_registered(house: House, turn: Turn, event: PushNotRegistered) -> None:
    """Try again, ever later; nothing else waits for that, and nothing else follows from it."""
    push, failure = house.push, event.failure
    known, first = push.failed is not None and push.failed.code == failure.code, push.failing_since is None
    if first:
        push.failing_since = turn.now.monotonic
    push.registering, push.failed, push.failures = False, failure, push.failures + 1
    push.renewal_wanted = False
    level: Literal["debug", "info", "warning"] = "warning" if first else "debug" if known else "info"
    turn.note(level, "push_not_registered", error=failure.code, why=failure.message)
    house.timers.set(Timer(REGISTER), turn.now.monotonic + _pause(house, failure))
    health.soon(house, turn)
    waiting, push.asked = push.asked, []
    for request in waiting:
        refuse(turn, house.config, request, failure.text)


def received(house: House, turn: Turn, event: NotificationReceived) -> None:
    """Take what the cloud tells of its own accord; before the first device list nobody knows of whom it speaks."""
    notification, push = event.notification, house.push
    push.received += 1
    push.last_received = turn.now.stamp
    if notification.unreadable:
        house.note_once(turn, "notification_unreadable", "", parts=notification.unreadable)
    if not house.registry.lists:
        return
    repeated, unknown = push.is_repeated(notification), []
    for report in notification.reports:
        if (node := house.registry.by_id(report.device_id)) is None:
            unknown.append(report.device_id)
        else:
            _reported(house, turn, reports.bounded(node, replace(report, device_id=node.device.id)), repeated=repeated)
    _watch(house)
    reports.take_stock(house, turn)
    _hint(house, turn, notification, dict.fromkeys(unknown))


def looked(house: House, turn: Turn, report: Report, source: Source, asked: float) -> Report:
    """Hold what a query shows against what was pushed; gives what is not older than a notification.

    What may be older is asked for once more. As long as notifications arrive, memory that lags is more likely than one
    that was lost. Looks for a command are no evidence: they are made because something is known to change.
    """
    evidence, now = house.push.evidence, turn.now
    if not house.push.enabled or report.device_id not in house.registry.nodes:
        return report
    if is_out_of_reach(report):
        evidence.forget(report.device_id)
        _watch(house)
        return report
    older = evidence.overtaken(report, asked)
    report = _without(report, older)
    if source is Source.QUERY:
        gap, own = 1.5 * house.interval + GAP, house.commands.wanted(report.device_id)
        lagging = evidence.queried(report, asked, gap, own, now)
        older |= lagging.keys()
        if house.push.arrives:
            report = _without(report, frozenset(name for name, certain in lagging.items() if certain))
        _watch(house)
    if older:
        _look_soon(house, turn, report.device_id, ORDER_SETTLED)
    return report


def expire(house: House, turn: Turn) -> None:
    """Count what no notification has told in time."""
    house.push.evidence.expire(turn.now)
    _watch(house)


def look(house: House, turn: Turn, device_ids: list[str]) -> None:
    """Ask for devices whose notifications have left something open, together in one request.

    While the cloud is away or wants fewer requests, and when enough was asked, the next poll will tell.
    """
    nodes = [node for device_id in device_ids if (node := house.registry.nodes.get(device_id)) is not None]
    now = turn.now.monotonic
    if nodes and house.looks.affordable(now) and not house.budget.held(turn.now) and not house.cloud.away:
        house.looks.made(device_ids, now)
        house.query(turn, nodes, Source.QUERY)


def heal(house: House, turn: Turn) -> None:
    """Register anew while push is unhealthy, at most every six hours."""
    push, now = house.push, turn.now.monotonic
    if push.status is not PushStatus.UNHEALTHY:
        return
    if now >= push.healed_at + HEAL_EVERY:
        push.healed_at = now
        register(house, turn, renew=True)
    house.timers.set(Timer(HEAL), push.healed_at + HEAL_EVERY)


def follow(house: House, turn: Turn) -> None:
    """Tell when push has become better or worse; while it is unhealthy it is registered anew now and then."""
    push, status = house.push, house.push.status
    if status is push.told:
        return
    before, push.told = push.told, status
    house.info["push"] = str(status)
    turn.touch_bridge()
    health.soon(house, turn)
    turn.note("info", "push_status_changed", status=str(status), before=str(before))
    evidence: dict[str, Json] = {"evidence": [str(verdict) for verdict in push.evidence.latest]}
    if status is PushStatus.UNHEALTHY:
        heal(house, turn)
        if not push.alarmed:
            push.alarmed = True
            house.bridge_event(turn, BridgeEvent.PUSH_UNHEALTHY, **evidence)
    elif status is PushStatus.HEALTHY and push.alarmed:
        push.alarmed = False
        house.bridge_event(turn, BridgeEvent.PUSH_RESTORED, **evidence)


def abandon(house: House, device_id: str) -> None:
    """Forget a device that has left the account."""
    house.push.evidence.forget(device_id)
    house.looks.forget(device_id)
    house.timers.cancel(Timer(LOOK, device_id))
    _watch(house)


def _reported(house: House, turn: Turn, report: Report, *, repeated: bool) -> None:
    evidence, device_id = house.push.evidence, report.device_id
    if not report.states and report.error is None:
        if house.looks.affordable(turn.now.monotonic):
            evidence.announced(device_id, turn.now)
            _look_soon(house, turn, device_id, 0.0)
    elif is_out_of_reach(report):
        evidence.forget(device_id)
    elif repeated or evidence.pushed(report, turn.now):
        _look_soon(house, turn, device_id, ORDER_SETTLED)
    reports.reported(house, turn, report, Source.PUSH, turn.now.monotonic)


def _look_soon(house: House, turn: Turn, device_id: str, delay: float) -> None:
    house.timers.hasten(Timer(LOOK, device_id), house.looks.at(device_id, turn.now.monotonic + delay))


def _without(report: Report, names: frozenset[Attribute]) -> Report:
    return replace(report, states={name: report.states[name] for name in report.states.keys() - names})


def _hint(house: House, turn: Turn, notification: Notification, unknown: Iterable[str]) -> None:
    for device_id in islice(unknown, NAMED):
        house.note_once(turn, "unknown_device_reported", device_id)
    for device_id in unknown:
        _take_hint(house, turn, "unknown", device_id)
    for device_id in notification.changed:
        _take_hint(house, turn, "changed", device_id)
    for device_id in notification.deleted:
        if (node := house.registry.by_id(device_id)) is not None:
            house.registry.doubt(node)
            house.touch_list(turn)
            _take_hint(house, turn, "deleted", node.device.id)


def _take_hint(house: House, turn: Turn, reason: str, device_id: str) -> None:
    house.hints.take(reason, device_id, turn.now.monotonic)
    background.heed_hints(house)


def _watch(house: House) -> None:
    """See to it that evidence is looked at when a change has waited long enough for its notification."""
    house.timers.cancel(Timer(EVIDENCE))
    house.timers.hasten(Timer(EVIDENCE), house.push.evidence.due_at)


def _pause(house: House, failure: Failure) -> float:
    if failure.code == LOGIN_NEEDED:
        return LOGIN_RETRY
    step = LADDER[min(house.push.failures, len(LADDER)) - 1]
    wanted = failure.retry_after or 0.0
    return min(max(step * (0.9 + 0.2 * house.chance()), wanted), LADDER[-1])
