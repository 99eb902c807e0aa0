"""Ten thousand commands out of the past, over restarts of broker and bridge: none may reach a lock."""

from __future__ import annotations

import asyncio
import json
import signal
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice, product
from pathlib import Path
from typing import Any

import pytest
from aiomqtt import ProtocolVersion

from tests.support.account import BACK, FRONT
from tests.support.ear import client, held, properties
from tests.support.mosquitto import ANYBODY, Mosquitto
from tests.support.patience import eventually, wait_until
from tests.support.process import Bridge
from tests.support.sessions import lasting_client, leave_session
from tests.support.stage import Stage, staged
from uhome2mqtt.simulator.device import BATTERY, LOCK_MODE, LOCK_STATE, SimDevice

pytestmark = pytest.mark.e2e

PATIENCE = 60.0
EXPIRY = 5
"""Seconds after which the broker no longer delivers some of what it has queued; what has expired when it saves its
database loses its expiry there, so that all must be on disk before."""
MAX_AGE = 30
TOGETHER = 20
"""Messages that wait for their acknowledgement at the same time."""

POISON = {"lock/set": "UNLOCK", "mode/set": "passage", "set": '{"lock": "UNLOCK"}', "get": "now"}
SET_UP = (FRONT, "unlock")
WITNESS, END = "witness", "end"

Message = tuple[str, str, dict[str, Any]]
"""Topic below the base topic, payload, options."""


