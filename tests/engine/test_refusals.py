"""Rule 9 and all else that makes the bridge itself refuse a command; replies."""

from __future__ import annotations

import pytest

from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.engine.intake import MAX_PAYLOAD
from uhome2mqtt.events import Reply
from uhome2mqtt.model import Device, Json

from .driver import BACK, FRONT, LAMP, PLUG, TOPICS, Driver, running


def unlock(transaction: Json) -> dict[str, Json]:
    """Compose an unlock that carries a transaction."""
    return {"value": "UNLOCK", "transaction": transaction}


def restricted(**allow: tuple[str, ...] | None) -> Driver:
    """Give a house of four devices whose configuration allows only some commands."""
    return running(FRONT, BACK, LAMP, PLUG, config=EngineConfig(topics=TOPICS, allow=allow))


def verdict(house: Driver, topic: str, payload: Json) -> str:
    """Tell whether a command is sent, or the reason of its refusal."""
    before = len(house.sent)
    level, _, _ = topic.partition("/")
    house.say(topic, payload)
    return "sent" if len(house.sent) > before else str(house.results(level)[-1]["reason"])


# --- transactions ---


def test_the_same_transaction_within_five_minutes() -> None:
    """A transaction that was given less than five minutes ago is a DUPLICATE, and may be given again after them."""
    house = running(FRONT)
    house.say("front/lock/set", unlock("a"))
    house.accept()
    house.advance(299.9)
    house.say("front/lock/set", unlock("a"))
    assert house.outcomes("front")[-1] == "refused DUPLICATE"
    assert house.results("front")[-1]["transaction"] == "a"
    house.advance(0.2)
    house.say("front/lock/set", unlock("a"))
    assert house.commands() == ["Front unlock"] * 2


def test_never_by_value() -> None:
    """The same word again is another command: nothing is deduplicated by value."""
    house = running(FRONT)
    for payload in ("UNLOCK", "UNLOCK", unlock("a"), unlock("b"), unlock(None), unlock(None)):
        house.say("front/lock/set", payload)
        house.accept()
    assert house.commands() == ["Front unlock"] * 6


def test_transactions_are_of_one_device_and_key() -> None:
    """One transaction for several devices or keys is no duplicate; the number 1 is not the text "1"."""
    house = running(FRONT, BACK)
    house.report("front", mode=0)
    house.say("front/set", {"lock": "UNLOCK", "mode": "normal", "transaction": 1})
    house.say("back/lock/set", unlock(1))
    house.accept()
    house.accept()
    house.accept()
    house.say("front/lock/set", unlock("1"))
    assert house.commands() == ["Front unlock", "Back unlock", "Front setMode", "Front unlock"]


def test_a_refused_transaction_may_be_given_again() -> None:
    """A transaction that was refused was never carried out, so that it may be given again."""
    house = running(FRONT)
    house.say("front/lock/set", {**unlock("a"), "value": "OPEN"})
    house.say("front/lock/set", unlock("a"))
    assert house.commands() == ["Front unlock"]


@pytest.mark.parametrize("transaction", [True, [], {}])
def test_what_is_no_transaction(transaction: Json) -> None:
    """A transaction is a string or a number."""
    assert verdict(running(FRONT), "front/lock/set", unlock(transaction)) == "INVALID_PAYLOAD"


# --- payloads ---


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xfe",
        b"x" * (MAX_PAYLOAD + 1),
        "{",
        '{"value":NaN}',
        "{" * 10_000,
        "{}",
        '{"value":"LOCK","extra":1}',
        '{"transaction":"a"}',
        '{"value":1}',
        "null",
        "1",
    ],
    ids=lambda payload: payload[:30],
)
def test_invalid_payloads(payload: str | bytes) -> None:
    """What is neither a word nor an object with `value` is refused, and said so in a readable length."""
    house = running(FRONT)
    house.say("front/lock/set", payload)
    assert house.outcomes("front") == ["refused INVALID_PAYLOAD"]
    assert len(house.history("front/result")[0]) < 800
    assert house.sent == []


