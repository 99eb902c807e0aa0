"""What can go wrong where the work passes from one bridge to another: nothing is lost, and somebody always works."""

from __future__ import annotations

import json

import pytest

from uhome2mqtt.engine import Override
from uhome2mqtt.events import BrokerDisconnected, ConfigCleared, Started, StopRequested, Tick
from uhome2mqtt.model import Device, FailureKind

from .driver import BACK, BASE, FRONT
from .test_company import LATER, LEFT, NOON, PRESENCE, STATE, Bridge


def met(one: Bridge, two: Bridge, told: dict[int, int] | None = None) -> dict[int, int]:
    """Let two bridges hear what the other has said since the last time, until neither has anything new to say."""
    heard = {} if told is None else told
    for _ in range(5):
        for bridge, other in ((one, two), (two, one)):
            since = heard.get(id(bridge), 0)
            heard[id(bridge)] = len(bridge.published)
            for publish in bridge.published[since:]:
                if publish.topic in {PRESENCE, STATE}:
                    other.hear(topic=publish.topic, payload=publish.payload)
    return heard


def test_polls_after_all() -> None:
    """A bridge that has lost its connection while it asked polls once it works."""
    bridge = Bridge()
    bridge.take(Started())
    bridge.connect(LEFT)
    bridge.listed(FRONT)
    bridge.take(BrokerDisconnected())
    bridge.advance(2.5)
    bridge.mark()
    bridge.connect()
    bridge.advance(5)
    assert bridge.asked
    bridge.answer("front", lock="Locked", health="Online")
    assert bridge["front/lock"] == "LOCKED"


def test_takes_over_without_a_broker() -> None:
    """So does one whose broker was away when the other fell silent; it has notifications sent to itself, too."""
    bridge = Bridge(LATER, push=True).begin(LEFT)
    bridge.meet(started=NOON)
    bridge.take(BrokerDisconnected())
    bridge.advance(160)
    bridge.mark()
    bridge.connect()
    bridge.advance(5)
    assert (bridge.role, len(bridge.asked), len(bridge.registrations)) == ("active", 1, 1)


def test_an_early_list() -> None:
    """A device list that comes before it is known who works leads to nothing of a bridge that then stands by."""
    bridge = Bridge(LATER, push=True)
    bridge.take(Started())
    bridge.listed(FRONT)
    bridge.connect(LEFT)
    bridge.meet(started=NOON)
    bridge.advance(1)
    assert bridge.engine.listed
    assert (bridge.registrations, bridge.bridge_events()) == ([], [])


def test_nothing_stale() -> None:
    """States that the other bridge reported last are withdrawn after a take-over during an outage of the cloud."""
    listed = [{"id": FRONT.id, "topic": "front", "name": "Front"}]
    claims = {"front/lock": "LOCKED", "front/stale": "OFF", "bridge/devices": json.dumps(listed)}
    bridge = Bridge(LATER).begin({**LEFT, **{f"{BASE}/{topic}": payload for topic, payload in claims.items()}})
    for _ in range(10):
        bridge.meet(started=NOON)
        bridge.advance(60)
    bridge.hear(topic=STATE, payload="offline")
    bridge.advance(6)
    for _ in range(4):
        bridge.end_queries(FailureKind.UNREACHABLE)
        bridge.advance(60)
    assert (bridge.role, bridge["front/lock"]) == ("active", "None")


def test_a_forged_message() -> None:
    """One message in the name of the spare does not make both stand by for each other."""
    worker, spare = Bridge(NOON, "one").begin(), Bridge(LATER, "two").begin(LEFT)
    told = met(worker, spare)
    assert (worker.role, spare.role) == ("active", "standing_by")
    worker.hear({"instance": "two", "version": "1", "started": "0", "role": "active"})
    for _ in range(60):
        told = met(worker, spare, told=told)
        for bridge in (worker, spare):
            bridge.advance(1)
            bridge.end_queries()
    assert sorted((worker.role, spare.role)) == ["active", "standing_by"]


def test_a_stranger() -> None:
    """Somebody who only says that he works, and does not, is not believed for long, nor soon again."""
    bridge = Bridge().begin()
    bridge.meet("active", "0", "stranger")
    assert bridge.role == "standing_by"
    bridge.advance(18)
    assert (bridge.role, len(bridge.noted("other_bridge_disbelieved"))) == ("active", 1)
    bridge.meet("active", "0", "stranger")
    assert bridge.role == "active"
    bridge.advance(601)
    bridge.meet("active", "0", "stranger")
    assert bridge.role == "standing_by"


def test_the_elder_shows_itself() -> None:
    """Somebody who asserts himself is believed."""
    bridge = Bridge(LATER).begin()
    bridge.meet("active", NOON, "elder")
    # He hears that this one worked as well, and asserts everything for that.
    assert [each["role"] for each in bridge.told()][-3:-1] == ["active", "standing_by"]
    bridge.hear(topic=STATE, payload="online")
    bridge.advance(60)
    assert bridge.role == "standing_by"


