"""What can go wrong: each fault happens, lasts for a while, and is over when its function returns."""

from __future__ import annotations

import asyncio
import json
import resource
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial

import aiomqtt

from uhome2mqtt.simulator.dice import Dice

from .actors import Owner
from .flood import flood
from .gate import Way
from .leftovers import leave_behind
from .scene import KEEPALIVE, MAX_AGE, Scene

Fault = Callable[[Scene, Owner, Dice], Awaitable[None]]

SHORT = (3.0, 8.0)
"""Seconds."""
SILENT = (2.5 * KEEPALIVE, 3.5 * KEEPALIVE)
"""Seconds, longer than either end of a connection waits for a sign of life."""
HELD = (4.0, 14.0)
"""Seconds for which what is on the way to the broker is kept; a connection that says nothing is given up meanwhile."""
OVERDUE = (MAX_AGE + 5.0, MAX_AGE + 8.0)
"""Seconds after which no request with a command may arrive any more."""
OLD = "3.1.1"
"""The version of MQTT that tells of no refusal."""
ROOM = 6 * 1024 * 1024
"""Bytes of address space that a process is left: a new thread has to fit, ten thousand notifications do not."""
JUMPS = (3_600, -3_600, 20, -86_400 * 3, 86_400 * 400)
"""Seconds."""
LOGIN_SEEN_WITHIN = 75.0
YOUNG = 65.0
"""Seconds for which a token that was renewed is left alone: the bridge would take the cloud for one that rejects every
token, and ask it ever more rarely."""