@pytest.mark.parametrize("payload", ["LOCK", "[]", "{}", '{"transaction":"a"}', "nonsense", ""])
def test_invalid_device_payloads(payload: str) -> None:
    """A device's own set topic takes an object with at least one key."""
    house = running(FRONT)
    house.say("front/set", payload)
    assert house.outcomes("front") == ["refused INVALID_PAYLOAD"]


def test_several_keys_at_once() -> None:
    """Each key of an object on the device's own set topic is a command with an outcome of its own."""
    house = running(FRONT)
    house.report("front", mode=0)
    house.say("front/set", {"lock": "LOCK", "mode": "passage", "door": "open", "light": "ON", "transaction": "t"})
    assert sorted(house.outcomes("front")) == ["refused UNKNOWN_KEY"] * 2
    house.accept()
    house.accept()
    assert house.commands() == ["Front lock", "Front setMode"]
    assert [result["key"] for result in house.results("front")] == ["door", "light", "lock", "mode"]
    assert {result["transaction"] for result in house.results("front")} == {"t"}


@pytest.mark.parametrize("key", ["battery", "door", "nonsense", "switch", "mode", "set"])
def test_unknown_keys(key: str) -> None:
    """A key that the device does not have or that cannot be set is refused; the message names those that can."""
    house = running(FRONT)
    assert verdict(house, f"front/{key}/set", "ON") == "UNKNOWN_KEY"
    assert "lock" in house.results("front")[0]["message"]


def test_the_log_says_the_same() -> None:
    """What is refused is in the log with the reason and the words that its sender is told."""
    house = running(FRONT)
    house.say("front/lock/set", "SESAME")
    [told], [note] = house.results("front"), house.noted("command_refused")
    assert note.level == "warning"
    assert note.fields == {"device": "front", **{name: told[name] for name in ("key", "id", "reason", "message")}}


def test_a_device_without_settable_keys() -> None:
    """Where nothing can be set, the message says so."""
    house = running(Device(id="x", name="Thing"))
    assert verdict(house, "thing/lock/set", "LOCK") == "UNKNOWN_KEY"
    assert house.results("thing")[0]["message"].endswith("nothing")


@pytest.mark.parametrize("topic", ["nobody/lock/set", "nobody/set"])
def test_unknown_device(topic: str) -> None:
    """A command for a topic level that no device has is refused on the bridge's event topic."""
    house = running(FRONT)
    house.say(topic, '{"lock":"LOCK"}')
    event = house.bridge_events()[-1]
    assert (event["event_type"], event["reason"], event["device"]) == ("refused", "UNKNOWN_DEVICE", "nobody")
    assert house.history("nobody/result") == []


@pytest.mark.parametrize(
    ("payload", "transaction"),
    [
        ('{"value": "LOCK", "transaction": "a"}', "a"),
        ('{"transaction": 7}', 7),
        ('{"value": "LOCK", "transaction": [1]}', None),
        ("LOCK", None),
        ("[1]", None),
    ],
)
def test_the_transaction_of_what_is_refused_as_a_whole(payload: str, transaction: Json) -> None:
    """Who is refused before anything of his message was read is told which transaction it was, if it had one."""
    house = running(FRONT)
    house.say("nobody/lock/set", payload)
    assert house.bridge_events()[-1]["transaction"] == transaction
    house.say("front/lock/set", payload, retained=True)
    assert house.results("front")[-1]["transaction"] == transaction


def test_a_light_takes_its_own_objects() -> None:
    """A light's object may stand alone, with transaction and time beside its members, or as `value`."""
    house = running(LAMP)
    house.say("lamp/light/set", {"state": "ON", "transaction": 1})
    house.say("lamp/light/set", {"value": {"brightness": 4}})
    house.accept()
    assert house.commands() == ["Lamp on", "Lamp setLevel"]
    assert house.results("lamp")[0]["payload"] == {"state": "ON"}


# --- policy ---


