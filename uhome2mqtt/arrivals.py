"""What arrives on a command topic, with what MQTT 5 says of it."""

from __future__ import annotations

import aiomqtt

from uhome2mqtt.events import MessageReceived, Reply

LONGEST_REPLY_TOPIC, MOST_REPLY_LEVELS = 1024, 100
"""Bytes, levels. mosquitto passes on a response topic of more than 200 levels, and hangs up on who publishes there."""


def received(topic: str, message: aiomqtt.Message, since: float | None = None) -> MessageReceived:
    """Read a message that may have waited since a moment; a response topic that nothing can be published to is none."""
    properties = message.properties
    expiry = getattr(properties, "MessageExpiryInterval", None)
    reply = getattr(properties, "ResponseTopic", None)
    usable = isinstance(reply, str) and _can_be_published_to(reply)
    return MessageReceived(
        topic=topic,
        payload=message.payload,
        since=since,
        retained=message.retain,
        expiry=None if expiry is None else float(expiry),
        reply=Reply(topic=str(reply), correlation=getattr(properties, "CorrelationData", None)) if usable else None,
    )


def _can_be_published_to(topic: str) -> bool:
    """Tell whether no broker hangs up on us for a topic that somebody wants his answer on."""
    return (
        topic.isprintable()
        and not topic.startswith("$")
        and not set(topic) & set("+#")
        and 0 < len(topic.encode(errors="replace")) <= LONGEST_REPLY_TOPIC
        and topic.count("/") < MOST_REPLY_LEVELS
    )
