"""What the cloud's answers lead to."""

from __future__ import annotations

from uhome2mqtt.catalogue import KNOWN
from uhome2mqtt.engine import health
from uhome2mqtt.engine.cloud_state import pause
from uhome2mqtt.engine.house import ACCOUNT, EASE, LIST, POLL, House
from uhome2mqtt.engine.node import is_out_of_reach, merge
from uhome2mqtt.engine.policy import unmatched
from uhome2mqtt.engine.registry import Changes
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.errors import LOGIN_NEEDED
from uhome2mqtt.events import (
    AccountIdentified,
    CommandAnswered,
    CommandFailed,
    DeviceListFailed,
    DevicesListed,
    IdentificationFailed,
    IdentifyAccount,
    ListDevices,
    QueryFailed,
    StatesReported,
)
from uhome2mqtt.model import Failure, FailureKind, Json, Report, Source

LIST_AGAIN = 60.0
"""Seconds until a second device list decides whether a device that is missing is gone."""
LIST_AGAIN_EMPTY = 300.0
"""Seconds until an account without devices is looked at again: somebody may be selecting them in the app."""
LIST_RETRY = 5.0
LOGIN_RETRY = 5.0
"""Seconds; asking costs nothing then: without usable tokens no request leaves the house."""
LONGEST_UNAUTHORIZED = 60.0
"""Seconds between requests while the cloud refuses tokens that look good: a login must heal that soon."""


def devices_listed(house: House, turn: Turn, event: DevicesListed) -> None:
    """Take a device list in, once it is known what the broker remembers.

    Without that memory a device could get another topic than it had.
    """
    house.list_failed = False
    succeeded(house, turn)
    if house.left_over is None:
        house.early_list = event
        return
    changes = house.registry.listed(event.devices, turn.now)
    _announce(house, turn, changes)
    _clear_left_over(house, turn)
    turn.note("info", "devices_listed", devices=len(event.devices))
    if not event.devices:
        turn.note("warning", "no_devices", hint="select devices for the OpenAPI in the Xthings Home app")
    for subject in unmatched(house.config.allow, house.registry.nodes.values()):
        house.note_once(turn, "rule_for_nobody", subject, hint="commands.allow names no such kind or device")
    turn.touched |= house.registry.nodes.keys()
    turn.touch_bridge()
    house.timers.set(Timer(LIST), turn.now.monotonic + _list_pause(house))
    identify_account(house, turn)
    if changes.added:
        poll(house, turn)


def account_identified(house: House, turn: Turn, event: AccountIdentified) -> None:
    """Tell whose account it is."""
    succeeded(house, turn)
    house.info["account"] = event.account
    turn.touch_bridge()


def identification_failed(house: House, turn: Turn, event: IdentificationFailed) -> None:
    """Ask again, ever later."""
    _heed(house, turn, event.failure)
    failed(house, turn, event.failure)
    house.timers.set(Timer(ACCOUNT), turn.now.monotonic + _pause(house, LIST_RETRY, event.failure))


def logged_in(house: House, turn: Turn) -> None:
    """Ask at once for what had to wait for a login; it may be another account's, too."""
    house.info["account"] = None
    for timer in (Timer(LIST), Timer(POLL)):
        if timer in house.timers:
            house.timers.set(timer, turn.now.monotonic)


def device_list_failed(house: House, turn: Turn, event: DeviceListFailed) -> None:
    """Try again, ever later; nothing else follows from it."""
    _heed(house, turn, event.failure)
    failed(house, turn, event.failure)
    house.list_failed = True
    wait = _pause(house, LIST_RETRY, event.failure)
    house.timers.set(Timer(LIST), turn.now.monotonic + wait)


def states_reported(house: House, turn: Turn, event: StatesReported) -> None:
    """Merge reports and hold them against the commands under way."""
    asked = turn.now.monotonic if event.query is None else house.queries.asked(event.query)
    for report in event.reports:
        _reported(house, turn, report, event.source, asked)
    if event.query is None:
        _take_stock(house, turn)


def query_failed(house: House, turn: Turn, event: QueryFailed) -> None:
    """Keep that a part of a query failed; a refusal is heeded before the other parts have ended."""
    house.queries.failed(event.query, event.failure)
    _heed(house, turn, event.failure)


