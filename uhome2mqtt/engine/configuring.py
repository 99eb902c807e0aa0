"""Another configuration for a bridge that runs."""

from __future__ import annotations

from uhome2mqtt.engine import cloud_side, users_side
from uhome2mqtt.engine.config import ConfigChanged
from uhome2mqtt.engine.house import LIST, REGISTER, House
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.pending import Pending
from uhome2mqtt.engine.policy import allows
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.model import BridgeEvent, Json, Source

DISABLED = "DISABLED"


def changed(house: House, turn: Turn, event: ConfigChanged) -> None:
    """Take another configuration, and tell what came of it."""
    before = house.stale_after
    house.configure(event.config)
    if house.stale_after != before:
        house.measure_age_anew(turn)
    _apply_intervals(house, turn)
    for was, now in house.registry.configure(event.config):
        _apply_override(house, turn, was, now)
    _apply_rules(house, turn)
    turn.touch_in_bulk(house.registry.nodes)
    house.touch_list(turn)
    told: dict[str, tuple[str, ...]] = {
        "applied": event.applied,
        "at_next_connection": event.at_next_connection,
        "needs_restart": event.needs_restart,
    }
    house.bridge_event(turn, BridgeEvent.CONFIG_RELOADED, **{name: list[Json](keys) for name, keys in told.items()})
    if event.needs_restart:
        turn.note("warning", "config_needs_restart", keys=list[Json](event.needs_restart))


def _apply_intervals(house: House, turn: Turn) -> None:
    """Let nothing wait longer than the new intervals; the poll follows its own by itself."""
    for timer, interval in ((LIST, house.config.list_interval), (REGISTER, house.config.rotate_every)):
        if Timer(timer) in house.timers:
            house.timers.hasten(Timer(timer), turn.now.monotonic + interval)


def _apply_rules(house: House, turn: Turn) -> None:
    """Let nothing be sent any more that is not allowed by now."""
    cloud_side.note_unmatched(house, turn)
    for node in list(house.registry.nodes.values()):
        house.commands.revoke(turn, node, lambda command: _is_allowed(house, command))


def _is_allowed(house: House, command: Pending) -> bool:
    node = house.registry.nodes[command.device_id]
    return allows(house.config.allow, node, command.key, command.intent)


def _apply_override(house: House, turn: Turn, was: Node, now: Node) -> None:
    if was.level != now.level:
        house.moved(turn, now)
    if was.enabled and not now.enabled:
        house.commands.abandon(turn, now, DISABLED, "the configuration no longer allows the bridge this device")
        users_side.abandon(house, turn, now.device.id, "the configuration no longer allows the bridge this device")
    if now.enabled and not was.enabled and house.presence.works:
        house.query(turn, [now], Source.QUERY)
    turn.pins_touched = True
    if (was.level, was.name) != (now.level, now.name):
        facts: dict[str, Json] = {"id": now.device.id, "topic": now.level, "name": now.name, "from": was.level}
        house.bridge_event(turn, BridgeEvent.DEVICE_RENAMED, **facts, kind=now.kind)
