"""Every key from every source: the list is the model's, so that a new key is covered by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from uhome2mqtt.settings import Settings, load
from uhome2mqtt.settings.keys import DEVICE_KEYS, KEYS, Key
from uhome2mqtt.settings.sources import SEARCH
from uhome2mqtt.settings.types import Duration

NOWHERE = Path("/nonexistent")
LEAVES = {name: key for name, key in KEYS.items() if name != "devices"}
SECRETS = {name: key for name, key in LEAVES.items() if key.secret}
OTHERS = {
    "notifications.public_url": ("https://one.example.org/n", "https://two.example.org/n"),
    "commands.allow": ('["LOCK"]', '{"lock": ["LOCK", "mode"]}'),
    "lights.color_temp_state": ("st.one.kelvin", "st.two.kelvin"),
    "lights.rgb_state": ("st.one.color", "st.two.color"),
    "lights.color_temp_command": ("st.one.set(kelvin)", "st.two.set(kelvin)"),
    "lights.rgb_command": ("st.one.set(color)", "st.two.set(color)"),
    "web.host": ("127.0.0.2", "::1"),
    "web.trusted_proxies": ('["10.0.0.1"]', '["10.0.0.0/8", "::1"]'),
    "notifications.host": ("127.0.0.2", "::1"),
    "mqtt.url": ("mqtts://one:8883", "wss://two/mqtt"),
}
"""Two texts that each key takes, where the kind of the key does not say it."""
PUSH = {"public_url": "https://h/n"}
BESIDE: dict[str, dict[str, Any]] = {
    "mqtt.key_file": {"cert_file": "/c"},
    "web.key_file": {"cert_file": "/c"},
    "notifications.host": {**PUSH, "port": 8098},
    "notifications.port": PUSH,
}
"""What some keys need beside them in their sections."""

KINDS = {
    "true or false": ("true", "false"),
    "a whole number": ("2", "1"),
    "a URL": ("https://one.example.org/p", "https://two.example.org/p"),
    "a topic": ("one/a", "two/b"),
    "a path": ("one/a", "two/b"),
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def texts(key: Key) -> tuple[str, str]:
    """Give two values of a key that are no default, as an environment variable holds them."""
    if key.name in OTHERS:
        return OTHERS[key.name]
    for fact in key.facts:
        if isinstance(fact, Duration):
            return f"{fact.most}", f"{fact.most - 1} s"
    if key.allowed.startswith("one of "):
        first, second, *_ = key.allowed.removeprefix("one of ").split(", ")
        return first, second
    kind = next((kind for kind in KINDS if key.allowed.startswith(kind)), "")
    return KINDS[kind] if kind else ("one", "two")


def native(key: Key, text: str) -> Any:
    """Give what stands in a file for the text of a variable."""
    return json.loads(text) if key.structured else text


def tree(key: Key, text: str) -> dict[str, Any]:
    """Give the file's content that sets one key."""
    value = native(key, text)
    beside = BESIDE.get(key.name, {})
    return {key.path[0]: value} if len(key.path) == 1 else {key.path[0]: {**beside, key.path[1]: value}}


def loaded(
    tmp_path: Path, content: Mapping[str, Any], environ: Mapping[str, str] | None = None, secrets: Path = NOWHERE
) -> Settings:
    """Load a file, and what stands beside it."""
    file = tmp_path / "given.yaml"
    file.write_text(json.dumps(content))
    return load(file, environ or {}, secrets_directory=secrets)


def of(settings: Settings, key: Key) -> Any:
    """Give the value of a key, secrets in the clear."""
    value: Any = settings
    for step in key.path:
        value = getattr(value, step)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@pytest.mark.parametrize("name", LEAVES)
def test_file_and_variable_agree(tmp_path: Path, name: str) -> None:
    """A key has the same value out of the file and out of its variable, and it is the one that was given."""
    key = LEAVES[name]
    values = []
    for text in texts(key):
        from_file = of(loaded(tmp_path, tree(key, text)), key)
        beside = {key.path[0]: BESIDE[key.name]} if key.name in BESIDE else {}
        assert of(loaded(tmp_path, beside, {key.variable: text}), key) == from_file
        values.append(from_file)
    assert values[0] != values[1]


