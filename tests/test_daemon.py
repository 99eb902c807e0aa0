"""The composition: what the edges and the engine cannot pin alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

import pytest

from tests.conftest import Logged
from tests.support.account import BACK, FRONT
from tests.support.patience import eventually
from tests.support.stage import Stage, in_process, load_settings
from tests.test_broker import link
from uhome2mqtt import daemon as daemon_module
from uhome2mqtt.broker import Broker
from uhome2mqtt.clock import now
from uhome2mqtt.cloud import Cloud
from uhome2mqtt.compose import engine_config, topics_of
from uhome2mqtt.console import Desk
from uhome2mqtt.daemon import Daemon, Happening
from uhome2mqtt.effects import Effect
from uhome2mqtt.engine import Engine
from uhome2mqtt.events import MessageReceived, Now
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.state_dir import StateDir
from uhome2mqtt.tokens import Tokens
from uhome2mqtt.vitals import News


async def test_batches(stage: Stage) -> None:
    """A query of many devices is asked in pieces of the configured size, and all of them show."""
    await stage.log_in()
    async with in_process(stage, uhome={"query_batch_size": 2}):
        await stage.complete()
    sizes = [len(entry["devices"]) for entry in stage.account.requests("Query")]
    assert sorted(sizes[:4]) == [1, 2, 2, 2]


async def test_piece_fails(stage: Stage) -> None:
    """When one piece of a query fails the devices of the others are shown all the same."""
    await stage.log_in()
    await stage.account.fault("gateway_500", operation="Query", count=1)
    async with in_process(stage, uhome={"query_batch_size": 4}):
        await stage.ear.until("bridge/cloud", "degraded")
        retained = await stage.held()
    assert sorted((retained["front_door/lock"], retained["coffee_machine/switch"])) in (
        ["LOCKED", "None"],
        ["None", "OFF"],
    )


async def test_command_overtakes_query(stage: Stage) -> None:
    """A command does not wait for a query that hangs, nor for another device's command that does."""
    await stage.log_in()
    async with in_process(stage, uhome={"timeout": 60}):
        await stage.complete()
        since = stage.ear.now
        await stage.account.fault("timeout", operation="Query")
        await stage.ear.say("front_door/get", "")
        await stage.account.fault("timeout", operation="Command", count=1)
        await stage.ear.say("back_door/lock/set", "UNLOCK")
        await eventually(lambda: stage.account.commands() == [(BACK, "unlock")])
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        await stage.ear.until_event("front_door/result", "accepted", since, deadline=2)
    assert stage.account.commands() == [(BACK, "unlock"), (FRONT, "unlock")]


async def test_pending_ends(stage: Stage) -> None:
    """At the end every command has its final outcome: not known for what was sent, failed for what was not."""
    await stage.log_in()
    async with in_process(stage, uhome={"timeout": 60}):
        await stage.complete()
        since = stage.ear.now
        await stage.account.fault("timeout", operation="Command")
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        await stage.ear.say("front_door/lock/set", "LOCK")
        await eventually(lambda: len(stage.account.commands()) == 1)
        await stage.fence(1)
    await stage.ear.until("bridge/state", "offline", since)
    documents = {found["payload"]: found for found in stage.ear.documents("front_door/result", since)}
    assert documents["UNLOCK"]["event_type"] == "unconfirmed"
    assert documents["LOCK"]["event_type"] == "failed"
    assert {documents[payload]["reason"] for payload in ("UNLOCK", "LOCK")} == {"BRIDGE_STOPPED"}


async def test_commands_share_a_request(stage: Stage) -> None:
    """Commands for several devices that arrive in the same moment go out together, those of one device in turn."""
    await stage.log_in()
    async with in_process(stage) as bridge:
        await stage.complete()
        base = stage.ear.base
        for device, payload in (("front_door", b"UNLOCK"), ("back_door", b"UNLOCK"), ("front_door", b"LOCK")):
            bridge.tell(MessageReceived(topic=f"{base}/{device}/lock/set", payload=payload))
        await eventually(lambda: len(stage.account.commands()) == 3)
        assert stage.account.commands() == [(FRONT, "unlock"), (BACK, "unlock"), (FRONT, "lock")]
    assert [len(entry["devices"]) for entry in stage.account.requests("Command")] == [2, 1]


