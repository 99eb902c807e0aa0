"""What the broker retains: what an earlier run left, and what is there again though it was cleared."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

import aiomqtt

from uhome2mqtt import logs
from uhome2mqtt.broker_client import Link, explained, new_client, read_into
from uhome2mqtt.events import StillHeld

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
"""Seconds until what could not be looked at is looked at again; the pauses double."""


class ReadBack:
    """Reads over connections of its own.

    On the main connection wide subscriptions would overlap with those for commands, and a broker may then deliver a
    command twice.
    """

    def __init__(self, tell: Callable[[StillHeld], None]) -> None:
        self._tell = tell
        self._sought: tuple[str, ...] = ()
        self._some = asyncio.Event()
        self._unread, self._unseen = logs.Outage(), logs.Outage()
        self._log = logs.get_logger()

    async def everything(self, link: Link, version: str) -> tuple[dict[str, bytes], bool]:
        """Collect what there is of ours; gives it, and whether that worked."""
        retained: dict[str, bytes] = {}
        hint = "tried again at the next connection"
        if await self._read(link, version, link.read_back_filters, retained, self._unread, hint) is None:
            return retained, False
        if self._unread.under_way:
            self._log.info("read_back_done", topics=len(retained), **self._unread.over())
        return retained, True

    def look_for(self, topics: tuple[str, ...]) -> None:
        """Look soon whether these topics hold anything."""
        self._sought = topics
        self._some.set()

    def ended(self) -> None:
        """End with a connection: what is to be looked for over the next one is asked for anew."""
        self.look_for(())
        self._some.clear()

    async def keep_looking(self, link: Link, version: str) -> None:
        """Look for what is asked for, ever more rarely for what the broker does not show."""
        while True:
            await self._some.wait()
            pause = FIRST_PAUSE
            while self._sought:
                sought = self._sought
                unseen = await self._look(link, version, sought)
                if self._sought is not sought:
                    continue
                self._sought = unseen
                if unseen:
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
            self._some.clear()

    async def _look(self, link: Link, version: str, topics: tuple[str, ...]) -> tuple[str, ...]:
        """Tell what is held; gives the topics of which that is not known."""
        held: dict[str, bytes] = {}
        refused = await self._read(link, version, topics, held, self._unseen, "tried again soon")
        if held:
            self._tell(StillHeld(held=held))
        if refused is None:
            return topics
        if not refused and self._unseen.under_way:
            self._log.info("read_back_done", topics=len(held), **self._unseen.over())
        return tuple(refused)

    async def _read(
        self,
        link: Link,
        version: str,
        filters: Collection[str],
        retained: dict[str, bytes],
        outage: logs.Outage,
        hint: str,
    ) -> list[str] | None:
        """Read into `retained`; gives the filters that were refused, None where the connection failed."""
        try:
            return await read_into(new_client(link, version, f"{link.client_id}-read"), filters, retained)
        except aiomqtt.MqttError as problem:
            say = self._log.debug if outage.lasts() else self._log.warning
            say("read_back_failed", why=explained(problem), hint=hint)
            return None
