"""Commands and notifications: the bridge beside the bare pipeline, in turns, on one broker and one cloud."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx

from benchmarks.bare import ALIVE, COMMANDS, STATE
from benchmarks.process import usage
from benchmarks.scene import BASE, NOTIFICATIONS, Scene, plugs, poster, scene
from benchmarks.table import compared, percentile, table
from tests.support.patience import eventually, free_port
from uhome2mqtt import uhome
from uhome2mqtt.model import Json
from uhome2mqtt.uhome import Operation

DEVICES = 40
LONGEST = 10.0
"""Seconds that one command or notification may take at most."""
WARM_UP = 20
HEAD = ("", "bridge", "bare", "ratio")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How much is measured: single ones for the times, seconds of load for the rates, and how many are under way."""

    singles: int = 400
    seconds: float = 5.0
    turns: int = 4
    commands_at_once: int = DEVICES
    notifications_at_once: int = 16


QUICK = Plan(singles=40, seconds=1.0, turns=1)


@dataclass(slots=True, kw_only=True)
class Measured:
    """What one contender took: seconds for each, how many in a second of load, and seconds of CPU for each then."""

    times: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)


Send = Callable[[int], Awaitable[None]]
"""Sends one about a device: that it is, or is to be, what it was not."""
OTHER = {"on": "off", "off": "on"}


@dataclass(slots=True, kw_only=True)
class Contender:
    """One that is measured; `pid`: its process."""

    pid: int
    send: Send
    measured: Measured = field(default_factory=Measured)


