"""The bundle for bug reports: what is in it, and what must not be."""

from __future__ import annotations

import getpass
import json
import re
import stat
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.account import CLIENT_ID, CLIENT_SECRET
from tests.support.installation import found, write
from tests.support.patience import eventually, free_port
from tests.support.process import run
from tests.support.stage import Stage
from uhome2mqtt import logs
from uhome2mqtt.diagnostics import default_name, save
from uhome2mqtt.diagnostics.machine import listing
from uhome2mqtt.diagnostics.redaction import Redaction

PARTS = {
    "README.txt",
    "settings.json",
    "check.txt",
    "log.txt",
    "devices.json",
    "retained.json",
    "readyz.json",
    "metrics.txt",
    "state_dir.txt",
}
PASSWORD, TOKEN = "the-password-of-the-bridge", "the-token-of-the-web-page"
MAC = re.compile(r"[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}")


def opened(file: Path) -> dict[str, str]:
    """Give the parts of a bundle."""
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name).decode() for name in archive.namelist()}


def personal(stage: Stage) -> set[str]:
    """Give everything that tells whose house it is, and every secret."""
    devices = stage.account.cloud.house.devices.values()
    names = {device.name for device in devices} | {"Oma Käthes Tür", "granny"}
    ids = {device.id for device in devices}
    slugs = {name.casefold().replace(" ", "_") for name in names}
    kept = [json.loads((stage.state_dir / name).read_text()) for name in ("tokens.json", "push.json")]
    secrets = set(re.findall(r'"([\w.~+/=-]{12,})"', json.dumps(kept))) - {"access_token", "refresh_token"}
    bare = {identifier.replace(":", "").casefold() for identifier in ids}
    own = {CLIENT_ID, CLIENT_SECRET, PASSWORD, TOKEN, "alice-of-the-farm", "farm.example", "hook-key", "farm-client"}
    return names | ids | slugs | secrets | bare | own | stage.secrets


async def test_nothing_personal(stage: Stage) -> None:
    """A bundle with every part in it shows no secret, token, device, name, user or host of this household."""
    port = free_port()
    device = next(iter(stage.account.cloud.house.devices))
    changes: dict[str, Any] = {
        "web": {"port": port, "token": TOKEN},
        "mqtt": {"username": "alice-of-the-farm", "password": PASSWORD, "client_id": "farm-client"},
        "notifications": {"public_url": "https://farm.example/hook-key?s={secret}"},
        "devices": {device: {"name": "Oma Käthes Tür", "topic": "granny"}},
        "commands": {"allow": {device: ["LOCK"]}},
    }
    await stage.log_in()
    bridge = stage.bridge(**changes)
    await bridge.start()
    await stage.ear.until("bridge/cloud", "online")
    await eventually(lambda: bridge.logged("web_listening"))
    await eventually((stage.state_dir / "push.json").exists)
    await stage.ear.until("bridge/health", lambda text: json.loads(text)["cloud"] == "online")
    log, file = stage.directory / "bridge.log", stage.directory / "bundle.zip"
    log.write_text("".join(bridge.err))
    code, out, _ = await run("diagnostics", "-o", str(file), "--log", str(log), "-c", str(bridge.config))
    assert (code, out) == (0, f"{file}\n")
    parts = opened(file)
    assert set(parts) == PARTS
    assert [name for name, text in parts.items() if text.startswith("not there")] == []
    everything = "".join(parts.values()).casefold()
    assert [text for text in personal(stage) if text.casefold() in everything] == []
    assert MAC.search(everything) is None
    told(parts)
    await alone(stage, log)


