from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from uhome2mqtt.simulator import DeviceChange, ManualClock, Quirks, SimulatedCloud
from uhome2mqtt.simulator.device import BATTERY, DOOR, LEVEL, LOCK_MODE, LOCK_STATE, SWITCH
from uhome2mqtt.simulator.physics import Command, effect

from .support import BACK, DINING, FRONT, GARAGE

if TYPE_CHECKING:
    from uhome2mqtt.simulator import SimDevice
    from uhome2mqtt.simulator.device import Value


class World:
    """A cloud whose time stands still."""

    def __init__(self, *quirks: str) -> None:
        self.clock = ManualClock()
        self.cloud = SimulatedCloud(quirks=Quirks.parse(quirks), clock=self.clock)

    def device(self, device_id: str) -> SimDevice:
        return self.cloud.house.devices[device_id]

    def command(self, device_id: str, name: str, delay: float = 1.0, **arguments: int) -> None:
        capability, _, verb = name.rpartition(".")
        command = Command(capability=capability, name=verb, arguments=dict(arguments))
        self.cloud.house.execute(self.device(device_id), command, delay=delay)

    def hand(self, device_id: str, **change: object) -> None:
        self.cloud.happen(self.device(device_id), DeviceChange.model_validate(change))


def test_history() -> None:
    """What a device has ever reported or shown is remembered, in order."""
    world = World("read_back_lag=5")
    world.hand(FRONT, states={LOCK_STATE: "Unlocked"})
    world.hand(FRONT, states={LOCK_STATE: "Locked"})
    world.clock.advance(5.0)
    found = [entry["states"][LOCK_STATE] for entry in world.cloud.house.history.since() if entry["device"] == FRONT]
    assert found == ["Locked", "Unlocked", "Locked", "Unlocked", "Locked"]


def test_a_bolt_takes_its_time() -> None:
    """A command changes the true state when the bolt has moved, not before."""
    world = World()
    world.command(FRONT, "st.lock.unlock", 1.0)
    world.clock.advance(0.9)
    assert world.device(FRONT).states[LOCK_STATE] == "Locked"
    world.clock.advance(0.2)
    assert world.device(FRONT).states[LOCK_STATE] == "Unlocked"
    assert world.device(FRONT).visible[LOCK_STATE] == "Unlocked"


def test_read_back_lag() -> None:
    """A change is visible to Query only after the lag."""
    world = World("read_back_lag=30,40")
    world.hand(FRONT, states={LOCK_STATE: "Unlocked"})
    world.clock.advance(29)
    assert world.device(FRONT).visible[LOCK_STATE] == "Locked"
    world.clock.advance(12)
    assert world.device(FRONT).visible[LOCK_STATE] == "Unlocked"


def test_late_news_does_not_overtake() -> None:
    """When an older change takes longer through the cloud than a newer one, the newer one stays."""
    world = World("read_back_lag=0,40")
    for number in range(200):
        world.hand(DINING, states={LEVEL: number % 100 + 1})
        world.clock.advance(1)
    world.clock.advance(60)
    assert world.device(DINING).visible == world.device(DINING).states


def test_auto_lock() -> None:
    """The back door relocks after 30 s, counted from the last unlocking."""
    world = World()
    world.hand(BACK, states={LOCK_STATE: "Unlocked"})
    world.clock.advance(20)
    world.hand(BACK, states={LOCK_STATE: "Unlocked"})
    world.clock.advance(29)
    assert world.device(BACK).states[LOCK_STATE] == "Unlocked"
    world.clock.advance(2)
    assert world.device(BACK).states[LOCK_STATE] == "Locked"


def test_auto_lock_by_quirk() -> None:
    """A quirk gives a device an auto-lock, or takes it away."""
    world = World(f'auto_lock={{"{FRONT}": 5, "{BACK}": 0}}')
    world.hand(FRONT, states={LOCK_STATE: "Unlocked"})
    world.hand(BACK, states={LOCK_STATE: "Unlocked"})
    world.clock.advance(3600)
    assert world.device(FRONT).states[LOCK_STATE] == "Locked"
    assert world.device(BACK).states[LOCK_STATE] == "Unlocked"


def test_auto_lock_ends_with_locking() -> None:
    """Somebody who locks by hand and unlocks again starts the time anew; other changes do not."""
    world = World()
    world.hand(BACK, states={LOCK_STATE: "Unlocked"})
    world.clock.advance(10)
    world.hand(BACK, states={LOCK_STATE: "Locked"})
    world.hand(BACK, states={BATTERY: 4})
    world.clock.advance(25)
    world.hand(BACK, states={LOCK_STATE: "Unlocked"})
    world.clock.advance(29)
    assert world.device(BACK).states[LOCK_STATE] == "Unlocked"


def test_passage_mode() -> None:
    """Passage unlocks and holds against lock, unlock and auto-lock; normal locks again."""
    world = World()
    world.command(BACK, "st.lock.setMode", mode=1)
    world.clock.advance(1)
    world.command(BACK, "st.lock.lock")
    world.clock.advance(3600)
    assert (world.device(BACK).states[LOCK_STATE], world.device(BACK).states[LOCK_MODE]) == ("Unlocked", 1)
    world.command(BACK, "st.lock.setMode", mode=0)
    world.clock.advance(1)
    assert (world.device(BACK).states[LOCK_STATE], world.device(BACK).states[LOCK_MODE]) == ("Locked", 0)


