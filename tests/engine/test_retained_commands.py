"""Rule 1: a retained command is never executed."""

from __future__ import annotations

import pytest

from uhome2mqtt.events import MessageReceived

from .driver import BACK, BASE, FRONT, Driver, running

SET = f"{BASE}/front/lock/set"


@pytest.mark.parametrize("topic", ["front/lock/set", "front/set", "front/get"])
def test_retained_is_refused_and_cleared(topic: str) -> None:
    """A retained message on any command topic is refused with RETAINED, its topic cleared, and nothing is sent."""
    house = running(FRONT)
    house.mark()
    house.broker[f"{BASE}/{topic}"] = "UNLOCK"
    house.say(topic, "UNLOCK", retained=True)
    assert house.outcomes("front") == ["refused RETAINED"]
    assert f"{BASE}/{topic}" not in house.broker
    assert (house.sent, house.asked) == ([], [])


def test_the_clearing_is_certain_to_arrive() -> None:
    """The clearing of a poisoned topic is published with QoS 1, retained and empty."""
    house = running(FRONT)
    house.say("front/lock/set", "UNLOCK", retained=True)
    clearing = [publish for publish in house.published if publish.topic == SET]
    assert [(publish.payload, publish.retain, publish.qos) for publish in clearing] == [("", True, 1)]


def test_retained_before_the_first_list() -> None:
    """What the broker kept is refused and cleared even before any device is known, where the outcomes are."""
    house = Driver()
    house.connect({})
    house.broker[SET] = "UNLOCK"
    house.say("front/lock/set", "UNLOCK", retained=True)
    house.listed(FRONT)
    assert house.outcomes("front") == ["refused RETAINED"]
    assert house.results("front")[0]["key"] == "lock"
    assert SET not in house.broker
    assert house.sent == []


@pytest.mark.parametrize("topic", ["front/lock/set", "front/set", "front/get"])
def test_the_echo_of_the_clearing_is_no_message(topic: str) -> None:
    """The empty message with which the broker passes on our own clearing leads to nothing at all."""
    house = running(FRONT, protocol="3.1.1")
    house.say(topic, "UNLOCK", retained=True)
    assert house.say(topic, "") == []


def test_echoes_of_several_clearings() -> None:
    """Each of several topics that were cleared in one moment has its echo."""
    house = running(FRONT, BACK, protocol="3.1.1")
    topics = ("front/get", "back/get", "front/set")
    for topic in topics:
        house.say(topic, "now", retained=True)
    assert [house.say(topic, "") for topic in topics] == [[], [], []]


def test_the_echo_is_expected_once_and_soon() -> None:
    """An echo that was lost is not waited for: a later empty message is one, and asks for the device's states."""
    house = running(FRONT, protocol="3.1.1")
    house.say("front/get", "now", retained=True)
    house.advance(6)
    house.mark()
    house.say("front/get", "")
    assert len(house.asked) == 1


def test_somebody_elses_clearing_is_no_message() -> None:
    """An empty message with the retain flag, by which somebody cleared the topic, leads to nothing at all."""
    house = running(FRONT)
    assert house.say("front/lock/set", "", retained=True) == []
    assert house.say("front/get", "", retained=True) == []


def test_an_empty_live_payload_is_refused() -> None:
    """An empty live message on a set topic is no command and is refused."""
    house = running(FRONT)
    house.say("front/lock/set", "")
    house.say("front/set", "")
    assert house.outcomes("front") == ["refused INVALID_PAYLOAD"] * 2


def test_foreign_topics_are_no_commands() -> None:
    """A message on a topic that is no command topic leads to nothing at all."""
    house = running(FRONT)
    for topic in (f"{BASE}/bridge/set", f"{BASE}/bridge/lock/set", "elsewhere/front/lock/set", f"{BASE}/front/lock"):
        assert house.take(MessageReceived(topic=topic, payload=b"UNLOCK")) == []