async def alone(stage: Stage, log: Path) -> None:
    """Expect that the log shows nobody, also where neither configuration nor state nor anybody else can tell."""
    nothing = stage.directory / "nothing"
    nothing.mkdir()
    (nothing / "config.yaml").write_text("polling: {interval: 1}")
    options = ("-o", str(nothing / "x.zip"), "--log", str(log), "-c", str(nothing / "config.yaml"))
    assert (await run("diagnostics", *options, STATE_DIRECTORY=str(nothing)))[0] == 0
    shown = opened(nothing / "x.zip")["log.txt"].casefold()
    assert shown.count("device_added") == 7
    assert [text for text in personal(stage) if text.casefold() in shown] == []


def told(parts: dict[str, str]) -> None:
    """Expect what helps to find a fault."""
    settings, retained = json.loads(parts["settings.json"]), json.loads(parts["retained.json"])
    assert settings["settings"]["uhome"]["client_secret"] == "***"
    assert any(line.startswith("mqtt.password from ") for line in settings["origins"])
    assert "config_schema" not in retained["bridge/info"]
    assert retained["bridge/health"]["cloud"] == "online"
    devices = {device["id"]: device for device in json.loads(parts["devices.json"])["devices"]}
    assert len(devices) == 7
    assert {device["id"] for device in retained["bridge/devices"]} == set(devices)
    # One device is one word throughout.
    assert all(identifier in parts["log.txt"] for identifier in devices)
    assert json.loads(parts["readyz.json"])["status"] == "ready"
    assert "uhome2mqtt_build_info" in parts["metrics.txt"]
    assert "-rw------- " in parts["state_dir.txt"]
    assert "httpx " in parts["README.txt"]
    assert "broker         ok" in parts["check.txt"]


async def test_everything_broken(tmp_path: Path) -> None:
    """Without cloud, broker, bridge, log and state directory each part says why it is missing."""
    port = free_port()
    write(tmp_path, web={"port": port})
    code, out, _ = await run("diagnostics", "--log", str(tmp_path / "no-log"), cwd=tmp_path)
    assert code == 0
    file = tmp_path / out.strip()
    assert re.fullmatch(r"uhome2mqtt-diagnostics-\d{8}T\d{6}Z\.zip", file.name)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    parts = opened(file)
    assert set(parts) == PARTS
    missing = {name for name, text in parts.items() if text.startswith("not there: ")}
    assert missing == PARTS - {"README.txt", "settings.json", "check.txt"}
    assert "cannot be reached" in parts["check.txt"]


async def test_broken_configuration(tmp_path: Path) -> None:
    """An unusable configuration leaves what can be had without it, and its secrets are not shown."""
    log = tmp_path / "log"
    log.write_text(f"once I typed {PASSWORD} and left password={TOKEN} behind\n")
    (tmp_path / "config.yaml").write_text(json.dumps({"mqtt": {"password": PASSWORD}, "polling": {"interval": 1}}))
    code, out, _ = await run("diagnostics", "--log", str(log), cwd=tmp_path)
    assert code == 0
    parts = opened(tmp_path / out.strip())
    assert set(parts) == {"README.txt", "settings.json", "check.txt", "log.txt"}
    assert "polling.interval" in json.loads(parts["settings.json"])["problems"][0]
    assert parts["log.txt"] == "once I typed *** and left password=*** behind\n"


async def test_journal(tmp_path: Path) -> None:
    """Without a log file the system's journal is read, and where there is none it is said how to give a file."""
    code, out, _ = await run("diagnostics", "-c", str(write(tmp_path)), cwd=tmp_path, PATH=str(tmp_path))
    assert code == 0
    assert opened(tmp_path / out.strip())["log.txt"].startswith("not there: ")
    journal = tmp_path / "journalctl"
    for script, said in (("echo a line", "a line\n"), ("echo no >&2; exit 1", "no; give a file with --log")):
        journal.write_text(f"#!/bin/sh\n{script}\n")
        journal.chmod(0o755)
        options = ("-o", str(tmp_path / "x.zip"), "-c", str(tmp_path / "config.yaml"))
        assert (await run("diagnostics", *options, PATH=f"{tmp_path}:/bin:/usr/bin"))[0] == 0
        assert said in opened(tmp_path / "x.zip")["log.txt"]


