"""What the broker's access rules keep from being retained: it is published again, for the rules may change."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

from uhome2mqtt import logs
from uhome2mqtt.broker_client import REFUSED
from uhome2mqtt.effects import Publish

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
SETTLED_AFTER = 10.0
"""Seconds without another refusal after which all that was published again counts as taken."""


class Refusals:
    """The newest message of each topic that the broker has refused.

    A refusal comes in the acknowledgement, which MQTT 3.1.1 has no room for; then nobody hears of it.
    """

    def __init__(self, publish: Callable[[Publish], None]) -> None:
        self._publish = publish
        self._under_way: Counter[str] = Counter()
        self._refused: dict[str, Publish] = {}
        self._some = asyncio.Event()
        self._outage, self._lost_events = logs.Outage(), logs.Outage()
        self._log = logs.get_logger()

    def connected(self, outbox: Iterable[Publish]) -> None:
        """Begin with a connection: what was refused by the last one is asserted anew."""
        self._under_way = Counter(message.topic for message in outbox)
        self._outage.over()
        self._lost_events.over()

    def lost(self) -> list[Publish]:
        """End with a connection; gives what nobody asserts, because it is to be gone."""
        clears = [message for message in self._refused.values() if not message.content]
        self._refused.clear()
        self._some.clear()
        return clears

    def queued(self, message: Publish) -> None:
        """Take note of a message that is to be published: it makes an older one of its topic pointless."""
        self._under_way[message.topic] += 1
        self._refused.pop(message.topic, None)

    def acknowledged(self, message: Publish, code: int) -> None:
        """Take note of the broker's answer to a message."""
        newest = self._under_way[message.topic] <= 1
        if newest:
            del self._under_way[message.topic]
            if not self._under_way:
                # Else it would keep the room that it took when everything was published at once.
                self._under_way.clear()
        else:
            self._under_way[message.topic] -= 1
        if code < REFUSED:
            return
        outage = self._outage if message.retain else self._lost_events
        say = self._log.debug if outage.lasts() else self._log.error
        hint = "check the broker's access rules; what is retained is published again"
        say("publish_not_allowed", topic=message.topic, reason=code, hint=hint)
        if newest and message.retain:
            self._refused[message.topic] = message
            self._some.set()

    async def keep_trying(self) -> None:
        """Publish again what was refused, ever more rarely, until all of it is taken."""
        while True:
            await self._some.wait()
            pause = FIRST_PAUSE
            while self._some.is_set():
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
                await self._again()
            self._log.info("publish_allowed", **self._outage.over())

    async def _again(self) -> None:
        """Publish it once more, and wait whether that is refused."""
        again, self._refused = self._refused, {}
        self._some.clear()
        for message in again.values():
            self._publish(message)
        try:
            async with asyncio.timeout(SETTLED_AFTER):
                await self._some.wait()
        except TimeoutError:
            return