def query_ended(house: House, turn: Turn, query: int) -> None:
    """Judge the cloud by a query, give up commands whose last look it was, and plan the next poll."""
    ended = house.queries.ended(query)
    if ended.failure is None:
        succeeded(house, turn)
    else:
        failed(house, turn, ended.failure)
    _take_stock(house, turn)
    for device_id in sorted(house.commands.awaiting(query)):
        house.commands.query_ended(turn, house.registry.nodes[device_id], query)
    if ended.poll:
        house.timers.set(Timer(POLL), turn.now.monotonic + _poll_pause(house, ended.failure))


def command_answered(house: House, turn: Turn, event: CommandAnswered) -> None:
    """Take the cloud's answer to a command; an answer to one that has ended only shows that the cloud is there."""
    succeeded(house, turn)
    if (device_id := house.commands.device_of(event.command)) is None:
        return
    house.commands.answered(turn, house.registry.nodes[device_id], event)
    if event.report is not None:
        _reported(house, turn, event.report, Source.CONFIRM, turn.now.monotonic)
        _take_stock(house, turn)


def command_failed(house: House, turn: Turn, event: CommandFailed) -> None:
    """Take the failure of a request that carried a command."""
    _heed(house, turn, event.failure)
    failed(house, turn, event.failure)
    if (device_id := house.commands.device_of(event.command)) is not None:
        house.commands.failed(turn, house.registry.nodes[device_id], event)


def poll(house: House, turn: Turn) -> None:
    """Query all devices, unless such a query is under way."""
    if not house.queries.polling and not house.must_wait(turn, Timer(POLL)):
        house.query(turn, house.registry.nodes.values(), Source.QUERY, poll=True)


def list_devices(house: House, turn: Turn) -> None:
    """Ask for the device list."""
    if not house.must_wait(turn, Timer(LIST)):
        turn.emit(ListDevices())


def identify_account(house: House, turn: Turn) -> None:
    """Ask whose account it is, unless that is known."""
    if house.info["account"] is None and not house.must_wait(turn, Timer(ACCOUNT)):
        turn.emit(IdentifyAccount())


def ease(house: House, turn: Turn) -> None:
    """Ask more often again, after some time without a refusal."""
    before = house.budget.interval
    house.budget.ease(turn.now)
    _budget_changed(house, turn, before)


def succeeded(house: House, turn: Turn) -> None:
    """Note that the cloud has answered; after failures nothing waits any longer."""
    before, unauthorized = house.cloud.status, house.cloud.unauthorized
    if house.cloud.failures:
        _hurry(house, turn)
    house.budget.succeeded()
    house.cloud.succeeded()
    if before == house.cloud.status:
        return
    turn.touch_bridge()
    turn.note("info", "cloud_online", before=before)
    if unauthorized:
        house.bridge_event(turn, "authorization_restored")


def failed(house: House, turn: Turn, failure: Failure) -> None:
    """Note that a request to the cloud had no result; the log tells only of changes."""
    before, unauthorized, first = house.cloud.status, house.cloud.unauthorized, house.cloud.failures == 0
    house.cloud.failed(failure)
    after = house.cloud.status
    why: dict[str, Json] = {"error": failure.code, "why": failure.message}
    if before == after and not first:
        turn.note("debug", "cloud_request_failed", **why)
        return
    turn.touch_bridge()
    turn.note("warning", f"cloud_{after}", before=before, **why)
    if house.cloud.unauthorized and not unauthorized:
        house.bridge_event(turn, "authorization_required", hint=house.config.login_hint, **why)


def _heed(house: House, turn: Turn, failure: Failure) -> None:
    """Leave what is left to commands when the cloud refuses a request for its rate, and ask less often from then on."""
    if failure.kind is not FailureKind.RATE_LIMITED:
        return
    budget, before = house.budget, house.budget.interval
    if budget.refused(turn.now, failure.retry_after):
        seconds = round(budget.held_until - turn.now.monotonic)
        turn.note("warning", "cloud_rate_limited", seconds=seconds, poll_interval=budget.interval)
    _budget_changed(house, turn, before)


