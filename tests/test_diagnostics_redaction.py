"""What is replaced in a bundle, and what stays so that it can be read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.installation import write
from tests.support.process import run
from tests.test_diagnostics import opened
from uhome2mqtt.diagnostics.redaction import COMMON, Redaction
from uhome2mqtt.model import Json

HOME, USERS = "/home/", "/Users/"


@pytest.mark.parametrize("spelling", ["Haustür Straße", "haustür straße", "HAUSTÜR STRASSE", "haustür strasse"])
def test_sharp_s(spelling: str) -> None:
    """A name is found in every letter case, also where one letter becomes two."""
    redaction = Redaction()
    redaction.know_devices([{"name": "Haustür Straße"}])
    assert redaction.text(f"the {spelling} is open") == f"the {redaction.alias('name', 'Haustür Straße')} is open"


def test_other_letter() -> None:
    """A letter that the pattern takes for another one is replaced, too, if by no word of its own."""
    redaction = Redaction()
    redaction.know_devices([{"name": "Kino"}])
    assert redaction.text("KİNO") == "…"


def test_after_escaped_line_break() -> None:
    """The letter of an escaped line break does not hide a name."""
    redaction = Redaction()
    redaction.know_devices([{"name": "Flur"}])
    assert redaction.text(r"'what?\nFlur'") == rf"'what?\n{redaction.alias('name', 'Flur')}'"


@pytest.mark.parametrize("word", ["Lock", "Door", "light", "Bridge", "LOCKED", "On"])
def test_common_name(word: str) -> None:
    """A device that is called by a word of the bridge is hidden where it stands as a name, and spoils no line."""
    redaction = Redaction()
    redaction.know_devices([{"id": "dev-1", "name": word, "topic": word.casefold()}])
    alias = redaction.alias("name", word)
    document: Json = {"kind": word, "state": {word: word}, "name": word, "topic": word.casefold(), "device": word}
    kept = {"kind": word, "state": {word: word}}
    assert redaction.json(document) == kept | dict.fromkeys(("name", "topic", "device"), alias)
    assert redaction.text(f"kind={word} name={word} from='{word}'") == f"kind={word} name={alias} from='{alias}'"


@pytest.mark.parametrize("word", ["uhome2mqtt", "bridge", "mqtt", "homeassistant", "root", "localhost"])
def test_common_user(word: str) -> None:
    """Users, clients and hosts that half the world has are not replaced."""
    redaction = Redaction()
    for kind in ("user", "client", "host"):
        redaction.know(kind, [word])
    assert redaction.text(f"{word} failed: mqtt://{word}:1883") == f"{word} failed: mqtt://{word}:1883"


def test_common_words() -> None:
    """The kinds, keys and states of devices are common words, and no name of two words is."""
    assert {"lock", "light", "switch", "device", "battery", "locked", "jammed", "passage", "on"} <= COMMON
    assert [word for word in COMMON if " " in word and not word.startswith("{")] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"no {HOME}alice/config.yaml", rf"no {HOME}(user-\w{{8}})/config\.yaml"),
        (f'"{USERS}alice"', rf'"{USERS}(user-\w{{8}})"'),
        (f"file:///var{HOME}alice, x", rf"file:///var{HOME}(user-\w{{8}}), x"),
        (f"at my{HOME}alice", f"at my{HOME}alice"),
        (HOME, HOME),
    ],
)
def test_homes(text: str, shown: str) -> None:
    """Home directories tell nobody's name, whoever makes the bundle; a second look leaves the word as it is."""
    redaction = Redaction()
    once = redaction.text(text)
    assert re.fullmatch(shown, once)
    assert redaction.text(once) == once


async def test_through_sudo(tmp_path: Path) -> None:
    """Who makes the bundle as root shows neither own name nor home; root's and a service's stay to be read."""
    home = tmp_path / "zaphod"
    home.mkdir()
    file, log, out = write(home), tmp_path / "log", tmp_path / "x.zip"
    log.write_text(f"zaphod is in {HOME}trillian, and root in /root\n")
    options = ("diagnostics", "-o", str(out), "--log", str(log), "-c", str(file))
    assert (await run(*options, HOME="/root", LOGNAME="root", SUDO_USER="zaphod"))[0] == 0
    parts = opened(out)
    assert "zaphod" not in "".join(parts.values())
    assert re.fullmatch(rf"(user-\w{{8}}) is in {HOME}(user-\w{{8}}), and root in /root\n", parts["log.txt"])


async def test_still_readable(tmp_path: Path) -> None:
    """A household that calls everything by the usual words gets a bundle in which they can be read."""
    log = tmp_path / "log"
    line = {"level": "info", "event": "device_added", "id": "dev-1x", "topic": "lock", "name": "Lock", "kind": "lock"}
    log.write_text(json.dumps(line) + "\n")
    file = write(tmp_path, mqtt={"username": "uhome2mqtt", "client_id": "bridge"}, devices={"dev-1x": {"name": "Lock"}})
    out = tmp_path / "x.zip"
    assert (await run("diagnostics", "-o", str(out), "--log", str(log), "-c", str(file)))[0] == 0
    parts = opened(out)
    shown, settings = json.loads(parts["log.txt"]), json.loads(parts["settings.json"])["settings"]
    assert shown | {"id": "", "topic": "", "name": ""} == line | {"id": "", "topic": "", "name": ""}
    assert "Lock" not in shown.values()
    assert (settings["mqtt"]["username"], settings["mqtt"]["client_id"]) == ("uhome2mqtt", "bridge")
    assert parts["README.txt"].count("uhome2mqtt") >= 2
