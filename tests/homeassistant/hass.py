"""A real Home Assistant as a process, set up with nothing but MQTT, and a client of its own interface."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.support.account import TLS
from tests.support.patience import free_port, wait_until
from tests.support.process import environment

T = TypeVar("T")
Json: TypeAlias = "dict[str, Any]"

PREFIX = "homeassistant"
PATIENCE = 60.0
"""Seconds that anything may take here: Home Assistant is slow to start, and the machine may be slow."""

_USER, _TOKEN, _KEY = "a" * 32, "b" * 32, "c" * 128
_LONG_AGO, _FAR = 1_700_000_000, 4_000_000_000
_ENTRY = "d" * 32
_NOISE = ("turbojpeg", "ffmpeg", "aiohttp_fast_zlib", "Skipping pip installation", "is taking over", "taking longer")
"""What a Home Assistant complains of that has no camera, and that is slow."""


def programs() -> Path:
    """Give the directory of the programs of the installed Home Assistant."""
    assert "HOMEASSISTANT" in os.environ, "no Home Assistant: scripts/test-homeassistant installs it and runs this"
    return Path(os.environ["HOMEASSISTANT"]) / "bin"


async def until(holds: Callable[[], Awaitable[T | None]], deadline: float = PATIENCE) -> T:
    """Ask until the answer is a true one, and give it."""
    answer: T | None = None
    try:
        async with asyncio.timeout(deadline):
            while True:
                if answer := await holds():
                    return answer
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {deadline:.0f} s; the last answer was {answer!r}") from None


def token() -> str:
    """Make the long-lived access token of the one user: a JWT."""

    def encoded(part: bytes) -> bytes:
        return base64.urlsafe_b64encode(part).rstrip(b"=")

    claims = {"iss": _TOKEN, "iat": _LONG_AGO, "exp": _FAR}
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    signed = b".".join(encoded(json.dumps(part).encode()) for part in parts)
    return b".".join((signed, encoded(hmac.digest(_KEY.encode(), signed, hashlib.sha256)))).decode()


class Hass:
    """`hass` with a configuration directory that lives on over restarts, on a loopback port that stays the same."""

    def __init__(
        self, directory: Path, broker_port: int, prefix: str = PREFIX, includes: Mapping[str, str] | None = None
    ) -> None:
        """Prepare one; `includes` are parts of its configuration that stand in files of the directory."""
        self.directory = directory
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = directory / "home-assistant.log"
        self._output = directory / "output.log"
        self._process: subprocess.Popen[bytes] | None = None
        _seed(directory, self.port, broker_port, prefix, includes or {})

    def start(self) -> None:
        """Start it and wait until it has set up everything."""
        command = [str(programs() / "hass"), "--config", str(self.directory), "--skip-pip", "--log-file", str(self.log)]
        env = {name: value for name, value in environment().items() if not name.startswith("COVERAGE")}
        with self._output.open("ab") as output:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env, cwd=self.directory
            )
        self._process = process
        try:
            with httpx.Client(base_url=self.url, trust_env=False, verify=TLS, headers=self._headers) as http:
                wait_until(lambda: process.poll() is not None or _is_running(http), 3 * PATIENCE)
            assert process.poll() is None
        except (AssertionError, TimeoutError):
            self.stop(signal.SIGKILL)
            raise AssertionError(self._output.read_text()) from None

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(PATIENCE)
            self._process = None

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {token()}"}

    async def remove_entry(self, entry_id: str) -> None:
        """Remove an integration, as the menu on its page does."""
        await self._rest("DELETE", f"config/config_entries/entry/{entry_id}")

    async def add_mqtt(self, broker_port: int) -> None:
        """Fill in the form that adds MQTT."""
        flow = await self._rest("POST", "config/config_entries/flow", {"handler": "mqtt"})
        certificates = {"set_client_cert": False, "set_ca_cert": "off"}
        filled = {"broker": "127.0.0.1", "port": broker_port, "protocol": "5", "other_settings": certificates}
        made = await self._rest("POST", f"config/config_entries/flow/{flow['flow_id']}", filled)
        assert made["type"] == "create_entry", made

    async def _rest(self, method: str, path: str, body: Json | None = None) -> Json:
        async with httpx.AsyncClient(base_url=self.url, trust_env=False, verify=TLS, headers=self._headers) as http:
            answer = await http.request(method, f"/api/{path}", json=body, timeout=PATIENCE)
        assert answer.is_success, answer.text
        document: Json = answer.json()
        return document

    def complaints(self) -> list[str]:
        """Give what stands in its log file: it is told to write warnings and errors only, but for what is noise."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        grave = (" WARNING ", " ERROR ", " CRITICAL ")
        return [line for line in lines if any(word in line for word in grave) and not _is_noise(line)]

    @asynccontextmanager
    async def visit(self) -> AsyncIterator[Visitor]:
        """Talk to it as its frontend does."""
        address = f"ws://127.0.0.1:{self.port}/api/websocket"
        async with connect(address, max_size=None, proxy=None) as socket:
            await socket.recv()
            await socket.send(json.dumps({"type": "auth", "access_token": token()}))
            answer = json.loads(await socket.recv())
            assert answer["type"] == "auth_ok", answer
            visitor = Visitor(socket)
            reading = asyncio.create_task(visitor.read())
            try:
                yield visitor
            finally:
                await socket.close()
                await reading