def test_passage_mode_that_obeys() -> None:
    """A quirk lets a lock obey lock commands in passage mode."""
    world = World("passage_ignores_lock=false")
    world.command(FRONT, "st.lock.setMode", mode=1)
    world.clock.advance(1)
    world.command(FRONT, "st.lock.lock")
    world.clock.advance(1)
    assert world.device(FRONT).states[LOCK_STATE] == "Locked"


def test_locked_mode() -> None:
    """Mode 2 locks the door."""
    world = World()
    world.hand(FRONT, states={LOCK_STATE: "Unlocked"})
    world.command(FRONT, "st.lock.setMode", mode=2)
    world.clock.advance(1)
    assert (world.device(FRONT).states[LOCK_STATE], world.device(FRONT).states[LOCK_MODE]) == ("Locked", 2)


def test_jam() -> None:
    """A stuck bolt is Jammed at once and stays so whatever is commanded, until it is freed."""
    world = World()
    world.hand(FRONT, jam=True)
    assert world.device(FRONT).states[LOCK_STATE] == "Jammed"
    world.command(FRONT, "st.lock.unlock")
    world.clock.advance(1)
    assert world.device(FRONT).states[LOCK_STATE] == "Jammed"
    world.hand(FRONT, jam=False)
    world.command(FRONT, "st.lock.unlock")
    world.clock.advance(1)
    assert world.device(FRONT).states[LOCK_STATE] == "Unlocked"


def test_jam_of_the_next_movement() -> None:
    """A bolt can jam when it moves next, and only then."""
    world = World()
    world.hand(BACK, jam="next")
    assert world.device(BACK).states[LOCK_STATE] == "Locked"
    world.command(BACK, "st.lock.unlock")
    world.clock.advance(1)
    assert world.device(BACK).states[LOCK_STATE] == "Jammed"
    world.command(BACK, "st.lock.unlock")
    world.clock.advance(1)
    assert world.device(BACK).states[LOCK_STATE] == "Unlocked"


def test_a_hand_frees_a_bolt() -> None:
    """Moving a stuck bolt by hand frees it."""
    world = World()
    world.hand(FRONT, jam=True)
    world.hand(FRONT, states={LOCK_STATE: "Unlocked"})
    world.command(FRONT, "st.lock.lock")
    world.clock.advance(1)
    assert world.device(FRONT).states[LOCK_STATE] == "Locked"


def test_auto_lock_into_a_jam() -> None:
    """Auto-lock moves the bolt as well, so it can jam."""
    world = World()
    world.hand(BACK, states={LOCK_STATE: "Unlocked"}, jam="next")
    world.hand(BACK, jam="next")
    world.clock.advance(31)
    assert world.device(BACK).states[LOCK_STATE] == "Jammed"


@pytest.mark.parametrize(
    ("command", "level", "switch", "kept"), [("st.switchLevel", 40, "on", 40), ("st.switch", 0, "off", 100)]
)
def test_dimmer_levels(command: str, level: int, switch: str, kept: int) -> None:
    """A level above 0 turns on; 0 turns off and the dimmer keeps its last level."""
    world = World()
    world.command(DINING, f"{command}.setLevel", level=level)
    world.clock.advance(1)
    assert (world.device(DINING).states[SWITCH], world.device(DINING).states[LEVEL]) == (switch, kept)


def test_an_offline_device_lives_on() -> None:
    """What an offline device does, the cloud learns when it is back; a command under way is lost."""
    world = World()
    world.command(GARAGE, "st.lock.unlock")
    world.hand(GARAGE, states={"st.healthCheck.status": "Offline", DOOR: "Open"})
    world.clock.advance(5)
    assert world.device(GARAGE).states[LOCK_STATE] == "Locked"
    assert world.device(GARAGE).visible[DOOR] == "Closed"
    world.hand(GARAGE, online=True)
    assert world.device(GARAGE).visible[DOOR] == "Open"
    assert world.device(GARAGE).visible_online


def test_battery_that_sticks() -> None:
    """A sticky battery shows the best level that the cloud has seen."""
    world = World("battery_sticky=true")
    for level in (3, 1, 4):
        world.hand(GARAGE, states={BATTERY: level})
    assert world.device(GARAGE).visible[BATTERY] == 4
    assert world.device(GARAGE).states[BATTERY] == 4
    world.hand(GARAGE, states={BATTERY: 1})
    assert world.device(GARAGE).visible[BATTERY] == 4


def test_unknown_commands_do_nothing() -> None:
    """A command without a rule changes nothing."""
    world = World()
    assert effect(world.device(FRONT), Command(capability="st.color", name="paint")) == {}


async def test_closing_stops_time() -> None:
    """Nothing happens in a house that is closed."""
    world = World()
    world.command(FRONT, "st.lock.unlock")
    await world.cloud.aclose()
    world.clock.advance(60)
    assert world.device(FRONT).states[LOCK_STATE] == "Locked"


def test_the_same_seed_repeats_itself() -> None:
    """Two clouds with one seed make the same random choices, another seed makes others."""

    def lags(seed: int) -> list[Value]:
        clock = ManualClock()
        cloud = SimulatedCloud(quirks=Quirks.parse(["read_back_lag=0,9"]), seed=seed, clock=clock)
        device = cloud.house.devices[DINING]
        seen = []
        for level in range(1, 30):
            cloud.house.set_states(device, {LEVEL: level})
            clock.advance(1)
            seen.append(device.visible[LEVEL])
        return seen

    assert lags(1) == lags(1)
    assert lags(1) != lags(2)
