"""One run: steps drawn from a seed, each a fault and what must hold after it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.stage import merged
from uhome2mqtt.simulator.dice import Dice

from .actors import Household, household
from .faults import FAULTS, side
from .invariants import Invariants
from .scene import PAUSE, QUICK, Scene, scene
from .trial import BROKEN

SLEEP = 600.0
"""Seconds for which the process stands still, once, in a run of at least as many."""

OLD = 3
"""With every third seed the bridge speaks MQTT 3.1.1."""
TOGETHER = 0.3
"""Probability that a fault does not come alone."""


class ChaosError(AssertionError):
    """Something did not hold; says how to see it again."""

    def __init__(self, run: Run, problem: str) -> None:
        steps = " ".join(run.done)
        super().__init__(f"{problem}\nseed {run.seed}, steps so far: {steps}\nagain: {run.again}")


@dataclass(slots=True, kw_only=True)
class Run:
    """What is to be played, and how far it has come; `minutes`: for how long, in place of a number of steps."""

    seed: int
    steps: int
    minutes: float = 0.0
    only: Sequence[str] = ()
    say: Callable[[str], None] = lambda _text: None
    done: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return list(self.only) or list(FAULTS)

    @property
    def again(self) -> str:
        """The command that plays the same steps."""
        only = f" --only {' '.join(self.only)}" if self.only else ""
        return f"scripts/chaos --seed {self.seed} --steps {max(len(self.done), 1)}{only}"

    @property
    def changes(self) -> dict[str, Any]:
        return {"mqtt": {"protocol": "3.1.1"}} if self.seed % OLD == OLD - 1 else {}

    async def play(self, directory: Path) -> None:
        """Play all steps; raises ChaosError."""
        try:
            async with (
                scene(directory, clock="clock" in self.faults, changes=merged(QUICK, self.changes)) as prepared,
                household(prepared, self.seed) as home,
            ):
                invariants = Invariants(scene=prepared, home=home)
                if Dice(self.seed, "push").chance(0.5):
                    await prepared.stage.account.control("PATCH", "quirks", {"push_mode": "dead"})
                await self._settle(invariants, home)
                await self._all(prepared, invariants, home)
        except BROKEN as problem:
            raise ChaosError(self, str(problem) or repr(problem)) from problem

    async def _all(self, prepared: Scene, invariants: Invariants, home: Household) -> None:
        dice, until = Dice(self.seed, "chaos"), time.monotonic() + 60 * self.minutes
        while time.monotonic() < until if self.minutes else len(self.done) < self.steps:
            names = self._drawn(dice)
            sleeps = "stop" in names and self.minutes * 60 >= SLEEP and "stop" not in self.done
            prepared.pause = (SLEEP, SLEEP) if sleeps else PAUSE
            await self._step(["stop"] if sleeps else names, prepared, invariants, home, dice)

    def _drawn(self, dice: Dice) -> list[str]:
        """Draw one fault, or two that happen at the same time."""
        names = [dice.pick(self.faults)]
        others = [name for name in self.faults if side(name) != side(names[0])]
        return [*names, dice.pick(others)] if others and dice.chance(TOGETHER) else names

    async def _step(
        self, names: Sequence[str], prepared: Scene, invariants: Invariants, home: Household, dice: Dice
    ) -> None:
        self.done.append("+".join(names))
        began = time.monotonic()
        await asyncio.gather(*(FAULTS[name](prepared, home.owner, dice) for name in names))
        over = time.monotonic()
        await asyncio.sleep(dice.between((0.5, 3.0)))
        await invariants.back()
        back = time.monotonic()
        await self._settle(invariants, home, starved="memory" in names)
        settled = time.monotonic()
        self.say(
            f"{len(self.done):3d} {self.done[-1]:30s} {over - began:5.1f} s, back after {back - over:4.1f} s, all true"
            f" after {settled - over:4.1f} s; {len(home.owner.asked)} commands, {prepared.use()}"
        )

    async def _settle(self, invariants: Invariants, home: Household, *, starved: bool = False) -> None:
        home.quiet()
        await invariants.hold(starved=starved)
        home.awake()