class Siege:
    """A large account, its bridge as a process, and a broker that keeps everything on disk."""

    def __init__(self, stage: Stage, broker: Mosquitto, protocol: str, size: int) -> None:
        self.stage = stage
        self.broker = broker
        self.size = size
        self.version = ProtocolVersion.V5 if protocol == "5" else ProtocolVersion.V311
        self.name = f"{stage.ear.base}-bridge"
        self.locks = [f"lock_{number:03}" for number in range(-(-size // len(POISON)))]
        self.bridge: Bridge = stage.bridge(
            mqtt={"client_id": self.name, "protocol": protocol, "json_state": False},
            homeassistant={"discovery": "off"},
            polling={"interval": 3600},
            uhome={"query_batch_size": 100},
            log={"level": "warning"},
        )
        self._read = 0
        self._refused: Counter[str] = Counter()

    async def start(self) -> None:
        """Start the bridge and wait until it shows the whole account, says so, and has read what was there before."""
        since = self.stage.ear.now
        await self.bridge.start()
        await self.online(since)
        await self.stage.ear.until(f"{self.locks[-1]}/lock", lambda text: text != "None", since, PATIENCE)
        await self.stage.complete(since, PATIENCE)

    async def stop(self, how: signal.Signals) -> None:
        """End the bridge and wait until the broker has heard all that it said: its goodbye or its will comes last."""
        since = self.stage.ear.now
        await self.bridge.stop(how)
        await self.stage.ear.until("bridge/state", "offline", since, PATIENCE)

    async def online(self, since: int) -> None:
        """Wait until the bridge says that it is there: itself, not the broker, which has kept what it said before."""

        def said() -> bool:
            heard = [
                each for each in self.stage.ear.heard[since:] if each.topic == self.stage.ear.topic("bridge/state")
            ]
            return any(each.payload == "online" and not each.retained for each in heard)

        await eventually(said, PATIENCE)

    async def pour(self, messages: Iterable[Message]) -> None:
        """Publish as fast as the broker takes it."""
        async with client(self.broker) as pouring:
            pouring.pending_calls_threshold = TOGETHER
            waiting = iter(messages)
            while some := list(islice(waiting, TOGETHER)):
                await asyncio.gather(
                    *(
                        pouring.publish(self.stage.ear.topic(topic), payload, **{"qos": 1, **options})
                        for topic, payload, options in some
                    )
                )

    def refused(self) -> Counter[str]:
        """Count the refusals heard so far by their reason; any other outcome counts as what it is."""
        for heard in self.stage.ear.heard[self._read :]:
            if heard.topic.endswith("/result"):
                document = json.loads(heard.payload)
                known = document["event_type"] == "refused"
                self._refused[document["reason"] if known else document["event_type"]] += 1
        self._read = self.stage.ear.now
        return self._refused

    async def until_refused(self, **counts: int) -> None:
        """Wait until so many refusals have been heard by reason, and see that there were no others."""
        wanted = Counter(counts)
        try:
            await eventually(lambda: self.refused() >= wanted, PATIENCE)
        except TimeoutError:
            raise AssertionError(f"wanted {wanted}, heard {self.refused()}") from None
        assert self.refused() == wanted

    async def restart_broker(self, how: signal.Signals) -> None:
        """Take the broker down and up again; whatever it held is on disk, also when it is killed."""
        database = self.broker.directory / "mosquitto.db"
        if how is signal.SIGKILL:
            before = database.stat().st_mtime_ns if database.exists() else 0
            self.broker.send(signal.SIGUSR1)
            wait_until(lambda: database.exists() and database.stat().st_mtime_ns != before)
        self.broker.end(how)
        self.broker.start()

    async def poisoned(self) -> int:
        """Count the commands that the broker retains."""
        found = await held(self.broker, self.stage.ear.base, PATIENCE)
        return sum(topic.endswith(("/set", "/get")) for topic in found)


def retained(siege: Siege) -> Iterator[Message]:
    """Give commands to be retained, each on a topic of its own."""
    for lock, (topic, payload) in islice(product(siege.locks, POISON.items()), siege.size):
        yield f"{lock}/{topic}", payload, {"retain": True}


def queued(siege: Siege, name: str, count: int, **options: Any) -> Iterator[Message]:
    """Give commands to be queued, each with a transaction of its own."""
    for number, lock in enumerate(islice(cycle(siege.locks), count)):
        yield f"{lock}/lock/set", json.dumps({"value": "UNLOCK", "transaction": f"{name} {number}"}), options


def repeated(siege: Siege) -> Iterator[Message]:
    """Give the transaction of the set-up again and again, in each form that a command may have."""
    for number in range(siege.size):
        body = {"transaction": "once", ("lock" if number % 2 else "value"): ("LOCK" if number % 3 else "UNLOCK")}
        yield "front_door/set" if number % 2 else "front_door/lock/set", json.dumps(body), {"qos": 1 + number % 2}


def outdated(siege: Siege) -> Iterator[Message]:
    """Give commands that say themselves that they are old, in each form that a time may have."""
    for number, lock in enumerate(islice(cycle(siege.locks), siege.size)):
        moment = datetime.now(UTC) - timedelta(seconds=MAX_AGE + 1 + number**2)
        said = (moment.isoformat(), moment.timestamp(), moment.timestamp() * 1000)[number % 3]
        yield f"{lock}/lock/set", json.dumps({"value": "UNLOCK", "sent_at": said}), {}


async def while_running(siege: Siege) -> None:
    """Give what is refused for what it says, before and after the broker was killed under the bridge."""
    size = siege.size
    await siege.pour(repeated(siege))
    await siege.pour(outdated(siege))
    await siege.until_refused(accepted=1, confirmed=1, DUPLICATE=size, EXPIRED=size)
    since = siege.stage.ear.now
    await siege.restart_broker(signal.SIGKILL)
    await siege.online(since)
    await siege.pour(repeated(siege))
    await siege.until_refused(accepted=1, confirmed=1, DUPLICATE=2 * size, EXPIRED=size)


async def while_away(
    siege: Siege, bridge_ends: signal.Signals, broker_ends: signal.Signals, *, expiring: int = 0
) -> None:
    """Give what the broker keeps for a bridge that is away, restart the broker, and let the bridge come back."""
    counts, topic = siege.refused().copy(), siege.stage.ear.topic
    await siege.stop(bridge_ends)
    filters = [topic("+/+/set"), topic("+/set"), topic("+/get")]
    await leave_session(siege.broker, siege.version, siege.name, *filters)
    # Another session shows what the broker would deliver to whoever took up the first.
    await leave_session(siege.broker, ProtocolVersion.V5, WITNESS, *filters, topic(END))
    await siege.pour(retained(siege))
    await siege.pour(queued(siege, "lasting", siege.size))
    await siege.pour(queued(siege, "brief", expiring, properties=properties(MessageExpiryInterval=EXPIRY)))
    await siege.restart_broker(broker_ends)
    await asyncio.sleep(EXPIRY + 1 if expiring else 0)
    assert await siege.poisoned() == siege.size
    assert await witnessed(siege) == {"lasting": siege.size}
    await siege.start()
    counts["RETAINED"] += siege.size
    await siege.until_refused(**counts)
    # Whatever else might come of what was given has come before this is refused.
    await siege.stage.fence(counts["RETAINED"])
    counts["INVALID_PAYLOAD"] += 1
    await siege.until_refused(**counts)
    assert await siege.poisoned() == 0


async def killed_while_clearing(siege: Siege) -> None:
    """Kill the bridge in the middle of its refusals: the next one does what was left."""
    counts = siege.refused().copy()
    await siege.stop(signal.SIGTERM)
    await siege.pour(retained(siege))
    await siege.bridge.start()
    await eventually(lambda: siege.refused() > counts, PATIENCE)
    await siege.stop(signal.SIGKILL)
    left = await siege.poisoned()
    assert 0 < left < siege.size
    counts = siege.refused().copy()
    await siege.start()
    counts["RETAINED"] += left
    await siege.until_refused(**counts)
    assert await siege.poisoned() == 0


async def witnessed(siege: Siege) -> Counter[str]:
    """Take up the other session and count what had been queued in it, by the name of its transaction."""
    found: Counter[str] = Counter()
    async with lasting_client(siege.broker, ProtocolVersion.V5, WITNESS) as witness, asyncio.timeout(PATIENCE):
        await witness.publish(siege.stage.ear.topic(END), "", qos=1)
        async for message in witness.messages:
            if str(message.topic) == siege.stage.ear.topic(END):
                break
            if b"transaction" in bytes(message.payload):
                found[json.loads(message.payload)["transaction"].partition(" ")[0]] += 1
    return found


def furnish(siege: Siege) -> None:
    """Give the account its locks."""
    for number, _ in enumerate(siege.locks):
        lock = SimDevice(
            id=f"0C:7F:ED:11:{number // 256:02X}:{number % 256:02X}",
            name=f"Lock {number:03}",
            category="SmartLock",
            handle_type="utec-lock",
            model="Simulated",
            states={LOCK_STATE: "Locked", LOCK_MODE: 0, BATTERY: 5},
        )
        siege.stage.account.cloud.put(lock)


@pytest.mark.parametrize(("protocol", "size"), [("5", 1250), ("3.1.1", 250)])
async def test_replay(tmp_path: Path, protocol: str, size: int) -> None:
    """Of commands that are retained, queued, repeated or expired, twice `size` of each, none reaches the cloud."""
    kept = ("persistence true", f"persistence_location {tmp_path}/", "max_queued_messages 0")
    with Mosquitto(tmp_path, *ANYBODY, *kept) as broker:
        async with staged(tmp_path, broker) as stage:
            siege = Siege(stage, broker, protocol, size)
            furnish(siege)
            await stage.log_in()
            await siege.start()
            await stage.ear.say("front_door/lock/set", '{"value": "UNLOCK", "transaction": "once"}')
            await stage.ear.until_event("front_door/result", "confirmed", deadline=PATIENCE)
            await while_running(siege)
            await while_away(siege, signal.SIGTERM, signal.SIGTERM, expiring=size)
            await while_away(siege, signal.SIGKILL, signal.SIGKILL)
            await killed_while_clearing(siege)
            assert stage.account.commands() == [SET_UP]
            since = stage.ear.now
            await stage.ear.say("back_door/lock/set", "UNLOCK")
            await stage.ear.until_event("back_door/result", "confirmed", since, PATIENCE)
            assert stage.account.commands() == [SET_UP, (BACK, "unlock")]
