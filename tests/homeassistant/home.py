"""A stage whose bridge talks to a Home Assistant, with somebody who looks at it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.account import BACK, COFFEE, DINING, FRONT, GARAGE, HALL
from tests.support.ear import client, held
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually
from tests.support.process import Bridge
from tests.support.stage import Stage, merged, staged

from .hass import PATIENCE, PREFIX, Hass, Json, Visitor, until

BEDSIDE = "84:F7:03:30:00:06"
HOUSEHOLD = (FRONT, BACK, GARAGE, HALL, DINING, BEDSIDE, COFFEE)
ENTITIES = 54
"""Of the demo household and its bridge, in Home Assistant."""


def node(device_id: str) -> str:
    """Give the identifier of a device in Home Assistant."""
    return f"uhome2mqtt_{device_id.replace(':', '').lower()}"


@dataclass(slots=True, kw_only=True)
class Home:
    """Who lives here has a bridge on a stage, and a Home Assistant."""

    stage: Stage
    hass: Hass
    ha: Visitor
    visits: AsyncExitStack

    async def hass_back(self) -> None:
        """Start Home Assistant again, and look at it."""
        self.hass.start()
        self.ha = await self.visits.enter_async_context(self.hass.visit())

    def settings(self, changes: Mapping[str, Any]) -> Json:
        """Give changes to the usual configuration, with the prefix that this Home Assistant listens to."""
        ours = {"discovery_prefix": PREFIX, "status_topic": f"{PREFIX}/status"}
        return merged({"homeassistant": ours}, changes)

    async def up(self, count: int = ENTITIES, **changes: Any) -> Bridge:
        """Start a bridge, and wait until Home Assistant has everything."""
        bridge = await self.stage.up(**self.settings(changes))
        await self.known(count)
        return bridge

    async def again(self, **changes: Any) -> Bridge:
        """Start another bridge in the place of the one that has ended, and wait for what it says first."""
        bridge = self.stage.bridge(**self.settings(changes))
        since = self.stage.ear.now
        await bridge.start()
        await self.stage.ear.until("bridge/state", "online", since, deadline=30)
        return bridge

    async def known(self, count: int = ENTITIES) -> dict[str, Json]:
        """Wait until so many entities are known and every enabled one has its state; gives their entries."""

        async def holds() -> dict[str, Json] | None:
            entities = await self.ha.entities()
            if len(entities) != count:
                return None
            states = await self.ha.states()
            shown = (entry["entity_id"] for entry in entities.values() if entry["disabled_by"] is None)
            return entities if all(_is_there(states.get(entity_id)) for entity_id in shown) else None

        try:
            return await until(holds)
        except AssertionError:
            entities, states = await self.ha.entities(), await self.ha.states()
            away = [entry["entity_id"] for entry in entities.values() if not _is_there(states.get(entry["entity_id"]))]
            raise AssertionError((len(entities), away, await self.ha.complaints())) from None

    async def registry(self) -> list[Json]:
        """Give everything of every entity's entry, but for when it was last written."""
        entries = (await self.ha.entities()).values()
        kept = [{key: value for key, value in entry.items() if key != "modified_at"} for entry in entries]
        return sorted(kept, key=lambda entry: str(entry["unique_id"]))

    async def configs(self) -> dict[str, str]:
        """Give the config topics of ours that the broker holds."""
        topics = await held(self.stage.broker, PREFIX)
        return {
            topic: payload for topic, payload in topics.items() if '"uhome2mqtt"' in payload or "migrate" in payload
        }

    async def request(self, name: str, /, **members: Any) -> Json:
        """Ask something of the bridge, and give its answer."""
        since = self.stage.ear.now
        await self.stage.ear.say(f"bridge/request/{name}", json.dumps(members))
        await self.stage.ear.until(f"bridge/response/{name}", lambda _: True, since, deadline=30)
        answer: Json = self.stage.ear.documents(f"bridge/response/{name}", since)[0]
        assert answer["status"] == "ok", answer
        return answer

    async def caught_up(self) -> None:
        """Wait until Home Assistant has seen what was published before."""
        fence = f"fence/{uuid4()}"
        async with client(self.stage.broker) as publisher:
            # Retained, since Home Assistant subscribes some time after it has said that it did.
            await publisher.publish(fence, "here", qos=1, retain=True)
            heard = await self.ha.listen("mqtt/subscribe", topic=fence)
            await eventually(lambda: heard, PATIENCE)
            await publisher.publish(fence, b"", qos=1, retain=True)

    async def calm(self) -> None:
        """Assert that Home Assistant has found nothing to complain of."""
        await self.caught_up()
        if complaints := await self.ha.complaints():
            raise AssertionError(complaints)

    async def leave(self) -> None:
        """Let Home Assistant forget everything, as a stage leaves nothing behind."""
        await self.stage.aclose()
        await clear(self.stage.broker, await held(self.stage.broker, PREFIX))

        async def gone() -> bool:
            return not await self.ha.entities()

        try:
            await until(gone)
        except AssertionError:
            left = [entry["entity_id"] for entry in (await self.ha.entities()).values()]
            raise AssertionError((left, await self.ha.complaints())) from None
        await self.ha.forget_complaints()


async def clear(broker: Mosquitto, topics: Iterable[str]) -> None:
    """Clear retained topics."""
    async with client(broker) as publisher:
        for topic in topics:
            await publisher.publish(topic, b"", qos=1, retain=True)


@asynccontextmanager
async def moved_in(directory: Path, broker: Mosquitto, hass: Hass) -> AsyncIterator[Home]:
    """Prepare a stage in front of a Home Assistant that is running."""
    async with staged(directory, broker) as stage, AsyncExitStack() as visits:
        ha = await visits.enter_async_context(hass.visit())
        await ha.forget_complaints()
        home = Home(stage=stage, hass=hass, ha=ha, visits=visits)
        try:
            yield home
        finally:
            await home.leave()


def _is_there(state: Json | None) -> bool:
    return state is not None and state["state"] != "unavailable"
