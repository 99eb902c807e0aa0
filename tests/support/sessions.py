"""Sessions that a broker keeps, with what is sent meanwhile, for a client that is away."""

from __future__ import annotations

from typing import Any

import aiomqtt
from aiomqtt import ProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from .ear import Server, client

KEPT = 3600
"""Seconds."""


async def leave_session(broker: Server, version: ProtocolVersion, client_id: str, *filters: str) -> None:
    """Leave a session behind, as a client would that wants what it misses while it is away."""
    async with lasting_client(broker, version, client_id) as leaving:
        await leaving.subscribe([(topic, 1) for topic in filters])


def lasting_client(broker: Server, version: ProtocolVersion, client_id: str) -> aiomqtt.Client:
    """Make a client that takes up its session and leaves it behind, not yet connected."""
    if version is not ProtocolVersion.V5:
        return client(broker, version, identifier=client_id, clean_session=False)
    make: Any = Properties  # paho leaves it untyped
    wishes: Properties = make(PacketTypes.CONNECT)
    wishes.SessionExpiryInterval = KEPT
    return client(broker, version, identifier=client_id, clean_start=False, properties=wishes)
