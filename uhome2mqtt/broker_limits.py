"""How large a message a broker takes: some say so, some only hang up on what is larger."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import aiomqtt
from paho.mqtt.properties import Properties

from uhome2mqtt import logs
from uhome2mqtt.broker_client import PACKET_TOO_LARGE, PROTOCOL_ERROR, UNSPECIFIED, reason_code

LARGE = 4096
"""Bytes from which on a message may be one that a broker does not take; states and commands are shorter."""
WITHOUT_A_WORD = {-1, 4, 7, UNSPECIFIED, PROTOCOL_ERROR}
"""What the client library calls the end of a connection of which the broker has not told the reason; the last, where
the broker has said that a message is too large in an acknowledgement, in which MQTT 5 has no such word."""
NOTICED_WITHIN = 5.0
"""Seconds within which a broker hangs up on a message that it does not bear, where nothing is acknowledged."""
LEARNED_FOR = 86_400.0
"""Seconds after which what a broker was taken not to take is tried again, at the next connection."""
HINT = "raise the largest packet or message that the broker takes; until then nothing is told on this topic"


def packet_size(topic: str, payload: int, qos: int, properties: Properties | None, version: str) -> int:
    """Give the bytes of a PUBLISH, of which the payload has so many; ValueError for a topic that is no text."""
    length = 2 + len(topic.encode()) + payload + (2 if qos else 0)
    if version == "5":
        length += 1 if properties is None else len(properties.pack())
    return 1 + max(1, (length.bit_length() + 6) // 7) + length


class Limits:
    """What the broker has announced, or was found, not to take.

    Found is a limit by the broker's own word, or where two connections in a row were lost without one while the same
    large message was the largest that it had not acknowledged, or had just been sent without asking for that.
    """

    def __init__(self) -> None:
        self._largest: int | None = None
        self._learned_at: float | None = None
        self._under_way: dict[object, tuple[int, str]] = {}
        self._just_sent: deque[tuple[float, int, str]] = deque()
        self._suspect = ""
        self._said: set[str] = set()
        self._emptied: set[str] = set()
        self._log = logs.get_logger()

    def connected(self, announced: int | None) -> None:
        """Begin with a connection, and with the largest packet that the broker says it takes."""
        self._emptied.clear()
        learned = self._learned_at is not None and time.monotonic() < self._learned_at + LEARNED_FOR
        if announced is None and learned:
            return
        if announced != self._largest:
            self._said.clear()
        self._largest, self._learned_at = announced, None

    def takes(self, topic: str, size: int) -> bool:
        """Tell whether the broker takes a message; says once for each topic that it does not."""
        if self._largest is None or size <= self._largest:
            self._emptied.discard(topic)
            return True
        say = self._log.debug if topic in self._said else self._log.error
        say("publish_too_large", topic=topic, size=size, limit=self._largest, hint=HINT)
        self._said.add(topic)
        return False

    def leaves(self, topic: str) -> bool:
        """Tell whether what stands on a topic that cannot be told must go: it is of before; configs claim nothing."""
        if topic.endswith("/config") or topic in self._emptied:
            return False
        self._emptied.add(topic)
        return True

    @contextmanager
    def under_way(self, topic: str, size: int, *, acknowledged: bool) -> Iterator[None]:
        """Take note of a message until it is acknowledged, or would be; what its connection does not outlive stays."""
        key = object()
        self._under_way[key] = size, topic
        try:
            yield
        except ValueError:  # it has not left
            del self._under_way[key]
            raise
        del self._under_way[key]
        if not acknowledged and size >= LARGE:
            now = time.monotonic()
            self._just_sent.append((now, size, topic))
            while self._just_sent[0][0] < now - NOTICED_WITHIN:
                self._just_sent.popleft()

    def ended(self, problem: aiomqtt.MqttError | None) -> None:
        """End with a connection, and find out whether a message was what the broker did not bear."""
        since = time.monotonic() - NOTICED_WITHIN
        recent = [(size, topic) for sent_at, size, topic in self._just_sent if sent_at >= since]
        size, topic = max([*self._under_way.values(), *recent], default=(0, ""))
        self._under_way.clear()
        self._just_sent.clear()
        before, self._suspect = self._suspect, ""
        if problem is None or size < LARGE:
            return
        code = reason_code(problem.__cause__ or problem)
        # What has no cause is the bridge's own end of a connection, to silence or after standing still.
        if code in WITHOUT_A_WORD and problem.__cause__ is not None:
            self._suspect = topic
        if code == PACKET_TOO_LARGE or before == self._suspect != "":
            self._largest, self._learned_at = size - 1, time.monotonic()
