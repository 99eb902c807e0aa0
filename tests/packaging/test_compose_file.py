"""The compose file: what it names exists, and nobody in it may do more than necessary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.mosquitto import Mosquitto
from tests.support.patience import free_port
from uhome2mqtt.settings.keys import KEYS

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_shut_in(name: str) -> None:
    """Each service has a read-only file system, no capability, no way to more, and comes back by itself."""
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"


def test_settings() -> None:
    """The bridge knows each of its variables and secrets; the page is for this machine only."""
    bridge = COMPOSE["services"]["uhome2mqtt"]
    assert set(bridge["environment"]) <= {key.variable for key in KEYS.values()}
    assert set(bridge["secrets"]) == set(COMPOSE["secrets"])
    assert all(KEYS[name].secret for name in bridge["secrets"])
    assert all(port.startswith("127.0.0.1:") for port in bridge["ports"])


def test_broker(tmp_path: Path) -> None:
    """A real mosquitto takes the broker's configuration."""
    text = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text()
    for path, here in (("/mosquitto/config", ROOT / "deploy/mosquitto"), ("/mosquitto/data/", f"{tmp_path}/")):
        text = text.replace(path, str(here))
    port = free_port()
    for listener in ("1883", "1880 127.0.0.1"):
        assert f"\nlistener {listener}\n" in text
    text = text.replace("listener 1883", f"listener {free_port()} 127.0.0.1").replace(
        "listener 1880", f"listener {port}"
    )
    (tmp_path / "passwords").write_text("")
    broker = Mosquitto(tmp_path, port=port)
    (tmp_path / f"mosquitto-{port}.conf").write_text(f"{text}user root\n")
    with broker:
        assert "rror" not in broker.logged()
