"""A NATS cluster: what is retained is on all nodes, MQTT 3.1.1 only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.balancer import balancer
from tests.support.clusters import Cluster, nats, several_addresses

from .scene import Scene, scene, settled

pytestmark = pytest.mark.cluster


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Run three nodes."""
    with nats(tmp_path) as running:
        yield running


async def test_node_lost(cluster: Cluster, tmp_path: Path) -> None:
    """A bridge whose node is killed goes on at another; both that are left then tell the truth, and take commands."""
    first, *others = cluster.nodes
    async with scene(tmp_path, cluster) as play, balancer(cluster.nodes) as front:
        bridge = play.bridge(f"127.0.0.1:{front.port}")
        await bridge.start()
        try:
            before = await play.truth(others[0], "LOCKED")
            first.kill()
            await play.turned("Unlocked")
            for node in others:
                after = await play.truth(node, "UNLOCKED")
                assert after.keys() == before.keys()
            assert len(bridge.logged("broker_connected")) > 1
            await _same(play)
            await play.commanded(others[-1], "LOCK")
            for node in others:
                await play.truth(node, "LOCKED")
            first.launch()
            first.await_listening()
            await play.truth(first, "LOCKED")
        finally:
            await bridge.close()
        left = await play.until_held(others[0], lambda held: held.get("bridge/state") == "offline")
        assert left["front_door/lock"] == "LOCKED"


async def _same(play: Scene) -> None:
    """Wait until the nodes that are left give the same."""
    one, other = play.cluster.nodes[1:]
    held = settled(await play.truth(one, "UNLOCKED"))
    await play.until_held(other, lambda found: settled(found) == held)


async def test_name_with_several_addresses(cluster: Cluster, tmp_path: Path) -> None:
    """Where the name in `mqtt.url` has several addresses, one after the other is tried until a node is there."""
    env = several_addresses(tmp_path / "hosts", "brokers.example.org", [node.host for node in cluster.nodes])
    async with scene(tmp_path, cluster) as play:
        bridge = play.bridge(f"brokers.example.org:{cluster.nodes[0].port}")
        await bridge.start(None, **env)
        try:
            await play.truth(cluster.nodes[-1], "LOCKED")
            # Which node the bridge is at is left to the resolver: the connections on its side tell.
            cluster.nodes[0].kill()
            await play.turned("Unlocked")
            await play.truth(cluster.nodes[-1], "UNLOCKED")
            assert len(bridge.logged("broker_connected")) > 1
        finally:
            await bridge.close()
