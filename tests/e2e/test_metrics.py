"""The metrics of a household's small life, scraped over HTTP from the program itself."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from tests.support.account import FRONT
from tests.support.mosquitto import Mosquitto
from tests.support.patience import free_port
from tests.support.push import LOCK
from tests.support.scraped import OPENMETRICS, Scraped
from tests.support.stage import ALL, Stage, staged
from uhome2mqtt.metrics import TABLE

pytestmark = pytest.mark.e2e

RARE = {"uhome2mqtt_login_expiry_timestamp_seconds"}
"""The login of this household can be renewed."""


async def scraped(stage: Stage, port: int, accept: str = OPENMETRICS) -> Scraped:
    """Scrape the bridge as a Prometheus server does."""
    response = await stage.account.http.get(f"http://127.0.0.1:{port}/metrics", headers={"Accept": accept})
    assert response.status_code == 200
    return Scraped(response.text, response.headers["Content-Type"])


async def test_small_life(tmp_path: Path) -> None:
    """Commands, a notification and a restart of the broker are all told, under every name that is documented."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/notifications"
    with Mosquitto(tmp_path) as broker:
        async with staged(tmp_path, broker) as stage:
            bridge = await stage.up(
                web={"port": port}, notifications={"public_url": url, "allow_http": True}, polling={"interval": 60}
            )
            await bridge.until_logged("push_registered")
            since = stage.ear.now
            await stage.ear.say("front_door/lock/set", "UNLOCK")
            confirmed = await stage.ear.until_event("front_door/result", "confirmed", since)
            await stage.ear.say("front_door/no_such_key/set", "1")
            await stage.ear.until_event("front_door/result", "refused", since)

            since = stage.ear.now
            await stage.account.by_hand(FRONT, states={LOCK: "Locked"}, cause="keypad")
            await stage.ear.until("front_door/lock", "LOCKED", since)
            # A notification is timed once the broker has acknowledged all of it, which comes after we have heard it.
            await stage.fence(1)

            await _check_life(stage, port, confirmed["id"])
            for program in bridge.logged("command_received"), bridge.logged("command_confirmed"):
                assert [line["id"] for line in program] == [confirmed["id"]]

            broker.end()
            await bridge.until_logged("broker_unreachable")
            away = await scraped(stage, port)
            assert away["uhome2mqtt_broker_connected"] == 0
            assert away.total("uhome2mqtt_broker_disconnections_total") == 1
            broker.start()
            await bridge.until_logged("broker_connected", 2)
            back = await scraped(stage, port)
            assert back["uhome2mqtt_broker_connections_total"] == 2


async def _check_life(stage: Stage, port: int, command: str) -> None:
    told = await scraped(stage, port)
    assert told.total("uhome2mqtt_commands_total", key="lock", outcome="accepted") == 1
    assert told.total("uhome2mqtt_commands_total", key="lock", outcome="confirmed") == 1
    assert told["uhome2mqtt_commands_total", "other", "refused", "UNKNOWN_KEY"] == 1
    assert told["uhome2mqtt_commands_total", "lock", "refused", "INVALID_PAYLOAD"] == 1
    assert told["uhome2mqtt_command_acceptance_duration_seconds_count", "lock"] == 1
    name = "uhome2mqtt_command_confirmation_duration_seconds_bucket"
    exemplars = [sample.exemplar.labels for sample in told.samples(name) if sample.exemplar]
    assert exemplars == [{"command_id": command}]
    assert told.total("uhome2mqtt_devices") == ALL
    assert told["uhome2mqtt_devices", "lock"] == 3
    assert told["uhome2mqtt_cloud_status", "online"] == 1
    assert told["uhome2mqtt_login_needed"] == 0
    assert told["uhome2mqtt_access_token_expiry_timestamp_seconds"] > time.time()
    assert told["uhome2mqtt_poll_age_seconds"] >= 0
    assert told["uhome2mqtt_engine_events_total", "message_received"] >= 2
    assert told["process_resident_memory_bytes"] > 1_000_000
    assert told["uhome2mqtt_notifications_total"] >= 1
    assert told["uhome2mqtt_notification_publish_duration_seconds_count"] >= 1
    assert told["uhome2mqtt_messages_published_total"] > 50
    own = {name for name in told.names if name.startswith("uhome2mqtt_")}
    assert own == TABLE.keys() - RARE
    assert {name for name in (await scraped(stage, port, "")).names if name.startswith("uhome2mqtt_")} == own
    _check_labels(told)


def _check_labels(told: Scraped) -> None:
    """No label has a word that is not documented, and nothing there names a device."""
    for family in told.families.values():
        for sample in family.samples:
            assert not re.search("front|door|[0-9A-F]{2}:", json.dumps(sample.labels)), sample
            row = TABLE.get(sample.name)
            for label, words in (row.labels if row is not None else {}).items():
                assert len(words) == 1 or sample.labels[label] in words, sample
