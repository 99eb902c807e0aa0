"""What the bridge is subscribed to, also where the broker refuses some of it at first."""

from __future__ import annotations

import asyncio

import aiomqtt
from paho.mqtt.subscribeoptions import SubscribeOptions

from uhome2mqtt import logs
from uhome2mqtt.broker_client import NEVER_RETAINED, REFUSED, Link, code_value

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds until what was refused is asked for again; the pauses double."""


class Subscriptions:
    """The subscriptions of one connection.

    A refusal need not be the access rules' last word: a cluster that has just lost a node refuses what it grants a
    moment later, and without another attempt the bridge would be deaf to commands until its next connection.
    """

    def __init__(self, link: Link, client: aiomqtt.Client, version: str) -> None:
        self._link = link
        self._client = client
        self._version = version
        self._log = logs.get_logger()
        self._refused: list[str] = []

    async def ask(self) -> None:
        """Subscribe to everything, and say what is refused."""
        link = self._link
        status = [link.status_topic] if link.status_topic else []
        for topic in (*link.shared_topics, *link.command_filters, *link.config_filters, *status):
            if not await self._granted(topic):
                self._refused.append(topic)
                hint = "check the broker's access rules; it is asked again"
                self._log.error("subscription_refused", topic=topic, hint=hint)

    async def keep_asking(self) -> None:
        """Ask for what was refused, ever more rarely, until all of it is granted."""
        pause = FIRST_PAUSE
        while self._refused:
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            for topic in [*self._refused]:
                if await self._granted(topic):
                    self._refused.remove(topic)
                    self._log.info("subscription_granted", topic=topic)

    async def _granted(self, topic: str) -> bool:
        if self._version == "5":
            commands = topic in self._link.command_filters
            # With the flag as published, a command that its sender marks as retained is known even when it is live.
            # Elsewhere only what changes from now on is of interest.
            options = SubscribeOptions(
                qos=1,
                noLocal=True,
                retainAsPublished=commands,
                retainHandling=0 if commands else NEVER_RETAINED,
            )
            codes = await self._client.subscribe(topic, options=options)
        else:
            codes = await self._client.subscribe(topic, qos=1)
        return all(code_value(code) < REFUSED for code in codes)
