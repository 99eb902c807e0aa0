"""What Home Assistant is told, over restarts, other settings, and deletions, on a real broker."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pytest

from tests.support.account import FRONT
from tests.support.ear import client, held
from tests.support.stage import Stage
from uhome2mqtt.topics import Topics, node_id

pytestmark = pytest.mark.e2e

NODE = "uhome2mqtt_0c7fed100001"
WHOLE = f"ha/device/{NODE}/config"
BOTH = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


def configs(held_by_the_broker: Mapping[str, str]) -> dict[str, str]:
    """Give the config topics of what a broker holds."""
    return {topic: text for topic, text in held_by_the_broker.items() if topic.endswith("/config")}


def unique_ids(held_by_the_broker: Mapping[str, str]) -> list[str]:
    """Give the unique ids of all entities that are described, in either layout."""
    described = map(json.loads, configs(held_by_the_broker).values())
    return sorted(
        entity["unique_id"] for config in described for entity in config.get("components", {"": config}).values()
    )


async def empty(stage: Stage, topic: str) -> None:
    """Empty a retained topic, as somebody else does."""
    async with client(stage.broker) as somebody:
        await somebody.publish(stage.ear.topic(topic), "", qos=1, retain=True)


async def cleared(stage: Stage, topics: Iterable[str]) -> None:
    """Wait until topics have been cleared."""
    for topic in topics:
        await stage.ear.until(topic, "", deadline=40)


@BOTH
async def test_another_layout(stage: Stage, protocol: str) -> None:
    """Another layout after a restart leaves the same entities, under other topics, and no old topic."""
    bridge = await stage.up(mqtt={"protocol": protocol})
    before = await stage.held()
    assert await bridge.stop() == 0
    moved = stage.bridge(homeassistant={"discovery": "entity"}, mqtt={"protocol": protocol})
    await moved.start()
    await cleared(stage, configs(before))
    after = await stage.held()
    assert unique_ids(after) == unique_ids(before)
    lock = f"ha/lock/{node_id(stage.ear.base)}/{NODE}-lock/config"
    assert lock in after
    assert not configs(before).keys() & configs(after).keys()
    assert await moved.stop() == 0
    kept = json.loads((stage.state_dir / "discovery.json").read_text())
    assert (kept["layout"], kept["base_topic"]) == ("entity", stage.ear.base)
    await moved.start()
    await moved.until_logged("devices_listed", 2)
    assert len(moved.logged("discovery_moves")) == len(moved.logged("discovery_moved")) == 1


@BOTH
async def test_deleted_and_restored(stage: Stage, protocol: str) -> None:
    """A device that somebody deletes stays deleted over a restart, and alone, until it is restored."""
    bridge = await stage.up(mqtt={"protocol": protocol})
    before = configs(await stage.held())
    since = stage.ear.now
    await empty(stage, WHOLE)
    event = await stage.ear.until_event("bridge/event", "device_excluded", since)
    assert (event["id"], event["topic"]) == (FRONT, "front_door")
    assert await bridge.stop() == 0
    await bridge.start()
    await stage.complete(stage.ear.now)
    assert configs(await stage.held()).keys() == before.keys() - {WHOLE}
    await stage.ear.say("bridge/request/device/restore", json.dumps({"device": "front_door"}))
    await stage.ear.until_event("bridge/event", "device_restored", since)
    assert configs(await stage.held()) == before
    assert len(bridge.logged("device_excluded")) == 1


async def test_another_base_topic(stage: Stage) -> None:
    """Another base topic and prefix leave nothing on the old ones but what somebody else keeps there."""
    bridge = await stage.up()
    assert await bridge.stop() == 0
    left = await stage.held()
    await stage.ear.say("notes", "mine", retain=True)
    base = f"{stage.ear.base}-new"
    moved = stage.bridge(mqtt={"base_topic": base}, homeassistant={"discovery_prefix": f"{base}/ha"})
    await moved.start()
    await cleared(stage, left)
    assert await stage.held() == {"notes": "mine"}
    now = await held(stage.broker, base)
    topics = Topics(base=base, discovery_prefix=f"{base}/ha")
    assert {topics.bridge_state, topics.discovery(NODE), topics.key("front_door", "lock")} <= now.keys()
