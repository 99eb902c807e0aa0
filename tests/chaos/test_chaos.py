"""Each fault alone, and a few seeds; all are played at the same time, some at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio

from uhome2mqtt.tasks import cancelled

from .faults import FAULTS
from .play import Run

pytestmark = [pytest.mark.chaos, pytest.mark.asyncio(loop_scope="module")]

SEEDS = (1, 2, 123)
STEPS = 2
AT_ONCE = 8
"""Runs: more would wait for the machine, and not for the bridge."""
SEED = 7

Played = Mapping[str | int, asyncio.Task[None]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Played]:
    """Play all runs; each test waits for the end of its own."""
    places = asyncio.Semaphore(AT_ONCE)

    async def play(run: Run) -> None:
        async with places:
            await run.play(tmp_path_factory.mktemp("run"))

    runs: dict[str | int, Run] = {seed: Run(seed=seed, steps=STEPS) for seed in SEEDS}
    runs |= {name: Run(seed=SEED, steps=1, only=[name]) for name in FAULTS}
    playing = {name: asyncio.create_task(play(run)) for name, run in runs.items()}
    yield playing
    await cancelled(playing.values())


@pytest.mark.parametrize("name", FAULTS)
async def test_fault(played: Played, name: str) -> None:
    """After each kind of fault the bridge is back, tells the truth and nothing else, and has done what it was asked."""
    await played[name]


@pytest.mark.parametrize("seed", SEEDS)
async def test_seed(played: Played, seed: int) -> None:
    """After several faults in a row, as a seed draws them, all of that holds as well."""
    await played[seed]