@pytest.mark.parametrize(
    ("allowed", "permitted"),
    [
        ((), ""),
        (("LOCK",), "LOCK"),
        (("lock",), "LOCK"),
        (("unlock",), "UNLOCK"),
        (("LOCK", "mode"), "LOCK normal passage locked"),
        (("normal",), "normal"),
        (None, "LOCK UNLOCK normal passage locked"),
    ],
)
def test_policy_of_a_kind(allowed: tuple[str, ...] | None, permitted: str) -> None:
    """A kind's list names words and keys in any case; `lock` means the word LOCK alone, and an empty list nothing."""
    sent = []
    for key, word in (
        ("lock", "LOCK"),
        ("lock", "UNLOCK"),
        ("mode", "normal"),
        ("mode", "passage"),
        ("mode", "locked"),
    ):
        house = restricted(lock=allowed)
        house.report("front", mode=0)
        outcome = verdict(house, f"front/{key}/set", word)
        assert outcome in {"sent", "NOT_ALLOWED"}
        sent += [word] * (outcome == "sent")
    assert " ".join(sent) == permitted


@pytest.mark.parametrize("subject", [FRONT.id, FRONT.id.lower(), "front", "Front", "FRONT"])
def test_policy_of_a_device(subject: str) -> None:
    """What is said of a device, by id, topic level or name, goes before what is said of its kind."""
    house = restricted(**{"lock": (), subject: ("UNLOCK",)})
    assert verdict(house, "front/lock/set", "UNLOCK") == "sent"
    assert verdict(house, "front/lock/set", "LOCK") == "NOT_ALLOWED"
    assert verdict(house, "back/lock/set", "UNLOCK") == "NOT_ALLOWED"


def test_policy_of_other_kinds() -> None:
    """A kind that is not mentioned may be given any command."""
    house = restricted(lock=(), light=("ON",))
    assert verdict(house, "plug/switch/set", "ON") == "sent"
    assert verdict(house, "lamp/light/set", "ON") == "sent"
    assert verdict(house, "lamp/light/set", "OFF") == "NOT_ALLOWED"
    assert verdict(house, "lamp/light/set", {"brightness": 0}) == "NOT_ALLOWED"


def test_a_rule_for_nobody() -> None:
    """A rule that names no kind and no device, perhaps misspelt, is warned of once."""
    house = restricted(lock=(), Front=(), bakc=(), light=None)
    house.listed(FRONT, BACK, LAMP, PLUG)
    assert [note.fields["about"] for note in house.noted("rule_for_nobody")] == ["bakc"]


def test_a_disabled_device() -> None:
    """A device that the configuration disables takes no command and is not queried."""
    config = EngineConfig(topics=TOPICS, overrides={FRONT.id: Override(enabled=False)})
    house = running(FRONT, config=config)
    assert verdict(house, "front/lock/set", "LOCK") == "NOT_ALLOWED"
    house.say("front/get", "")
    house.advance(600)
    assert house.asked == []


# --- replies ---


def test_the_reply_topic_gets_the_outcome() -> None:
    """How a command ended, and nothing before, goes to its Response Topic too, with the correlation data."""
    house = running(FRONT)
    reply = Reply(topic="somebody/answers", correlation=b"\x00\xff")
    house.say("front/lock/set", "LOCK", reply=reply)
    house.say("front/lock/set", "OPEN", reply=reply)
    house.say("nobody/lock/set", "LOCK", reply=reply)
    house.accept()
    house.report("front", lock="Locked")
    answers = [publish for publish in house.published if publish.topic == "somebody/answers"]
    results = [publish for publish in house.published if publish.topic.endswith(("front/result", "bridge/event"))]
    ends = [result.payload for result in results if "key" in result.payload and "accepted" not in result.payload]
    assert [answer.payload for answer in answers] == ends
    assert {(answer.correlation, answer.retain, answer.qos) for answer in answers} == {(b"\x00\xff", False, None)}
    assert len(answers) == 3


def test_the_form_of_a_result() -> None:
    """A result says what, for which key and payload, why, after how many seconds and when."""
    house = running(FRONT)
    house.say("front/lock/set", unlock("t"))
    house.advance(1.4239)
    house.accept()
    assert house.results("front") == [
        {
            "event_type": "accepted",
            "key": "lock",
            "payload": "UNLOCK",
            "transaction": "t",
            "reason": None,
            "message": None,
            "seconds": 1.42,
            "at": "2026-01-31T12:00:01.423Z",
            "id": "0-2",
        }
    ]
    assert all(not publish.retain for publish in house.published if publish.topic.endswith("/result"))
