"""What the broker's events lead to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from uhome2mqtt.effects import Publish
from uhome2mqtt.engine import company, requests, users_side
from uhome2mqtt.engine.house import BIRTH, FORGET, REASSERT, House
from uhome2mqtt.engine.presence import Role
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.engine.read_back import begun_since, elsewhere, forgotten, owners, pins_of
from uhome2mqtt.engine.response_topics import is_usable
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.events import BrokerConnected, MessageReceived, Reply, StillHeld
from uhome2mqtt.model import Asker, Json, shortened
from uhome2mqtt.packed import pack
from uhome2mqtt.topics import RequestTopic, SetTopic, Topics

LONGEST_TOPIC = 256
"""Characters of a topic in the log."""
BIRTH_DELAY = (0.5, 5.0)
"""Seconds, between them by chance: Home Assistant's start is busy, and other bridges answer it too."""


def connected(house: House, turn: Turn, event: BrokerConnected) -> None:
    """Take in what the broker holds, and begin to work unless another bridge does."""
    if event.retained is not None:
        _read_back(house, turn, event.retained)
    elif house.withdrawals and Timer(FORGET) not in house.timers:
        house.timers.set(Timer(FORGET), turn.now.monotonic)
    house.info["mqtt_protocol"] = event.protocol
    house.broker_connected = True
    held = event.retained or {}
    company.connected(house, turn, claimed=held.get(house.config.topics.bridge_state) == b"online")
    _reassert_later(house, turn)


def disconnected(house: House) -> None:
    """Publish nothing until the next connection."""
    house.broker_connected = False
    house.retained.disconnected()


def home_assistant_started(house: House, turn: Turn) -> None:
    """Plan to assert everything once more for Home Assistant, which may have lost it."""
    low, high = BIRTH_DELAY
    house.timers.set(Timer(BIRTH), turn.now.monotonic + low + (high - low) * house.chance())


def home_assistant_settled(house: House, turn: Turn) -> None:
    """Assert everything once more; without a connection the next one does."""
    if house.retained.connected:
        turn.assert_everything()


def reassert(house: House, turn: Turn) -> None:
    """Assert everything once more as the time has come, for whoever the broker has given nothing."""
    home_assistant_settled(house, turn)
    _reassert_later(house, turn)


def still_held(house: House, turn: Turn, event: StillHeld) -> None:
    """Clear once more what a broker that was killed has brought back: it is no longer true, or never was ours again."""
    if not house.presence.works or not house.retained.connected:
        return
    wanted = house.retained.wanted | house.announcer.old.keys()
    returned = _ours(house, event.held) - wanted
    if returned:
        turn.note("warning", "cleared_again", topics=len(returned), hint="the broker held what had been cleared")
        turn.clears.extend(house.retained.leave(sorted(returned)))


def message_received(house: House, turn: Turn, event: MessageReceived) -> None:
    """Take what arrived on a command topic."""
    topic = house.config.topics.parse_command(event.topic)
    if not house.presence.works:
        turn.note("debug", "left_to_other_bridge", topic=shortened(event.topic, LONGEST_TOPIC))
        if isinstance(event.reply, Asker):
            # Nobody else has heard it.
            left: dict[str, Json] = {
                "status": "error",
                "data": {},
                "error": f"STANDING_BY: {company.WHY}",
                "transaction": None,
            }
            turn.answer(event.reply, dump(left))
        return
    if topic is None or house.reception.is_echo(turn, event, topic, house.info["mqtt_protocol"]):
        return
    if isinstance(event.reply, Reply) and not is_usable(house, event.reply.topic):
        topics = {"topic": event.topic, "response_topic": event.reply.topic}
        turn.note("warning", "response_topic_ignored", **{n: shortened(t, LONGEST_TOPIC) for n, t in topics.items()})
        event = replace(event, reply=None)
    if isinstance(topic, RequestTopic):
        requests.received(house, turn, event, topic.name)
        return
    node = house.registry.at_level(topic.device)
    if event.retained:
        house.reception.refuse_retained(turn, event, topic)
    elif isinstance(topic, SetTopic):
        if node is None and not house.registry.lists and house.registry.is_pinned(topic.device):
            house.reception.fail_early(turn, event, topic, house.cloud.status)
        else:
            house.reception.receive(turn, event, topic, node, house.stale_after)
    else:
        requests.get(house, turn, event, topic.device, node)


