"""Notifications, from a simulated cloud to a real process to a real broker."""

from __future__ import annotations

import json
import signal
import time
from itertools import product
from typing import Any

import pytest

from tests.support.account import BACK, FRONT
from tests.support.patience import eventually
from tests.support.push import LOCK, receiving, status_of
from tests.support.stage import Stage
from uhome2mqtt.simulator.vocabulary import Casing, PushShape

pytestmark = pytest.mark.e2e

RARELY = {"polling": {"interval": 600, "interval_push_healthy": 600}}
"""So rare that whatever is seen was pushed."""
SPEECHLESS = {
    PushShape.STATES_NOT_JSON: 400,
    PushShape.UNKNOWN_ID: 200,
    PushShape.ENTRY_NOT_OBJECT: 200,
    PushShape.ID_MISSING: 200,
    PushShape.SCALAR: 200,
    PushShape.NULL: 200,
}
"""Shapes that say nothing of a device that there is, and how they are answered."""


async def test_keypad(stage: Stage) -> None:
    """A keypad entry is on the broker in well under a second, as a push, and without a request to the cloud."""
    house = await receiving(stage, RARELY)
    since, asked = stage.ear.now, len(stage.account.requests("Query"))
    began = time.monotonic()
    await stage.account.by_hand(FRONT, states={LOCK: "Unlocked"}, cause="keypad")
    await stage.ear.until("front_door/lock", "UNLOCKED", since)
    seconds = time.monotonic() - began
    # The document follows the key.
    await stage.ear.until("front_door", lambda text: json.loads(text)["lock"] == "UNLOCKED", since)
    assert stage.ear.documents("front_door", since)[-1]["source"] == "push"
    assert len(stage.account.requests("Query")) == asked
    assert await house.answers(0) == [200]
    # The simulated cloud takes a tenth of a second; a busy machine may take more.
    assert seconds < 5


async def test_every_shape(stage: Stage) -> None:
    """Every shape in every spelling is understood, or does no harm."""
    house = await receiving(stage, RARELY)
    shapes = [shape for shape in PushShape if shape not in {PushShape.RANDOM, PushShape.ID_ONLY}]
    true = shown = 5
    for number, (casing, shape) in enumerate(product(Casing, shapes)):
        level = min({1, 2, 3, 4, 5} - {true, shown})
        await stage.account.control("PATCH", "quirks", {"casing": casing, "push_shape": shape, "push_delay": [0, 0]})
        since, sequence = stage.ear.now, house.sequence
        await stage.account.by_hand(FRONT, states={"st.batteryLevel.level": level})
        assert await house.answers(sequence) == [SPEECHLESS.get(shape, 200)], shape
        if shape in SPEECHLESS:
            await stage.fence(number)
            assert stage.ear.payloads("front_door/battery_level", since) == [], shape
        else:
            await stage.ear.until("front_door/battery_level", str(level), since)
            shown = level
        true = level
    assert house.bridge.running


async def test_an_id_alone(stage: Stage) -> None:
    """A notification that only names a device leads to one query of that device."""
    await receiving(stage, RARELY)
    await stage.account.control("PATCH", "quirks", {"push_shape": "id_only"})
    since, asked = stage.ear.now, len(stage.account.requests("Query"))
    await stage.account.by_hand(FRONT, states={LOCK: "Unlocked"})
    await stage.ear.until("front_door/lock", "UNLOCKED", since)
    assert [entry["devices"] for entry in stage.account.requests("Query")[asked:]] == [[FRONT]]


async def test_devices_come_and_go(stage: Stage) -> None:
    """A device that is added or removed in the app comes and goes by itself, within seconds."""
    await receiving(stage, RARELY)
    since = stage.ear.now
    added = {"name": "Shed", "category": "SmartLock", "handleType": "utec-lock", "states": {LOCK: "Locked"}}
    await stage.account.control("PUT", "devices/AA:BB:CC:00:00:01", added)
    await stage.ear.until("shed/availability", "online", since)
    await stage.ear.until_event("bridge/event", "device_added", since)
    since = stage.ear.now
    await stage.account.control("DELETE", "devices/AA:BB:CC:00:00:01")
    await stage.ear.until("shed/availability", "", since, deadline=20)
    assert stage.ear.events("bridge/event", since) == ["device_removed"]


@pytest.mark.parametrize("placement", ["header", "query", "both"])
async def test_where_the_secret_is(stage: Stage, placement: str) -> None:
    """The secret is found wherever the cloud puts it."""
    house = await receiving(stage, RARELY)
    await stage.account.control("PATCH", "quirks", {"push_token": placement})
    since = stage.ear.now
    await stage.account.by_hand(FRONT, states={LOCK: "Unlocked"})
    await stage.ear.until("front_door/lock", "UNLOCKED", since)
    assert await house.answers(0) == [200]