class Visitor:
    """Somebody who uses Home Assistant over its WebSocket."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Json]] = {}
        self._events: dict[int, list[Json]] = {}

    async def read(self) -> None:
        """Sort what comes, until the connection ends."""
        with suppress(ConnectionClosed):
            async for text in self._socket:
                message = json.loads(text)
                number = message["id"]
                if message["type"] == "event":
                    self._events[number].append(message["event"])
                elif number in self._answers:
                    self._answers.pop(number).set_result(message)

    async def ask(self, kind: str, **fields: Any) -> Any:
        """Send a command and give its result."""
        _number, result = await self._send(kind, fields)
        return result

    async def listen(self, kind: str, **fields: Any) -> list[Json]:
        """Subscribe, and give the list that grows with the events."""
        number, _result = await self._send(kind, fields)
        return self._events[number]

    async def _send(self, kind: str, fields: Mapping[str, Any]) -> tuple[int, Any]:
        number = next(self._numbers)
        self._events[number] = []
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        await self._socket.send(json.dumps({"id": number, "type": kind, **fields}))
        async with asyncio.timeout(PATIENCE):
            message = await answer
        assert message["success"], (kind, fields, message)
        return number, message["result"]

    async def act(self, entity_id: str, action: str, **data: Any) -> None:
        """Call an action such as `lock.unlock` on an entity."""
        domain, _, service = action.partition(".")
        target = {"entity_id": entity_id}
        await self.ask("call_service", domain=domain, service=service, service_data=data, target=target)

    async def states(self) -> dict[str, Json]:
        """Give the states by entity id."""
        return {state["entity_id"]: state for state in await self.ask("get_states")}

    async def state(self, entity_id: str) -> str | None:
        """Give the state of an entity; None without one."""
        found = (await self.states()).get(entity_id)
        return None if found is None else str(found["state"])

    async def until_state(self, entity_id: str, *wanted: str | None) -> None:
        """Wait for a state."""

        async def holds() -> bool:
            return await self.state(entity_id) in wanted

        try:
            await until(holds)
        except AssertionError:
            raise AssertionError(f"{entity_id} is {await self.state(entity_id)}, not {wanted}") from None

    async def entities(self) -> dict[str, Json]:
        """Give the entries of the entity registry that are MQTT's, by unique id."""
        entries = await self.ask("config/entity_registry/list")
        return {entry["unique_id"]: entry for entry in entries if entry["platform"] == "mqtt"}

    async def entity(self, entity_id: str) -> Json:
        """Give everything that the registry knows of an entity."""
        entry: Json = await self.ask("config/entity_registry/get", entity_id=entity_id)
        return entry

    async def customise(self, entity_id: str, **changes: Any) -> None:
        """Change an entity's entry as its owner would: its name, its id, whether it is enabled."""
        await self.ask("config/entity_registry/update", entity_id=entity_id, **changes)

    async def devices(self) -> dict[str, Json]:
        """Give the devices of MQTT by their identifiers."""
        entries = await self.ask("config/device_registry/list")
        return {name: entry for entry in entries for domain, name in entry["identifiers"] if domain == "mqtt"}

    async def delete_device(self, identifier: str) -> None:
        """Delete a device, as the menu on its page does."""
        device = (await self.devices())[identifier]
        await self.ask("config/device_registry/remove", device_id=device["id"])

    async def complaints(self) -> list[str]:
        """Give what its log says of warnings and errors, but for what is noise."""
        records = await self.ask("system_log/list")
        told = [f"{record['level']} {record['name']}: {' '.join(record['message'])}" for record in records]
        return [text for text in told if not _is_noise(text)]

    async def forget_complaints(self) -> None:
        """Begin with an empty log."""
        await self.ask("call_service", domain="system_log", service="clear")


