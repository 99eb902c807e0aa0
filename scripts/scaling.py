"""Measure what accounts of several sizes cost; scripts/measure-scaling runs this."""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.account import CLIENT_ID, CLIENT_SECRET, Account, account
from tests.support.ear import client
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually
from tests.support.process import Bridge
from uhome2mqtt.simulator import SimDevice, demo_household
from uhome2mqtt.tasks import cancelled

BASE = "scaling"
SIZES = (10, 100, 1000, 5000)
WINDOW = 120.0
"""Seconds of ordinary running that are watched."""
LONGEST_START = 600.0
DAY = 86400
TICKS = os.sysconf("SC_CLK_TCK")

COLUMNS = (
    "devices",
    "online after (s)",
    "all states after (s)",
    "CPU until then (s)",
    "messages at start",
    "MB at start",
    "memory then (MB)",
    "memory at most (MB)",
    "CPU (%)",
    "requests a day",
)


@dataclass(slots=True, kw_only=True)
class Listener:
    """What a subscriber hears; `states`: the devices whose state is known by now."""

    messages: int = 0
    size: int = 0
    online: float | None = None
    states: set[str] | None = None

    async def listen(self, broker: Mosquitto, ready: asyncio.Event) -> None:
        """Count until cancelled."""
        self.states = set()
        async with client(broker, max_queued_incoming_messages=0) as listening:
            await listening.subscribe(f"{BASE}/#", qos=1)
            ready.set()
            async for message in listening.messages:
                topic, payload = str(message.topic), bytes(message.payload or b"")
                self.messages += 1
                self.size += len(topic) + len(payload)
                if topic == f"{BASE}/bridge/state" and payload == b"online" and self.online is None:
                    self.online = time.monotonic()
                if topic.endswith(("/lock", "/switch", "/light")) and payload not in {b"None", b'{"state":null}'}:
                    self.states.add(topic.split("/")[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process has used: seconds of CPU, bytes of memory now and at most."""

    cpu: float
    memory: float
    most: float


def usage(pid: int) -> Usage:
    """Read it from the system."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    now, most = (int(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))
    return Usage(cpu=(int(words[11]) + int(words[12])) / TICKS, memory=now, most=most)


def requests_so_far(served: Account) -> int:
    """Count the requests that have come to the cloud; it keeps only the latest."""
    sequence: int = served.cloud.requests.since()[-1]["sequence"]
    return sequence


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


def document(served: Account, broker: Mosquitto, state_dir: Path) -> dict[str, object]:
    """Give a configuration with nothing but defaults where the cost depends on it."""
    return {
        "uhome": {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "token_url": f"{served.url}/token",
            "api_url": f"{served.url}/action",
        },
        "mqtt": {"url": broker.url, "base_topic": BASE},
        "homeassistant": {"discovery_prefix": f"{BASE}/ha", "status_topic": f"{BASE}/ha/status"},
        "web": {"port": 0},
        "state_dir": str(state_dir),
    }


@asynccontextmanager
async def heard(broker: Mosquitto) -> AsyncIterator[Listener]:
    """Listen as long as the context lasts."""
    listener, ready = Listener(), asyncio.Event()
    task = asyncio.create_task(listener.listen(broker, ready))
    await ready.wait()
    yield listener
    await cancelled([task])


async def measure(size: int, window: float) -> tuple[str, ...]:
    """Run a bridge with so many devices and give its row of the table."""
    with (
        tempfile.TemporaryDirectory() as directory,
        Mosquitto(Path(directory), "allow_anonymous true", "max_queued_messages 0") as broker,
    ):
        async with account() as served, heard(broker) as listener:
            served.cloud.house.devices.clear()
            for device in household(size):
                served.cloud.put(device)
            state_dir = Path(directory) / "state"
            served.log_in(state_dir)
            bridge = Bridge(Path(directory) / "config.yaml", document(served, broker, state_dir))
            began = time.monotonic()
            await bridge.start()
            try:
                return await _watched(size, window, began, bridge, listener, served)
            finally:
                await bridge.close()


async def _watched(
    size: int, window: float, began: float, bridge: Bridge, listener: Listener, served: Account
) -> tuple[str, ...]:
    await eventually(lambda: listener.online and len(listener.states or ()) == size, LONGEST_START)
    complete, messages, sent = time.monotonic(), listener.messages, listener.size
    at_start = usage(bridge.pid)
    # The retained rest of the start, and what Home Assistant is told twice, is not part of ordinary running.
    await asyncio.sleep(30)
    before, asked = usage(bridge.pid), requests_so_far(served)
    await asyncio.sleep(window)
    after, requests = usage(bridge.pid), requests_so_far(served) - asked
    return (
        f"{size:,}",
        f"{(listener.online or 0) - began:.1f}",
        f"{complete - began:.1f}",
        f"{at_start.cpu:.1f}",
        f"{messages:,}",
        f"{sent / 1e6:.1f}",
        f"{after.memory:.0f}",
        f"{after.most:.0f}",
        f"{100 * (after.cpu - before.cpu) / window:.1f}",
        f"{requests * DAY / window:,.0f}",
    )


def main() -> None:
    """Measure all sizes and print the table."""
    parser = argparse.ArgumentParser(description="what an account costs, by its size")
    parser.add_argument("devices", nargs="*", type=int, default=SIZES)
    parser.add_argument("--window", type=float, default=WINDOW, help="seconds of ordinary running (default: 120)")
    options = parser.parse_args()
    print("| " + " | ".join(COLUMNS) + " |")
    print("| " + " | ".join(["---:"] * len(COLUMNS)) + " |")
    for size in options.devices:
        print("| " + " | ".join(asyncio.run(measure(size, options.window))) + " |", flush=True)


if __name__ == "__main__":
    main()