async def test_who_does_not_know_the_secret(stage: Stage) -> None:
    """Without the secret nothing is taken, whatever is posted; with it nonsense does no harm."""
    house = await receiving(stage, RARELY)
    unlocked = {"payload": {"devices": [{"id": FRONT, "states": {"st.lock": {"lockState": "Unlocked"}}}]}}
    since = stage.ear.now
    assert (await house.post(json.dumps(unlocked), secret="guessed")).status_code == 401
    assert (await house.post("x" * 100_000)).status_code == 413
    assert (await house.post("[" * 60_000)).status_code == 400
    assert (await house.post("7")).status_code == 200
    await stage.fence(1)
    assert stage.ear.payloads("front_door/lock", since) == []
    assert (await house.post(json.dumps(unlocked))).status_code == 200
    await stage.ear.until("front_door/lock", "UNLOCKED", since)


async def test_a_restart_loses_no_push(stage: Stage) -> None:
    """After a crash the registered secret is still good: what is pushed at once is taken, and registered anew."""
    house = await receiving(stage, RARELY)
    before = house.secret
    await house.bridge.stop(signal.SIGKILL)
    since = stage.ear.now
    # The cloud refuses to register, so that nothing but the kept secret can help.
    await stage.account.control("PATCH", "quirks", {"push_mode": "off"})
    await house.bridge.start()
    await house.bridge.until_logged("push_not_registered")
    await stage.ear.until("bridge/info", lambda text: status_of(text) == "registration_failed", since)
    await stage.account.control("PATCH", "quirks", {"push_mode": "on"})
    await stage.account.by_hand(FRONT, states={LOCK: "Unlocked"})
    await stage.ear.until("front_door/lock", "UNLOCKED", since)
    assert house.secret == before


async def test_registered_anew(stage: Stage) -> None:
    """On request there is a new secret; the one before is good for notifications that are under way."""
    house = await receiving(stage, RARELY)
    before, since = house.secret, stage.ear.now
    await stage.ear.say("bridge/request/notifications/register", '{"transaction": 1}')
    await stage.ear.until("bridge/response/notifications/register", lambda text: json.loads(text)["status"] == "ok")
    stage.secrets.add(house.secret)
    assert house.secret != before
    for number, secret in enumerate((before, house.secret)):
        state = ("Unlocked", "Locked")[number]
        assert (await house.post(told(FRONT, state), secret=secret)).status_code == 200
        await stage.ear.until("front_door/lock", state.upper(), since)
    kept = stage.state_dir / "push.json"
    assert kept.stat().st_mode & 0o777 == 0o600


async def test_by_mqtt(stage: Stage) -> None:
    """A notification that somebody forwards over MQTT is taken if it carries the secret."""
    house = await receiving(stage, RARELY)
    # Who forwards has to say it on the broker.
    stage.secrets.discard(house.secret)
    since = stage.ear.now
    for token, body in (("wrong", told(FRONT, "Unlocked")), (house.secret, told(BACK, "Unlocked"))):
        await stage.ear.say("bridge/request/notification", json.dumps({"token": token, "body": body}))
    await stage.ear.until("back_door/lock", "UNLOCKED", since)
    # The answer follows the states.
    await stage.ear.until("bridge/response/notification", lambda text: json.loads(text)["status"] == "ok", since)
    assert stage.ear.payloads("front_door/lock", since) == []
    answers = stage.ear.documents("bridge/response/notification", since)
    assert [answer["status"] for answer in answers] == ["error", "ok"]
    assert house.secret not in "".join((*house.bridge.err, *map(json.dumps, answers)))


async def test_metrics(stage: Stage) -> None:
    """Prometheus is told how many notifications came, how many were refused, and how far push is relied on."""
    house = await receiving(stage, RARELY)
    await house.post(told(FRONT, "Unlocked"))
    await house.post("", secret="guessed")
    response = await stage.account.http.get(house.url.replace("/notifications", "/metrics"))
    lines = response.text.splitlines()
    assert 'uhome2mqtt_notification_posts_total{outcome="accepted"} 1.0' in lines
    assert 'uhome2mqtt_notification_posts_total{outcome="unauthorized"} 1.0' in lines
    assert 'uhome2mqtt_push_status{status="unverified"} 1.0' in lines
    assert "uhome2mqtt_poll_interval_seconds 600.0" in lines


async def test_a_command_is_confirmed_by_push(stage: Stage) -> None:
    """A push confirms a command before any query does."""
    await receiving(stage, RARELY)
    await stage.account.control("PATCH", "quirks", {"bolt_seconds": 0.2, "push_delay": [0, 0]})
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    confirmed = await stage.ear.until_event("front_door/result", "confirmed", since)
    assert confirmed["reason"] == "push"
    await eventually(lambda: stage.ear.payloads("front_door/lock", since)[-1] == "UNLOCKED")


def told(device: str, state: str) -> str:
    """Write a notification about a lock."""
    body: dict[str, Any] = {"id": device, "states": [{"capability": "st.lock", "name": "lockState", "value": state}]}
    return json.dumps({"header": {"name": "DeviceState"}, "payload": {"devices": [body]}})
