"""What is done with reports: they are merged, and held against the commands under way."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import replace

from uhome2mqtt.catalogue import KNOWN
from uhome2mqtt.engine.doubts import DECIDED_WITHIN
from uhome2mqtt.engine.house import DOUBT, House
from uhome2mqtt.engine.node import Node, is_out_of_reach, merge
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.model import Attribute, Json, Report, Source

MOST_ATTRIBUTES = 100
"""Of one device; the richest that was seen has a dozen."""


def reported(house: House, turn: Turn, report: Report, source: Source, asked: float, query: int | None = None) -> None:
    """Take one device's report in; `asked`: when the cloud was asked for it, `query`: what it answers."""
    node = house.registry.nodes.get(report.device_id)
    if node is None:
        house.note_once(turn, "unknown_device_reported", report.device_id)
        return
    report = bounded(node, report)
    for name in sorted(report.states.keys() - KNOWN):
        house.note_once(turn, "unknown_attribute", name, model=node.device.model)
    if report.error is not None:
        turn.note("info", "device_error", device=node.level, error=report.error.code, why=report.error.message)
    if is_out_of_reach(report):
        # What the cloud remembers decides nothing, and what was held back came while the device was within reach.
        settle(house, turn, report.device_id)
    elif report.device_id in house.doubts.asked_by(query):
        settle(house, turn, report.device_id, report.states.keys())
    else:
        report = _believed(house, turn, node, report, source, asked)
    _take(house, turn, report, source, asked)


def bounded(node: Node, report: Report) -> Report:
    """Leave out what nobody knows once a device has shown more attributes than any has: it would be kept for ever."""
    new = sorted(report.states.keys() - node.observed - KNOWN)
    beyond = frozenset(new[max(0, MOST_ATTRIBUTES - len(node.observed)) :])
    if not beyond:
        return report
    return replace(report, states={name: report.states[name] for name in report.states.keys() - beyond})


def take_stock(house: House, turn: Turn) -> None:
    """Tell and keep what devices have shown for the first time, once for all reports of a query."""
    if house.inventory_changed:
        house.inventory_changed = False
        turn.pins_touched = True
        house.touch_list(turn)


def settle(house: House, turn: Turn, device_id: str, decided: AbstractSet[Attribute] = frozenset()) -> None:
    """End a doubt: what was held back is believed, but for what an answer has decided."""
    house.timers.cancel(Timer(DOUBT, device_id))
    held = house.doubts.ended(device_id, decided)
    for part in held if device_id in house.registry.nodes else ():
        _take(house, turn, Report(device_id=device_id, states=part.states), part.source, part.asked)


def _take(house: House, turn: Turn, report: Report, source: Source, asked: float) -> None:
    merged = merge(house.registry.nodes[report.device_id], report, source, turn.now)
    house.earlier.discard(report.device_id)
    if house.registry.observed(merged):
        house.inventory_changed = True
    if not is_out_of_reach(report):
        house.commands.reported(turn, merged, report, source, asked)
    house.watch_staleness(merged, turn.now)
    turn.touch(report.device_id)


def _believed(house: House, turn: Turn, node: Node, report: Report, source: Source, asked: float) -> Report:
    """Give what may be taken of a report at once: what contradicts a fresh confirmation waits for another query.

    Where the cloud wants fewer requests, the newest report is believed.
    """
    wanted = house.commands.wanted(node.device.id)
    names = house.doubts.contradicted(report, wanted, turn.now)
    if names and not house.budget.held(turn.now):
        deciding = house.ask(turn, [node.device], Source.CONFIRM)
        house.doubts.opened(node.device.id, names, deciding)
        house.timers.set(Timer(DOUBT, node.device.id), turn.now.monotonic + DECIDED_WITHIN)
        said: dict[str, Json] = {str(name): report.states[name] for name in sorted(names)}
        turn.note("warning", "confirmed_state_contradicted", device=node.level, reported=said, source=str(source))
    return house.doubts.sift(report, source, asked, wanted)
