from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from uhome2mqtt.simulator import Quirks, SimulatedCloud, demo_household, serve

from .support import Client, Receiver, new_http

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    """Give a client of a demo household whose bolts and notifications are quick."""
    quirks = Quirks.parse(["bolt_seconds=0.05", "switch_seconds=0.02", "push_delay=0"])
    cloud = SimulatedCloud(devices=demo_household(), quirks=quirks)
    async with serve(cloud) as running, new_http(running.url) as http:
        token = cloud.grants.mint("test")["access_token"]
        yield Client(cloud=cloud, http=http, token=token)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Give a running receiver of notifications."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    yield receiver
    server.close()
    for writer in receiver.writers:
        writer.close()
    await asyncio.sleep(0)
