"""Readiness asked at the broker: for a bridge without a web server, or one whose port nobody knows."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime

from uhome2mqtt.broker_client import read_retained
from uhome2mqtt.compose import reading_link, topics_of
from uhome2mqtt.errors import BrokerError, SettingsError
from uhome2mqtt.readiness import judged
from uhome2mqtt.settings import Settings
from uhome2mqtt.threads import Abandonable


def at_broker(settings: Settings) -> tuple[str, ...]:
    """Look at what the bridge has retained of its state and health."""
    topics = topics_of(settings)
    wanted = (topics.bridge_state, topics.bridge_health)

    async def held() -> dict[str, bytes]:
        asyncio.get_running_loop().set_default_executor(Abandonable())
        return await read_retained(reading_link(settings, f"uhome2mqtt-health-{secrets.token_hex(4)}"), wanted)

    try:
        found = asyncio.run(held())
    except (BrokerError, SettingsError) as problem:
        return (str(problem),)
    state, health = (found.get(topic, b"") for topic in wanted)
    return judged(state, health, datetime.now(UTC))
