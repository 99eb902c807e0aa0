"""What the cloud's answers lead to."""

from __future__ import annotations

import math

from uhome2mqtt.engine import announcing, background, cloud_health, push_side, reports, requests, users_side
from uhome2mqtt.engine.cloud_state import pause
from uhome2mqtt.engine.house import ACCOUNT, BRIDGE, LIST, POLL, REGISTER, House
from uhome2mqtt.engine.policy import unmatched
from uhome2mqtt.engine.presence import Role
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
    QueryFailed,
    StatesReported,
)
from uhome2mqtt.model import BridgeEvent, Failure, FailureKind, Source

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

    Without that memory a device could get another topic than it had. Nor before it is known whether another bridge
    works.
    """
    house.listing = house.list_failed = False
    cloud_health.succeeded(house, turn)
    if house.left_over is None or house.presence.role is Role.ASKING:
        house.early_list = event
        return
    changes = house.registry.listed(event.devices, turn.now)
    _announce(house, turn, changes)
    house.clear_moved(turn)
    announcing.plan(house, turn)
    house.clear_left_over(turn)
    announcing.settle(house, turn)
    turn.note("info", "devices_listed", devices=len(event.devices))
    if not event.devices:
        turn.note("warning", "no_devices", hint="select devices for the OpenAPI in the Xthings Home app")
    note_unmatched(house, turn)
    turn.touch_in_bulk(house.registry.nodes)
    house.touch_list(turn)
    house.timers.set(Timer(LIST), turn.now.monotonic + _list_pause(house))
    background.heed_hints(house)
    background.identify_account(house, turn)
    push_side.register_first(house, turn)
    if changes.added:
        background.poll(house, turn)
    requests.listed(house, turn, changes)


def note_unmatched(house: House, turn: Turn) -> None:
    """Warn of rules that forbid nothing, since they name nobody."""
    for subject in unmatched(house.config.allow, house.registry.nodes.values()):
        house.note_once(turn, "rule_for_nobody", subject, hint="commands.allow names no such kind or device")


def account_identified(house: House, turn: Turn, event: AccountIdentified) -> None:
    """Tell whose account it is."""
    cloud_health.succeeded(house, turn)
    house.info["account"] = event.account
    turn.touch_bridge()


def identification_failed(house: House, turn: Turn, event: IdentificationFailed) -> None:
    """Ask again, ever later."""
    cloud_health.heed(house, turn, event.failure)
    cloud_health.failed(house, turn, event.failure)
    house.timers.set(Timer(ACCOUNT), turn.now.monotonic + _pause(house, LIST_RETRY, event.failure))


def logged_in(house: House, turn: Turn) -> None:
    """Ask at once for what had to wait for a login; it may be another account's, too."""
    house.info["account"] = None
    for timer in (Timer(LIST), Timer(POLL), Timer(REGISTER)):
        if timer in house.timers:
            house.timers.set(timer, turn.now.monotonic)


def device_list_failed(house: House, turn: Turn, event: DeviceListFailed) -> None:
    """Try again, ever later; nothing else follows from it."""
    cloud_health.heed(house, turn, event.failure)
    cloud_health.failed(house, turn, event.failure)
    house.listing, house.list_failed = False, True
    wait = _pause(house, LIST_RETRY, event.failure)
    house.timers.set(Timer(LIST), turn.now.monotonic + wait)
    requests.not_listed(house, turn, event.failure)


def states_reported(house: House, turn: Turn, event: StatesReported) -> None:
    """Merge reports and hold them against the commands under way."""
    asked = house.queries.asked(event.query)
    for reported in event.reports:
        report = push_side.looked(house, turn, reported, event.source, asked)
        reports.reported(house, turn, report, event.source, asked, event.query)


def query_failed(house: House, turn: Turn, event: QueryFailed) -> None:
    """Keep that a part of a query failed; a refusal is heeded before the other parts have ended."""
    house.queries.failed(event.query, event.failure)
    cloud_health.heed(house, turn, event.failure)


