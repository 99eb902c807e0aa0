"""Another topic level or another name for a device."""

from __future__ import annotations

from uhome2mqtt.catalogue.description import shown
from uhome2mqtt.engine.addressing import device_of
from uhome2mqtt.engine.answers import Request, RequestError, answer, check_members
from uhome2mqtt.engine.config import Override
from uhome2mqtt.engine.house import House
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.policy import names
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.model import Json
from uhome2mqtt.topics import MAX_SLUG, is_level

LONGEST_NAME = 128


def rename(house: House, turn: Turn, request: Request) -> None:
    """Rename a device: what was retained under its old topics is cleared, its identity in Home Assistant stays."""
    check_members(request, "device", "topic", "name")
    node = device_of(house, request)
    if request.members.keys() == {"device"}:
        raise RequestError("device/rename needs topic, name, or both")
    override = house.config.overrides.get(node.device.id, Override())
    level = _level(house, node, request.members.get("topic"), override)
    alias = _alias(node, request.members, override)
    _check_policy(house, node, level, house.registry.name_of(node.device, alias))
    renamed = house.registry.rename(node, level, alias)
    # What an earlier run retained under the old topics is not repeated under the new ones.
    house.earlier.discard(node.device.id)
    house.clear_left_over(turn)
    turn.touch(node.device.id)
    turn.touch_bridge()
    turn.pins_touched = True
    facts: dict[str, Json] = {"id": node.device.id, "topic": level, "name": renamed.name, "from": node.level}
    if (level, renamed.name) != (node.level, node.name):
        house.bridge_event(turn, "device_renamed", **facts, kind=node.kind)
    answer(turn, house.config, request, facts)


def _level(house: House, node: Node, wanted: Json, override: Override) -> str:
    if wanted is None:
        return node.level
    if override.topic is not None:
        raise RequestError(f"the configuration gives this device its topic: change devices.{node.device.id}.topic")
    if not isinstance(wanted, str) or not is_level(wanted) or len(wanted) > MAX_SLUG:
        rule = f"a topic is one level of a-z, 0-9, _ and -, at most {MAX_SLUG} long, and not bridge"
        raise RequestError(f"topic {shown(wanted)} cannot be used: {rule}")
    owner = house.registry.owner_of(wanted)
    if owner not in {None, node.device.id}:
        raise RequestError(f"topic {wanted!r} is taken by device {owner}")
    return wanted


def _alias(node: Node, members: dict[str, Json], override: Override) -> str:
    if "name" not in members:
        return node.alias
    if override.name is not None:
        raise RequestError(f"the configuration gives this device its name: change devices.{node.device.id}.name")
    wanted = members["name"]
    if wanted is None:
        return ""
    if not isinstance(wanted, str) or len(wanted) > LONGEST_NAME or not wanted.strip() or not wanted.isprintable():
        rule = f"a name is a text of at most {LONGEST_NAME} characters; null gives the device the app's name again"
        raise RequestError(f"name {shown(wanted)} cannot be used: {rule}")
    return wanted


def _check_policy(house: House, node: Node, level: str, name: str) -> None:
    """Let nobody slip out of a rule of the configuration, or under another one, by a new name."""
    changed = {said for pair in ((node.level, level), (node.name, name)) if pair[0] != pair[1] for said in pair}
    for said in sorted(changed):
        if names(house.config.allow, said):
            rule = f"commands.allow has a rule for {shown(said)}, which a new name must neither leave nor gain"
            raise RequestError(f"NOT_ALLOWED: {rule}; name the device there by its id, {node.device.id}")
