"""`mosquitto_rr`: asks with MQTT 5 and takes the first message on its response topic for the answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from .stage import Stage


async def request_response(stage: Stage, topic: str, payload: str = "") -> dict[str, Any]:
    """Ask on a topic below the base topic, and give the answer, which has to have our correlation data."""
    process = await asyncio.create_subprocess_exec(
        "mosquitto_rr", "-V", "5", "-h", "127.0.0.1", "-p", str(stage.broker.port), "-q", "1", "-W", "10",
        "-t", stage.ear.topic(topic), "-e", stage.ear.topic("rr"), "-m", payload,
        "-D", "PUBLISH", "correlation-data", "number-7", "-F", "%D %p",
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 0
    correlation, _, answer = out.decode().partition(" ")
    assert correlation == "number-7"
    document: dict[str, Any] = json.loads(answer)
    return document