def test_gone_before_he_showed_himself() -> None:
    """Somebody who has fallen silent by then is forgotten as all others are."""
    bridge = Bridge(LATER).begin()
    bridge.meet("active", NOON, "elder")
    bridge.hear(topic=STATE, payload="offline")
    bridge.advance(60)
    assert (bridge.role, bridge.noted("other_bridge_disbelieved")) == ("active", [])


def test_commands_under_way() -> None:
    """What waits behind a command is not sent by a bridge that stands by, and is told to have ended."""
    bridge = Bridge(NOON).begin()
    bridge.meet("standing_by")
    bridge.say("front/lock/set", "LOCK")
    bridge.say("front/lock/set", "UNLOCK")
    bridge.reconnect()
    assert bridge.role == "asking"
    bridge.meet("active")
    bridge.advance(10)
    assert bridge.commands() == ["Front lock"]
    assert bridge.outcomes("front") == ["unconfirmed STANDING_BY", "failed STANDING_BY"]


def test_an_outcome_while_it_asks() -> None:
    """An outcome that comes while the bridge asks is published."""
    bridge = Bridge(NOON).begin()
    bridge.meet("standing_by")
    bridge.say("front/lock/set", "UNLOCK")
    bridge.accept()
    bridge.reconnect()
    bridge.report("front", lock="Unlocked", health="Online")
    assert bridge.outcomes("front") == ["accepted", "confirmed push"]


def test_kept_while_it_asks() -> None:
    """What comes while the bridge asks is dealt with once it works: commands, poison, requests, deletions."""
    bridge = Bridge(NOON).begin()
    bridge.meet("standing_by")
    [config] = [topic for topic in bridge.broker if topic.endswith("/config") and "0c7f" in topic]
    bridge.reconnect()
    bridge.say("front/lock/set", "UNLOCK", expiry=30.0)
    bridge.say("front/lock/set", "LOCK", expiry=1.0)
    bridge.say("front/lock/set", "LOCK", retained=True)
    bridge.say("bridge/request/health_check", "")
    bridge.take(ConfigCleared(topic=config))
    assert (bridge.commands(), bridge.responses("health_check")) == ([], [])
    bridge.advance(3)
    assert bridge.commands() == ["Front unlock"]
    assert sorted(bridge.outcomes("front")) == ["refused EXPIRED", "refused RETAINED"]
    assert bridge.responses("health_check")
    assert config not in bridge.broker


def test_kept_too_long() -> None:
    """A command that was kept for longer than commands may be old, while the machine slept, is not executed."""
    bridge = Bridge(NOON).begin()
    bridge.meet("standing_by")
    bridge.reconnect()
    bridge.say("front/lock/set", "UNLOCK")
    bridge.monotonic += 3600
    bridge.take(Tick())
    assert bridge.role == "active"
    assert (bridge.commands(), bridge.outcomes("front")) == ([], ["refused EXPIRED"])


def test_kept_at_the_end() -> None:
    """What is kept when the bridge is stopped is not executed any more."""
    bridge = Bridge(NOON).begin()
    bridge.meet("standing_by")
    bridge.reconnect()
    bridge.say("front/lock/set", "UNLOCK")
    bridge.take(StopRequested())
    assert bridge.commands() == []


def test_kept_for_the_other() -> None:
    """What was kept is forgotten where another bridge works, which has had it as well."""
    bridge = Bridge(LATER).begin(LEFT)
    bridge.say("front/lock/set", "UNLOCK")
    bridge.meet(started=NOON)
    bridge.advance(200)
    assert (bridge.role, bridge.commands()) == ("active", [])


def test_requests_are_answered() -> None:
    """A request that is open when the work is left to another bridge is answered."""
    bridge = Bridge(LATER).begin()
    bridge.say("bridge/request/refresh", {"transaction": "t"})
    bridge.meet("active", NOON, "elder")
    [answer] = bridge.responses("refresh")
    assert (answer["status"], answer["transaction"]) == ("error", "t")


def test_one_that_asked_dies() -> None:
    """A bridge that was called offline is given three seconds, whatever it said of itself last."""
    bridge = Bridge(LATER).begin(LEFT)
    bridge.meet(started=NOON)
    bridge.meet("asking", started=NOON)
    bridge.hear(topic=STATE, payload="offline")
    bridge.advance(6)
    assert bridge.role == "active"


@pytest.mark.parametrize("role", ["standing_by", "active"])
def test_back_after_long(role: str) -> None:
    """Whoever ever had company asks after each loss of a connection, however long that took."""
    bridge = Bridge(NOON).begin()
    bridge.meet("standing_by")
    bridge.take(BrokerDisconnected())
    bridge.advance(200)
    bridge.connect()
    assert bridge.role == "asking"
    bridge.meet(role)
    bridge.advance(3)
    assert bridge.role == ("active" if role == "standing_by" else "standing_by")


def test_asleep() -> None:
    """A spare that was asleep asks before it works."""
    bridge = Bridge(LATER, "two").begin(LEFT)
    bridge.meet("active", NOON, "one")
    bridge.monotonic += 3600
    bridge.take(Tick())
    assert bridge.role == "asking"
    bridge.meet("active", NOON, "one")
    assert bridge.role == "standing_by"


