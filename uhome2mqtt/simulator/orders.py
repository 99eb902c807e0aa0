"""What the control interface is asked for, checked."""

from __future__ import annotations

import json
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from uhome2mqtt.simulator.device import SimDevice, States
from uhome2mqtt.simulator.vocabulary import Jam, PushShape


class Order(BaseModel):
    """Base of the bodies: unknown fields are mistakes, and numbers do not turn into text."""

    model_config = ConfigDict(extra="forbid", strict=True)


class DeviceChange(Order):
    """Something that happens to a device other than through the API."""

    states: States = Field({}, description="True values by `capability.attribute`.")
    cause: str = Field("", description="Written to the list of occurrences; the real cloud does not tell it.")
    online: bool | None = None
    name: str | None = None
    jam: bool | Literal["next"] | None = Field(
        None, description="true: stuck from now on; `next`: the next movement jams; false: free."
    )
    auto_lock: float | None = Field(None, ge=0, alias="autoLock")

    def jam_of_bolt(self) -> Jam:
        return {True: Jam.STUCK, "next": Jam.NEXT}.get(self.jam or "", Jam.FREE)


class DeviceInfo(Order):
    """The part of a record that names the hardware."""

    manufacturer: str = "U-tec"
    model: str = "Simulated"
    hw_version: str = Field("01.00.0001", alias="hwVersion")


class DeviceRecord(Order):
    """A device to add: its record as in Discovery, its first states, and what its hardware does by itself."""

    name: str
    category: str = "SmartLock"
    handle_type: str = Field("utec-lock", alias="handleType")
    device_info: DeviceInfo = Field(DeviceInfo(), alias="deviceInfo")
    attributes: dict[str, Any] = {}
    states: States = {}
    online: bool = True
    auto_lock: float = Field(0.0, ge=0, alias="autoLock")

    def device(self, device_id: str) -> SimDevice:
        own = self.model_dump(exclude={"device_info"})
        return SimDevice(id=device_id, **own, **self.device_info.model_dump())


class PushOrder(Order):
    """A notification to send now: a `body` as it stands, a `text` that need not be JSON, or a shape of devices."""

    body: Any = None
    text: str | None = None
    name: Literal["DeviceState", "DeviceSync", "DeviceDelete"] = "DeviceState"
    shape: PushShape = Field(PushShape.ENVELOPE, strict=False)
    devices: list[str] = Field([], description="Ids; none: all of them.")
    changed: list[str] = Field([], description="Keys of the states that a partial shape shows; none: the first.")

    def given_text(self) -> str | None:
        """Give the content to send as it stands; a `body` of null is one, too."""
        return json.dumps(self.body) if "body" in self.model_fields_set else self.text


class MintOrder(Order):
    """Tokens for a client that has no need to log in."""

    client_id: str = "minted"