async def broker_restarted(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Let the broker be restarted; it keeps what is retained."""
    with scene.outage():
        await scene.broker(pause=dice.between((0.0, 4.0)))


async def broker_killed(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Kill the broker, which comes back with what it had saved, some of which has been cleared since."""
    await leave_behind(scene, dice)
    with scene.outage():
        await scene.broker(how=signal.SIGKILL, pause=dice.between((0.0, 4.0)))


async def broker_mutes(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Let the broker refuse what the bridge publishes, for a while; the connection stands."""
    with scene.outage():
        scene.mute(mute=True)
        await asyncio.sleep(dice.between((6.0, 10.0)))
        scene.mute(mute=False)
        if scene.protocol == OLD:
            # It cannot hear of a refusal; what is retained is true once it has said everything again.
            await asyncio.sleep(1)
            with suppress(aiomqtt.MqttError, TimeoutError):
                await scene.stage.ear.say("ha/status", "online")


async def broker_deafens(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Let the broker come back with access rules that refuse the bridge its commands, and then without them."""
    with scene.outage():
        await scene.broker("no_subscriptions")
        await asyncio.sleep(dice.between((6.0, 10.0)))
        await scene.broker()


async def broker_way(scene: Scene, _owner: Owner, dice: Dice, *, way: Way, last: tuple[float, float] = SHORT) -> None:
    """Spoil the way to the broker."""
    await scene.broker_gate.turn(way, delay=dice.between((0.1, 1.0)))
    await asyncio.sleep(dice.between(last))
    await scene.broker_gate.turn(Way.OPEN)


async def cloud_way(scene: Scene, _owner: Owner, dice: Dice, *, way: Way, last: tuple[float, float] = SHORT) -> None:
    """Spoil the way to the cloud."""
    await scene.cloud_gate.turn(way, delay=dice.between((0.1, 1.0)))
    await asyncio.sleep(dice.between(last))
    await scene.cloud_gate.turn(Way.OPEN)


async def cloud_answers(scene: Scene, _owner: Owner, dice: Dice, *, kind: str, **order: object) -> None:
    """Let the cloud answer badly, with what was ordered done or not."""
    # Who is asked for fewer requests has not been obeyed.
    executed = kind != "rate_limited" and dice.chance(0.5)
    await scene.stage.account.fault(kind, executed=executed, probability=dice.pick([0.6, 1.0]), **order)
    await asyncio.sleep(dice.between((4.0, 10.0)))
    await scene.stage.account.control("DELETE", "faults")


async def no_names(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Let no name resolve, and every connection to the cloud be made anew."""
    sign = scene.shim / "no-names"
    sign.touch()
    await scene.cloud_gate.turn(Way.RESET)
    await scene.cloud_gate.turn(Way.OPEN)
    await asyncio.sleep(dice.between(SHORT))
    sign.unlink()


async def token_revoked(scene: Scene, owner: Owner, dice: Dice) -> None:
    """End the access token while a command is under way; it can be renewed."""
    await asyncio.sleep(max(0.0, scene.revoked + YOUNG - time.time()))
    await owner.command()
    await asyncio.sleep(dice.between((0.0, 0.02)))
    revoke_access(scene)
    await asyncio.sleep(dice.between((0.5, 1.5)))


async def login_revoked(scene: Scene, owner: Owner, dice: Dice) -> None:
    """End the login as a whole while a command is under way, and log in again once that has been noticed."""
    since = scene.stage.ear.now
    await owner.command()
    await scene.stage.account.control("POST", "revoke")
    await scene.stage.ear.until("bridge/cloud", "unauthorized", since, deadline=LOGIN_SEEN_WITHIN)
    await asyncio.sleep(dice.between((0.0, 3.0)))
    await scene.stage.log_in()


async def disk_full(scene: Scene, owner: Owner, dice: Dice) -> None:
    """Let no file take a byte, while the login is renewed and a device gets another name."""
    scene.limit(resource.RLIMIT_FSIZE, 0)
    await rename(scene, "hall_light", f"Hall {dice.number(2, 99)}")
    revoke_access(scene)
    await owner.command()
    await asyncio.sleep(dice.between(SHORT))
    scene.limit(resource.RLIMIT_FSIZE, -1)
    await rename(scene, "hall_light", None)


async def disk_slow(scene: Scene, owner: Owner, dice: Dice) -> None:
    """Let every write take long, while the login is renewed and a device gets another name."""
    sign = scene.shim / "slow-disk"
    sign.write_text(f"{dice.between((0.2, 1.5)):.2f}")
    with scene.hindrance():
        for name in (f"Coffee {dice.number(2, 99)}", None):
            await rename(scene, "coffee_machine", name)
            revoke_access(scene)
            await owner.command()
            await asyncio.sleep(dice.between((2.0, 4.0)))
        sign.unlink()


async def flooded(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Flood the bridge with notifications."""
    with scene.hindrance():
        await flood(scene, dice, dice.number(2_000, 4_000))


async def memory(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Flood the bridge while it gets next to no memory; it may end for that, and is then started again."""
    with scene.outage(), scene.hindrance():
        scene.limit(resource.RLIMIT_AS, scene.address_space() + ROOM)
        await flood(scene, dice, 3_000, large=True)
        # For a process that ends to be seen as ended.
        await asyncio.sleep(1)
        if scene.bridge.running:
            scene.limit(resource.RLIMIT_AS, -1)
        else:
            await scene.bridge.ended()
            scene.deaths.append(time.time())
            await scene.start()


async def clock(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Let the bridge's wall clock jump there and back again; its other clocks go on."""
    told, written = scene.shim / "clock", scene.shim / "clock.new"
    for jump in (dice.pick(JUMPS), 0):
        # It is read at any moment.
        written.write_text(f"{jump:+d}\n")
        written.replace(told)
        await asyncio.sleep(dice.between((4.0, 8.0)))


async def stopped(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Let the process stand still, as a machine does that sleeps."""
    with scene.hindrance():
        scene.bridge.send(signal.SIGSTOP)
        await asyncio.sleep(dice.between(scene.pause))
        scene.bridge.send(signal.SIGCONT)


async def killed(scene: Scene, _owner: Owner, dice: Dice) -> None:
    """Kill the bridge at any moment and start it again."""
    await asyncio.sleep(dice.between((0.0, 3.0)))
    with scene.outage():
        await scene.kill()
        await asyncio.sleep(dice.between((0.0, 5.0)))
        await scene.start()


async def ended(scene: Scene, owner: Owner, dice: Dice) -> None:
    """End the bridge with SIGTERM while a command is under way, which it has to tell of, and start it again."""
    await asyncio.sleep(dice.between((0.0, 2.0)))
    await owner.command()
    await asyncio.sleep(dice.between((0.0, 0.5)))
    await scene.end()
    await asyncio.sleep(dice.between((0.0, 3.0)))
    await scene.start()


def revoke_access(scene: Scene) -> None:
    """End the access token that the bridge has, unless it is a young one."""
    if time.time() < scene.revoked + YOUNG:
        return
    scene.revoked = time.time()
    kept = json.loads((scene.stage.state_dir / "tokens.json").read_text())
    scene.stage.secrets |= {kept["access_token"], kept["refresh_token"]}
    scene.stage.account.cloud.grants.log_out(kept["access_token"])


async def rename(scene: Scene, device: str, name: str | None) -> None:
    """Have the bridge write something: another name of a device, or none of its own."""
    with suppress(aiomqtt.MqttError, TimeoutError):
        await scene.stage.ear.say("bridge/request/device/rename", json.dumps({"device": device, "name": name}))


def side(name: str) -> str:
    """Tell where a fault happens: faults of different sides may happen at the same time."""
    return name.partition("_")[0] if name.startswith(("broker_", "cloud_")) else SIDES.get(name, "process")


SIDES = dict.fromkeys(("no_names", "token_revoked", "login_revoked"), "cloud")
FAULTS: Mapping[str, Fault] = {
    "broker_restarted": broker_restarted,
    "broker_killed": broker_killed,
    "broker_half_open": partial(broker_way, way=Way.HALF_OPEN, last=SILENT),
    "broker_reset": partial(broker_way, way=Way.RESET),
    "broker_slow": partial(broker_way, way=Way.SLOW),
    "broker_late": partial(broker_way, way=Way.LATE, last=HELD),
    "broker_refuses_subscriptions": broker_deafens,
    "broker_refuses_publishes": broker_mutes,
    "cloud_500": partial(cloud_answers, kind="gateway_500"),
    "cloud_429": partial(cloud_answers, kind="rate_limited", retry_after=5),
    "cloud_timeout": partial(cloud_answers, kind="timeout"),
    "cloud_half_open": partial(cloud_way, way=Way.HALF_OPEN, last=(6.0, 12.0)),
    "cloud_refused": partial(cloud_way, way=Way.REFUSED),
    "cloud_reset": partial(cloud_way, way=Way.RESET),
    "cloud_slow": partial(cloud_way, way=Way.SLOW),
    "cloud_late": partial(cloud_way, way=Way.LATE, last=OVERDUE),
    "no_names": no_names,
    "token_revoked": token_revoked,
    "login_revoked": login_revoked,
    "disk_full": disk_full,
    "disk_slow": disk_slow,
    "flood": flooded,
    "clock": clock,
    "stop": stopped,
    "kill": killed,
    "ended": ended,
    "memory": memory,
}