async def test_shared_request_refused(stage: Stage) -> None:
    """A request for several devices that is refused as a whole is made for each: one must not take others along."""
    await stage.log_in()
    async with in_process(stage) as bridge:
        await stage.complete()
        await stage.account.fault("error_envelope", code="BAD-REQUEST", operation="Command", count=2)
        for device in ("front_door", "back_door"):
            bridge.tell(MessageReceived(topic=f"{stage.ear.base}/{device}/lock/set", payload=b"UNLOCK"))
        outcomes = [
            (await stage.ear.until_event(f"{device}/result", "confirmed", deadline=10))["event_type"]
            for device in await one_refused(stage)
        ]
    assert outcomes == ["confirmed"]
    assert [len(entry["devices"]) for entry in stage.account.requests("Command")] == [2, 1, 1]


async def one_refused(stage: Stage) -> list[str]:
    """Wait until one of the doors was refused, and name the other."""
    doors = ("front_door", "back_door")

    def refused() -> list[str]:
        return [
            door
            for door in doors
            if any(found["event_type"] == "rejected" for found in stage.ear.documents(f"{door}/result", 0))
        ]

    [first] = await eventually(refused)
    return [door for door in doors if door != first]


async def test_health(stage: Stage) -> None:
    """The bridge's health tells what it has asked of the cloud, and goes on counting after a restart."""
    await stage.log_in()
    async with in_process(stage):
        await stage.complete()
        await stage.ear.say("front_door/lock/set", "SESAME")
        await stage.ear.until("bridge/health", lambda text: json.loads(text)["commands"]["refused"] == 1)
    first = json.loads((await stage.held())["bridge/health"])
    assert first["cloud"] == "online"
    assert first["requests"]["by_kind"]["list"] == 1
    assert first["requests"]["by_kind"]["query"] >= 1
    assert first["memory"] > 1_000_000
    since = stage.ear.now
    async with in_process(stage):
        so_far = first["requests"]["total"]
        await stage.ear.until("bridge/health", lambda text: json.loads(text)["requests"]["total"] > so_far, since)


async def test_counts_not_saved(stage: Stage, logged: Logged) -> None:
    """Counts that cannot be kept are complained of, and the bridge works."""
    await stage.log_in()
    (stage.state_dir / "requests.json").mkdir()
    (stage.state_dir / "requests.json" / "in the way").touch()
    async with in_process(stage):
        await stage.complete()
        await eventually(lambda: [line for line in logged("state_not_saved") if line["what"] == "request counts"])


async def test_pins_not_saved(stage: Stage, logged: Logged) -> None:
    """A state directory that cannot be written is complained of, and the bridge works."""
    await stage.log_in()
    (stage.state_dir / "devices.json").mkdir()
    (stage.state_dir / "devices.json" / "in the way").touch()
    async with in_process(stage):
        await stage.complete()
        await eventually(lambda: [line for line in logged("state_not_saved") if line["what"] == "devices"])


async def test_discovery_not_saved(stage: Stage, logged: Logged) -> None:
    """Where it cannot be kept what Home Assistant was told, that is complained of, and the bridge works."""
    await stage.log_in()
    (stage.state_dir / "discovery.json").mkdir()
    (stage.state_dir / "discovery.json" / "in the way").touch()
    async with in_process(stage):
        await stage.complete()
        await eventually(lambda: [line for line in logged("state_not_saved") if line["what"] == "discovery"])


