from __future__ import annotations

import asyncio
from contextlib import suppress

from uhome2mqtt.simulator import ManualClock, SimulatedCloud, play
from uhome2mqtt.simulator.scenario import EVERYDAY_LIFE, drain_battery

from .support import BACK, FRONT


async def live(cloud: SimulatedCloud, clock: ManualClock, seconds: int, speed: float = 1.0) -> None:
    """Let somebody live in the house for some seconds."""
    life = asyncio.create_task(play(cloud, speed))
    for _ in range(seconds):
        await asyncio.sleep(0)
        clock.advance(1)
        await asyncio.sleep(0)
    life.cancel()
    with suppress(asyncio.CancelledError):
        await life


async def test_the_first_event_is_the_keypad() -> None:
    """About eight seconds after the start somebody unlocks the back door, which locks itself, on the keypad."""
    clock = ManualClock()
    cloud = SimulatedCloud(clock=clock)
    await live(cloud, clock, 7)
    assert cloud.occurrences.since() == []
    await live(cloud, clock, 9)
    [first] = cloud.occurrences.since()
    assert (first["device"], first["cause"]) == (BACK, "keypad")
    assert first["states"] == {"st.lock.lockState": "Unlocked"}


async def test_an_hour_of_life() -> None:
    """Something happens every ten to twenty seconds, of every kind, and the battery sinks now and then."""
    clock = ManualClock()
    cloud = SimulatedCloud(clock=clock)
    await live(cloud, clock, 3600)
    causes = [occurrence["cause"] for occurrence in cloud.occurrences.since()]
    assert 3600 / 20 - 2 <= len(causes) <= 3600 / 10
    assert set(causes) >= {"keypad", "door", "wall switch", "time"}
    assert causes.count("time") < causes.count("keypad")


async def test_speed() -> None:
    """Ten times the speed, ten times the life."""
    clock = ManualClock()
    cloud = SimulatedCloud(clock=clock)
    await live(cloud, clock, 10, speed=10)
    assert len(cloud.occurrences.since()) >= 5


def test_batteries_are_changed() -> None:
    """An empty battery is replaced by a full one."""
    cloud = SimulatedCloud(clock=ManualClock())
    levels = []
    for _ in range(6):
        drain_battery(cloud)
        levels.append(cloud.house.devices[FRONT].states["st.batteryLevel.level"])
    assert levels == [4, 3, 2, 1, 5, 4]


def test_an_empty_house() -> None:
    """In a house without devices life goes on without events."""
    cloud = SimulatedCloud(devices=[], clock=ManualClock())
    for happen in EVERYDAY_LIFE:
        happen(cloud)
    assert cloud.occurrences.since() == []