@pytest.mark.parametrize("name", LEAVES)
def test_variable_beats_file(tmp_path: Path, name: str) -> None:
    """The variable of a key beats the file, and an empty one leaves it alone."""
    key = LEAVES[name]
    first, second = texts(key)
    alone = of(loaded(tmp_path, tree(key, second)), key)
    assert of(loaded(tmp_path, tree(key, first), {key.variable: second}), key) == alone
    assert of(loaded(tmp_path, tree(key, second), {key.variable: ""}), key) == alone


@pytest.mark.parametrize("name", SECRETS)
def test_sources_of_a_secret(tmp_path: Path, name: str) -> None:
    """Docker's secrets beat the file, systemd's credentials beat those, and the variable or its file beat all."""
    key = SECRETS[name]
    docker, systemd, named = tmp_path / "docker", tmp_path / "systemd", tmp_path / "named"
    for directory in (docker, systemd):
        directory.mkdir()
        (directory / key.name).write_text(f"{directory.name}\n")
    named.write_text("named\n")
    credentials = {"CREDENTIALS_DIRECTORY": str(systemd)}
    file = tree(key, "file")
    assert of(loaded(tmp_path, file), key) == "file"
    assert of(loaded(tmp_path, file, secrets=docker), key) == "docker"
    assert of(loaded(tmp_path, file, credentials, docker), key) == "systemd"
    assert of(loaded(tmp_path, file, {**credentials, f"{key.variable}_FILE": str(named)}, docker), key) == "named"
    assert of(loaded(tmp_path, file, {**credentials, key.variable: "variable"}, docker), key) == "variable"


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("spelling", ["name", "short", "variable"])
def test_names_of_secrets(tmp_path: Path, name: str, spelling: str) -> None:
    """A secret's file may be called like the key or like its variable, in any letter case."""
    key = SECRETS[name]
    called = {"name": key.name, "short": "__".join(key.path), "variable": key.variable}[spelling]
    for each in (called, called.upper()):
        directory = tmp_path / f"{each}.d"
        directory.mkdir(exist_ok=True)
        (directory / each).write_text("hidden")
        assert of(load(None, {}, secrets_directory=directory), key) == "hidden"


@pytest.mark.parametrize("name", LEAVES)
def test_only_secrets_have_files(tmp_path: Path, name: str) -> None:
    """A file variable exists for secrets alone."""
    key = LEAVES[name]
    named = tmp_path / "named"
    named.write_text(texts(key)[0])
    environ = {f"{key.variable}_FILE": str(named)}
    if key.secret:
        assert of(load(None, environ, secrets_directory=NOWHERE), key) == texts(key)[0]
    else:
        with pytest.raises(Exception, match=f"{key.variable}_FILE: unknown environment variable; did you mean"):
            load(None, environ, secrets_directory=NOWHERE)


@pytest.mark.parametrize("name", DEVICE_KEYS)
def test_keys_of_devices(tmp_path: Path, name: str) -> None:
    """What is set for a device is the same out of the file and out of the variable, which wins key by key."""
    first, second = ("false", "true") if name == "enabled" else ("one", "two")
    by_file = loaded(tmp_path, {"devices": {"A.1": {name: second}}})
    both = loaded(
        tmp_path,
        {"devices": {"A.1": {name: first, "topic" if name != "topic" else "name": "kept"}}},
        {"UHOME2MQTT_DEVICES": json.dumps({"A.1": {name: second}})},
    )
    assert getattr(both.devices["A.1"], name) == getattr(by_file.devices["A.1"], name)
    assert "kept" in {both.devices["A.1"].topic, both.devices["A.1"].name}


def test_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """-c beats $UHOME2MQTT_CONFIG, that beats ./config.yaml, and that beats the one in /etc."""
    files = {name: tmp_path / f"{name}.yaml" for name in ("option", "variable", "system")}
    for name, file in files.items():
        file.write_text(f"mqtt: {{username: {name}}}")
    Path("config.yaml").write_text("mqtt: {username: here}")
    assert Path("/etc/uhome2mqtt/config.yaml") == SEARCH[1]
    monkeypatch.setattr("uhome2mqtt.settings.sources.SEARCH", (SEARCH[0], files["system"]))
    environ = {"UHOME2MQTT_CONFIG": str(files["variable"])}

    def used(option: Path | None, given: Mapping[str, str]) -> str | None:
        return load(option, given, secrets_directory=NOWHERE).mqtt.username

    assert used(files["option"], environ) == "option"
    assert used(None, environ) == "variable"
    assert used(None, {}) == "here"
    Path("config.yaml").unlink()
    assert used(None, {}) == "system"