def test_crowded_out() -> None:
    """However many there are said to be, the one that works is heard."""
    bridge = Bridge(LATER).begin()
    for number in range(16):
        bridge.meet("standing_by", LATER, f"bridge-{number}")
    bridge.meet("active", NOON, "worker")
    assert (bridge.role, bridge.engine.other_bridges) == ("standing_by", 16)


def test_notifications_again() -> None:
    """The elder of two that worked has notifications sent to itself again."""
    bridge = Bridge(NOON, push=True).begin()
    bridge.registered()
    bridge.meet("active", LATER)
    bridge.forget()
    bridge.advance(3)
    assert len(bridge.registrations) == 2


def test_reconnects_with_company() -> None:
    """A bridge that has a spare goes on polling over many losses of its connection, and takes nothing over by that."""
    bridge = Bridge(NOON).begin()
    for _ in range(10):
        bridge.meet("standing_by")
        bridge.reconnect()
        bridge.advance(20)
        bridge.end_queries()
    bridge.mark()
    for _ in range(10):
        bridge.meet("standing_by")
        bridge.advance(30)
        bridge.end_queries()
    assert len(bridge.asked) >= 8
    assert bridge.noted("taken_over") == []


def test_a_reload_of_the_spare() -> None:
    """A spare takes another configuration without a word, and uses it when it takes over."""
    worker = Bridge(NOON, "one").begin()
    spare = Bridge(LATER, "two").begin(dict(worker.broker))
    spare.meet(started=NOON, instance="one")
    spare.broker = worker.broker
    spare.mark()
    spare.configure(overrides={FRONT.id: Override(enabled=False)})
    spare.configure(overrides={FRONT.id: Override(topic="main")})
    assert spare.asked == []
    spare.hear(topic=STATE, payload="offline")
    spare.advance(6)
    spare.answer("front", lock="Locked", health="Online")
    spare.listed(FRONT)
    assert (spare["main/lock"], spare.below("front")) == ("LOCKED", set())


def test_no_proof_of_the_departed() -> None:
    """Where the one to whom the work was left has gone, and another one works, nobody is disbelieved for that."""
    bridge = Bridge(LATER).begin()
    bridge.meet("active", NOON, "first")
    bridge.hear(topic=STATE, payload="offline")
    bridge.meet("active", NOON, "second")
    bridge.advance(60)
    assert (bridge.role, bridge.noted("other_bridge_disbelieved")) == ("standing_by", [])


def test_one_of_two_spares() -> None:
    """Only of the bridge that works is it doubted whether it is there when that is called offline."""
    bridge = Bridge(LATER).begin(LEFT)
    bridge.meet("active", NOON, "worker")
    bridge.meet("standing_by", LATER, "spare")
    bridge.hear(topic=STATE, payload="offline")
    bridge.advance(6)
    assert (bridge.role, bridge.engine.other_bridges) == ("active", 1)


def test_lost_before_reclaiming() -> None:
    """Nothing is asserted without a connection, and all of it with the next one."""
    bridge = Bridge(NOON).begin()
    bridge.meet("active", LATER)
    bridge.take(BrokerDisconnected())
    before = len(bridge.published)
    bridge.advance(3)
    assert [publish for publish in bridge.published[before:] if publish.retain] == []


def test_called_offline_at_its_start() -> None:
    """A bridge that still publishes all it has says that it is there, and that it is online at the end of that."""
    locks = [Device(id=f"0C:7F:ED:10:01:{number:02X}", name=f"Lock {number}") for number in range(100)]
    bridge = Bridge()
    bridge.take(Started())
    bridge.connect({})
    bridge.listed(*locks)
    bridge.reconnect()
    said = len(bridge.history("bridge/state")), len(bridge.told())
    bridge.hear(topic=STATE, payload="offline")
    assert (len(bridge.history("bridge/state")), len(bridge.told())) == (said[0], said[1] + 1)
    bridge.advance(10)
    assert bridge["bridge/state"] == "online"


def waits(bridge: Bridge) -> tuple[str, ...]:
    """Give what a bridge waits for."""
    return bridge.engine.waiting


def test_how_it_is_doing() -> None:
    """What a bridge waits for, and how it is doing, is said in words."""
    bridge = Bridge()
    bridge.take(Started())
    assert waits(bridge) == (
        "the broker is not connected",
        "the first device list has not come; the cloud is offline",
    )
    bridge.list_failed(FailureKind.AUTHORIZATION)
    assert waits(bridge)[-1].endswith("the cloud is unauthorized; run: uhome2mqtt login")
    bridge.connect({})
    bridge.listed(FRONT, BACK)
    assert waits(bridge) == ()
    assert bridge.engine.summary == "devices: 2, broker: connected, cloud: online, push: disabled"
    bridge.take(BrokerDisconnected())
    assert bridge.engine.summary.startswith("devices: 2, broker: away")
