"""Who lives in the house meanwhile: people who turn things by hand, and an owner who commands over MQTT."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiomqtt

from tests.support.account import BACK, COFFEE, DINING, FRONT, GARAGE, HALL
from tests.support.ear import Heard, properties
from uhome2mqtt.simulator.dice import Dice
from uhome2mqtt.tasks import cancelled

from .scene import MAX_AGE, Scene

SLACK = 3.0
"""Seconds by which a request may be late on its way to the cloud, and the cloud with its journal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Something that the owner commands: its topic level and key, and its id in the cloud."""

    level: str
    key: str
    device: str


WORDS = {"lock": ("UNLOCK", "LOCK"), "switch": ("ON", "OFF")}
"""What is commanded in turn, so that an old command differs from the newest."""
LEVELS = 100
STRIDE = 37
"""From one brightness to the next; all of them come before one comes again."""

TARGETS = (
    Target(level="front_door", key="lock", device=FRONT),
    Target(level="back_door", key="lock", device=BACK),
    Target(level="garage", key="lock", device=GARAGE),
    Target(level="hall_light", key="switch", device=HALL),
    Target(level="coffee_machine", key="switch", device=COFFEE),
    Target(level="dining_room", key="brightness", device=DINING),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One command as the owner gave it; `wire`: what the cloud has to get, `since`: how much was heard by then.

    Without a transaction it is a plain text, `said`, which may arrive at any time.
    """

    number: int
    target: Target
    word: str
    said: str
    wire: dict[str, Any]
    transaction: str | None
    sent_at: float
    since: int

    @property
    def over_at(self) -> float:
        """When it must not reach the cloud any more, whatever happens."""
        return self.sent_at + MAX_AGE + SLACK


@dataclass(slots=True, kw_only=True)
class Owner:
    """Gives one command after the other, each in time, and remembers what was asked."""

    scene: Scene
    dice: Dice
    going: asyncio.Event
    asked: list[Asked] = field(default_factory=list)

    async def live(self) -> None:
        """Command until cancelled."""
        while True:
            await self.going.wait()
            await self.command()
            await asyncio.sleep(self.dice.between((0.2, 1.0)))

    async def command(self) -> None:
        """Give one command, for something about which none is under way."""
        free = [target for target in TARGETS if not self.awaits(target)]
        ear = self.scene.stage.ear
        if not free or not ear.connected.is_set():
            return
        asked = self.wish(self.dice.pick(free), plain=self.dice.chance(0.5))
        self.asked.append(asked)
        payload, options = asked.said, {}
        if asked.transaction is not None:
            wish: dict[str, Any] = {"value": asked.word, "transaction": asked.transaction}
            if self.scene.speed == 1:  # else the bridge's clock is far ahead
                wish["sent_at"] = asked.sent_at
            payload, options = json.dumps(wish), {"properties": properties(MessageExpiryInterval=MAX_AGE)}
        with suppress(aiomqtt.MqttError, TimeoutError):
            await ear.say(f"{asked.target.level}/{asked.target.key}/set", payload, **options)

    def awaits(self, target: Target) -> bool:
        """Tell whether the last command to something may still have an effect, or has no outcome yet."""
        last = next((asked for asked in reversed(self.asked) if asked.target == target), None)
        return last is not None and time.time() < last.over_at and not self.finals(last)

    def finals(self, asked: Asked) -> list[dict[str, Any]]:
        """Give the final outcomes of a command as far as they were heard."""
        return [result for result in self.results(asked) if result["event_type"] != "accepted"]

    def results(self, asked: Asked) -> list[dict[str, Any]]:
        """Give all that was heard of a command."""
        return [result for _, result in self.heard_of(asked)]

    def heard_of(self, asked: Asked) -> list[tuple[Heard, dict[str, Any]]]:
        """Give all that was heard of a command, with the messages that told it."""
        ear = self.scene.stage.ear
        again = (later for later in self.asked[asked.number + 1 :] if later.target == asked.target)
        # A plain command is known by its spelling, until there is another that is spelt so.
        until = next((later.since for later in again if later.said == asked.said), None)
        topic = ear.topic(f"{asked.target.level}/result")
        heard = [(one, json.loads(one.payload)) for one in ear.heard[asked.since : until] if one.topic == topic]
        said = asked.said if asked.transaction is None else asked.word
        return [
            (one, result)
            for one, result in heard
            if result["transaction"] == asked.transaction and result["payload"] == said
        ]

    def wish(self, target: Target, *, plain: bool) -> Asked:
        """Think of a command that differs from the last ones, on its way here and on its way to the cloud."""
        number, count = len(self.asked), sum(asked.target == target for asked in self.asked)
        words = WORDS.get(target.key)
        level = 1 + STRIDE * count % LEVELS
        word = str(level) if words is None else words[count % len(words)]
        wire: dict[str, Any] = {"capability": f"st.{target.key}", "name": word.lower()}
        if words is None:
            wire = {"capability": "st.switchLevel", "name": "setLevel", "arguments": {"level": level}}
        # With a dash: four digits in a row would be masked like a keypad code.
        transaction = None if plain else f"o-{number // 100}-{number % 100}"
        alike = sum(asked.target == target and asked.word == word and asked.transaction is None for asked in self.asked)
        said = spelled(word, alike) if plain else transaction or ""
        return Asked(
            number=number,
            target=target,
            word=word,
            said=said,
            wire=wire,
            transaction=transaction,
            sent_at=time.time(),
            since=self.scene.stage.ear.now,
        )