def query_ended(house: House, turn: Turn, query: int) -> None:
    """Judge the cloud by a query, give up commands whose last look it was, and plan the next poll."""
    ended = house.queries.ended(query)
    if ended.failure is None:
        cloud_health.succeeded(house, turn)
    else:
        cloud_health.failed(house, turn, ended.failure)
    for device_id in house.doubts.asked_by(query):
        reports.settle(house, turn, device_id)
    reports.take_stock(house, turn)
    for device_id in sorted(house.commands.awaiting(query)):
        house.commands.query_ended(turn, house.registry.nodes[device_id], query)
    requests.query_ended(house, turn, query, ended.failure)
    if ended.poll:
        _polled(house, turn, ended.failure)


def _polled(house: House, turn: Turn, failure: Failure | None) -> None:
    """Plan the next poll; the wait after the first one is cut by chance: other bridges have started now, too."""
    wait = _poll_pause(house, failure)
    if house.polled_at == -math.inf:
        wait *= 0.5 + 0.5 * house.chance()
    house.polled_at = turn.now.monotonic
    if failure is None:
        house.queries.poll_succeeded_at = turn.now.monotonic
    house.timers.set(Timer(POLL), turn.now.monotonic + wait)
    if house.pace != house.interval:
        house.pace = house.interval
        house.measure_age_anew(turn)


def command_answered(house: House, turn: Turn, event: CommandAnswered) -> None:
    """Take the cloud's answer to a command; an answer to one that has ended only shows that the cloud is there."""
    cloud_health.succeeded(house, turn)
    if (device_id := house.commands.device_of(event.command)) is None:
        return
    house.commands.answered(turn, house.registry.nodes[device_id], event)
    if event.report is not None:
        reports.reported(house, turn, event.report, Source.CONFIRM, turn.now.monotonic)
        reports.take_stock(house, turn)


def command_failed(house: House, turn: Turn, event: CommandFailed) -> None:
    """Take the failure of a request that carried a command."""
    cloud_health.heed(house, turn, event.failure)
    cloud_health.failed(house, turn, event.failure)
    if (device_id := house.commands.device_of(event.command)) is not None:
        house.commands.failed(turn, house.registry.nodes[device_id], event)


def _announce(house: House, turn: Turn, changes: Changes) -> None:
    nodes = house.registry.nodes
    for event, announced in (
        (BridgeEvent.DEVICE_ADDED, [nodes[device_id] for device_id in changes.added]),
        (BridgeEvent.DEVICE_RENAMED, [nodes[device_id] for device_id in changes.renamed]),
        (BridgeEvent.DEVICE_REMOVED, list(changes.removed)),
    ):
        for node in announced:
            house.bridge_event(turn, event, id=node.device.id, topic=node.level, name=node.name, kind=node.kind)
    for node in changes.removed:
        house.commands.abandon(turn, node, "DEVICE_REMOVED", "the device has left the account")
        users_side.abandon(house, turn, node.device.id, "the device has left the account")
        push_side.abandon(house, node.device.id)
        turn.touch(node.device.id)
    for device_id in changes.added:
        house.watch_staleness(nodes[device_id], turn.now)
    if changes.added or changes.renamed:
        turn.pins_touched = True


def _list_pause(house: House) -> float:
    absent = set((house.left_over or {}).values()) - house.registry.nodes.keys() - {BRIDGE}
    if house.registry.anybody_missing or absent:
        return LIST_AGAIN
    return house.config.list_interval if house.registry.nodes else LIST_AGAIN_EMPTY


def _poll_pause(house: House, failure: Failure | None) -> float:
    if failure is None:
        return house.interval
    # Not all failures: a few commands that fail in a moment must not put the next poll off by a quarter of an hour.
    house.cloud.failed_polls += 1
    refused = failure.kind is FailureKind.RATE_LIMITED
    base, failures = house.budget.interval, house.cloud.failed_polls
    return base if refused else _pause(house, base, failure, failures)


def _pause(house: House, base: float, failure: Failure, failures: int | None = None) -> float:
    if failure.code == LOGIN_NEEDED:
        return LOGIN_RETRY
    wait = pause(base, house.cloud.failures if failures is None else failures, house.chance(), failure)
    return min(wait, LONGEST_UNAUTHORIZED) if failure.kind is FailureKind.AUTHORIZATION else wait
