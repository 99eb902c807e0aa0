"""Discovery beyond writing configs: moves from one layout to another, and devices that somebody deleted.

A move goes in three steps, with time for Home Assistant between them: the topics that are left say that it is to keep
its entities, the new topics describe them, the old ones are cleared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from uhome2mqtt.effects import Publish, SaveAnnounced
from uhome2mqtt.engine.addressing import device_of
from uhome2mqtt.engine.answers import Request, answer, check_members
from uhome2mqtt.engine.house import BRIDGE, DEVICES, MOVE, House
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.events import ConfigCleared
from uhome2mqtt.homeassistant import MIGRATE, bridge_node, device_node
from uhome2mqtt.model import EVERYTHING, BridgeEvent, Discovery, Json, Pin
from uhome2mqtt.packed import Payload
from uhome2mqtt.topics import RESERVED, Topics

SETTLE = 2.0
"""Seconds that Home Assistant is given for each step of a move at least."""
TOPICS_A_SECOND = 500
"""How many topics of a move it is trusted to read."""
SOON = 1.0
"""Seconds within which `bridge/devices` tells what was deleted and restored."""


def plan(house: House, turn: Turn) -> None:
    """Find the config topics that describe what other topics are to describe from now on, as far as it is known."""
    announcer, described = house.announcer, _described(house)
    if announcer.layout is Discovery.OFF:
        house.clear_of_left_over(turn, set().union(*described.values()))
        return
    leaving = {topic: owner for owner, topics in described.items() for topic in _leaving(house, owner, topics)}
    if new := {topic: owner for topic, owner in leaving.items() if topic not in announcer.old}:
        announcer.old |= new
        house.retained.holding = True
        turn.note("info", "discovery_moves", layout=str(announcer.layout), topics=len(new))
        _ask_to_keep(house, turn, new)


def connected(house: House, turn: Turn) -> None:
    """Go on with a move that the loss of a connection has interrupted; the bridge itself needs no device list."""
    if house.announcer.old:
        _ask_to_keep(house, turn, house.announcer.old)
    elif not house.registry.lists:
        plan(house, turn)


def move(house: House, turn: Turn) -> None:
    """Take the next step, as soon as everything of the last one has been published."""
    announcer, retained = house.announcer, house.retained
    if not retained.connected:
        return
    if retained.backlog:
        _wait(house, turn)
    elif retained.holding:
        retained.holding = False
        turn.touch_in_bulk(house.registry.nodes)
        turn.touch_bridge()
        _wait(house, turn)
    else:
        announcer.moved |= set(announcer.old.values())
        house.clear_of_left_over(turn, set(announcer.old))
        announcer.old = {}
        turn.note("info", "discovery_moved", layout=str(announcer.layout))
        settle(house, turn)


def settle(house: House, turn: Turn) -> None:
    """Keep that everything has been told as it is to be; nothing of another base topic or prefix is left then."""
    announcer, topics = house.announcer, house.config.topics
    left = announcer.elsewhere_in_use or [topic for topic in house.left_over or () if not topics.is_own(topic)]
    if house.registry.lists and announcer.record != announcer.current and not announcer.old and not left:
        announcer.record = announcer.current
        turn.emit(SaveAnnounced(announced=announcer.record))


def config_cleared(house: House, turn: Turn, event: ConfigCleared) -> None:
    """Respect that somebody has deleted a device or an entity: it is not described again until it is asked for."""
    parsed = house.config.topics.parse_discovery(event.topic)
    if (
        parsed is None
        or not house.presence.works
        or not house.retained.is_config(event.topic)
        or event.topic in house.announcer.old
    ):
        return
    node, key = parsed
    owner = house.owner_of(node)
    if owner is None:
        return
    house.retained.lost(event.topic)
    # Of a device that is not listed nobody knows its keys.
    known = owner == BRIDGE or owner in house.registry.nodes
    house.announcer.exclude(owner, key or EVERYTHING, _keys(house, owner) if known else {EVERYTHING})
    _changed(house, turn, owner, BridgeEvent.DEVICE_EXCLUDED, key=key)
    hint = "bridge/request/device/restore brings it back"
    turn.note("warning", "deleted_in_home_assistant", topic=event.topic, hint=hint)


def restore(house: House, turn: Turn, request: Request) -> None:
    """Describe a device again that somebody has deleted; `bridge` is the bridge itself, `*` stands for all."""
    check_members(request)
    if request.members.get("device") == EVERYTHING:
        levels = [_restored(house, turn, owner)["topic"] for owner in list(house.announcer.record.excluded)]
        answer(turn, house.config, request, {"id": None, "topic": None, "restored": sorted(levels, key=str)})
        return
    owner = BRIDGE if request.members.get("device") == RESERVED else device_of(house, request).device.id
    restored = sorted(house.announcer.record.excluded.get(owner, ()))
    answer(turn, house.config, request, {**_restored(house, turn, owner), "restored": list[Json](restored)})


def _restored(house: House, turn: Turn, owner: str) -> dict[str, Json]:
    if house.announcer.restore(owner):
        _changed(house, turn, owner, BridgeEvent.DEVICE_RESTORED)
    return _named(house, owner)


def _changed(house: House, turn: Turn, owner: str, event: BridgeEvent, **fields: Json) -> None:
    if owner == BRIDGE:
        turn.touch_bridge()
    else:
        turn.touch(owner)
    # Somebody may delete a thousand things in a moment, and the list of devices is long.
    house.timers.hasten(Timer(DEVICES), turn.now.monotonic + SOON)
    house.bridge_event(turn, event, **_named(house, owner), **fields)
    turn.emit(SaveAnnounced(announced=house.announcer.record))


def _named(house: House, owner: str) -> dict[str, Json]:
    if owner == BRIDGE:
        return {"id": None, "topic": RESERVED}
    pin = house.registry.pins.get(owner, Pin(topic=""))
    return {"id": owner, "topic": pin.topic or None, "name": pin.name or None}


def _ask_to_keep(house: House, turn: Turn, topics: Iterable[str]) -> None:
    """Ask Home Assistant to keep the entities of topics that are being left, as long as nothing else describes them."""
    if house.retained.connected:
        if house.retained.holding:
            turn.effects.extend(Publish(topic=topic, content=dump(MIGRATE)) for topic in sorted(topics))
        _wait(house, turn)


def _wait(house: House, turn: Turn) -> None:
    house.timers.set(Timer(MOVE), turn.now.monotonic + max(SETTLE, len(house.announcer.old) / TOPICS_A_SECOND))


def _owners(house: House) -> Iterator[str]:
    yield BRIDGE
    yield from house.registry.nodes


def _node_of(house: House, owner: str) -> str:
    return bridge_node(house.config.topics) if owner == BRIDGE else device_node(owner)


def _configs(house: House, owner: str, layout: Discovery | None = None) -> Mapping[str, Payload]:
    announcer = house.announcer
    if owner == BRIDGE:
        return announcer.of_bridge(BRIDGE, layout)
    return announcer.of_device(house.registry.nodes[owner], layout)


def _keys(house: House, owner: str) -> set[str]:
    """Name the entities of a device that are described."""
    topics = (house.config.topics.parse_discovery(topic) for topic in _configs(house, owner, Discovery.ENTITY))
    return {parsed[1] for parsed in topics if parsed is not None and parsed[1] is not None}


def _described(house: House) -> dict[str, set[str]]:
    """Find the config topics by owner that an earlier run left, or had told: the broker may have lost what it told."""
    record, current = house.announcer.record, house.announcer.current
    described: dict[str, set[str]] = {}
    for topic, owner in (house.left_over or {}).items():
        if owner is not None and (owner == BRIDGE or owner in house.registry.nodes) and _parsed(house, topic):
            described.setdefault(owner, set()).add(topic)
    here = (record.base, record.prefix) == (current.base, current.prefix)
    if here and record.layout is not None and record.layout is not current.layout:
        for owner in {*_owners(house)} - house.announcer.moved:
            described.setdefault(owner, set()).update(
                _configs(house, owner, record.layout).keys() - house.announcer.foreign
            )
    return described


def _leaving(house: House, owner: str, described: set[str]) -> Iterator[str]:
    """Find the topics whose entities are to be described elsewhere; what has no entity any more is only cleared."""
    wanted = _configs(house, owner)
    keys = _keys(house, owner)
    prefix = f"{house.config.topics.discovery_prefix}/"
    for topic in described - wanted.keys() if wanted else ():
        # Who listens below another prefix would wait for ever for what is described here.
        parsed = _parsed(house, topic) if topic.startswith(prefix) else None
        # The bridge of another base topic is another device: it is cleared, since nothing takes its place.
        if parsed is not None and parsed[0] == _node_of(house, owner) and (parsed[1] is None or parsed[1] in keys):
            yield topic


def _parsed(house: House, topic: str) -> tuple[str, str | None] | None:
    record = house.announcer.record
    earlier = Topics(base=record.base, discovery_prefix=record.prefix)
    return house.config.topics.parse_discovery(topic) or earlier.parse_discovery(topic)
