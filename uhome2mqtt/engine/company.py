"""What other bridges on the same base topic lead to."""

from __future__ import annotations

from dataclasses import replace

from uhome2mqtt.effects import LookFor, Publish
from uhome2mqtt.engine import announcing, background, cloud_side, health, push_side, requests, users_side
from uhome2mqtt.engine.house import ANSWER, BIRTH, FORGET, OTHERS, POLL, PRESENT, PROOF, RECLAIM, House
from uhome2mqtt.engine.presence import ANSWER_WITHIN, EVERY, SUSPECT_FOR, Other, Role
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.events import BridgeHeard
from uhome2mqtt.model import Json, parse_json

HINT = "give each bridge its own mqtt.base_topic, or end one of them; until then the younger one stands by"
WHY = "another bridge is at work on the same base topic"
YIELDED = 2.0
"""Seconds after which everything is asserted again that a younger bridge may have published meanwhile."""
SOON = 0.1
"""Seconds after which a bridge that stands by learns of the devices."""
PROOF_WITHIN = 15.0
"""Seconds in which the bridge to which the work was left has to assert itself, as it does when it is one."""


def connected(house: House, turn: Turn, *, claimed: bool) -> None:
    """Begin to work, unless another bridge may be there; `claimed`: the broker still holds that one is online."""
    presence = house.presence
    if presence.works and presence.instance and (claimed or presence.had_company):
        _ask(house, turn)
    # Whoever was silent while this bridge could not hear anybody may be there all the same.
    for other in list(presence.others.values()):
        presence.others[other.instance] = replace(other, until=turn.now.monotonic + EVERY + SUSPECT_FOR)
    _watch(house)
    tell(house, turn)
    if presence.works:
        _work(house, turn)


def tell(house: House, turn: Turn) -> None:
    """Say that this bridge is there, and again in a minute."""
    if house.presence.instance and house.broker_connected:
        document = house.presence.told(str(house.config.about.get("version", "")))
        turn.emit(Publish(topic=house.config.topics.bridge_presence, content=dump(document), retain=False))
        house.timers.set(Timer(PRESENT), turn.now.monotonic + EVERY)


def heard(house: House, turn: Turn, event: BridgeHeard) -> None:
    """Take what another bridge has said on a topic that both use."""
    if event.topic == house.config.topics.bridge_presence:
        _met(house, turn, event)
    elif event.payload == b"offline":
        _called_offline(house, turn)
    else:
        house.timers.cancel(Timer(PROOF))


def answered(house: House, turn: Turn) -> None:
    """Begin to work, since nobody has answered; or learn, now without a word, of the devices."""
    if house.presence.role is Role.STANDING_BY:
        _take_early_list(house, turn)
    if house.presence.role is not Role.ASKING:
        return
    house.presence.role = Role.ACTIVE
    health.soon(house, turn)
    if house.presence.stood_by:
        house.presence.stood_by = False
        turn.note("info", "taken_over", base_topic=house.config.topics.base)
    if house.broker_connected:
        tell(house, turn)
        _work(house, turn)


def expire(house: House, turn: Turn) -> None:
    """Forget bridges that have fallen silent; where the one that worked is among them, ask who works."""
    for other in house.presence.expire(turn.now.monotonic):
        turn.note("info", "other_bridge_gone", **_facts(other))
    health.soon(house, turn)
    if house.presence.role is Role.STANDING_BY and not house.presence.active:
        _ask(house, turn)
        tell(house, turn)
    _watch(house)


def reclaim(house: House, turn: Turn) -> None:
    """Assert everything that another bridge may have overwritten, and have notifications sent here again."""
    if house.retained.connected:
        turn.assert_everything()
        push_side.register(house, turn, renew=False, asked=True)


def disbelieve(house: House, turn: Turn) -> None:
    """Take the work back from somebody who says that he is a bridge, and does nothing like one."""
    if house.presence.role is Role.STANDING_BY and (other := house.presence.shun(turn.now.monotonic)) is not None:
        turn.note("warning", "other_bridge_disbelieved", **_facts(other))
        _ask(house, turn)
        tell(house, turn)
        _watch(house)


