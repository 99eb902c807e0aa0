"""An account, a bridge as a process, and a cluster of brokers that it reaches through a balancer or a name."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiomqtt

from tests.support.account import CLIENT_ID, CLIENT_SECRET, FRONT, Account, account
from tests.support.clusters import Cluster, Node
from tests.support.process import Bridge

PATIENCE = 180.0
AGAIN = 15.0
VOLATILE = ("last_reported", "bridge/health")
"""How the topics end whose payloads depend on the moment."""


@dataclass(slots=True, kw_only=True)
class Scene:
    """What is played on a cluster, below a base topic of its own."""

    directory: Path
    cluster: Cluster
    account: Account
    base: str

    def bridge(self, address: str, **mqtt: Any) -> Bridge:
        """Prepare a bridge that is logged in and finds the cluster at an address, host:port."""
        self.account.log_in(self.directory / "state")
        cloud, user = self.account.url, self.cluster.nodes[0].username
        document = {
            "uhome": {
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "token_url": f"{cloud}/token",
                "api_url": f"{cloud}/action",
            },
            "mqtt": {
                "url": f"mqtt://{address}",
                "base_topic": self.base,
                "keepalive": 5,
                **({} if user is None else {"username": user, "password": "any"}),
                **mqtt,
            },
            "homeassistant": {"discovery_prefix": f"{self.base}/ha", "status_topic": f"{self.base}/ha/status"},
            "polling": {"interval": 10},
            "web": {"enabled": False},
            "state_dir": str(self.directory / "state"),
            "log": {"level": "debug", "format": "json"},
        }
        return Bridge(self.directory / "config.yaml", document)

    async def turned(self, word: str) -> None:
        """Turn the front door's bolt by hand, Locked or Unlocked."""
        await self.account.by_hand(FRONT, states={"st.lock.lockState": word}, cause="key")

    async def truth(self, node: Node, lock: str) -> Mapping[str, str]:
        """Wait until a fresh subscriber on a node is given the whole household with the front door like this."""

        def whole(held: Mapping[str, str]) -> bool:
            return (held.get("bridge/state"), held.get("front_door/lock")) == ("online", lock) and (
                len([topic for topic in held if topic.endswith("/availability")]) == DEVICES
            )

        return await self.until_held(node, whole)

    async def until_held(self, node: Node, wanted: Callable[[Mapping[str, str]], bool]) -> Mapping[str, str]:
        """Wait until what a fresh subscriber on a node is given is as wanted; the node may not be there yet."""
        held: Mapping[str, str] = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        held = await node.held(self.base)
                    except aiomqtt.MqttError:
                        held = {}
                    if wanted(held):
                        return held
                    await asyncio.sleep(0.5)
        except TimeoutError:
            raise AssertionError(f"{node.name} gives {held}") from None

    async def commanded(self, node: Node, word: str) -> None:
        """Lock or unlock through a node, and hear there that it was done.

        As people do, again when nothing happens: a cluster that has lost a node may make the bridge wait for its
        subscription.
        """
        async with node.client() as client, asyncio.timeout(PATIENCE):
            await client.subscribe(f"{self.base}/front_door/result", qos=0)
            while True:
                await client.publish(f"{self.base}/front_door/lock/set", word, qos=1)
                with suppress(TimeoutError):
                    async with asyncio.timeout(AGAIN):
                        return await _confirmed(client)

    async def heard(self, node: Node, request: str | None) -> Mapping[str, str]:
        """Subscribe on a node, ask the bridge there for something, and give what is said until it is online again."""
        found: dict[str, str] = {}
        async with node.client() as client, asyncio.timeout(PATIENCE):
            await client.subscribe(f"{self.base}/#", qos=1)
            if request is not None:
                await client.publish(f"{self.base}/bridge/request/{request}", "", qos=1)
            async for message in client.messages:
                topic = str(message.topic).removeprefix(f"{self.base}/")
                assert isinstance(message.payload, bytes)
                if not message.retain:
                    found[topic] = message.payload.decode()
                if topic == "bridge/state" and not message.retain:
                    return found
        raise AssertionError


async def _confirmed(client: aiomqtt.Client) -> None:
    async for message in client.messages:
        assert isinstance(message.payload, bytes)
        outcome = json.loads(message.payload)["event_type"]
        assert outcome in {"accepted", "confirmed"}, message.payload
        if outcome == "confirmed":
            return


DEVICES = 7
"""In the demo household."""


def settled(held: Mapping[str, str]) -> dict[str, str]:
    """Leave out what depends on the moment: of JSON documents about devices only the topic counts."""
    kept = {topic: payload for topic, payload in held.items() if not topic.endswith(VOLATILE)}
    return {topic: "" if "last_reported" in payload else payload for topic, payload in kept.items()}


@asynccontextmanager
async def scene(directory: Path, cluster: Cluster) -> AsyncIterator[Scene]:
    """Prepare a scene."""
    async with account() as served:
        yield Scene(directory=directory, cluster=cluster, account=served, base=f"test-{uuid4().hex[:8]}")
