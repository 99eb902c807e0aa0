"""One Home Assistant for the tests of a module."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.support.mosquitto import Mosquitto

from .hass import Hass
from .home import Home, moved_in


@pytest.fixture(scope="module")
def hass(tmp_path_factory: pytest.TempPathFactory, mosquitto: Mosquitto) -> Iterator[Hass]:
    """Run a Home Assistant on the broker that the tests share."""
    running = Hass(tmp_path_factory.mktemp("hass"), mosquitto.port)
    running.start()
    yield running
    running.stop()


@pytest.fixture
async def home(tmp_path: Path, mosquitto: Mosquitto, hass: Hass) -> AsyncIterator[Home]:
    """Move in; Home Assistant must not have complained of anything when the test is over."""
    async with moved_in(tmp_path, mosquitto, hass) as prepared:
        yield prepared
        await prepared.calm()