def _met(house: House, turn: Turn, event: BridgeHeard) -> None:
    presence, now = house.presence, turn.now.monotonic
    known = set(presence.others)
    other = presence.heard(_read(event.payload), now)
    if other is None:
        return
    new = other.instance not in known
    if new:
        turn.note("warning", "other_bridge_found", **_facts(other), base_topic=house.config.topics.base, hint=HINT)
        health.soon(house, turn)
    if presence.yields_to(other):
        _stand_by(house, turn, other)
    elif presence.works and other.role is Role.ACTIVE:
        house.timers.set(Timer(RECLAIM), now + YIELDED)
    elif presence.nobody_works:
        _ask(house, turn)
        new = True
    if new or other.role is Role.ASKING:
        tell(house, turn)
    _watch(house)


def _ask(house: House, turn: Turn) -> None:
    """Wait whether somebody works; what is commanded meanwhile is kept for whoever does."""
    house.presence.role = Role.ASKING
    house.timers.set(Timer(ANSWER), turn.now.monotonic + ANSWER_WITHIN)


def _called_offline(house: House, turn: Turn) -> None:
    """Contradict who says that this bridge is offline; find out whether the one that works is."""
    presence = house.presence
    if presence.works:
        if house.retained.connected and not house.arriving:
            turn.emit(Publish(topic=house.config.topics.bridge_state, content="online", qos=1))
        tell(house, turn)
        return
    for other in presence.others.values():
        if other.role is not Role.STANDING_BY:
            soon = min(other.until, turn.now.monotonic + SUSPECT_FOR)
            presence.others[other.instance] = replace(other, until=soon)
    _watch(house)


def _stand_by(house: House, turn: Turn, other: Other) -> None:
    """Leave the work to another bridge: all that is under way ends, and nothing is published any more."""
    if house.presence.works:
        # Whoever hears that this one has worked asserts everything, and shows by that what he is.
        tell(house, turn)
        house.presence.unproven = other.instance
        house.timers.set(Timer(PROOF), turn.now.monotonic + PROOF_WITHIN)
    house.presence.role, house.presence.stood_by = Role.STANDING_BY, True
    house.timers.cancel(Timer(ANSWER))
    house.timers.cancel(Timer(POLL))
    for node in list(house.registry.nodes.values()):
        house.commands.abandon(turn, node, "STANDING_BY", WHY)
        users_side.abandon(house, turn, node.device.id, WHY)
    requests.end(house, turn, WHY)
    house.retained.disconnected()
    if house.early_list is not None:
        house.timers.set(Timer(ANSWER), turn.now.monotonic + SOON)
    turn.note("warning", "standing_by", **_facts(other), hint=HINT)
    health.soon(house, turn)
    tell(house, turn)


def _work(house: House, turn: Turn) -> None:
    """Assert everything, and begin with what only the bridge at work does where it does not go on anyway."""
    _take_early_list(house, turn)
    turn.touch_bridge()
    turn.assert_everything()
    if gone := house.retained.gone:
        turn.emit(LookFor(topics=gone))
    house.timers.cancel(Timer(BIRTH))
    house.retained.connected = True
    announcing.connected(house, turn)
    if (house.earlier or house.withdrawals) and Timer(FORGET) not in house.timers:
        house.timers.set(Timer(FORGET), turn.now.monotonic + house.stale_after)
    if house.registry.lists and Timer(POLL) not in house.timers and house.queries.poll is None:
        background.poll(house, turn)
        push_side.register(house, turn, renew=False, asked=True)


def _take_early_list(house: House, turn: Turn) -> None:
    early, house.early_list = house.early_list, None
    if early is not None:
        cloud_side.devices_listed(house, turn, early)


def _read(payload: bytes) -> Json:
    try:
        return parse_json(payload)
    except ValueError:
        return None


def _watch(house: House) -> None:
    house.timers.cancel(Timer(OTHERS))
    house.timers.hasten(Timer(OTHERS), house.presence.next_expiry)


def _facts(other: Other) -> dict[str, Json]:
    return {"instance": other.instance, "version": other.version, "since": other.started}
