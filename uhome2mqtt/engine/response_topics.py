"""Where answers may be sent."""

from __future__ import annotations

from uhome2mqtt.engine.house import House
from uhome2mqtt.events import Reply


def usable(house: House, reply: Reply | None) -> Reply | None:
    """Give a response topic unless what is there is the bridge's own word: states, commands, discovery.

    The bridge may write where the sender of the message may not, and must not lend its hand. Its own response topics
    are for answers, whoever asks for them there.
    """
    if reply is None:
        return None
    topics, topic = house.config.topics, reply.topic
    state = topics.parse_state(topic)
    own = (
        topics.parse_command(topic) is not None
        or topics.is_discovery(topic)
        or topics.is_bridges_own(topic)
        or (state is not None and house.registry.is_pinned(state[0]))
    )
    return None if own else reply
