"""One account, one base topic, and bridges between them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiomqtt import ProtocolVersion

from uhome2mqtt.bridge import run_bridge
from uhome2mqtt.daemon import Daemon
from uhome2mqtt.settings import Settings, load

from .account import CLIENT_ID, CLIENT_SECRET, Account, account
from .ear import Ear, ear, held
from .mosquitto import Mosquitto
from .process import Bridge, Program

ALL = 7
"""Devices of the demo household."""


def merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one configuration over another."""
    both = {
        key: merged(under[key], value) if isinstance(value, Mapping) and key in under else value
        for key, value in over.items()
    }
    return {**under, **both}


@dataclass(slots=True, kw_only=True)
class Stage:
    """Where a scenario is played; every text in `secrets` must stay out of logs and topics."""

    directory: Path
    broker: Mosquitto
    account: Account
    ear: Ear
    secrets: set[str] = field(default_factory=lambda: {CLIENT_SECRET})
    programs: list[Program] = field(default_factory=list)

    @property
    def state_dir(self) -> Path:
        return self.directory / "state"

    def document(self, **changes: Any) -> dict[str, Any]:
        """Give the configuration of a bridge on this stage, with changes."""
        base, cloud = self.ear.base, self.account.url
        usual = {
            "uhome": {
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "authorize_url": f"{cloud}/authorize",
                "token_url": f"{cloud}/token",
                "api_url": f"{cloud}/action",
                "timeout": 5,
            },
            "mqtt": {"url": f"mqtt://127.0.0.1:{self.broker.port}", "base_topic": base},
            "homeassistant": {"discovery_prefix": f"{base}/ha", "status_topic": f"{base}/ha/status"},
            "polling": {"interval": 10},
            "web": {"port": 0},
            "state_dir": str(self.state_dir),
            "log": {"level": "debug", "format": "json"},
        }
        return merged(usual, changes)

    def bridge(self, **changes: Any) -> Bridge:
        """Prepare a bridge."""
        bridge = Bridge(self.directory / f"config-{len(self.programs)}.yaml", self.document(**changes))
        self.programs.append(bridge)
        return bridge

    async def log_in(self) -> None:
        """Log in before the start."""
        grant = self.account.log_in(self.state_dir)
        self.secrets |= {grant.access_token, grant.refresh_token or grant.access_token}

    async def up(self, **changes: Any) -> Bridge:
        """Log in, start a bridge, and wait until the whole household is on the broker."""
        await self.log_in()
        bridge = self.bridge(**changes)
        since = self.ear.now
        await bridge.start()
        await self.complete(since)
        return bridge

    async def complete(self, since: int = 0, deadline: float = 60.0) -> None:
        """Wait until every device has shown its state."""
        for device, key in (
            ("front_door", "lock"),
            ("back_door", "lock"),
            ("garage", "door"),
            ("hall_light", "switch"),
            ("dining_room", "light"),
            ("bedside_lamp", "light"),
            ("coffee_machine", "switch"),
        ):
            shown = f"{device}/{key}"
            await self.ear.until(shown, lambda text: text not in {"None", '{"state":null}'}, since, deadline)

    async def fence(self, number: int) -> None:
        """Wait until everything that was published before has been dealt with: messages are, in their order."""
        # With commas: four digits in a row would be masked like a keypad code.
        await self.ear.say("front_door/lock/set", f"fence {number:,}")
        await self.ear.until("front_door/result", lambda text: json.loads(text)["payload"] == f"fence {number:,}")

    async def held(self) -> Mapping[str, str]:
        """Give what the broker retains, with topics below the base topic."""
        found = await held(self.broker, self.ear.base)
        return {topic.removeprefix(f"{self.ear.base}/"): payload for topic, payload in found.items()}

    def leaks(self) -> list[str]:
        """Give every log line, output and message that shows a secret."""
        kept = self.state_dir / "tokens.json"
        if kept.is_file():
            tokens = json.loads(kept.read_text())
            self.secrets |= {tokens["access_token"], tokens["refresh_token"]}
        said = [line for program in self.programs for line in (*program.out, *program.err)]
        said += [f"{heard.topic} {heard.payload}" for heard in self.ear.heard]
        return [text for text in said if any(secret in text for secret in self.secrets)]

    async def aclose(self) -> None:
        """End all programs."""
        for program in self.programs:
            await program.close()


@asynccontextmanager
async def staged(
    directory: Path, broker: Mosquitto, version: ProtocolVersion = ProtocolVersion.V5
) -> AsyncIterator[Stage]:
    """Prepare a stage with an account and a base topic of its own; whatever is played there, no secret may be seen."""
    base = f"test-{uuid4().hex[:8]}"
    async with account(kept=0) as served, ear(broker, base, version) as listening:
        stage = Stage(directory=directory, broker=broker, account=served, ear=listening)
        try:
            yield stage
        finally:
            await stage.aclose()
        assert stage.leaks() == []


def load_settings(stage: Stage, **changes: Any) -> Settings:
    """Load the configuration of a bridge on a stage, out of a file as a user would have it."""
    file = stage.directory / "config.yaml"
    file.write_text(json.dumps(stage.document(**changes)))
    return load(file, {}, secrets_directory=stage.directory / "no-secrets")


@asynccontextmanager
async def in_process(stage: Stage, **changes: Any) -> AsyncIterator[Daemon]:
    """Run a bridge in this process as long as the context lasts, and expect it to end in time."""
    stopping = asyncio.Event()
    begun: asyncio.Future[Daemon] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(run_bridge(load_settings(stage, **changes), stopping, begun.set_result))
    try:
        either: set[asyncio.Future[Any]] = {task, begun}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        yield begun.result()
    finally:
        stopping.set()
        async with asyncio.timeout(5):
            await task
