"""Home Assistant's own schemas take every key that is published, and the rules written down here are theirs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from uhome2mqtt.homeassistant.rules import PLATFORMS, STATE_CLASSES, TOP_LEVEL

from .hass import Json, programs
from .home import Home

pytestmark = pytest.mark.homeassistant

GOLDEN = Path(__file__).parent.parent / "fixtures" / "discovery"
BESIDE = {"device", "origin"}
"""Keys of an entity that are rules of their own."""
TOO_NEW = {"message_expiry_interval"}
"""At the top level releases before 2026.6 refuse the whole device for it."""
NOT_OURS = {"child_devices", "device", "platform"}


async def asked(payloads: list[tuple[str, Json]]) -> dict[str, Any]:
    """Ask the schemas."""
    script = Path(__file__).with_name("schemas.py")
    process = await asyncio.create_subprocess_exec(
        programs() / "python", script,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate(json.dumps(payloads).encode())
    assert process.returncode == 0, err.decode()
    found: dict[str, Any] = json.loads(out)
    return found


async def test_rules() -> None:
    """The table of keys and classes that discovery is held against is Home Assistant's, no more and no less."""
    facts = await asked([])
    keys = facts["keys"]
    assert keys["top_level"] == sorted(TOP_LEVEL | TOO_NEW | {"child_devices"})
    for name, platform in PLATFORMS.items():
        assert set(keys[name]) - BESIDE == set(platform.keys), name
        assert platform.device_classes <= set(facts["device_classes"][name]), name
    assert set(facts["state_classes"]) == STATE_CLASSES


async def test_golden() -> None:
    """No key of the payloads in the golden files is refused or dropped."""
    names = [path for path in sorted(GOLDEN.iterdir()) if path.stem != "identities"]
    facts = await asked([("device", json.loads(path.read_text())) for path in names])
    assert facts["gaps"] == [[]] * len(names)


async def test_published(home: Home) -> None:
    """No key of what the bridge publishes in either layout is refused or dropped."""
    await home.up(homeassistant={"discovery": "both"})
    configs = await home.configs()
    payloads = [(topic.split("/")[1], json.loads(payload)) for topic, payload in sorted(configs.items())]
    assert {platform for platform, _ in payloads} == {"device", *PLATFORMS}
    assert (await asked(payloads))["gaps"] == [[]] * len(payloads)
    await home.ha.forget_complaints()
