"""What lasts beside the tokens: topic levels, and the client id."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.conftest import Logged
from uhome2mqtt.errors import StorageError
from uhome2mqtt.model import Announced, Discovery, Pin, attribute
from uhome2mqtt.state_dir import StateDir

PINS = {
    "AA:BB": Pin(topic="front_door", name="Tür 🚪", observed=frozenset({attribute("st.lock", "lockState")})),
    "CC:DD": Pin(topic="lamp"),
}


def test_pins(tmp_path: Path) -> None:
    """Pins come back as they were kept, from a file for the bridge's user alone."""
    directory = tmp_path / "state"
    assert StateDir(directory).pins() == {}
    StateDir(directory).save_pins(PINS)
    assert StateDir(directory).pins() == PINS
    assert stat.S_IMODE((directory / "devices.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


ANNOUNCED = [
    Announced(),
    Announced(base="uhome2mqtt", prefix="homeassistant", layout=Discovery.ENTITY),
    Announced(base="a/b", prefix="x", layout=Discovery.OFF, excluded={"": frozenset("*"), "AA": frozenset({"lock"})}),
    Announced(excluded={"AA": frozenset("*")}),
]


@pytest.mark.parametrize("announced", ANNOUNCED)
def test_announced(tmp_path: Path, announced: Announced) -> None:
    """What Home Assistant was told comes back as it was kept."""
    assert StateDir(tmp_path).announced() == Announced()
    StateDir(tmp_path).save_announced(announced)
    assert StateDir(tmp_path).announced() == announced


@pytest.mark.parametrize(
    "spoilt",
    [
        {"layout": "sideways", "base_topic": "a", "prefix": "b"},
        {"layout": None, "base_topic": "a", "prefix": "b"},
        {"layout": "device", "base_topic": 1, "prefix": "b"},
        {"layout": "device", "base_topic": "a"},
        {"excluded": []},
        {"excluded": {"a": "lock", "b": []}},
    ],
)
def test_announced_spoilt(tmp_path: Path, spoilt: dict[str, object]) -> None:
    """What is not readable of it counts as unknown."""
    (tmp_path / "discovery.json").write_text(json.dumps({"version": 1, **spoilt}))
    assert StateDir(tmp_path).announced() == Announced()


def test_client_id(tmp_path: Path) -> None:
    """An installation keeps the client id that it made up, and no two make up the same."""
    first = StateDir(tmp_path / "a").client_id()
    assert StateDir(tmp_path / "a").client_id() == first
    assert StateDir(tmp_path / "b").client_id() != first
    assert first.startswith("uhome2mqtt-")


def test_client_id_not_kept(tmp_path: Path, logged: Logged) -> None:
    """Where it cannot be kept there is a client id all the same."""
    (tmp_path / "file").write_text("")
    assert StateDir(tmp_path / "file").client_id()
    assert len(logged("client_id_not_saved")) == 1


def test_pins_not_kept(tmp_path: Path) -> None:
    """Pins that cannot be kept are an error that names the file."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        StateDir(tmp_path / "file").save_pins(PINS)


@pytest.mark.parametrize(
    ("content", "complaints"),
    [
        ("{", 1),
        ("\x00", 1),
        ("[]", 0),
        ('{"version": 2, "devices": {"a": {"topic": "b"}}}', 0),
        ('{"version": 1, "devices": []}', 0),
        ('{"version": 1, "devices": {"a": 5, "b": {"topic": ""}, "c": {"topic": 5}}}', 0),
    ],
)
def test_spoilt(tmp_path: Path, content: str, complaints: int, logged: Logged) -> None:
    """What cannot be read counts as absent, and is said."""
    for name in ("devices.json", "instance.json"):
        (tmp_path / name).write_text(content)
    assert StateDir(tmp_path).pins() == {}
    assert len(logged("state_unreadable")) == complaints
    made = StateDir(tmp_path).client_id()
    assert json.loads((tmp_path / "instance.json").read_text())["client_id"] == made


def test_half_good(tmp_path: Path) -> None:
    """Of a pin that is odd in parts the usable parts are kept."""
    pin = {"topic": "front_door", "name": 5, "observed": ["st.lock.lockstate", 5]}
    (tmp_path / "devices.json").write_text(json.dumps({"version": 1, "devices": {"a": pin}}))
    [kept] = StateDir(tmp_path).pins().values()
    assert (kept.topic, kept.name) == ("front_door", "")
    assert kept.observed == {attribute("st.lock", "lockState")}
