"""Several bridges on one base topic: they notice each other, one works, and another takes over when it has gone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from uhome2mqtt.effects import Answer
from uhome2mqtt.engine import ConfigChanged, EngineConfig
from uhome2mqtt.events import (
    BridgeHeard,
    BrokerDisconnected,
    ConfigCleared,
    Event,
    HomeAssistantStarted,
    Started,
    StopRequested,
    Tick,
)
from uhome2mqtt.model import Asker, Json

from .driver import BACK, BASE, FRONT, TOPICS, Driver

PRESENCE, STATE = f"{BASE}/bridge/presence", f"{BASE}/bridge/state"
NOON, LATER = "2026-01-31T12:00:00Z", "2026-01-31T13:00:00Z"
LEFT = {STATE: "online"}


class Bridge(Driver):
    """A bridge that may not be alone."""

    def __init__(self, started: str = NOON, instance: str = "one", **settings: Any) -> None:
        about = {"version": "1.0", "started": started}
        super().__init__(config=EngineConfig(topics=TOPICS, instance=instance, about=about, **settings), chance=1.0)

    def begin(self, held: Mapping[str, str] | None = None) -> Bridge:
        """Start, with what the broker holds, and learn of a lock."""
        self.take(Started())
        self.connect(held or {})
        self.listed(FRONT)
        self.end_queries()
        return self

    def _to_reassert(self, event: Event | ConfigChanged) -> bool:
        """Whoever takes the work over, or back, asserts everything once more."""
        return isinstance(event, Tick) or super()._to_reassert(event)

    def told(self) -> list[dict[str, Any]]:
        """Give what the bridge has said of itself."""
        return [json.loads(payload) for payload in self.history("bridge/presence")]

    @property
    def role(self) -> str:
        role: str = self.told()[-1]["role"]
        return role

    def hear(self, document: Json = None, *, topic: str = PRESENCE, payload: str = "") -> None:
        """Let another bridge say something."""
        text = payload or json.dumps(document)
        self.take(BridgeHeard(topic=topic, payload=text.encode()))

    def meet(self, role: str = "active", started: str = LATER, instance: str = "two") -> None:
        """Let another bridge say that it is there."""
        self.hear({"instance": instance, "version": "1.1", "started": started, "role": role})


def test_alone() -> None:
    """A bridge says every minute that it is there, and works at once."""
    bridge = Bridge().begin()
    assert bridge.told() == [{"instance": "one", "version": "1.0", "started": NOON, "role": "active"}]
    assert bridge["bridge/state"] == "online"
    bridge.advance(121)
    assert len(bridge.told()) == 3


def test_nobody_answers() -> None:
    """Where the broker holds that a bridge is online, that one is asked; without an answer the work begins."""
    bridge = Bridge().begin(LEFT)
    assert bridge.role == "asking"
    assert "uhome2mqtt/front/lock" not in bridge.broker
    assert "not known yet" in " ".join(bridge.engine.waiting)
    bridge.advance(2)
    assert bridge.role == "active"
    assert bridge["front/lock"] == "None"
    assert bridge.engine.waiting == ()
    assert bridge.noted("taken_over") == []


def test_somebody_works() -> None:
    """A bridge that finds another one at work stands by: it publishes, executes and clears nothing."""
    held = {**LEFT, f"{BASE}/cellar/lock": "LOCKED", f"{BASE}/bridge/cloud": "online"}
    bridge = Bridge(LATER).begin(held)
    bridge.meet(started=NOON)
    bridge.mark()
    before = dict(bridge.broker)
    bridge.say("front/lock/set", "UNLOCK")
    bridge.say("bridge/request/refresh", "")
    bridge.take(HomeAssistantStarted())
    bridge.report("front", lock="Locked", health="Online")
    for _ in range(10):
        bridge.advance(60)
        bridge.end_queries()
        bridge.meet(started=NOON)
    assert bridge.broker == before
    assert (bridge.commands(), bridge.asked) == ([], [])
    assert bridge.role == "standing_by"
    assert {publish.topic for publish in bridge.published} == {PRESENCE}
    assert bridge.engine.waiting == ()
    assert "stands by" in bridge.engine.leaves_work[0]
    assert len(bridge.noted("other_bridge_found")) == 1
    assert len(bridge.noted("standing_by")) == 1


@pytest.mark.parametrize("how", ["silence", "offline"])
def test_takes_over(how: str) -> None:
    """When the one that worked has fallen silent, or the broker calls it offline, another one takes over, at once."""
    held = {**LEFT, f"{BASE}/cellar/lock": "LOCKED", f"{BASE}/cellar/availability": "online"}
    bridge = Bridge(LATER).begin(held)
    bridge.meet(started=NOON)
    bridge.mark()
    if how == "silence":
        bridge.advance(149)
        assert bridge.role == "standing_by"
        bridge.advance(4)
    else:
        bridge.hear(topic=STATE, payload="offline")
        bridge.advance(2.9)
        assert bridge.role == "standing_by"
        bridge.advance(2.2)
    assert bridge.role == "active"
    assert bridge["bridge/state"] == "online"
    assert len(bridge.asked) == 1
    bridge.answer("front", lock="Locked", health="Online")
    assert bridge["front/lock"] == "LOCKED"
    bridge.say("front/lock/set", "UNLOCK")
    assert bridge.commands() == ["Front unlock"]
    assert len(bridge.noted("taken_over")) == 1
    bridge.listed(FRONT)
    assert bridge.below("cellar") == set()


def test_the_worker_is_not_offline() -> None:
    """The will of a bridge that stood by says offline: the one that works contradicts, and nobody takes over."""
    worker = Bridge(NOON, "one").begin()
    spare = Bridge(LATER, "two").begin(LEFT)
    spare.meet(started=NOON, instance="one")
    worker.meet("standing_by", LATER, "two")
    worker.forget()
    worker.broker[STATE] = "offline"
    worker.hear(topic=STATE, payload="offline")
    assert worker["bridge/state"] == "online"
    assert {each.qos for each in worker.published if each.topic == STATE} == {1}
    assert worker.told()[-1]["role"] == "active"
    spare.hear(topic=STATE, payload="offline")
    spare.advance(1)
    spare.hear(worker.told()[-1])
    spare.hear(topic=STATE, payload="online")
    spare.advance(100)
    assert spare.role == "standing_by"


def test_two_at_work() -> None:
    """Of two that work the younger one stands by, its commands end, and the elder asserts everything again."""
    elder, younger = Bridge(NOON, "one").begin(), Bridge(LATER, "two").begin()
    younger.say("front/lock/set", "UNLOCK")
    younger.accept()
    elder.meet("active", LATER, "two")
    younger.meet("active", NOON, "one")
    assert (elder.role, younger.role) == ("active", "standing_by")
    assert younger.outcomes("front") == ["accepted", "unconfirmed STANDING_BY"]
    assert younger.history("front/lock")[-1] == "UNLOCKING"
    before = len(elder.history("bridge/state"))
    elder.forget()
    elder.advance(3)
    assert elder.history("bridge/state")[before:] == ["online"]


def test_same_age() -> None:
    """Of two that were started in the same moment it is clear which is the elder."""
    one, two = Bridge(NOON, "one").begin(), Bridge(NOON, "two").begin()
    one.meet("active", NOON, "two")
    two.meet("active", NOON, "one")
    assert (one.role, two.role) == ("active", "standing_by")


def test_two_ask() -> None:
    """Two that ask at the same time do not wait for each other."""
    one, two = Bridge(NOON, "one").begin(LEFT), Bridge(LATER, "two").begin(LEFT)
    one.meet("asking", LATER, "two")
    two.meet("asking", NOON, "one")
    assert (one.role, two.role) == ("asking", "standing_by")
    one.advance(3)
    assert one.role == "active"


def test_reconnected() -> None:
    """After the loss of a connection a bridge that has company asks first: another may have taken over meanwhile."""
    bridge = Bridge(NOON).begin()
    bridge.meet("standing_by")
    bridge.reconnect()
    assert bridge.role == "asking"
    bridge.meet("active")
    assert bridge.role == "standing_by"
    bridge.take(BrokerDisconnected())
    bridge.advance(30)
    bridge.connect()
    bridge.advance(3)
    assert bridge.role == "standing_by"
    bridge.advance(70)
    assert bridge.role == "active"


def test_health() -> None:
    """The health tells of another bridge while there is one, and its coming and going is in the log."""
    bridge = Bridge().begin()
    bridge.meet("standing_by")
    bridge.advance(1)
    assert bridge.measured == 2
    assert len(bridge.noted("other_bridge_found")) == 1
    assert bridge.engine.other_bridges == 1
    bridge.advance(151)
    assert len(bridge.noted("other_bridge_gone")) == 1
    assert bridge.engine.other_bridges == 0


def test_stop() -> None:
    """A bridge that stands by leaves without a word; one that works, or only asks, says offline."""
    bridge = Bridge(LATER).begin(LEFT)
    bridge.meet(started=NOON)
    bridge.take(StopRequested())
    assert bridge["bridge/state"] == "online"
    asking = Bridge().begin(LEFT)
    asking.take(StopRequested())
    assert asking["bridge/state"] == "offline"


def test_configs_of_the_other() -> None:
    """A config that the working bridge clears is no wish of a person's, for one that stands by."""
    worker = Bridge().begin()
    configs = {topic: payload for topic, payload in worker.broker.items() if topic.endswith("/config")}
    bridge = Bridge(LATER).begin({**LEFT, **configs})
    bridge.meet(started=NOON)
    for topic in configs:
        bridge.take(ConfigCleared(topic=topic))
    bridge.advance(160)
    assert configs.keys() <= bridge.broker.keys()


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "text",
        {"instance": "two"},
        {"instance": "two", "version": "1", "started": NOON, "role": "king"},
        {"instance": "", "version": "1", "started": NOON, "role": "active"},
        {"instance": "x" * 65, "version": "1", "started": NOON, "role": "active"},
        {"instance": 2, "version": "1", "started": NOON, "role": "active"},
        {"instance": "one", "version": "1", "started": LATER, "role": "active"},
    ],
)
def test_noise(document: Json) -> None:
    """What is no sign of another bridge is none, and over MQTT 3.1.1 a bridge hears itself."""
    bridge = Bridge().begin()
    bridge.hear(document)
    assert bridge.noted("other_bridge_found") == []
    assert bridge.role == "active"


