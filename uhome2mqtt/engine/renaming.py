"""Another topic level or another name for a device."""

from __future__ import annotations

import re

from uhome2mqtt.engine.addressing import device_of
from uhome2mqtt.engine.answers import Request, RequestError, answer, check_members
from uhome2mqtt.engine.config import Override
from uhome2mqtt.engine.house import House
from uhome2mqtt.engine.members import LONGEST_NAME
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.policy import names
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.model import BridgeEvent, Json, quoted
from uhome2mqtt.topics import MAX_SLUG, is_level

_NAME = re.compile(rf"(?=\S)[^\x00-\x1f\x7f-\x9f]{{1,{LONGEST_NAME}}}(?<=\S)")


def rename(house: House, turn: Turn, request: Request) -> None:
    """Rename a device: what was retained under its old topics is cleared, its identity in Home Assistant stays."""
    check_members(request)
    node = device_of(house, request)
    if request.members.keys() == {"device"}:
        raise RequestError("device/rename needs topic, name, or both")
    override = house.config.overrides.get(node.device.id, Override())
    level = _level(house, node, request.members.get("topic"), override)
    alias = _alias(node, request.members, override)
    name = house.registry.name_of(node.device, alias)
    _check_policy(house, node, level, name)
    if (level, alias, name) != (node.level, node.alias, node.name):
        renamed = house.registry.rename(node, level, alias)
        house.moved(turn, renamed)
        turn.touch(node.device.id)
        house.touch_list(turn)
        turn.pins_touched = True
    facts: dict[str, Json] = {"id": node.device.id, "topic": level, "name": name, "from": node.level}
    if (level, name) != (node.level, node.name):
        house.bridge_event(turn, BridgeEvent.DEVICE_RENAMED, **facts, kind=node.kind)
    answer(turn, house.config, request, facts)


def _level(house: House, node: Node, wanted: Json, override: Override) -> str:
    if wanted is None:
        return node.level
    if override.topic is not None:
        raise RequestError(f"the configuration gives this device its topic: change devices.{node.device.id}.topic")
    if not isinstance(wanted, str) or not is_level(wanted) or len(wanted) > MAX_SLUG:
        rule = f"a topic is one level of a-z, 0-9, _ and -, at most {MAX_SLUG} long, and not bridge"
        raise RequestError(f"topic {quoted(wanted)} cannot be used: {rule}")
    owner = house.registry.owner_of(wanted)
    if owner not in {None, node.device.id}:
        absent = "" if owner in house.registry.nodes else ", which is not in the account now"
        raise RequestError(f"topic {quoted(wanted)} is taken by device {owner}{absent}")
    return wanted


def _alias(node: Node, members: dict[str, Json], override: Override) -> str:
    if "name" not in members:
        return node.alias
    if override.name is not None:
        raise RequestError(f"the configuration gives this device its name: change devices.{node.device.id}.name")
    wanted = members["name"]
    if wanted is None:
        return ""
    if not isinstance(wanted, str) or not _NAME.fullmatch(wanted):
        rule = f"a name has at most {LONGEST_NAME} characters, no control characters, and no white space at its ends"
        raise RequestError(f"name {quoted(wanted)} cannot be used: {rule}; null gives the device the app's name again")
    return wanted


def _check_policy(house: House, node: Node, level: str, name: str) -> None:
    """Let nobody slip out of a rule of the configuration, or under another one, by a new name."""
    changed = {said for pair in ((node.level, level), (node.name, name)) if pair[0] != pair[1] for said in pair}
    for said in sorted(changed):
        if names(house.config.allow, said):
            rule = f"commands.allow has a rule for {quoted(said)}, which a new name must neither leave nor gain"
            raise RequestError(f"NOT_ALLOWED: {rule}; name the device there by its id, {node.device.id}")