def _budget_changed(house: House, turn: Turn, interval_before: float) -> None:
    house.timers.set(Timer(EASE), house.budget.ease_at)
    health.soon(house, turn)
    if house.budget.interval != interval_before:
        turn.note("info", "poll_interval_changed", before=interval_before, seconds=house.budget.interval)
        house.measure_age_anew(turn)
        turn.touch_bridge()


def _hurry(house: House, turn: Turn) -> None:
    """Let what waits out a pause after a failure happen now; where the cloud was asked too often, at the usual pace."""
    wait = house.budget.interval if house.budget.strained else 0.0
    for timer, waits in ((Timer(LIST), house.list_failed), (Timer(POLL), True)):
        if waits and timer in house.timers:
            house.timers.hasten(timer, turn.now.monotonic + wait)


def _take_stock(house: House, turn: Turn) -> None:
    """Tell and keep what devices have shown for the first time, once for all reports of a query."""
    if house.inventory_changed:
        house.inventory_changed = False
        turn.pins_touched = True
        turn.touch_bridge()


def _announce(house: House, turn: Turn, changes: Changes) -> None:
    nodes = house.registry.nodes
    for event, announced in (
        ("device_added", [nodes[device_id] for device_id in changes.added]),
        ("device_renamed", [nodes[device_id] for device_id in changes.renamed]),
        ("device_removed", list(changes.removed)),
    ):
        for node in announced:
            house.bridge_event(turn, event, id=node.device.id, topic=node.level, name=node.name, kind=node.kind)
    for node in changes.removed:
        house.commands.abandon(turn, node, "DEVICE_REMOVED", "the device has left the account")
        turn.touch(node.device.id)
    for device_id in changes.added:
        house.watch_staleness(nodes[device_id], turn.now)
    if changes.added or changes.renamed:
        turn.pins_touched = True


def _clear_left_over(house: House, turn: Turn) -> None:
    """Clear what an earlier run left and nothing wants now; of devices that are not listed, after a second list."""
    left_over = house.left_over or {}
    nodes = house.registry.nodes
    wanted = set(house.bridge_topics()).union(*(house.device_topics(node, turn.now) for node in nodes.values()))
    due = set(house.bridge_topics()).union(*(house.due_topics(node, turn.now) for node in nodes.values()))
    certain = house.registry.lists > 1
    clear = {topic for topic, owner in left_over.items() if topic not in wanted and (certain or owner in nodes)}
    turn.effects.extend(house.retained.clear(clear))
    house.left_over = {topic: owner for topic, owner in left_over.items() if topic not in due | clear}


def _reported(house: House, turn: Turn, report: Report, source: Source, asked: float) -> None:
    node = house.registry.nodes.get(report.device_id)
    if node is None:
        house.note_once(turn, "unknown_device_reported", report.device_id)
        return
    for name in sorted(report.states.keys() - KNOWN):
        house.note_once(turn, "unknown_attribute", name, model=node.device.model)
    if report.error is not None:
        turn.note("info", "device_error", device=node.level, error=report.error.code, why=report.error.message)
    merged = merge(node, report, source, turn.now)
    house.earlier.discard(report.device_id)
    if house.registry.observed(merged):
        house.inventory_changed = True
    if not is_out_of_reach(report):
        house.commands.reported(turn, merged, report, source, asked)
    house.watch_staleness(merged, turn.now)
    turn.touch(report.device_id)


def _list_pause(house: House) -> float:
    absent = set((house.left_over or {}).values()) - house.registry.nodes.keys()
    if house.registry.anybody_missing or absent:
        return LIST_AGAIN
    return house.config.list_interval if house.registry.nodes else LIST_AGAIN_EMPTY


def _poll_pause(house: House, failure: Failure | None) -> float:
    interval = house.budget.interval
    refused = failure is not None and failure.kind is FailureKind.RATE_LIMITED
    return interval if failure is None or refused else _pause(house, interval, failure)


def _pause(house: House, base: float, failure: Failure) -> float:
    if failure.code == LOGIN_NEEDED:
        return LOGIN_RETRY
    wait = pause(base, house.cloud.failures, house.chance(), failure)
    return min(wait, LONGEST_UNAUTHORIZED) if failure.kind is FailureKind.AUTHORIZATION else wait
