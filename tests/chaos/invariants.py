"""What must hold after each fault, whatever it was."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiomqtt
import httpx

from .actors import Household
from .claims import Claims
from .orders import Orders
from .scene import Scene, Use
from .truth import differences

ONLINE_WITHIN = 75.0
"""Seconds after a fault: the longest pause between two attempts to connect is 30, what is retained is read for up to
10, a connection that is half-open is noticed after 10, and then everything is said once more."""
QUIET_WITHIN = 90.0
"""Seconds after which no command is without an outcome: a confirmation is waited for during 75 at most."""
TRUE_WITHIN = 45.0
"""Seconds, beside two poll intervals in use, after which what is retained equals what the cloud knows."""
KEPT_WITHIN = 75.0
"""Seconds after which what is to outlive the process is on disk: writing is tried again every minute."""
BACK_WITHIN = 60.0
"""Seconds after which a process uses no more than before: kept connections are given up after 20."""
MORE = Use(descriptors=10, threads=8, resident=48 * 1024 * 1024)
"""What a process may use beyond what it used when all was well for the first time."""
SETTLING = 0.5
"""Seconds."""

ARRIVED_WITHIN = 3.0
"""Seconds after which a command has come in, or never will."""

FORGED = 1
"""The level of the garage's battery that only forged notifications tell."""
FINAL = ("confirmed", "unconfirmed", "rejected", "failed", "refused", "superseded")


@dataclass(slots=True, kw_only=True)
class Invariants:
    """Looks at a scene again and again; `usual`: what the process used at first."""

    scene: Scene
    home: Household
    usual: Use | None = None
    orders: Orders = field(init=False)
    claims: Claims = field(init=False)
    _checked: int = 0

    def __post_init__(self) -> None:
        self.orders = Orders(scene=self.scene, owner=self.home.owner)
        self.claims = Claims(scene=self.scene, owner=self.home.owner)

    async def back(self) -> None:
        """Expect the bridge to be online, and the cloud for it."""

        async def problems() -> list[str]:
            held, base = await self.scene.held(), self.scene.stage.ear.base
            states = {topic: held.get(f"{base}/{topic}") for topic in ("bridge/state", "bridge/cloud")}
            return [f"{topic} is {state}" for topic, state in states.items() if state != "online"]

        await none_within(ONLINE_WITHIN, problems)

    async def hold(self, *, starved: bool = False) -> None:
        """Expect all of it, when everybody is quiet; `starved`: its memory was too small for a while."""
        # For what was said last to arrive.
        await asyncio.sleep(SETTLING)
        await none_within(QUIET_WITHIN, self._under_way)
        await self.scene.stage.ear.settle()
        await none_within(TRUE_WITHIN + 2 * await self._poll_interval(), self._untrue)
        true_at = time.time()
        await none_within(KEPT_WITHIN, self._forgotten)
        self.orders.hold()
        lies = self.claims.lies()
        assert not lies, f"{len(lies)} lies: {'; '.join(lies[:5])}"
        self.claims.settled.append(true_at)
        self._log(starved=starved)
        forged = str(FORGED * 20)
        assert forged not in self.scene.stage.ear.payloads("garage/battery"), "a forged notification was believed"
        if self.usual is None:
            self.usual = self.scene.use()
        await none_within(BACK_WITHIN, self._grown)

    async def _under_way(self) -> list[str]:
        metrics = await self.scene.metrics()
        counts = {name: metrics[name] for name in ("uhome2mqtt_commands_pending", "uhome2mqtt_broker_outbox_messages")}
        owner, now = self.home.owner, time.time()
        given = [one for one in owner.asked if now < one.sent_at + ARRIVED_WITHIN and not owner.finals(one)]
        return [f"{name} is {count:.0f}" for name, count in counts.items() if count] + list(map(str, given))

    async def _poll_interval(self) -> float:
        return (await self.scene.metrics())["uhome2mqtt_poll_interval_seconds"]

    async def _untrue(self) -> list[str]:
        devices = list(self.scene.stage.account.cloud.house.devices.values())
        return differences(devices, await self.scene.held(), self.scene.stage.ear.base)

    async def _forgotten(self) -> list[str]:
        """Look whether a bridge that were started now would find what it needs."""
        place = self.scene.stage.state_dir
        tokens, pins = (json.loads((place / name).read_text()) for name in ("tokens.json", "devices.json"))
        login = [] if self.scene.stage.account.cloud.grants.admits(tokens["access_token"]) else ["a dead login is kept"]
        house = self.scene.stage.account.cloud.house.devices
        return login + [f"no pin of {device} is kept" for device in house.keys() - pins["devices"].keys()]

    async def _grown(self) -> list[str]:
        now, usual = self.scene.use(), self.usual
        assert usual is not None
        grown = {name: getattr(now, name) - getattr(usual, name) for name in ("descriptors", "threads", "resident")}
        return [
            f"{name} has grown by {more:,} to {getattr(now, name):,}"
            for name, more in grown.items()
            if more > getattr(MORE, name)
        ]

    def _log(self, *, starved: bool) -> None:
        """Expect of the log that each command that was received has ended once, and that nothing is wrong with us."""
        lines = self.scene.bridge.err[self._checked :]
        before, self._checked = self._checked, len(self.scene.bridge.err)
        first = [run - before for run in self.scene.runs if run > before]
        for begin, end in zip([0, *first], [*first, len(lines)], strict=True):
            killed = end != len(lines) and before + end not in self.scene.orderly
            self._run(lines[begin:end], killed=killed, starved=starved)

    def _run(self, lines: list[str], *, killed: bool, starved: bool) -> None:
        ended: Counter[str] = Counter()
        received: set[str] = set()
        for text in lines:
            line = parsed(text)
            event = line.get("event", "")
            assert starved or killed or line or "Traceback" not in text, "".join(lines[-60:])
            assert starved or event != "internal_error", text
            if event == "command_received":
                received.add(line["id"])
            elif event.removeprefix("command_") in FINAL:
                ended[line["id"]] += 1
        twice = [number for number, count in ended.items() if count > 1]
        assert not twice, f"these commands have ended more than once: {twice}"
        open_ended = received - ended.keys()
        assert killed or not open_ended, f"these commands have not ended: {open_ended}"


def parsed(text: str) -> dict[str, Any]:
    """Read a line of the log; a process that is killed may not have finished its last."""
    try:
        line = json.loads(text)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


async def none_within(seconds: float, problems: Callable[[], Awaitable[list[str]]]) -> None:
    """Wait until there is no problem left."""
    until = time.monotonic() + seconds
    while True:
        try:
            found = await problems()
        except (aiomqtt.MqttError, httpx.HTTPError, TimeoutError) as problem:
            found = [f"out of reach: {problem!r}"]
        if not found:
            return
        assert time.monotonic() < until, f"after {seconds:.0f} s: {'; '.join(found)}"
        await asyncio.sleep(0.25)
