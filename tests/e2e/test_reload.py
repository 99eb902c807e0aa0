"""The configuration is read again while the process runs, and the connection to the broker stays."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.account import FRONT
from tests.support.mosquitto import Mosquitto
from tests.support.process import Bridge
from tests.support.stage import Stage, merged, staged

pytestmark = pytest.mark.e2e


async def reload(stage: Stage, bridge: Bridge, **changes: Any) -> dict[str, Any]:
    """Change the configuration, let it be read again, and give what is told of that."""
    since, count = stage.ear.now, len(bridge.logged("config_reloaded"))
    bridge.config.write_text(json.dumps(merged(json.loads(bridge.config.read_text()), changes)))
    bridge.send(signal.SIGHUP)
    await bridge.until_logged("config_reloaded", count + 1)
    event: dict[str, Any] = await stage.ear.until_event("bridge/event", "config_reloaded", since)
    return event


async def test_applied(stage: Stage) -> None:
    """What can be is applied at once: rules, topics, levels of the log; the rest is named, and waits for a restart."""
    bridge = await stage.up()
    event = await reload(
        stage,
        bridge,
        commands={"allow": {"lock": ["LOCK"]}},
        devices={FRONT: {"topic": "entrance"}},
        log={"level": "info"},
        uhome={"timeout": 7, "query_batch_size": 3},
        mqtt={"keepalive": 60},
        web={"port": 1},
    )
    assert event["applied"] == [
        "uhome.timeout",
        "uhome.query_batch_size",
        "commands.allow",
        f"devices.{FRONT}",
        "log.level",
    ]
    assert (event["at_next_connection"], event["needs_restart"]) == (["mqtt.keepalive"], ["web.port"])
    [warning] = await bridge.until_logged("config_needs_restart")
    assert warning["keys"] == ["web.port"]
    await stage.ear.until("entrance/availability", "online")
    await stage.ear.say("entrance/lock/set", "UNLOCK")
    refused = await stage.ear.until_event("entrance/result", "refused")
    assert refused["reason"] == "NOT_ALLOWED"
    assert "front_door/lock" not in await stage.held()
    assert len(bridge.logged("broker_connected")) == 1
    # What waits for a restart is still different from what is used, and is named again.
    assert (await reload(stage, bridge, log={"level": "debug"}))["needs_restart"] == ["web.port"]
    info = json.loads((await stage.held())["bridge/info"])
    assert (info["settings"]["uhome"]["timeout"], info["settings"]["web"]["port"]) == (7.0, 0)


async def test_unusable(stage: Stage) -> None:
    """A configuration that cannot be used changes nothing: all that is wrong is in the log, and no secret is."""
    bridge = await stage.up()
    good = bridge.config.read_text()
    stage.secrets.add("tell-nobody")
    document = merged(json.loads(good), {"mqtt": {"qso": 1, "password": "tell-nobody"}, "polling": {"interval": 1}})
    bridge.config.write_text(json.dumps(document))
    bridge.send(signal.SIGHUP)
    [line] = await bridge.until_logged("config_not_reloaded")
    assert len(line["problems"]) == 2
    assert "mqtt.qos" in " ".join(line["problems"])
    await stage.fence(1)
    bridge.config.write_text(good)
    assert (await reload(stage, bridge))["applied"] == []


async def test_unusable_files(stage: Stage) -> None:
    """Neither does one whose certificates cannot be read, nor one without the client of the OpenAPI."""
    bridge = await stage.up()
    good = bridge.config.read_text()
    for changes in ({"uhome": {"client_id": ""}}, {"mqtt": {"url": "mqtts://localhost", "ca_file": "/nowhere/ca.pem"}}):
        count = len(bridge.logged("config_not_reloaded"))
        bridge.config.write_text(json.dumps(merged(json.loads(good), changes)))
        bridge.send(signal.SIGHUP)
        await bridge.until_logged("config_not_reloaded", count + 1)
    assert not bridge.logged("config_reloaded")
    await stage.fence(1)


async def test_another_password(tmp_path: Path) -> None:
    """A new password for the broker is used with the next connection; secret files are read again for it."""
    passwords, secret = tmp_path / "passwords", tmp_path / "secret"
    secret.write_text("first-password")

    def allow(password: str) -> None:
        subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "bridge", password], check=True)
        passwords.chmod(0o644)

    allow("first-password")
    with Mosquitto(tmp_path, "allow_anonymous true", f"password_file {passwords}") as broker:
        async with staged(tmp_path, broker) as stage:
            await stage.log_in()
            bridge = stage.bridge(mqtt={"username": "bridge"})
            await bridge.start(UHOME2MQTT_MQTT__PASSWORD_FILE=str(secret))
            await stage.complete()
            allow("second-password")
            secret.write_text("second-password")
            stage.secrets |= {"first-password", "second-password"}
            event = await reload(stage, bridge)
            assert event["at_next_connection"] == ["mqtt.password"]
            broker.end()
            await bridge.until_logged("broker_unreachable")
            broker.start()
            await bridge.until_logged("broker_connected", 2)
            assert len(bridge.logged("broker_connected")) == 2


async def test_while_it_waits(stage: Stage) -> None:
    """A configuration is read again also while the bridge waits for its login."""
    bridge = stage.bridge()
    await bridge.start()
    await stage.ear.until("bridge/cloud", "unauthorized")
    assert (await reload(stage, bridge, polling={"interval": 20}))["applied"] == ["polling.interval"]


async def test_no_reload(stage: Stage) -> None:
    """Programs that have no configuration to read again are not ended by the signal either."""
    bridge = await stage.up()
    for _ in range(20):
        bridge.send(signal.SIGHUP)
    await bridge.until_logged("config_reloaded")
    await stage.fence(1)
    assert await bridge.stop() == 0