def _is_noise(text: str) -> bool:
    return any(noise in text for noise in _NOISE)


def _is_running(http: httpx.Client) -> bool:
    try:
        answer = http.get("/api/config")
        return answer.is_success and answer.json()["state"] == "RUNNING"
    except httpx.TransportError:
        return False


def _seed(directory: Path, port: int, broker_port: int, prefix: str, includes: Mapping[str, str]) -> None:
    """Write the configuration of a Home Assistant that somebody has set up already, and that talks to nobody."""
    # Older releases read how to listen here, newer ones in the store; a difference would be tried, and then undone.
    served = {"server_host": ["127.0.0.1"], "server_port": port}
    config = {
        "homeassistant": {
            "name": "Home",
            "latitude": 0,
            "longitude": 0,
            "unit_system": "metric",
            "time_zone": "UTC",
            "country": "US",
        },
        "frontend": {},
        "config": {},
        "http": served,
        "logger": {"default": "warning"},
    }
    included = "".join(f", {json.dumps(part)}: !include {file}" for part, file in includes.items())
    written = f"{json.dumps(config)[:-1]}{included}}}"  # JSON is YAML
    (directory / "configuration.yaml").write_text(written)
    storage = directory / ".storage"
    storage.mkdir()
    stores = {
        "onboarding": (4, {"done": ["user", "core_config", "analytics", "integration"]}),
        "core.analytics": (1, {"onboarded": True, "preferences": {}, "uuid": None}),
        "http": (1, served),
        "auth": (1, _auth()),
        "core.config_entries": (1, {"entries": [_mqtt(broker_port, prefix), _off("analytics"), _off("marketplace")]}),
    }
    for name, (version, data) in stores.items():
        document = {"version": version, "minor_version": 1, "key": name, "data": data}
        (storage / name).write_text(json.dumps(document))


def _auth() -> Json:
    user = {"id": _USER, "group_ids": ["system-admin"], "is_owner": True, "is_active": True, "name": "Owner"}
    refresh = {
        "id": _TOKEN,
        "user_id": _USER,
        "client_id": None,
        "client_name": "tests",
        "client_icon": None,
        "token_type": "long_lived_access_token",
        "created_at": "2023-01-01T00:00:00+00:00",
        "access_token_expiration": 10.0 * 365 * 24 * 3600,
        "token": "e" * 128,
        "jwt_key": _KEY,
        "last_used_at": None,
        "last_used_ip": None,
        "expire_at": None,
        "credential_id": None,
        "version": None,
    }
    return {
        "users": [user | {"system_generated": False, "local_only": False}],
        "groups": [{"id": f"system-{name}", "name": name} for name in ("admin", "users", "read-only")],
        "credentials": [],
        "refresh_tokens": [refresh],
    }


def _mqtt(broker_port: int, prefix: str) -> Json:
    data = {"broker": "127.0.0.1", "port": broker_port, "protocol": "5"}
    options = {"discovery": True, "discovery_prefix": prefix}
    return _entry("mqtt", _ENTRY) | {"version": 2, "data": data, "options": options, "title": "Broker"}


def _off(domain: str) -> Json:
    """Seed an integration that would look outside for names, as somebody has it who does not want it."""
    return _entry(domain, hashlib.md5(domain.encode(), usedforsecurity=False).hexdigest()) | {"disabled_by": "user"}


def _entry(domain: str, number: str) -> Json:
    return {
        "entry_id": number,
        "version": 1,
        "minor_version": 1,
        "domain": domain,
        "title": domain,
        "data": {},
        "options": {},
        "pref_disable_new_entities": False,
        "pref_disable_polling": False,
        "source": "user",
        "unique_id": None,
        "disabled_by": None,
    }
