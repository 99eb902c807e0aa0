"""What has to hold of states and commands: what was never reported, or is sent twice for nothing, is found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.support.account import FRONT, account
from tests.support.ear import Ear, Heard
from tests.support.mosquitto import Mosquitto
from tests.support.process import Bridge
from tests.support.stage import Stage
from uhome2mqtt.simulator import DeviceChange
from uhome2mqtt.simulator.dice import Dice

from .actors import TARGETS, Asked, Owner
from .claims import Claims
from .gate import Gate, Way
from .orders import Orders
from .scene import Scene

LOCK = {"capability": "st.lock", "name": "lock"}


@pytest_asyncio.fixture
async def owner(tmp_path: Path) -> AsyncIterator[Owner]:
    """Give the owner of a house in which nothing runs: what was heard and what was sent is written down."""
    async with account() as served:
        broker = Mosquitto(tmp_path)
        stage = Stage(directory=tmp_path, broker=broker, account=served, ear=Ear(broker, "home"))
        scene = Scene(
            stage=stage,
            broker_gate=Gate(target=1),
            cloud_gate=Gate(target=1, turns=[(0.0, Way.OPEN)]),
            bridge=Bridge(tmp_path / "config.yaml", {}),
            web=1,
            clock=False,
            timeout=3.0,
        )
        yield Owner(scene=scene, dice=Dice(1, "owner"), going=asyncio.Event())


def hear(owner: Owner, topic: str, payload: str, *, retained: bool = False) -> None:
    """Let the ear have heard something, now."""
    heard = Heard(topic=f"home/{topic}", payload=payload, retained=retained, qos=1, correlation=None, at=time.time())
    owner.scene.stage.ear.heard.append(heard)


def ask(owner: Owner, word: str, *, ago: float = 5.0) -> Asked:
    """Let the owner have commanded the front door a while ago, plainly."""
    asked = Asked(
        number=len(owner.asked),
        target=TARGETS[0],
        word=word,
        said=word,
        wire={"capability": "st.lock", "name": word.lower()},
        transaction=None,
        sent_at=time.time() - ago,
        since=owner.scene.stage.ear.now,
    )
    owner.asked.append(asked)
    return asked


def get(owner: Owner, command: dict[str, Any], outcome: str = "ok", *, ago: float = 0.0) -> None:
    """Let the cloud have got a command for the front door a while ago, and answered at once."""
    at = datetime.fromtimestamp(time.time() - ago, UTC).isoformat()
    entry = owner.scene.stage.account.cloud.requests.add(
        name="Command", devices=[FRONT], commands=[command], outcome=outcome, answered=at if outcome == "ok" else None
    )
    entry["time"] = at


def confirm(owner: Owner, word: str) -> None:
    """Let a plain command have been confirmed."""
    result = f'{{"event_type":"confirmed","payload":"{word}","transaction":null,"id":"a-1"}}'
    hear(owner, "front_door/result", result)


@pytest.mark.parametrize("retained", [False, True])
@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("front_door/lock", "UNLOCKED"),
        ("front_door", '{"lock":"UNLOCKED"}'),
        ("front_door", '{"lock":null,"last_known":{"lock":"UNLOCKED"}}'),
        ("front_door/lock", "LOCKING"),
        ("front_door", '{"lock":"LOCKED","pending":{"lock":"LOCK"}}'),
        ("garage/door", "open"),
        ("hall_light/switch", "ON"),
        ("dining_room/light", '{"state":"ON","brightness":100,"color_mode":"brightness"}'),
        ("dining_room/brightness", "7"),
    ],
)
async def test_never_reported(owner: Owner, topic: str, payload: str, *, retained: bool) -> None:
    """What no device has reported is a lie, wherever it is said."""
    claims = Claims(scene=owner.scene, owner=owner)
    hear(owner, topic, payload, retained=retained)
    [lie] = claims.lies()
    assert topic in lie
    assert claims.lies() == []


async def test_reported_once(owner: Owner) -> None:
    """What was true since all was true is no lie; what was true before that is one."""
    claims = Claims(scene=owner.scene, owner=owner)
    cloud = owner.scene.stage.account.cloud
    for word in ("Unlocked", "Locked"):
        cloud.happen(cloud.house.devices[FRONT], DeviceChange(states={"st.lock.lockState": word}))
    for payload in ("UNLOCKED", "None", "LOCKED"):
        hear(owner, "front_door/lock", payload)
    assert claims.lies() == []
    claims.settled.append(time.time() + 2.0)
    late = Heard(
        topic="home/front_door/lock", payload="UNLOCKED", retained=True, qos=1, correlation=None, at=time.time() + 3.0
    )
    owner.scene.stage.ear.heard.append(late)
    assert len(claims.lies()) == 1
    # A broker that was killed may say it again, if it had saved it.
    owner.scene.restored.append((time.time() + 2.5, time.time()))
    owner.scene.stage.ear.heard.append(late)
    assert claims.lies() == []


async def test_under_way(owner: Owner) -> None:
    """A lock is locking while that is commanded, and not when it has been told that it is over."""
    claims = Claims(scene=owner.scene, owner=owner)
    ask(owner, "LOCK")
    hear(owner, "front_door/lock", "LOCKING")
    assert claims.lies() == []
    hear(owner, "front_door/lock", "UNLOCKING")
    assert len(claims.lies()) == 1


async def test_sent_once(owner: Owner) -> None:
    """A command that was sent once, and whose outcome was heard, is as it has to be."""
    ask(owner, "LOCK")
    get(owner, LOCK)
    confirm(owner, "LOCK")
    Orders(scene=owner.scene, owner=owner).hold()


@pytest.mark.parametrize("ways", [[], [Way.SLOW, Way.OPEN]])
@pytest.mark.parametrize("outcome", ["ok", "fault timeout"])
async def test_sent_twice(owner: Owner, outcome: str, ways: list[Way]) -> None:
    """A second sending needs a first that failed, or a way that was spoiled."""
    ask(owner, "LOCK")
    get(owner, LOCK, outcome, ago=1.0)
    owner.scene.cloud_gate.turns += [(time.time(), way) for way in ways]
    get(owner, LOCK)
    confirm(owner, "LOCK")
    orders = Orders(scene=owner.scene, owner=owner)
    if outcome == "ok" and not ways:
        with pytest.raises(AssertionError, match="although the cloud had answered"):
            orders.hold()
    else:
        orders.hold()


@pytest.mark.parametrize(
    ("asked", "got", "problem"),
    [
        ([], LOCK, "nobody asked for"),
        ([("LOCK", 6.0), ("UNLOCK", 5.0)], LOCK, "nobody asked for"),
        ([("LOCK", 20.0)], LOCK, "after the end of"),
    ],
)
async def test_unwanted(owner: Owner, asked: list[tuple[str, float]], got: dict[str, Any], problem: str) -> None:
    """What nobody wants now is found: never asked for, replaced by a newer command, or of an old one."""
    for word, ago in asked:
        ask(owner, word, ago=ago)
    get(owner, got)
    with pytest.raises(AssertionError, match=problem):
        Orders(scene=owner.scene, owner=owner).hold()


async def test_revived(owner: Owner) -> None:
    """A command that a later run of the bridge sends is found."""
    ask(owner, "LOCK")
    owner.scene.ends.append(time.time() - 3.0)
    get(owner, LOCK)
    with pytest.raises(AssertionError, match="before the bridge ended"):
        Orders(scene=owner.scene, owner=owner).hold()


async def test_spelling(owner: Owner) -> None:
    """Commands for one thing differ from those before, and plain ones in their spelling, too."""
    said = owner.asked
    for _ in range(32):
        said.append(owner.wish(TARGETS[0], plain=True))
    assert {one.word for one in said} == {"LOCK", "UNLOCK"}
    assert all(before.word != after.word for before, after in pairwise(said))
    assert len({one.said for one in said}) == len(said)
