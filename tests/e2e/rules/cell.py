"""One place in the matrix: a bridge and a client of one version of MQTT on one broker."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiomqtt import ProtocolVersion

from tests.support.account import Account
from tests.support.ear import Ear
from tests.support.patience import eventually
from tests.support.stage import Stage, in_process, merged

VERSIONS = {"5": ProtocolVersion.V5, "3.1.1": ProtocolVersion.V311}
BROKERS = ("mosquitto", "embedded")
LONGEST = 60.0
"""Seconds to wait for anything: other cells are played at the same time, on a machine that may be slow."""

USUAL: dict[str, Any] = {
    # No poll but the first: whatever else is asked has a reason.
    "polling": {"interval": 3600},
    # What hangs goes on hanging until the bridge is stopped.
    "uhome": {"timeout": 60},
    "web": {"enabled": False},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Where a rule is played."""

    protocol: str
    broker: str
    stage: Stage

    @property
    def ear(self) -> Ear:
        return self.stage.ear

    @property
    def account(self) -> Account:
        return self.stage.account

    @property
    def version(self) -> ProtocolVersion:
        return VERSIONS[self.protocol]

    @property
    def shows_live_flag(self) -> bool:
        """Whether somebody who is subscribed sees that a message was published with the retain flag."""
        return self.protocol == "5" and self.broker == "mosquitto"

    @asynccontextmanager
    async def bridge(self, **changes: Any) -> AsyncIterator[None]:
        """Run a bridge of the cell's version as long as the context lasts, with all devices shown."""
        since = self.ear.now
        configured = merged(merged(USUAL, {"mqtt": {"protocol": self.protocol}}), changes)
        async with in_process(self.stage, **configured):
            await self.stage.complete(since, LONGEST)
            info = await self.stage.held()
            assert json.loads(info["bridge/info"])["mqtt_protocol"] == self.protocol
            yield

    async def say(self, topic: str, payload: str, **options: Any) -> None:
        """Publish below the base topic in the cell's version."""
        await self.ear.say(topic, payload, **options)

    async def outcome(self, device: str, event: str, since: int = 0) -> dict[str, Any]:
        """Wait for an event type on a device's result topic and give its document."""
        return await self.ear.until_event(f"{device}/result", event, since, LONGEST)

    async def refusals(self, device: str, count: int = 1, since: int = 0) -> list[str]:
        """Wait for so many refusals of a device's commands and give their reasons."""

        def reasons() -> list[str]:
            found = self.ear.documents(f"{device}/result", since)
            return [document["reason"] for document in found if document["event_type"] == "refused"]

        try:
            await eventually(lambda: len(reasons()) >= count, LONGEST)
        except TimeoutError:
            raise AssertionError(f"{device}: refused only {reasons()}") from None
        return reasons()

    async def sent(self, count: int) -> list[tuple[str, str]]:
        """Wait until so many commands have reached the cloud, and give them as device and name."""
        try:
            await eventually(lambda: len(self.account.commands()) >= count, LONGEST)
        except TimeoutError:
            raise AssertionError(f"the cloud got only {self.account.commands()}") from None
        return self.account.commands()