def test_not_overwritten(tmp_path: Path) -> None:
    """A file that is there is replaced only when it was asked for, and then for its owner alone."""
    file = tmp_path / "bundle.zip"
    file.write_text("something else")
    file.chmod(0o644)
    with pytest.raises(FileExistsError):
        save(file, {}, replace=False)
    assert file.read_text() == "something else"
    save(file, {"a.txt": "text"}, replace=True)
    assert opened(file) == {"a.txt": "text"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_no_place(tmp_path: Path) -> None:
    """A file that cannot be written is named."""
    code, _, err = await run("diagnostics", "-o", str(tmp_path / "no" / "x.zip"), "-c", str(write(tmp_path)))
    assert code == 1
    assert f"cannot write {tmp_path}/no/x.zip: No such file" in err


def test_default_name() -> None:
    """The file is named by the time in UTC."""
    assert str(default_name(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))) == "uhome2mqtt-diagnostics-20260102T030405Z.zip"


def test_redaction() -> None:
    """One thing is one word in every spelling; innocent words around it stay."""
    redaction = Redaction()
    redaction.know_devices([{"id": "0C:7F:ED:10:00:01", "name": 'Käthe\'s "Tür"', "topic": "kathes_tur"}])
    word = redaction.alias("id", "0C:7F:ED:10:00:01")
    assert redaction.text("uhome2mqtt_0c7fed100001 and 0c:7f:ed:10:00:01") == f"uhome2mqtt_{word} and {word}"
    name = redaction.text(json.dumps('Käthe\'s "Tür"'))
    assert re.fullmatch(r'"name-[0-9a-f]{8}"', name)
    assert redaction.text("mqtt://bob:pw@host door 12:34:56:78:9A:BC").startswith("mqtt://***@host door mac-")
    assert redaction.json({"a": [1, None, "kathes_tur"], "password": "short"}) == {
        "a": [1, None, redaction.alias("topic", "kathes_tur")],
        "password": "***",
    }
    assert redaction.device(7) == 7
    assert Redaction().alias("id", "x") != redaction.alias("id", "x")


def test_one_letter() -> None:
    """A device whose name is one letter is hidden where it stands as a name, and spoils no prose."""
    redaction = Redaction()
    redaction.know_devices([{"id": "dev-1", "name": "A", "topic": "a"}])
    assert redaction.text("a door") == "a door"
    shown = redaction.device({"id": "dev-1", "name": "A", "topic": "a", "kind": "lock"})
    assert isinstance(shown, dict)
    assert shown["kind"] == "lock"
    assert "A" not in shown.values()


def test_listing(tmp_path: Path) -> None:
    """A directory is listed with modes and sizes."""
    (tmp_path / "file").write_text("four")
    (tmp_path / "file").chmod(0o640)
    assert re.search(r"^-rw-r----- \d+:\d+ +4 \S+ file$", listing(tmp_path), re.MULTILINE)


async def test_own_login_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Home directory and login name of who makes the bundle are not in it."""
    home = tmp_path / "people" / "zaphod"
    home.mkdir(parents=True)
    file = write(home)
    monkeypatch.setattr(getpass, "getuser", lambda: "zaphod")
    out = tmp_path / "x.zip"
    code, _, _ = await run("diagnostics", "-o", str(out), "-c", str(file), HOME=str(home), LOGNAME="zaphod")
    assert code == 0
    assert "zaphod" not in "".join(opened(out).values())


async def test_masks_what_it_has_learned(tmp_path: Path) -> None:
    """A look at the tokens keeps them out of everything that is written afterwards."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    token = {"version": 1, "access_token": "an-access-token-of-the-test", "expires_at": 4_000_000_000}
    (state / "tokens.json").write_text(json.dumps(token))
    await found(tmp_path)
    assert logs.mask("an-access-token-of-the-test") == "***"
