"""An ejabberd cluster: MQTT 5, and each node keeps what is retained to itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.balancer import balancer
from tests.support.clusters import Cluster, ejabberd

from .scene import scene

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Run two nodes that have joined."""
    with ejabberd(tmp_path) as running:
        yield running


async def test_node_lost(cluster: Cluster, tmp_path: Path) -> None:
    """A bridge whose node is killed goes on at the other, where all is asserted, and which takes commands."""
    first, second = cluster.nodes
    async with scene(tmp_path, cluster) as play, balancer(cluster.nodes) as front:
        bridge = play.bridge(f"127.0.0.1:{front.port}")
        await bridge.start()
        try:
            before = await play.truth(first, "LOCKED")
            first.kill()
            await play.turned("Unlocked")
            after = await play.truth(second, "UNLOCKED")
            assert after.keys() == before.keys()
            await play.commanded(second, "LOCK")
            await play.truth(second, "LOCKED")
        finally:
            await bridge.close()


async def test_another_node(cluster: Cluster, tmp_path: Path) -> None:
    """Who comes to another node than the bridge's is given nothing there, and everything after a `reassert`."""
    first, second = cluster.nodes
    async with scene(tmp_path, cluster) as play:
        bridge = play.bridge(f"{first.host}:{first.port}")
        await bridge.start()
        try:
            held = await play.truth(first, "LOCKED")
            assert await second.held(play.base) == {}
            heard = await play.heard(second, "reassert")
            assert heard.keys() >= held.keys()
            assert heard["front_door/lock"] == "LOCKED"
        finally:
            await bridge.close()


async def test_without_being_asked(cluster: Cluster, tmp_path: Path) -> None:
    """With `mqtt.reassert_every` who comes to another node hears everything in time without asking for it."""
    first, second = cluster.nodes
    async with scene(tmp_path, cluster) as play:
        bridge = play.bridge(f"{first.host}:{first.port}", reassert_every=60)
        await bridge.start()
        try:
            held = await play.truth(first, "LOCKED")
            heard = await play.heard(second, None)
            assert heard.keys() >= held.keys()
        finally:
            await bridge.close()
