"""Commands and notifications: the bridge beside the bare pipeline, in turns, on one broker and one cloud."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import httpx

from benchmarks.bare import ALIVE, COMMANDS, STATE
from benchmarks.process import ROOT, usage
from benchmarks.scene import BASE, NOTIFICATIONS, Scene, plugs, poster, scene
from benchmarks.table import compared, percentile, table
from tests.support.patience import eventually, free_port
from tests.support.process import environment
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
    """What one contender took: seconds for each; under load how many in a second, and seconds of CPU for each.

    `busy`: the share of a processor that it had then. `around`: that of the busiest process that sends to it or hears
    from it; whichever of the two is near 1 was the limit.
    """

    times: list[float] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)
    around: list[float] = field(default_factory=list)

    def loaded(self, done: int, took: float, cpu: float, around: float) -> None:
        """Note what a time of load was: how many, seconds, and seconds of CPU here and around."""
        self.rates.append(done / took)
        self.cpu.append(cpu / done)
        self.busy.append(cpu / took)
        self.around.append(around / took)


Send = Callable[[int], Awaitable[None]]
"""Sends one about a device: that it is, or is to be, what it was not."""
OTHER = {"on": "off", "off": "on"}


@dataclass(slots=True, kw_only=True)
class Contender:
    """One that is measured; `pid`: its process. `flooded`: the job of a sender that loads it for some seconds."""

    pid: int
    send: Send
    flooded: Callable[[float], dict[str, Json]] | None = None
    measured: Measured = field(default_factory=Measured)


class Arrivals:
    """What has arrived of what was sent, by device."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[float]] = {}
        self.count = 0
        self.last = 0.0

    def expect(self, device: int) -> asyncio.Future[float]:
        self._waiting[device] = coming = asyncio.get_running_loop().create_future()
        return coming

    def came(self, device: int, at: float) -> None:
        self.count, self.last = self.count + 1, at
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
    before, ours, began = usage(contender.pid).cpu, time.process_time(), time.perf_counter()

    async def go_on(device: int) -> None:
        nonlocal done
        while time.perf_counter() < began + seconds:
            await single(contender, arrivals, device)
            done += 1

    await asyncio.gather(*map(go_on, range(at_once)))
    took = time.perf_counter() - began
    contender.measured.loaded(done, took, usage(contender.pid).cpu - before, time.process_time() - ours)


async def flood(contender: Contender, arrivals: Arrivals, job: dict[str, Json]) -> None:
    """Let a process of its own post for some seconds, and count until the last of it has arrived."""
    before, ours, count = usage(contender.pid).cpu, time.process_time(), arrivals.count
    pipe = asyncio.subprocess.PIPE
    sender = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.sender", stdin=pipe, stdout=pipe, cwd=ROOT, env=environment()
    )
    sent = json.loads((await sender.communicate(json.dumps(job).encode()))[0])
    await eventually(lambda: arrivals.count - count >= sent["done"], LONGEST)
    took, cpu = arrivals.last - sent["began"], usage(contender.pid).cpu - before
    contender.measured.loaded(sent["done"], took, cpu, max(sent["cpu"], time.process_time() - ours))


async def compete(contenders: Sequence[Contender], arrivals: Arrivals, plan: Plan, at_once: int) -> None:
    """Measure all, one after the other in each turn: whatever the machine does, it does to all."""
    for number in range(WARM_UP + plan.singles):
        for contender in contenders:
            took = await single(contender, arrivals, number % DEVICES)
            if number >= WARM_UP:
                contender.measured.times.append(took)
    for _ in range(plan.turns):
        for contender in contenders:
            if contender.flooded is None:
                await load(contender, arrivals, at_once, plan.seconds)
            else:
                await flood(contender, arrivals, contender.flooded(plan.seconds))


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
        compared("processor that it had then", mean(bridge.busy) * 100, mean(bare.busy) * 100, "%"),
        compared("the busiest process around it", mean(bridge.around) * 100, mean(bare.around) * 100, "%"),
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
            await eventually(lambda: all(stage.latest.get(topic) in {b"ON", b"OFF"} for topic in switches()), 60)
            # The other way round, the bridge would doubt notifications that contradict commands of seconds ago.
            notifications = await _notifications(stage, plan, (bridge, web), (bare, bare_web))
            commands = await _commands(stage, plan, bridge, bare)
    return table(HEAD, [*commands, *notifications])


def level(device: int) -> str:
    """Give the topic level of a plug."""
    return f"plug_{device}"


def switches() -> dict[str, int]:
    """Give the topics on which the bridge says whether a plug is on."""
    return {f"{BASE}/{level(device)}/switch": device for device in range(DEVICES)}


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


@dataclass(slots=True, kw_only=True)
class Changes:
    """Notifications that a plug is what it was not; `words`: what each is."""

    secret: str
    words: dict[int, str]
    ids: list[str] = field(default_factory=lambda: [device.id for device in plugs(DEVICES)])

    def body(self, device: int, word: str) -> str:
        """Write a notification."""
        state = {"capability": "st.switch", "name": "switch", "value": word}
        header = {"namespace": "Uhome.Notification", "name": "DeviceState", "messageId": "1", "payloadVersion": "1"}
        return json.dumps({"header": header, "payload": {"devices": [{"id": self.ids[device], "states": [state]}]}})

    def one_by_one(self, http: httpx.AsyncClient, url: str) -> Send:
        """Give what posts one and waits for its answer."""
        headers = {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}

        async def post(device: int) -> None:
            body = self.body(device, OTHER[self.words[device]])
            (await http.post(url, content=body, headers=headers)).raise_for_status()

        return post

    def many(self, url: str, connections: int) -> Callable[[float], dict[str, Json]]:
        """Give what composes the job of a sender; no plug is on two connections."""

        def turns(first: int) -> Json:
            mine = range(first, DEVICES, connections)
            changed = [self.body(device, OTHER[self.words[device]]) for device in mine]
            return [*changed, *(self.body(device, self.words[device]) for device in mine)]

        def job(seconds: float) -> dict[str, Json]:
            bodies = [turns(first) for first in range(connections)]
            return {"url": url, "secret": self.secret, "seconds": seconds, "connections": bodies}

        return job


async def _notifications(
    stage: Scene, plan: Plan, bridge_at: tuple[int, int], bare_at: tuple[int, int]
) -> list[tuple[str, str, str, str]]:
    arrivals = Arrivals()
    topics = switches()
    words = {device: stage.latest[topic].decode().lower() for topic, device in topics.items()}
    changes = Changes(secret=stage.secret, words=words)
    await stage.hear_only(f"{BASE}/+/switch", STATE)

    def heard(topic: str, payload: bytes, at: float) -> None:
        if topic in topics:
            words[topics[topic]] = payload.decode().lower()
            arrivals.came(topics[topic], at)
        elif topic == STATE:
            arrivals.came(changes.ids.index(json.loads(payload)["payload"]["devices"][0]["id"]), at)

    stage.heard = heard
    found = []
    async with poster() as http:

        def contender(pid: int, port: int, path: str) -> Contender:
            url = f"http://127.0.0.1:{port}{path}"
            flooded = changes.many(url, plan.notifications_at_once)
            return Contender(pid=pid, send=changes.one_by_one(http, url), flooded=flooded)

        for path, of in (("/one", ""), ("/three", " of three messages")):
            bridge, bare = contender(*bridge_at, NOTIFICATIONS), contender(*bare_at, path)
            await compete((bridge, bare), arrivals, plan, plan.notifications_at_once)
            found += rows(f"notification{of}", f"notifications{of}", "MQTT publish", bridge.measured, bare.measured)
    return found
