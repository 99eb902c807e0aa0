"""The bare pipeline: what a bridge would be that does nothing but carry.

usage: python -m benchmarks.bare MQTT_PORT CLOUD_URL WEB_PORT

A message on `bare/command` is posted to the cloud as it is. A post to `/one` is published as it is, one to `/three` on
three topics, as many as a bridge tells of one change.
"""

from __future__ import annotations

import asyncio
import sys

import aiomqtt
import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from uhome2mqtt.broker_client import AT_ONCE
from uhome2mqtt.web.server import listen

COMMANDS = "bare/command"
STATE = "bare/state"
ALIVE = "bare/alive"
HEADERS = {"Content-Type": "application/json", "Accept": "application/json"}


async def run(mqtt_port: int, cloud_url: str, web_port: int) -> None:
    """Carry until the process is ended."""
    async with (
        aiomqtt.Client("127.0.0.1", mqtt_port, protocol=aiomqtt.ProtocolVersion.V5, socket_options=AT_ONCE) as broker,
        httpx.AsyncClient(trust_env=False) as http,
        asyncio.TaskGroup() as tasks,
    ):

        async def command(body: bytes) -> None:
            # Built by itself, as the bridge does: `http.post` takes longer.
            request = httpx.Request("POST", url, content=body, headers=HEADERS, extensions=extensions)
            (await http.send(request)).raise_for_status()

        url, extensions = httpx.URL(cloud_url), {"timeout": http.timeout.as_dict()}

        async def one(request: Request) -> Response:
            await broker.publish(STATE, await request.body(), qos=1, retain=True)
            return JSONResponse({"success": True})

        async def three(request: Request) -> Response:
            body = await request.body()
            await asyncio.gather(
                *(broker.publish(topic, body, qos=1, retain=True) for topic in (STATE, f"{STATE}/at", f"{STATE}/all"))
            )
            return JSONResponse({"success": True})

        routes = [Route("/one", one, methods=["POST"]), Route("/three", three, methods=["POST"])]
        config = uvicorn.Config(Starlette(routes=routes), http="h11", ws="none", lifespan="off", log_level="error")
        tasks.create_task(uvicorn.Server(config).serve(await listen("127.0.0.1", web_port)))
        await broker.subscribe(COMMANDS, qos=1)
        await broker.publish(ALIVE, "online", qos=1)
        async for message in broker.messages:
            tasks.create_task(command(bytes(message.payload or b"")))


if __name__ == "__main__":
    asyncio.run(run(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
