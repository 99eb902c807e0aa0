"""The simulated cloud itself: the parts, put together, without any HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uhome2mqtt.simulator.clock import LoopClock
from uhome2mqtt.simulator.dice import Dice
from uhome2mqtt.simulator.faults import Faults
from uhome2mqtt.simulator.grants import Grants
from uhome2mqtt.simulator.house import House
from uhome2mqtt.simulator.household import demo_household
from uhome2mqtt.simulator.journal import Journal
from uhome2mqtt.simulator.push import Pusher
from uhome2mqtt.simulator.quirks import Quirks
from uhome2mqtt.simulator.rate import RateLimit
from uhome2mqtt.simulator.wire import entry, opaque_id, public_id, record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uhome2mqtt.simulator.clock import Clock
    from uhome2mqtt.simulator.device import SimDevice
    from uhome2mqtt.simulator.orders import DeviceChange


class SimulatedCloud:
    """One account with its devices, logins and push registration."""

    def __init__(
        self,
        devices: Iterable[SimDevice] | None = None,
        quirks: Quirks | None = None,
        *,
        seed: int = 0,
        clock: Clock | None = None,
    ) -> None:
        self.quirks = Quirks() if quirks is None else quirks
        self.clock: Clock = LoopClock() if clock is None else clock
        self.dice = Dice(seed, "answers")
        self.user_id = Dice(seed, "account").token()[:32]
        self.requests = Journal()
        self.occurrences = Journal()
        self.faults = Faults(clock=self.clock, dice=Dice(seed, "faults"))
        self.grants = Grants(quirks=self.quirks, clock=self.clock, dice=Dice(seed, "tokens"))
        self.pusher = Pusher(quirks=self.quirks, clock=self.clock, dice=Dice(seed, "pushes"))
        self.rate_limit = RateLimit(quirks=self.quirks, clock=self.clock)
        self.house = House(
            demo_household() if devices is None else devices,
            quirks=self.quirks,
            clock=self.clock,
            dice=Dice(seed, "house"),
            changed=self._state_changed,
        )
        self._opaque = {opaque_id(device): device.id for device in self.house.devices.values()}

    def find(self, device_id: str) -> SimDevice | None:
        """Find a device by its own id or by the one on the wire."""
        return self.house.devices.get(self._opaque.get(device_id, device_id))

    def put(self, device: SimDevice) -> None:
        """Add a device to the account, or replace it, and announce it."""
        self.house.add(device)
        self._opaque[opaque_id(device)] = device.id
        self.announce(device)

    def remove(self, device: SimDevice) -> None:
        """Take a device out of the account and announce that."""
        self.house.devices.pop(device.id, None)
        self.pusher.notify("DeviceDelete", [{"id": public_id(device, self.quirks)}])

    def happen(self, device: SimDevice, change: DeviceChange) -> None:
        """Let something happen to a device as if by hand; what the cloud hears of it is pushed."""
        self.occurrences.add(device=device.id, **change.model_dump(exclude_unset=True, by_alias=True))
        if change.auto_lock is not None:
            device.auto_lock = change.auto_lock
        if change.online is not None:
            self.house.set_online(device, online=change.online)
        if change.jam is not None:
            self.house.set_jam(device, change.jam_of_bolt())
        self.house.set_states(device, change.states)
        if change.name is not None and change.name != device.name:
            device.name = change.name
            self.announce(device)

    def announce(self, device: SimDevice) -> None:
        """Push the record of a device that is new or was renamed."""
        self.pusher.notify("DeviceSync", [record(device, self.quirks)])

    async def aclose(self) -> None:
        """Stop everything that would still happen."""
        self.house.close()
        await self.pusher.aclose()

    def _state_changed(self, device: SimDevice, changed: frozenset[str]) -> None:
        self.pusher.notify("DeviceState", [self.state_entry(device)], changed=changed)

    def state_entry(self, device: SimDevice) -> dict[str, object]:
        """Give the full set of states, as a DeviceState notification has it."""
        states = device.states if device.online else device.visible
        return entry(device, states, online=device.online, quirks=self.quirks, dice=self.dice)
