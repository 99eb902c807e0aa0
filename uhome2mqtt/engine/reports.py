"""What is done with reports: they are merged, and held against the commands under way."""

from __future__ import annotations

from uhome2mqtt.catalogue import KNOWN
from uhome2mqtt.engine.doubts import DECIDED_WITHIN
from uhome2mqtt.engine.house import DOUBT, House
from uhome2mqtt.engine.node import Node, is_out_of_reach, merge
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.model import Attribute, Json, Report, Source


def reported(house: House, turn: Turn, report: Report, source: Source, asked: float, query: int | None = None) -> None:
    """Take one device's report in; `asked`: when the cloud was asked for it, `query`: what it answers."""
    node = house.registry.nodes.get(report.device_id)
    if node is None:
        house.note_once(turn, "unknown_device_reported", report.device_id)
        return
    for name in sorted(report.states.keys() - KNOWN):
        house.note_once(turn, "unknown_attribute", name, model=node.device.model)
    if report.error is not None:
        turn.note("info", "device_error", device=node.level, error=report.error.code, why=report.error.message)
    if is_out_of_reach(report):
        # What the cloud remembers decides nothing, and what was held back came while the device was within reach.
        settle(house, turn, report.device_id)
    else:
        report = _believed(house, turn, node, report, source, query)
    _take(house, turn, report, source, asked)


def take_stock(house: House, turn: Turn) -> None:
    """Tell and keep what devices have shown for the first time, once for all reports of a query."""
    if house.inventory_changed:
        house.inventory_changed = False
        turn.pins_touched = True
        turn.touch_bridge()


def settle(house: House, turn: Turn, device_id: str) -> None:
    """Believe what was held back, since nothing has decided against it."""
    held = house.doubts.undecided(device_id)
    house.timers.cancel(Timer(DOUBT, device_id))
    if held is not None and held[0].states and device_id in house.registry.nodes:
        _take(house, turn, *held, asked=turn.now.monotonic)


def _take(house: House, turn: Turn, report: Report, source: Source, asked: float) -> None:
    merged = merge(house.registry.nodes[report.device_id], report, source, turn.now)
    house.earlier.discard(report.device_id)
    if house.registry.observed(merged):
        house.inventory_changed = True
    if not is_out_of_reach(report):
        house.commands.reported(turn, merged, report, source, asked)
    house.watch_staleness(merged, turn.now)
    turn.touch(report.device_id)


def _believed(house: House, turn: Turn, node: Node, report: Report, source: Source, query: int | None) -> Report:
    """Give what may be taken of a report at once: what contradicts a fresh confirmation waits for another query.

    Where the cloud wants fewer requests, the newest report is believed.
    """
    doubts, device_id = house.doubts, node.device.id
    wanted = house.commands.wanted(device_id)
    names = set() if doubts.is_open(device_id) else doubts.contradicted(report, wanted, turn.now)
    if names and not house.budget.held(turn.now):
        _doubt(house, turn, node, names, report, source)
    return doubts.sift(report, query, wanted)


def _doubt(house: House, turn: Turn, node: Node, names: set[Attribute], report: Report, source: Source) -> None:
    deciding = house.ask(turn, [node.device], Source.CONFIRM)
    house.doubts.opened(node.device.id, names, deciding, source)
    house.timers.set(Timer(DOUBT, node.device.id), turn.now.monotonic + DECIDED_WITHIN)
    said: dict[str, Json] = {str(name): report.states[name] for name in sorted(names)}
    turn.note("warning", "confirmed_state_contradicted", device=node.level, reported=said, source=str(source))
