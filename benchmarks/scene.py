"""Where both contenders are measured: one broker, one simulated cloud that notes when what comes in, one subscriber."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiomqtt
import httpx
import uvicorn

from benchmarks.process import running
from tests.support.account import CLIENT_ID, CLIENT_SECRET, Account, new_http
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually, free_port
from tests.support.stage import merged
from uhome2mqtt.broker_client import AT_ONCE
from uhome2mqtt.simulator import Quirks, SimDevice, SimulatedCloud, demo_household
from uhome2mqtt.simulator.app import build
from uhome2mqtt.simulator.vocabulary import PushMode
from uhome2mqtt.tasks import cancelled
from uhome2mqtt.web.server import listen

BASE = "bench"
NOTIFICATIONS = "/notifications"

Heard = Callable[[str, bytes, float], None]
"""What takes a topic, a payload and the moment."""
Arrived = Callable[[bytes, float], None]
"""What takes the body of a request and the moment."""


def household(size: int) -> list[SimDevice]:
    """Build an account like the demo household, over and over."""
    kinds = demo_household()
    return [
        replace(
            kinds[number % len(kinds)],
            id=f"0C:7F:ED:{number >> 16 & 255:02X}:{number >> 8 & 255:02X}:{number & 255:02X}",
            name=f"{kinds[number % len(kinds)].name} {number}",
        )
        for number in range(size)
    ]


def plugs(size: int) -> list[SimDevice]:
    """Build an account of plugs alone, which do at once what they are told."""
    plug = demo_household()[-1]
    return [replace(plug, id=f"84:F7:03:30:00:{number:02X}", name=f"Plug {number}") for number in range(size)]


@dataclass(slots=True, kw_only=True)
class Scene:
    """What both contenders share; `heard` and `arrived` are told what the broker delivers and the cloud gets.

    `latest`: the last payload on each topic.
    """

    directory: Path
    broker: Mosquitto
    account: Account
    client: aiomqtt.Client
    latest: dict[str, bytes] = field(default_factory=dict)
    heard: Heard = field(default=lambda _topic, _payload, _at: None)
    arrived: Arrived = field(default=lambda _body, _at: None)

    def document(self, **changes: Any) -> dict[str, Any]:
        """Give a configuration with nothing but defaults where the cost depends on it."""
        usual = {
            "uhome": {
                "client_id": CLIENT_ID,
                "client_secret": CLIENT_SECRET,
                "token_url": f"{self.account.url}/token",
                "api_url": f"{self.account.url}/action",
            },
            "mqtt": {"url": self.broker.url, "base_topic": BASE},
            "homeassistant": {"discovery_prefix": f"{BASE}/ha", "status_topic": f"{BASE}/ha/status"},
            "web": {"port": free_port()},
            "state_dir": str(self.directory / "state"),
        }
        return merged(usual, changes)

    @asynccontextmanager
    async def bridge(self, document: Mapping[str, Any]) -> AsyncIterator[int]:
        """Run the bridge as long as the context lasts; gives its process id."""
        place = Path(tempfile.mkdtemp(dir=self.directory))
        config = place / "config.yaml"
        config.write_text(json.dumps(document))
        config.chmod(0o600)
        async with running(place, "-m", "uhome2mqtt", "run", "-c", str(config)) as pid:
            yield pid

    @asynccontextmanager
    async def bare(self, web_port: int) -> AsyncIterator[int]:
        """Run the bare pipeline as long as the context lasts; gives its process id."""
        place = Path(tempfile.mkdtemp(dir=self.directory))
        arguments = (str(self.broker.port), f"{self.account.url}/action", str(web_port))
        async with running(place, "-m", "benchmarks.bare", *arguments) as pid:
            yield pid

    @property
    def secret(self) -> str:
        """What the bridge wants to see with a notification."""
        registration = self.account.cloud.pusher.registration
        if registration is None or registration.token is None:
            raise RuntimeError("the bridge has not registered for notifications")
        return registration.token

    async def hear_only(self, *topics: str) -> None:
        """Hear nothing but these from now on: a subscriber that hears everything is busier than what is measured."""
        await self.client.unsubscribe("#")
        for topic in topics:
            await self.client.subscribe(topic, qos=0)
        # What is retained there comes once more.
        await asyncio.sleep(0.5)

    async def listen(self) -> None:
        """Tell `heard` what the broker delivers, until cancelled."""
        async for message in self.client.messages:
            at, topic, payload = time.perf_counter(), str(message.topic), bytes(message.payload or b"")
            self.latest[topic] = payload
            self.heard(topic, payload, at)


@asynccontextmanager
async def scene(devices: Sequence[SimDevice]) -> AsyncIterator[Scene]:
    """Set a scene with an account that has these devices, and has logged in."""
    with (
        tempfile.TemporaryDirectory() as name,
        Mosquitto(Path(name), "allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 0") as broker,
    ):
        cloud = SimulatedCloud(
            devices=list(devices),
            quirks=Quirks(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, push_mode=PushMode.DEAD),
        )
        stage: list[Scene] = []

        def arrived(body: bytes, at: float) -> None:
            stage[0].arrived(body, at)

        async with (
            _served(cloud, arrived) as url,
            new_http(url) as http,
            aiomqtt.Client(
                "127.0.0.1", broker.port, protocol=aiomqtt.ProtocolVersion.V5, socket_options=AT_ONCE
            ) as client,
        ):
            client.pending_calls_threshold = 1000
            account = Account(cloud=cloud, url=url, http=http)
            stage.append(Scene(directory=Path(name), broker=broker, account=account, client=client))
            account.log_in(Path(name) / "state")
            await client.subscribe("#", qos=0)
            listening = asyncio.create_task(stage[0].listen())
            try:
                yield stage[0]
            finally:
                await cancelled([listening])


@asynccontextmanager
async def _served(cloud: SimulatedCloud, arrived: Arrived) -> AsyncIterator[str]:
    """Serve the cloud, and tell of each request to its API when all of it has come."""
    inner = build(cloud)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        body = bytearray()

        async def noting() -> Any:
            message = await receive()
            body.extend(message.get("body", b""))
            if message["type"] == "http.request" and not message.get("more_body") and scope["path"] == "/action":
                arrived(bytes(body), time.perf_counter())
            return message

        await inner(scope, noting, send)

    sockets = await listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_level="error"))
    serving = asyncio.create_task(server.serve(sockets))
    await eventually(lambda: server.started)
    try:
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await serving
        await cloud.aclose()


def poster() -> httpx.AsyncClient:
    """Make a client that posts notifications over kept connections, as the cloud does."""
    return httpx.AsyncClient(trust_env=False, limits=httpx.Limits(max_connections=64, max_keepalive_connections=64))