class Faulty(Engine):
    """An engine with a fault of its own: it cannot bear one payload."""

    def handle(self, event: Happening, now: Now) -> list[Effect]:
        if isinstance(event, MessageReceived) and event.payload == b"boom":
            raise ZeroDivisionError
        return super().handle(event, now)


class FaultyTokens(Tokens):
    """Tokens with a fault of their own, once somebody breaks them."""

    broken = False

    async def access_token(self) -> str:
        if self.broken:
            raise ZeroDivisionError
        return await super().access_token()


class FaultyBroker(Broker):
    """A connection with a fault of its own, once."""

    faults = 1

    async def run(self) -> None:
        self.faults -= 1
        if self.faults >= 0:
            raise ZeroDivisionError
        await super().run()


class DeafBroker(Broker):
    """A connection that loses a cancellation, as asyncio of Python 3.11 can."""

    async def run(self) -> None:
        with suppress(asyncio.CancelledError):
            await super().run()
        await super().run()


class FaultyDesk(Desk):
    """A console that cannot take anything in."""

    def turned(self, event: object, effects: Sequence[Effect], news: News, now: Now) -> None:
        super().turned(event, effects, news, now)
        raise ZeroDivisionError


@asynccontextmanager
async def faulty(
    stage: Stage, kind: type[Broker] = FaultyBroker, desk: Desk | None = None
) -> AsyncIterator[FaultyTokens]:
    """Run a bridge whose parts have faults."""
    await stage.log_in()
    settings = load_settings(stage)
    tokens = FaultyTokens(stage.state_dir, stage.account.client(), stage.account.http)
    cloud = Cloud(stage.account.http, tokens, url=settings.uhome.api_url, timeout=5)
    engine = Faulty(engine_config(settings), {}, lambda: 0.5)
    daemon = Daemon(engine, cloud, StateDir(stage.state_dir), Ledger(), 20, desk=desk)
    described = link(stage.broker.port, stage.ear.base, status_topic=None)
    stopping = asyncio.Event()
    task = asyncio.create_task(daemon.run(kind(described, daemon.tell), stopping))
    try:
        yield tokens
    finally:
        stopping.set()
        async with asyncio.timeout(5):
            await task


async def test_own_faults(stage: Stage, logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of our own ends neither the bridge nor a command: it is logged, and the rest goes on."""
    monkeypatch.setattr(daemon_module, "AFTER_FAULT", 0.1)
    async with faulty(stage) as tokens:
        await stage.complete()
        await stage.ear.say("front_door/lock/set", "boom")
        await stage.fence(1)
        tokens.broken = True
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        [line, *_] = await eventually(lambda: logged("command_request_failed"))
        assert line["error"] == "INTERNAL_ERROR"
        tokens.broken = False
        await stage.ear.until_event("front_door/result", "confirmed")
    faults = logged("internal_error")
    assert len(faults) == 3
    assert all("ZeroDivisionError" in line["exception"] for line in faults)


async def test_faulty_console(stage: Stage, logged: Logged) -> None:
    """A console that fails with every event keeps nothing from being published, and no door from being opened."""
    engine = Engine(engine_config(load_settings(stage)), {}, lambda: 0.5)
    desk = FaultyDesk(topics_of(load_settings(stage)), lambda: engine.shown, dict, tuple, now)
    async with faulty(stage, Broker, desk):
        await stage.complete()
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        await stage.ear.until_event("front_door/result", "confirmed")
    assert {line["exception"].strip().splitlines()[-1] for line in logged("internal_error")} == {"ZeroDivisionError"}


async def test_lost_cancellation(stage: Stage) -> None:
    """The bridge ends in time although a cancellation gets lost on the way."""
    async with faulty(stage, DeafBroker):
        await stage.complete()
    await stage.ear.until("bridge/state", "offline")


def test_now() -> None:
    """Both clocks are read; the one that never jumps goes on."""
    first, second = now(), now()
    assert first.monotonic <= second.monotonic
    assert abs((datetime.now(UTC) - first.utc).total_seconds()) < 5
