"""A device as the house has it, and as the cloud believes it to be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from uhome2mqtt.simulator.vocabulary import Jam

Value = str | int | float | bool | dict[str, int] | None
States = dict[str, Value]
"""Values by `capability.attribute`, such as `{"st.lock.lockState": "Locked"}`, in the order of the wire."""

HEALTH = "st.healthCheck.status"
LOCK_STATE = "st.lock.lockState"
LOCK_MODE = "st.lock.lockMode"
BATTERY = "st.batteryLevel.level"
DOOR = "st.doorSensor.sensorState"
SWITCH = "st.switch.switch"
LEVEL = "st.switchLevel.level"

NORMAL, PASSAGE, LOCKED_MODE = 0, 1, 2


@dataclass(slots=True, kw_only=True)
class LockUser:
    """Somebody with a keypad code."""

    id: int
    name: str
    type: int
    status: int = 1
    sync_status: int = 1
    password: int | None = None
    schedule: dict[str, Any] = field(default_factory=dict)

    def listed(self) -> dict[str, Any]:
        """Give what `list` shows: neither the code nor the schedule."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "status": self.status,
            "sync_status": self.sync_status,
        }

    def shown(self) -> dict[str, Any]:
        """Give what `get` shows, the code in clear."""
        code = {} if self.password is None else {"password": self.password}
        return self.listed() | code | self.schedule


@dataclass(slots=True, kw_only=True)
class SimDevice:
    """True state in `states` and `online`; what Query answers with in `visible` and `visible_online`."""

    id: str
    name: str
    category: str
    handle_type: str
    model: str
    hw_version: str = "01.00.0001"
    manufacturer: str = "U-tec"
    attributes: dict[str, Any] = field(default_factory=dict)
    states: States = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    online: bool = True
    auto_lock: float = 0.0
    jam: Jam = Jam.FREE
    users: list[LockUser] = field(default_factory=list)
    visible: States = field(init=False)
    visible_online: bool = field(init=False)

    def __post_init__(self) -> None:
        self.visible = dict(self.states)
        self.visible_online = self.online

    @property
    def is_lock(self) -> bool:
        return LOCK_STATE in self.states
