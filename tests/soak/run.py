"""One soak: a bridge for whom time flies, lived with and looked at."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.actors import Household, household
from tests.chaos.faults import FAULTS
from tests.chaos.invariants import Invariants
from tests.chaos.scene import Scene, scene
from tests.support.patience import eventually
from uhome2mqtt.simulator.dice import Dice
from uhome2mqtt.tasks import cancelled

from .life import CHANGES, QUIRKS, live, mind_the_login, scrape
from .measure import Sample, leaks


@dataclass(slots=True, kw_only=True)
class Soak:
    """What is to be lived through; `minutes`: ours, `every`: seconds between two looks at everything."""

    seed: int
    minutes: float
    speed: int = 100
    every: float = 60.0
    say: Callable[[str], None] = lambda _text: None
    samples: list[Sample] = field(default_factory=list)

    async def play(self, directory: Path) -> None:
        """Live for so long; raises one of `BROKEN` where something does not hold, or has grown."""
        async with scene(directory, speed=self.speed, changes=CHANGES) as prepared:
            await prepared.stage.account.control("PATCH", "quirks", QUIRKS)
            async with household(prepared, self.seed) as home:
                await self._live(prepared, home)

    async def _live(self, prepared: Scene, home: Household) -> None:
        dice, began, happened = Dice(self.seed, "life"), time.monotonic(), 0
        invariants = Invariants(scene=prepared, home=home)
        # From now on its tokens are of an hour.
        await FAULTS["token_revoked"](prepared, home.owner, dice)
        others = [asyncio.create_task(scrape(prepared)), asyncio.create_task(mind_the_login(prepared))]
        try:
            while True:
                await self._hold(invariants, home)
                self.samples.append(await sample(prepared, (time.monotonic() - began) * self.speed / 3600))
                self.say(await self._line(prepared, home, happened))
                if time.monotonic() - began > 60 * self.minutes:
                    break
                happened += await live(prepared, home.owner, dice, self.every)
        finally:
            await cancelled(others)
        assert not (grown := leaks(self.samples)), "; ".join(grown)

    async def _hold(self, invariants: Invariants, home: Household) -> None:
        await invariants.back()
        home.quiet()
        await invariants.hold()
        home.awake()

    async def _line(self, prepared: Scene, home: Household, happened: int) -> str:
        metrics, last = await prepared.metrics(), self.samples[-1]
        renewals = sum(entry["name"] == "token" for entry in prepared.stage.account.cloud.requests.since())
        return (
            f"{last.hours:6.1f} h: {happened} things have happened, {len(home.owner.asked)} commands,"
            f" {metrics['uhome2mqtt_notifications_total']:.0f} notifications, {renewals} renewals,"
            f" {metrics['uhome2mqtt_broker_connections_total']:.0f} connections; {last.descriptors} descriptors,"
            f" {last.threads} threads, {last.tasks} tasks, {sum(last.objects.values()):,} objects,"
            f" {last.resident / 2**20:.1f} MiB, {last.cpu:.0f} s of CPU"
        )


async def sample(prepared: Scene, hours: float) -> Sample:
    """Look at what the process uses, and have it count what is in its memory."""
    told = prepared.shim / "counted"
    told.unlink(missing_ok=True)
    prepared.bridge.send(signal.SIGUSR2)
    await eventually(told.exists)
    counted: dict[str, Any] = json.loads(told.read_text())
    use = prepared.use()
    return Sample(
        hours=hours,
        descriptors=use.descriptors,
        threads=use.threads,
        resident=use.resident,
        tasks=counted["tasks"],
        cpu=prepared.cpu(),
        objects=counted["objects"],
    )
