"""Unusable configurations at the command line, and files that others can read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.support.account import CLIENT_ID, CLIENT_SECRET
from tests.support.process import Bridge, run
from uhome2mqtt.settings import exposed_files, inspect

NOWHERE = Path("/nonexistent")
MISTAKES: dict[str, tuple[str, dict[str, str], str]] = {
    "several": (
        "mqtt: {qos: 3, usrname: x}\npolling: {interval: 5}\n",
        {"UHOME2MQTT_MQTT__PASWORD": "hunter2"},
        (
            "mqtt.usrname: unknown key; did you mean mqtt.username? (FILE, line 1)\n"
            "UHOME2MQTT_MQTT__PASWORD: unknown environment variable; did you mean UHOME2MQTT_MQTT__PASSWORD?\n"
            "mqtt.qos: got '3'; allowed is a whole number from 0 to 2 (FILE, line 1)\n"
            "polling.interval: got '5', but it is out of range: without a unit it is seconds; "
            "allowed is a duration from 10 s to 1 h (FILE, line 2)\n"
        ),
    ),
    "password in the address": (
        "mqtt: {url: 'mqtt://me:hunter2@broker'}\n",
        {},
        (
            "mqtt.url: got 'mqtt://***@broker', but it contains credentials: they belong in mqtt.username and "
            "mqtt.password; allowed is mqtt://host:1883, mqtts://host:8883, ws://host:80/path or wss://host:443/path "
            "(FILE, line 1)\n"
        ),
    ),
    "tab": (
        "mqtt:\n\tpassword: hunter2\n",
        {},
        (
            "FILE, line 2, column 1: found character '\\t' that cannot start any token; "
            "indent with spaces, YAML takes no tabs\n"
        ),
    ),
    "both": (
        "",
        {"UHOME2MQTT_MQTT__PASSWORD": "hunter2", "UHOME2MQTT_MQTT__PASSWORD_FILE": "/x"},
        "mqtt.password: both UHOME2MQTT_MQTT__PASSWORD and UHOME2MQTT_MQTT__PASSWORD_FILE are set; keep one\n",
    ),
    "no secret there": (
        "",
        {"UHOME2MQTT_WEB__TOKEN_FILE": "/nonexistent"},
        (
            "web.token: the secret file cannot be read: No such file or directory "
            "(UHOME2MQTT_WEB__TOKEN_FILE=/nonexistent)\n"
        ),
    ),
    "contradiction": (
        "web: {host: 0.0.0.0}\n",
        {},
        (
            "web.token: got nothing, but it is needed because web.host (0.0.0.0) is not a loopback address; "
            "allowed is text, not empty\n"
        ),
    ),
    "nothing": (
        "",
        {},
        (
            "uhome.client_id: not given, but needed; it is in the Xthings Home app under My Account, OpenAPI\n"
            "uhome.client_secret: not given, but needed; it is in the Xthings Home app under My Account, OpenAPI\n"
        ),
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
async def test_exit_code(tmp_path: Path, name: str) -> None:
    """An unusable configuration ends the program with 78 and all that is wrong with it on standard error."""
    text, environ, expected = MISTAKES[name]
    file = tmp_path / "config.yaml"
    file.write_text(text)
    code, out, err = await run("run", "-c", str(file), cwd=tmp_path, **environ)
    assert (code, out, err) == (78, "", "uhome2mqtt: " + re.sub(r"\bFILE\b", str(file), expected))


@pytest.mark.parametrize("command", ["run", "devices", "login"])
async def test_no_configuration_at_all(tmp_path: Path, command: str) -> None:
    """Who has no configuration is told where one belongs, how to get one, and what to try without."""
    code, out, err = await run(command, cwd=tmp_path)
    assert (code, out) == (78, "")
    assert "uhome.client_id: not given, but needed" in err
    assert "There is no configuration file: config.yaml and /etc/uhome2mqtt/config.yaml are looked for" in err
    assert "python -m uhome2mqtt.settings prints one with every key; uhome2mqtt demo needs neither" in err


def exposed(file: Path, environ: dict[str, str] | None = None, secrets: Path = NOWHERE) -> list[str]:
    """Give how to mend what others can read."""
    given = environ or {}
    return [one.mend for one in exposed_files(inspect(file, given, secrets_directory=secrets), given)]


def test_open_files(tmp_path: Path) -> None:
    """A file with a secret that everybody can read is named with what to run; so is an open state directory."""
    state, file, named, key = (tmp_path / name for name in ("state", "config.yaml", "named", "key.pem"))
    state.mkdir(mode=0o755)
    (state / "tokens.json").touch(mode=0o644)
    (state / "devices.json").touch(mode=0o600)
    file.write_text(json.dumps({"mqtt": {"password": "hunter2"}, "web": {"cert_file": "c", "key_file": str(key)}}))
    named.write_text("hunter2")
    environ = {"UHOME2MQTT_WEB__TOKEN_FILE": str(named), "STATE_DIRECTORY": str(state)}
    key.touch()
    for each in (file, named, key):
        each.chmod(0o644)
    commands = [f"run: chmod 0640 {each}" for each in (file, named, key)]
    assert exposed(file, environ) == [*commands, f"run: chmod 0700 {state}", f"run: chmod 0600 {state}/tokens.json"]
    for each in (file, named, key):
        each.chmod(0o640)
    state.chmod(0o700)
    assert exposed(file, environ) == []


def test_files_without_secrets(tmp_path: Path) -> None:
    """A file without secrets may be read by all; nor is a secret that a variable overrides looked for in it."""
    file = tmp_path / "config.yaml"
    file.write_text("mqtt: {url: mqtt://broker, password: hunter2}")
    file.chmod(0o644)
    environ = {"UHOME2MQTT_MQTT__PASSWORD": "other", "STATE_DIRECTORY": str(tmp_path / "none")}
    assert exposed(file, {"STATE_DIRECTORY": environ["STATE_DIRECTORY"]}) == [f"run: chmod 0640 {file}"]
    file.write_text("mqtt: {url: mqtt://broker}")
    assert exposed(file, environ) == []


def test_credentials_are_the_business_of_the_runtime(tmp_path: Path) -> None:
    """Of systemd's credentials and of a container's secrets nobody is told to change the mode."""
    for name in ("systemd", "docker"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mqtt.password").write_text("hunter2")
        (tmp_path / name / "mqtt.password").chmod(0o444)
    environ = {"STATE_DIRECTORY": str(tmp_path / "none"), "CREDENTIALS_DIRECTORY": str(tmp_path / "systemd")}
    file = tmp_path / "config.yaml"
    file.touch()
    assert exposed(file, environ) == []
    del environ["CREDENTIALS_DIRECTORY"]
    secret = tmp_path / "docker" / "mqtt.password"
    assert exposed(file, environ, tmp_path / "docker") == [f"run: chmod 0440 {secret}"]


def test_unusable_settings_have_files_too(tmp_path: Path) -> None:
    """Where the settings cannot be used, the files that are known are looked at all the same."""
    file = tmp_path / "config.yaml"
    file.write_text("mqtt: {password: hunter2, qos: 9}")
    file.chmod(0o604)
    assert exposed(file) == [f"run: chmod 0600 {file}"]


@pytest.mark.e2e
async def test_warned_at_start(tmp_path: Path) -> None:
    """A bridge that starts warns once of each file that others can read, with the command that closes it."""
    (tmp_path / "state").mkdir(mode=0o755)
    document = {
        "uhome": {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "api_url": "http://127.0.0.1:9/action"},
        "mqtt": {"url": "mqtt://127.0.0.1:9"},
        "web": {"enabled": False},
        "state_dir": str(tmp_path / "state"),
        "log": {"format": "json"},
    }
    bridge = Bridge(tmp_path / "config.yaml", document)
    bridge.config.chmod(0o644)
    try:
        await bridge.start()
        await bridge.until_logged("started")
        said = bridge.logged("file_open_to_others")
        assert [(line["level"], line["file"], line["mode"], line["hint"]) for line in said] == [
            ("warning", str(bridge.config), "0644", f"run: chmod 0640 {bridge.config}"),
            ("warning", str(tmp_path / "state"), "0755", f"run: chmod 0700 {tmp_path / 'state'}"),
        ]
    finally:
        await bridge.close()
    assert not re.search(CLIENT_SECRET, "".join(bridge.err))