def test_a_long_name() -> None:
    """A bridge whose name has 64 letters is heard like any other."""
    bridge = Bridge().begin()
    bridge.meet(instance="x" * 64)
    assert len(bridge.noted("other_bridge_found")) == 1


def test_not_utf8() -> None:
    """Neither are bytes that are no text."""
    bridge = Bridge().begin()
    bridge.take(BridgeHeard(topic=PRESENCE, payload=b"\xff\xfe"))
    assert bridge.engine.other_bridges == 0


def test_a_crowd() -> None:
    """However many there are said to be, the memory does not grow."""
    bridge = Bridge().begin()
    for number in range(100):
        bridge.meet("standing_by", LATER, f"bridge-{number}")
    assert bridge.engine.other_bridges == 16


def test_push() -> None:
    """Only the bridge that works has notifications sent to itself, the other one from when it takes over."""
    bridge = Bridge(LATER, push=True).begin(LEFT)
    bridge.meet(started=NOON)
    bridge.listed(FRONT, BACK)
    assert bridge.registrations == []
    bridge.advance(160)
    assert len(bridge.registrations) == 1


def test_claims_of_the_other() -> None:
    """What the other bridge claimed last, and no list of one's own confirms, is withdrawn after the take-over."""
    worker = Bridge().begin()
    worker.report("front", lock="Locked", health="Online")
    bridge = Bridge(LATER)
    bridge.take(Started())
    bridge.connect(worker.broker)
    bridge.meet(started=NOON)
    for _ in range(3):
        bridge.advance(100)
        bridge.meet(started=NOON)
    bridge.hear(topic=STATE, payload="offline")
    bridge.advance(6)
    assert (bridge.role, bridge["front/lock"]) == ("active", "LOCKED")
    bridge.advance(121)
    assert bridge["front/lock"] == "None"


def test_who_asks_is_answered() -> None:
    """A bridge that is new, or asks who works, is told at once; one that only says that it is there is not."""
    bridge = Bridge().begin()
    told = len(bridge.told())
    bridge.meet("standing_by")
    assert len(bridge.told()) == told + 1
    bridge.meet("standing_by")
    assert len(bridge.told()) == told + 1
    bridge.meet("asking")
    assert len(bridge.told()) == told + 2


def test_asked_while_standing_by() -> None:
    """Who asks something of a bridge that stands by, at its own pages, is told so in an answer like any other."""
    bridge = Bridge(LATER).begin()
    bridge.meet(started=NOON)
    [answer] = [
        each for each in bridge.say("bridge/request/refresh", {}, reply=Asker(number=1)) if isinstance(each, Answer)
    ]
    told = json.loads(answer.payload)
    assert str(told.pop("error")).startswith("STANDING_BY: ")
    assert told == {"status": "error", "data": {}, "transaction": None}
