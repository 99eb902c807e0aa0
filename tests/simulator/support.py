"""A client of the simulated cloud, a receiver of its notifications, and patience."""

from __future__ import annotations

import asyncio
import inspect
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from uhome2mqtt.simulator import SimulatedCloud

FRONT = "0C:7F:ED:10:00:01"
BACK = "0C:7F:ED:10:00:02"
GARAGE = "0C:7F:ED:10:00:03"
HALL = "7C:DF:A1:20:00:04"
DINING = "7C:DF:A1:20:00:05"

# Building a TLS context takes longer than most tests; none of them speaks TLS.
TLS = httpx.create_ssl_context()

Json = dict[str, Any]


def new_http(base_url: str = "") -> httpx.AsyncClient:
    """Make an HTTP client that goes nowhere but where it is sent."""
    return httpx.AsyncClient(base_url=base_url, trust_env=False, verify=TLS)


def message(operation: str, payload: Any, **header: Any) -> Json:
    """Build a request for an operation such as `Uhome.Device/Query`."""
    namespace, _, name = operation.rpartition("/")
    known = {"namespace": namespace, "name": name, "messageId": "the-id", "payloadVersion": "1"}
    return {"header": known | header, "payload": payload}


@dataclass(slots=True, kw_only=True)
class Client:
    """Somebody who is logged in."""

    cloud: SimulatedCloud
    http: httpx.AsyncClient
    token: str

    def quirks(self, **values: Any) -> None:
        self.cloud.quirks.change(values)

    async def post(self, body: Any, **headers: str) -> httpx.Response:
        return await self.http.post("/action", json=body, headers=headers or {"Authorization": f"Bearer {self.token}"})

    async def act(self, operation: str, payload: Any) -> Json:
        response = await self.post(message(operation, payload))
        assert response.status_code == 200, response.text
        reply: Json = response.json()
        return reply

    async def payload(self, operation: str, payload: Any) -> Any:
        return (await self.act(operation, payload))["payload"]

    async def query(self, device_id: str, **more: Any) -> Json:
        payload = await self.payload("Uhome.Device/Query", {"devices": [{"id": device_id, **more}]})
        entry: Json = payload["devices"][0]
        return entry

    async def states(self, device_id: str) -> Json:
        entry = await self.query(device_id)
        return {f"{state['capability']}.{state['name']}": state["value"] for state in entry["states"]}

    async def command(self, device_id: str, command: str, **arguments: Any) -> Any:
        capability, _, name = command.rpartition(".")
        order: Json = {"capability": capability, "name": name}
        if arguments:
            order["arguments"] = arguments
        return await self.payload("Uhome.Device/Command", {"devices": [{"id": device_id, "command": order}]})

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        response = await self.http.request(method, f"/control/{path}", json=body)
        assert response.is_success, response.text
        return response.json() if response.content else None

    async def by_hand(self, device_id: str, **change: Any) -> Any:
        return await self.control("POST", f"devices/{device_id}", change)

    async def register(self, url: str, **secret: str) -> Any:
        notification = {"url": url} | (secret or {"access_token": "secret"})
        return await self.payload("Uhome.Configure/Set", {"configure": {"notification": notification}})

    async def pushes(self) -> list[Json]:
        pushes: list[Json] = (await self.control("GET", "pushes"))["pushes"]
        return pushes


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A notification as it arrived."""

    path: str
    headers: dict[str, str]
    body: str

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True, kw_only=True)
class Receiver:
    """An HTTP server that answers `status`, or not at all."""

    url: str = ""
    status: int = 200
    hangs: bool = False
    deliveries: list[Delivery] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        while head := await self._head(reader):
            first, *lines = head.splitlines()
            headers = {key.lower(): value for key, _, value in (line.partition(": ") for line in lines)}
            content = await reader.readexactly(int(headers["content-length"]))
            self.deliveries.append(Delivery(path=first.split()[1], headers=headers, body=content.decode()))
            if self.hangs:
                continue
            writer.write(f"HTTP/1.1 {self.status} X\r\nContent-Length: 0\r\n\r\n".encode())

    async def _head(self, reader: asyncio.StreamReader) -> str:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).decode().strip()
        except (asyncio.IncompleteReadError, ConnectionError):
            return ""

    async def received(self, count: int) -> list[Delivery]:
        await eventually(lambda: len(self.deliveries) >= count)
        return self.deliveries


async def eventually(holds: Callable[[], bool | Awaitable[bool]], deadline: float = 60.0) -> None:
    """Wait until something holds; fail when it does not in time."""
    async with asyncio.timeout(deadline):
        while True:
            result = holds()
            if await result if inspect.isawaitable(result) else result:
                return
            await asyncio.sleep(0.005)
