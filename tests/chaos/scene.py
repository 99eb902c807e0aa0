"""One bridge as a process, with a gate before its broker and one before its cloud, and all that chaos needs of it."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.ear import client
from tests.support.mosquitto import Mosquitto, refusing
from tests.support.patience import eventually, free_port
from tests.support.process import Bridge
from tests.support.push import PATH, reachable
from tests.support.scraped import OPENMETRICS, Scraped
from tests.support.stage import Stage, merged, staged

from .gate import Gate, gate

MAX_AGE = 10
"""Seconds after which a command must not reach the cloud any more: `commands.max_age`."""
KEEPALIVE = 5
"""Seconds: the least that `mqtt.keepalive` takes."""
PAUSE = (20.0, 30.0)
"""Seconds for which the bridge's process stands still."""
SHIM = Path(__file__).parent / "shim"
FAKETIME = ("usr/lib/*/faketime/libfaketime.so.1", "usr/lib*/faketime/libfaketime.so.1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a process uses; `resident` in bytes."""

    descriptors: int
    threads: int
    resident: int

    def __str__(self) -> str:
        return f"{self.descriptors} descriptors, {self.threads} threads, {self.resident // 2**20} MiB"


@dataclass(slots=True, kw_only=True)
class Scene:
    """Times are seconds since 1970: those of the machine, whatever the bridge takes for the time.

    `outages`: when what the bridge published may not have been heard. `deaths`: when it was killed, or ended.
    `ends`: when it had ended because it was told to. `orderly`: where in its log the runs after those begin.
    `hindered`: when the process may have been too busy to take an answer. `timeout`: seconds that it waits for one.
    `saved`: when the broker saved last. `restored`: when it was killed, and when it had saved what it came back with.
    `runs`: where in its log each run begins. `clock`: whether its clock can jump. `speed`: how many of its seconds pass
    in one of ours. `revoked`: when its access token was revoked last.
    """

    stage: Stage
    broker_gate: Gate
    cloud_gate: Gate
    bridge: Bridge
    web: int
    clock: bool
    speed: int = 1
    timeout: float = 0.0
    protocol: str = "auto"
    pause: tuple[float, float] = PAUSE
    outages: list[tuple[float, float]] = field(default_factory=list)
    deaths: list[float] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)
    orderly: set[int] = field(default_factory=set)
    hindered: list[tuple[float, float]] = field(default_factory=list)
    saved: float = 0.0
    restored: list[tuple[float, float]] = field(default_factory=list)
    revoked: float = 0.0
    runs: list[int] = field(default_factory=list)

    @property
    def shim(self) -> Path:
        """Where the bridge's process looks for what the system would answer."""
        return self.stage.directory / "shim"

    @property
    def notifications(self) -> str:
        return f"http://127.0.0.1:{self.web}{PATH}"

    async def start(self) -> None:
        """Start the bridge, or start it again."""
        self.runs.append(len(self.bridge.err))
        place = str(SHIM)
        path = os.pathsep.join([place, *filter(None, [os.environ.get("PYTHONPATH")])])
        await self.bridge.start(None, PYTHONPATH=path, CHAOS_DIRECTORY=str(self.shim), **self._clock())

    async def kill(self) -> None:
        """End the bridge as a power cut would."""
        await self.bridge.stop(signal.SIGKILL)
        self.deaths.append(time.time())

    async def end(self) -> None:
        """End the bridge as a system does that is shut down."""
        code = await self.bridge.stop()
        self.ends.append(time.time())
        self.orderly.add(len(self.bridge.err))
        assert code == 0, f"the bridge has ended with {code}"

    async def save(self) -> None:
        """Have the broker write down what it retains now."""
        kept = self.stage.directory / "mosquitto.db"
        before = kept.stat().st_mtime_ns if kept.exists() else 0
        self.stage.broker.send(signal.SIGUSR1)
        await eventually(lambda: kept.exists() and kept.stat().st_mtime_ns != before)
        self.saved = time.time()

    async def broker(self, rules: str = "open", how: signal.Signals = signal.SIGTERM, pause: float = 0.0) -> None:
        """End the broker and start it again, with other rules."""
        if how is signal.SIGKILL:
            self.restored.append((time.time(), self.saved))
        else:
            self.saved = time.time()
        await asyncio.to_thread(self.stage.broker.end, how)
        await asyncio.sleep(pause)
        port = self.stage.broker.port
        self.stage.broker = Mosquitto(self._place(rules), *rules_of(self.stage, rules), port=port)
        await asyncio.to_thread(self.stage.broker.start)

    def mute(self, *, mute: bool) -> None:
        """Let the broker refuse whatever the bridge publishes, or take it again; no connection is lost for that."""
        base = self.stage.ear.base
        said = (f"{base}/+/+/set", f"{base}/bridge/request/#", f"{base}/ear/marker", "marker/#")
        people = [*(f"topic write {topic}" for topic in said), "topic read #"]
        rules = people if mute else ["topic readwrite #"]
        (self.stage.directory / "access").write_text("\n".join(rules) + "\n")
        self.stage.broker.send(signal.SIGHUP)

    @contextmanager
    def outage(self) -> Iterator[None]:
        """Take note that what is published meanwhile may be lost."""
        with _noted(self.outages):
            yield

    @contextmanager
    def hindrance(self) -> Iterator[None]:
        """Take note that the process may not get to anything meanwhile."""
        with _noted(self.hindered):
            yield

    def use(self) -> Use:
        """Say what the bridge's process uses."""
        place = Path(f"/proc/{self.bridge.pid}")
        status = dict(line.split(":\t", 1) for line in (place / "status").read_text().splitlines() if ":\t" in line)
        return Use(
            descriptors=len(list((place / "fd").iterdir())),
            threads=int(status["Threads"]),
            resident=int((place / "statm").read_text().split()[1]) * resource.getpagesize(),
        )

    def limit(self, what: int, least: int) -> None:
        """Limit what the process may use, to be lifted again; needs no privilege."""
        _, most = resource.prlimit(self.bridge.pid, what)
        resource.prlimit(self.bridge.pid, what, (most if least < 0 else least, most))

    def address_space(self) -> int:
        """Give the bytes of the process's address space."""
        return int(Path(f"/proc/{self.bridge.pid}/statm").read_text().split()[0]) * resource.getpagesize()

    def cpu(self) -> float:
        """Give the seconds that the process has worked since its start."""
        fields = Path(f"/proc/{self.bridge.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def metrics(self) -> Scraped:
        """Ask the bridge itself how it is doing."""
        response = await self.stage.account.http.get(
            f"http://127.0.0.1:{self.web}/metrics", headers={"Accept": OPENMETRICS}
        )
        return Scraped(response.text, response.headers["Content-Type"])

    async def held(self) -> dict[str, str]:
        """Give everything that the broker retains, to a fresh client."""
        marker = f"marker/{uuid4()}"
        found: dict[str, str] = {}
        async with client(self.stage.broker) as reader, asyncio.timeout(10):
            await reader.subscribe("#", qos=1)
            await reader.publish(marker, "all", qos=1)
            async for message in reader.messages:
                if str(message.topic) == marker:
                    break
                if message.retain and isinstance(message.payload, bytes):
                    found[str(message.topic)] = message.payload.decode()
        return found

    def _place(self, rules: str) -> Path:
        place = self.stage.directory / rules
        place.mkdir(exist_ok=True)
        return place

    def _clock(self) -> dict[str, str]:
        if self.speed > 1:
            clock = {"LD_PRELOAD": str(faketime()), "FAKETIME": f"+0 x{self.speed}"}
            return clock | {"CHAOS_PATIENCE": str(self.speed)}
        if not self.clock:
            return {}
        return {
            "LD_PRELOAD": str(faketime()),
            "FAKETIME_TIMESTAMP_FILE": str(self.shim / "clock"),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }


@contextmanager
def _noted(spans: list[tuple[float, float]]) -> Iterator[None]:
    began = time.time()
    try:
        yield
    finally:
        spans.append((began, time.time()))


def faketime() -> Path:
    """Find the library that gives one process another clock; it has to be there."""
    found = [path for pattern in FAKETIME for path in Path("/").glob(pattern)]
    assert found, "libfaketime is needed for a clock that jumps: sudo apt-get install libfaketime, or leave `clock` out"
    return found[0]


def rules_of(stage: Stage, rules: str) -> tuple[str, ...]:
    """Give the settings of a broker that keeps what is retained; with other rules the bridge hears no commands."""
    if rules == "no_subscriptions":
        kept = ("persistence true", f"persistence_location {stage.directory}/")
        return (*refusing(stage.directory, f"{stage.ear.base}/+/+/set"), *kept)
    return opened(stage.directory)


def opened(directory: Path) -> tuple[str, ...]:
    """Give the settings of a broker that lets everybody do everything, until its access file says otherwise."""
    access = directory / "access"
    access.write_text("topic readwrite #\n")
    access.chmod(0o600)
    kept = ("persistence true", f"persistence_location {directory}/")
    return ("allow_anonymous true", f"acl_file {access}", *kept)


QUICK = {
    "uhome": {"timeout": 3},
    "mqtt": {"keepalive": KEEPALIVE},
    "polling": {"interval": 10, "interval_push_healthy": 10, "discovery_interval": 60},
    "commands": {"max_age": MAX_AGE},
}
"""Everything as quick as it can be configured."""


def document(broker: Gate, cloud: Gate, web: int, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Give what is unusual in the configuration: the ways through the gates, and changes."""
    # A name, so that there is something to resolve.
    through = f"http://localhost:{cloud.port}"
    ways = {
        "uhome": {"api_url": f"{through}/action", "token_url": f"{through}/token"},
        "mqtt": {"url": f"mqtt://127.0.0.1:{broker.port}"},
    }
    return merged(merged(reachable(web), ways), changes)


@asynccontextmanager
async def scene(
    directory: Path, *, clock: bool = False, speed: int = 1, changes: Mapping[str, Any] = QUICK
) -> AsyncIterator[Scene]:
    """Prepare a scene whose bridge is up, with the whole household on the broker."""
    (directory / "shim").mkdir()
    (directory / "shim" / "clock").write_text("+0\n")
    (directory / "first").mkdir()
    first = Mosquitto(directory / "first", *opened(directory))
    first.start()
    stage: Stage | None = None
    try:
        async with (
            staged(directory, first) as stage,
            gate(first.port) as broker,
            gate(int(stage.account.url.rsplit(":", 1)[1])) as cloud,
        ):
            await stage.log_in()
            web = free_port()
            bridge = stage.bridge(**document(broker, cloud, web, changes))
            prepared = Scene(
                stage=stage,
                broker_gate=broker,
                cloud_gate=cloud,
                bridge=bridge,
                web=web,
                clock=clock,
                speed=speed,
                timeout=changes["uhome"]["timeout"] / speed,
                protocol=changes["mqtt"].get("protocol", "auto"),
            )
            try:
                await prepared.start()
                await stage.complete()
                await bridge.until_logged("push_registered")
                yield prepared
            finally:
                (directory / "bridge.log").write_text("".join(bridge.err))
                await stage.aclose()
    finally:
        (stage.broker if stage is not None else first).end()
