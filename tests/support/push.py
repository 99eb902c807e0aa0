"""A stage whose cloud reaches the bridge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from .account import new_http
from .patience import eventually, free_port
from .process import Bridge
from .stage import Stage, merged

PATH = "/notifications"
LOCK = "st.lock.lockState"


def reachable(port: int) -> dict[str, Any]:
    """Give the settings of a bridge that the cloud reaches on a loopback port."""
    return {
        "web": {"port": port},
        "notifications": {"public_url": f"http://127.0.0.1:{port}{PATH}", "allow_http": True},
    }


@dataclass(slots=True, kw_only=True)
class Receiving:
    """A bridge that receives notifications."""

    stage: Stage
    bridge: Bridge
    url: str

    @property
    def secret(self) -> str:
        """The secret that the cloud was given last."""
        registration = self.stage.account.cloud.pusher.registration
        assert registration is not None
        assert registration.token is not None
        return registration.token

    async def post(self, body: bytes | str, secret: str | None = None, **headers: str) -> httpx.Response:
        """Post a body as the cloud would."""
        given = {"Authorization": f"Bearer {self.secret if secret is None else secret}", **headers}
        async with new_http() as http:
            return await http.post(self.url, content=body, headers=given)

    async def answers(self, since: int, count: int = 1) -> list[Any]:
        """Wait until so many notifications have been answered after a sequence number; give the answers."""
        journal = self.stage.account.cloud.pusher.journal

        def all_answered() -> list[Any]:
            answers = [entry["answer"] for entry in journal.since(since)]
            return answers if len(answers) >= count and None not in answers else []

        return await eventually(all_answered)

    @property
    def sequence(self) -> int:
        """The number of the last notification that was sent."""
        entries = self.stage.account.cloud.pusher.journal.since()
        return int(entries[-1]["sequence"]) if entries else 0

    def push_events(self, since: int = 0) -> list[str]:
        """Give what was said about push on the bridge's event topic."""
        return [event for event in self.stage.ear.events("bridge/event", since) if event.startswith("push")]


async def receiving(stage: Stage, changes: Mapping[str, Any] | None = None) -> Receiving:
    """Start a bridge that is registered for notifications."""
    port = free_port()
    bridge = await stage.up(**merged(reachable(port), changes or {}))
    await bridge.until_logged("push_registered")
    received = Receiving(stage=stage, bridge=bridge, url=f"http://127.0.0.1:{port}{PATH}")
    stage.secrets.add(received.secret)
    return received


def status_of(text: str) -> str:
    """Read how far push is relied on out of `bridge/info`."""
    status: str = json.loads(text)["push"]
    return status