def spelled(word: str, number: int) -> str:
    """Spell a word in one of its ways, of which the bridge takes each: `LOCK`, `lOCK`, `LoCK` …."""
    return "".join(letter.lower() if number >> place & 1 else letter for place, letter in enumerate(word))


@dataclass(slots=True, kw_only=True)
class People:
    """Turn bolts, doors and switches at home, where the bridge hears of it only from the cloud."""

    scene: Scene
    owner: Owner
    dice: Dice
    going: asyncio.Event

    async def live(self) -> None:
        """Do something now and then, until cancelled."""
        while True:
            await self.going.wait()
            await self.turn()
            await asyncio.sleep(self.dice.between((0.3, 1.5)))

    async def turn(self) -> None:
        """Turn one thing, but not where a command is under way: whose will was done could not be told."""
        commanded = {target.device for target in TARGETS if self.owner.awaits(target)}
        states: dict[str, list[dict[str, Any]]] = {
            FRONT: [{"st.lock.lockState": word} for word in ("Locked", "Unlocked", "Jammed")],
            BACK: [{"st.lock.lockState": word} for word in ("Locked", "Unlocked")],
            GARAGE: [{"st.doorSensor.sensorState": word} for word in ("Open", "Closed")],
            HALL: [{"st.switch.switch": word} for word in ("on", "off")],
            COFFEE: [{"st.switch.switch": word} for word in ("on", "off")],
        }
        device = self.dice.pick(list(states))
        if device not in commanded:
            await self.scene.stage.account.by_hand(device, states=self.dice.pick(states[device]), cause="hand")


@dataclass(slots=True, kw_only=True)
class Household:
    """The owner and the people, who can be asked to be quiet."""

    owner: Owner
    going: asyncio.Event

    def quiet(self) -> None:
        self.going.clear()

    def awake(self) -> None:
        self.going.set()


@asynccontextmanager
async def household(scene: Scene, seed: int) -> AsyncIterator[Household]:
    """Let people live in the scene as long as the context lasts."""
    going = asyncio.Event()
    going.set()
    owner = Owner(scene=scene, dice=Dice(seed, "owner"), going=going)
    people = People(scene=scene, owner=owner, dice=Dice(seed, "people"), going=going)
    tasks = [asyncio.create_task(owner.live()), asyncio.create_task(people.live())]
    try:
        yield Household(owner=owner, going=going)
        for task in tasks:
            assert not task.done(), f"an actor has ended: {task}"
    finally:
        await cancelled(tasks)
