"""Where answers may be sent."""

from __future__ import annotations

from uhome2mqtt.engine.house import House


def is_usable(house: House, topic: str) -> bool:
    """Tell whether answers may be sent to a topic: not where the bridge has its own say (states, commands, discovery).

    The bridge may write where the sender of the message may not, and must not lend its hand. Its own response topics
    are for answers, whoever asks for them there.
    """
    topics, state = house.config.topics, house.config.topics.parse_state(topic)
    own = (
        topics.parse_command(topic) is not None
        or topics.parse_discovery(topic) is not None
        or topics.is_bridges_own(topic)
        or (state is not None and house.registry.is_pinned(state[0]))
    )
    return not own