class Arrivals:
    """What has arrived of what was sent, by device."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[float]] = {}

    def expect(self, device: int) -> asyncio.Future[float]:
        self._waiting[device] = coming = asyncio.get_running_loop().create_future()
        return coming

    def came(self, device: int, at: float) -> None:
        coming = self._waiting.pop(device, None)
        if coming is not None and not coming.done():
            coming.set_result(at)


async def single(contender: Contender, arrivals: Arrivals, device: int) -> float:
    """Send one and give the seconds until it has arrived."""
    coming, began = arrivals.expect(device), time.perf_counter()
    async with asyncio.timeout(LONGEST):
        await contender.send(device)
        return await coming - began


async def load(contender: Contender, arrivals: Arrivals, at_once: int, seconds: float) -> None:
    """Keep so many under way for some seconds, and count."""
    done = 0
    before, began = usage(contender.pid).cpu, time.perf_counter()

    async def go_on(device: int) -> None:
        nonlocal done
        while time.perf_counter() < began + seconds:
            await single(contender, arrivals, device)
            done += 1

    await asyncio.gather(*map(go_on, range(at_once)))
    took = time.perf_counter() - began
    contender.measured.rates.append(done / took)
    contender.measured.cpu.append((usage(contender.pid).cpu - before) / done)


async def compete(contenders: Sequence[Contender], arrivals: Arrivals, plan: Plan, at_once: int) -> None:
    """Measure all, one after the other in each turn: whatever the machine does, it does to all."""
    for number in range(WARM_UP + plan.singles):
        for contender in contenders:
            took = await single(contender, arrivals, number % DEVICES)
            if number >= WARM_UP:
                contender.measured.times.append(took)
    for _ in range(plan.turns):
        for contender in contenders:
            await load(contender, arrivals, at_once, plan.seconds)


def rows(what: str, many: str, where: str, bridge: Measured, bare: Measured) -> list[tuple[str, str, str, str]]:
    """Give the rows of one pipeline."""

    def mean(values: Sequence[float]) -> float:
        return sum(values) / len(values)

    def within(share: float) -> tuple[float, float]:
        return percentile(bridge.times, share) * 1e3, percentile(bare.times, share) * 1e3

    return [
        compared(f"{what} to {where}, p50", *within(0.5), "ms"),
        compared(f"{what} to {where}, p95", *within(0.95), "ms"),
        compared(f"{many} a second, sustained", mean(bridge.rates), mean(bare.rates), ""),
        compared(f"CPU for each {what} under load", mean(bridge.cpu) * 1e3, mean(bare.cpu) * 1e3, "ms"),
    ]


async def measure(plan: Plan) -> str:
    """Measure both pipelines and give the table."""
    async with scene(plugs(DEVICES)) as stage:
        web, bare_web = free_port(), free_port()
        # Polls would get in between.
        document = stage.document(
            web={"port": web},
            polling={"interval": 3600},
            notifications={"public_url": f"http://127.0.0.1:{web}{NOTIFICATIONS}", "allow_http": True},
        )
        online: set[str] = set()
        stage.heard = lambda topic, payload, _at: online.add(topic) if payload == b"online" else None
        async with stage.bridge(document) as bridge, stage.bare(bare_web) as bare:
            available = {f"{BASE}/{level(device)}/availability" for device in range(DEVICES)}
            wanted = {ALIVE, f"{BASE}/bridge/state"} | available
            await eventually(lambda: wanted <= online and stage.account.cloud.pusher.registration, 60)
            commands = await _commands(stage, plan, bridge, bare)
            notifications = await _notifications(stage, plan, (bridge, web), (bare, bare_web))
    return table(HEAD, [*commands, *notifications])


def level(device: int) -> str:
    """Give the topic level of a plug."""
    return f"plug_{device}"


async def _commands(stage: Scene, plan: Plan, bridge_pid: int, bare_pid: int) -> list[tuple[str, str, str, str]]:
    arrivals = Arrivals()
    numbers = {device.id: number for number, device in enumerate(plugs(DEVICES))}

    def arrived(body: bytes, at: float) -> None:
        request = json.loads(body)
        if request["header"]["name"] == "Command":
            for device in request["payload"]["devices"]:
                arrivals.came(numbers[device["id"]], at)

    words = dict.fromkeys(range(DEVICES), "off")

    def other(device: int) -> str:
        words[device] = OTHER[words[device]]
        return words[device]

    async def to_bridge(device: int) -> None:
        await stage.client.publish(f"{BASE}/{level(device)}/switch/set", other(device).upper(), qos=1)

    async def to_bare(device: int) -> None:
        await stage.client.publish(COMMANDS, bodies[device, other(device)], qos=1)

    token = stage.account.grant().access_token
    ids = list(numbers)
    bodies = {(number, word): _body(ids[number], word, token) for number in range(DEVICES) for word in OTHER}
    stage.arrived = arrived
    bridge, bare = Contender(pid=bridge_pid, send=to_bridge), Contender(pid=bare_pid, send=to_bare)
    await compete((bridge, bare), arrivals, plan, plan.commands_at_once)
    stage.arrived = lambda _body, _at: None
    return rows("command", "commands", "cloud request", bridge.measured, bare.measured)


def _body(device_id: str, word: str, token: str) -> bytes:
    """Write the request that switches a device."""
    order: Json = {"id": device_id, "command": {"capability": "st.switch", "name": word}}
    return uhome.encode_request(Operation.COMMAND, {"devices": [order]}, f"bare-{device_id}-{word}", token)


async def _notifications(
    stage: Scene, plan: Plan, bridge_at: tuple[int, int], bare_at: tuple[int, int]
) -> list[tuple[str, str, str, str]]:
    arrivals = Arrivals()
    ids = [device.id for device in plugs(DEVICES)]
    topics = {f"{BASE}/{level(device)}/switch": device for device in range(DEVICES)}

    words = {device: stage.latest[topic].decode().lower() for topic, device in topics.items()}

    def heard(topic: str, payload: bytes, at: float) -> None:
        if topic in topics:
            words[topics[topic]] = payload.decode().lower()
            arrivals.came(topics[topic], at)
        elif topic == STATE:
            arrivals.came(ids.index(json.loads(payload)["payload"]["devices"][0]["id"]), at)

    def body(device: int) -> bytes:
        state = {"capability": "st.switch", "name": "switch", "value": OTHER[words[device]]}
        header = {"namespace": "Uhome.Notification", "name": "DeviceState", "messageId": "1", "payloadVersion": "1"}
        return json.dumps({"header": header, "payload": {"devices": [{"id": ids[device], "states": [state]}]}}).encode()

    headers = {"Authorization": f"Bearer {stage.secret}", "Content-Type": "application/json"}

    def posting(http: httpx.AsyncClient, url: str) -> Send:
        async def post(device: int) -> None:
            (await http.post(url, content=body(device), headers=headers)).raise_for_status()

        return post

    stage.heard = heard
    found = []
    async with poster() as http:
        for path, of in (("one", ""), ("three", " of three messages")):
            bridge = Contender(pid=bridge_at[0], send=posting(http, f"http://127.0.0.1:{bridge_at[1]}{NOTIFICATIONS}"))
            bare = Contender(pid=bare_at[0], send=posting(http, f"http://127.0.0.1:{bare_at[1]}/{path}"))
            await compete((bridge, bare), arrivals, plan, plan.notifications_at_once)
            found += rows(f"notification{of}", f"notifications{of}", "MQTT publish", bridge.measured, bare.measured)
    return found