def forget_earlier_run(house: House, turn: Turn) -> None:
    """Withdraw what an earlier run claimed and no device list has renewed in time."""
    if not house.retained.connected:
        return
    turn.touched |= house.earlier & house.registry.nodes.keys()
    house.earlier.clear()
    absent = {topic for topic, owner in (house.left_over or {}).items() if owner not in house.registry.nodes}
    unrenewed = [publish for publish in house.withdrawals if publish.topic in absent]
    # A broker that was killed may hold the claims again: they are withdrawn anew with each connection.
    house.withdrawals = tuple(unrenewed)
    if unrenewed:
        turn.note("warning", "earlier_states_withdrawn", topics=len(unrenewed))
        turn.effects.extend(unrenewed)


def stop(house: House, turn: Turn) -> None:
    """End every command and say that the bridge leaves; one that only stands by does not speak for the other."""
    if house.presence.role is Role.STANDING_BY:
        return
    house.presence.role = Role.ACTIVE
    for node in list(house.registry.nodes.values()):
        house.commands.abandon(turn, node, "BRIDGE_STOPPED", "the bridge stops and can no longer follow this command")
        users_side.abandon(house, turn, node.device.id, "the bridge stops")
    requests.end(house, turn, "the bridge stops")
    house.arriving = False
    turn.clears.extend(house.retained.sweep())
    turn.emit(Publish(topic=house.config.topics.bridge_state, content="offline", qos=1))


def _reassert_later(house: House, turn: Turn) -> None:
    if house.config.reassert_every is not None:
        house.timers.set(Timer(REASSERT), turn.now.monotonic + house.config.reassert_every)


def _read_back(house: House, turn: Turn, retained: Mapping[str, bytes]) -> None:
    topics = house.config.topics
    house.registry.adopt(pins_of(topics, retained))
    here = owners(topics, retained, house.registry.pins)
    house.earlier = {owner for owner in here.values() if owner} - house.registry.nodes.keys()
    house.announcer.foreign = frozenset(topic for topic in retained if topics.parse_discovery(topic)) - here.keys()
    house.left_over = here | _elsewhere(house, turn, retained)
    configs = [topic for topic in house.left_over if topics.parse_discovery(topic) is not None]
    house.retained.remember({topic: pack([retained[topic].decode(errors="replace")]) for topic in configs})
    house.withdrawals = tuple(forgotten(topics, retained))
    house.read_back_at = turn.now.monotonic
    house.timers.set(Timer(FORGET), house.read_back_at + house.stale_after)


def _ours(house: House, held: Mapping[str, bytes]) -> set[str]:
    """Tell what of it a bridge on this base topic left, or this one on the base topic that it had before."""
    topics, pins = house.config.topics, house.registry.pins
    ours = set(owners(topics, held, pins))
    started = str(house.config.about.get("started", ""))
    if house.former is not None and not begun_since(house.former, held, started):
        ours |= elsewhere(house.former, topics, held, pins).keys()
    return ours


def _elsewhere(house: House, turn: Turn, retained: Mapping[str, bytes]) -> dict[str, str | None]:
    record, topics = house.announcer.record, house.config.topics
    earlier = Topics(base=record.base, discovery_prefix=record.prefix)
    if record.layout is None or earlier == topics:
        return {}
    if earlier.base != topics.base and retained.get(earlier.bridge_state) == b"online":
        house.announcer.elsewhere_in_use = True
        turn.note("warning", "earlier_base_topic_in_use", base=earlier.base, hint="another bridge is there: left alone")
        return {}
    house.former = earlier
    return elsewhere(earlier, topics, retained, house.registry.pins)
