from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from uhome2mqtt import logs
from uhome2mqtt.errors import SettingsError
from uhome2mqtt.settings import MqttEndpoint, Settings, load, redacted, sources
from uhome2mqtt.settings.keys import KEYS
from uhome2mqtt.settings.model import SYSTEM_STATE, default_state_dir
from uhome2mqtt.settings.types import format_duration, parse_duration
from uhome2mqtt.settings.urls import is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

NOWHERE = Path("/nonexistent")


def _from_yaml(tmp_path: Path, text: str, environ: Mapping[str, str] | None = None) -> Settings:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    return load(file, environ or {}, secrets_directory=NOWHERE)


def _from_environ(environ: Mapping[str, str], secrets_directory: Path = NOWHERE) -> Settings:
    return load(None, environ, secrets_directory=secrets_directory)


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")


def test_nothing_given_means_the_defaults() -> None:
    """Without a file and without variables, every key has its default."""
    assert _from_environ({"STATE_DIRECTORY": "/s"}) == Settings(state_dir=Path("/s"))


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "~", "mqtt:\n", "mqtt: {qos: }", "devices:\n  A:\n"])
def test_empty_file_means_the_defaults(tmp_path: Path, text: str) -> None:
    """A file, section or key without content is as if it were not there."""
    assert _from_yaml(tmp_path, text) == _from_environ({})


def test_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """A file saved by an editor that marks UTF-8 is read."""
    assert _from_yaml(tmp_path, "\ufeffmqtt: {base_topic: höme}").mqtt.base_topic == "höme"


YAML_VALUES: dict[str, tuple[str, Any]] = {
    "homeassistant: {discovery: off}": ("homeassistant.discovery", "off"),
    "homeassistant: {discovery: OFF}": ("homeassistant.discovery", "off"),
    "mqtt: {protocol: 5}": ("mqtt.protocol", "5"),
    "mqtt: {protocol: 3.1.1}": ("mqtt.protocol", "3.1.1"),
    "mqtt: {username: 0123}": ("mqtt.username", "0123"),
    "mqtt: {username: yes}": ("mqtt.username", "yes"),
    "mqtt: {verify: no}": ("mqtt.verify", False),
    "mqtt: {verify: False}": ("mqtt.verify", False),
    "mqtt: {qos: 2}": ("mqtt.qos", 2),
    "mqtt: {ca_file: ~/ca.pem}": ("mqtt.ca_file", Path.home() / "ca.pem"),
    "mqtt: {base_topic: home/locks}": ("mqtt.base_topic", "home/locks"),
    "polling: {interval: 45}": ("polling.interval", 45.0),
    "polling: {interval: 45.5}": ("polling.interval", 45.5),
    "polling: {interval: 45 s}": ("polling.interval", 45.0),
    "polling: {interval: 5m}": ("polling.interval", 300.0),
    "polling: {discovery_interval: 24 h}": ("polling.discovery_interval", 86400.0),
    "polling: {discovery_interval: '7 d'}": ("polling.discovery_interval", 604800.0),
    "polling: {interval: 10 min}": ("polling.interval_push_healthy", 600.0),
    "polling: {stale_after: 2 min}": ("polling.stale_after", 120.0),
    "log: {level: WARNING}": ("log.level", "warning"),
    "web: {port: 0}": ("web.port", 0),
    "commands: {allow: all}": ("commands.allow", "all"),
    "commands: {allow: {lock: [LOCK, mode], hall: all, AA:BB: []}}": (
        "commands.allow",
        {"lock": ("LOCK", "mode"), "hall": "all", "AA:BB": ()},
    ),
    "web: {trusted_proxies: [127.0.0.1, 172.16.0.0/12, '::1', 'FD00:0::/8']}": (
        "web.trusted_proxies",
        ("127.0.0.1", "172.16.0.0/12", "::1", "fd00::/8"),
    ),
    "web: {trusted_proxies: 10.0.0.1}": ("web.trusted_proxies", ("10.0.0.1",)),
    "web: {trusted_proxies: []}": ("web.trusted_proxies", ()),
    "notifications: {public_url: 'https://h/n?access_token={secret}&a=b'}": (
        "notifications.public_url",
        "https://h/n?access_token={secret}&a=b",
    ),
    "commands: {allow: []}": ("commands.allow", {"lock": (), "light": (), "switch": ()}),
    "state_dir: /var/lib/x": ("state_dir", Path("/var/lib/x")),
}


@pytest.mark.parametrize("text", YAML_VALUES)
def test_values_of_the_file(tmp_path: Path, text: str) -> None:
    """Plain words and numbers mean what they say, whatever YAML makes of them."""
    name, expected = YAML_VALUES[text]
    value: Any = _from_yaml(tmp_path, text)
    for step in name.split("."):
        value = getattr(value, step)
    assert value == expected


def test_every_key_can_be_set_by_its_variable() -> None:
    """Each key is read from the environment variable that carries its name."""
    values = {
        key.variable: str(key.note("sample") or redacted(Settings())[key.path[0]][key.path[-1]])
        for key in KEYS.values()
        if key.section
    }
    values |= {"UHOME2MQTT_DEVICES": '{"A.B": {"topic": "hall"}}', "UHOME2MQTT_STATE_DIR": "/s"}
    loaded = _from_environ(values)
    assert loaded.mqtt.password is not None
    assert loaded.mqtt.password.get_secret_value() == "change-me"
    assert loaded.notifications.public_url == "https://locks.example.org/notifications"
    assert loaded.devices["A.B"].topic == "hall"
    assert loaded.state_dir == Path("/s")


def test_order_of_the_sources(tmp_path: Path) -> None:
    """The environment beats secret files, credentials beat Docker's secrets, and these beat the file."""
    docker, systemd = tmp_path / "docker", tmp_path / "systemd"
    for directory, text in {docker: "docker", systemd: "systemd"}.items():
        directory.mkdir()
        (directory / "mqtt.password").write_text(text)
    named = tmp_path / "named"
    named.write_text("named")
    file = tmp_path / "config.yaml"
    file.write_text("mqtt: {password: yaml, username: yaml, qos: 0}")

    def password(environ: Mapping[str, str], secrets: Path = NOWHERE) -> str:
        loaded = load(file, environ, secrets_directory=secrets)
        assert loaded.mqtt.password is not None
        assert (loaded.mqtt.username, loaded.mqtt.qos) == ("yaml", 0)
        return loaded.mqtt.password.get_secret_value()

    credentials = {"CREDENTIALS_DIRECTORY": str(systemd)}
    assert password({}) == "yaml"
    assert password({}, docker) == "docker"
    assert password(credentials, docker) == "systemd"
    assert password(credentials | {"UHOME2MQTT_MQTT__PASSWORD_FILE": str(named)}, docker) == "named"
    assert password(credentials | {"UHOME2MQTT_MQTT__PASSWORD": "direct"}, docker) == "direct"


@pytest.mark.parametrize(
    "name", ["mqtt.password", "MQTT__PASSWORD", "UHOME2MQTT_MQTT__PASSWORD", "uhome2mqtt_mqtt__password"]
)
def test_names_of_secret_files(tmp_path: Path, name: str) -> None:
    """A secret's file is found under each of its names in any case; what belongs to others is left alone."""
    (tmp_path / name).write_text("hunter2\n")
    (tmp_path / "other").mkdir()
    loaded = _from_environ({}, tmp_path)
    assert loaded.mqtt.password is not None
    assert loaded.mqtt.password.get_secret_value() == "hunter2"


@pytest.mark.parametrize(
    ("content", "secret"),
    [("a", "a"), ("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), (" a ", " a "), ("ä", "ä")],
)
def test_one_line_end_of_a_secret_is_removed(tmp_path: Path, content: str, secret: str) -> None:
    """A secret file's content is the secret, except for one line end."""
    (tmp_path / "web.token").write_bytes(content.encode())
    loaded = _from_environ({}, tmp_path)
    assert loaded.web.token is not None
    assert loaded.web.token.get_secret_value() == secret


def test_empty_variable_is_not_set(tmp_path: Path) -> None:
    """A variable that is set to nothing, as Compose files do, changes nothing."""
    environ = {"UHOME2MQTT_MQTT__USERNAME": "", "UHOME2MQTT_MQTT__PASSWORD_FILE": "", "UHOME2MQTT_CONFIG": ""}
    assert _from_yaml(tmp_path, "mqtt: {username: a}", environ).mqtt.username == "a"
    assert _from_environ(environ).mqtt.password is None


def test_variables_of_others_are_left_alone() -> None:
    """What Kubernetes sets beside a service called uhome2mqtt is not taken for configuration."""
    environ = {
        "UHOME2MQTT_SERVICE_HOST": "10.0.0.1",
        "UHOME2MQTT_SERVICE_PORT_HTTP": "8099",
        "UHOME2MQTT_PORT": "tcp://10.0.0.1:8099",
        "UHOME2MQTT_PORT_8099_TCP_ADDR": "10.0.0.1",
        "MQTT__QOS": "x",
    }
    assert _from_environ(environ) == _from_environ({})


def test_devices_are_merged(tmp_path: Path) -> None:
    """The environment overrides single keys of single devices."""
    text = "devices: {A: {topic: front, name: Front}, B: {enabled: false}}"
    devices = _from_yaml(tmp_path, text, {"UHOME2MQTT_DEVICES": '{"A": {"topic": "back"}, "C": {"name": 5}}'}).devices
    assert (devices["A"].topic, devices["A"].name, devices["A"].enabled) == ("back", "Front", True)
    assert not devices["B"].enabled
    assert devices["C"].name == "5"


@pytest.mark.parametrize("value", ["all", '"all"', ' {"lock": ["LOCK"]}', '["LOCK"]'])
def test_rules_from_the_environment(value: str) -> None:
    """The variable of commands.allow holds JSON or the word all."""
    allow = _from_environ({"UHOME2MQTT_COMMANDS__ALLOW": value}).commands.allow
    assert allow == "all" if "all" in value else allow != "all" and allow["lock"] == ("LOCK",)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('["172.16.0.0/12", "::1"]', ("172.16.0.0/12", "::1")),
        ("[]", ()),
        ("10.0.0.1", ("10.0.0.1",)),
        ('"10.0.0.1"', ("10.0.0.1",)),
    ],
)
def test_proxies_from_the_environment(value: str, expected: tuple[str, ...]) -> None:
    """The variable of web.trusted_proxies holds JSON, or one address or network."""
    assert _from_environ({"UHOME2MQTT_WEB__TRUSTED_PROXIES": value}).web.trusted_proxies == expected


def test_search_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is the one of -c, else of $UHOME2MQTT_CONFIG, else the first of the usual places."""
    files = {name: tmp_path / name for name in ("asked", "variable", "system")}
    here = Path("config.yaml")
    for name, file in (files | {"here": here}).items():
        file.write_text(f"mqtt: {{username: {name}}}")
    monkeypatch.setattr(sources, "SEARCH", (here, files["system"]))
    environ = {"UHOME2MQTT_CONFIG": str(files["variable"])}
    found = [load(files["asked"], environ, secrets_directory=NOWHERE), _from_environ(environ), _from_environ({})]
    here.unlink()
    found.append(_from_environ({}))
    assert [one.mqtt.username for one in found] == ["asked", "variable", "here", "system"]


ENDPOINTS = {
    "mqtt://localhost": MqttEndpoint(transport="tcp", tls=False, host="localhost", port=1883, path=None),
    "mqtt://my_mqtt:1884/": MqttEndpoint(transport="tcp", tls=False, host="my_mqtt", port=1884, path=None),
    "MQTTS://Broker": MqttEndpoint(transport="tcp", tls=True, host="broker", port=8883, path=None),
    "mqtts://[::1]:1": MqttEndpoint(transport="tcp", tls=True, host="::1", port=1, path=None),
    "ws://b": MqttEndpoint(transport="websockets", tls=False, host="b", port=80, path="/mqtt"),
    "ws://b/": MqttEndpoint(transport="websockets", tls=False, host="b", port=80, path="/"),
    "wss://b/a/b": MqttEndpoint(transport="websockets", tls=True, host="b", port=443, path="/a/b"),
}


@pytest.mark.parametrize("url", ENDPOINTS)
def test_endpoint(url: str) -> None:
    """The broker's URL is taken apart, with the usual port and path where it names none."""
    assert _from_environ({"UHOME2MQTT_MQTT__URL": url}).mqtt.endpoint == ENDPOINTS[url]


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.2", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback(host: str, *, expected: bool) -> None:
    """Only addresses that no other machine reaches are loopback addresses."""
    assert is_loopback(host) is expected


def test_web_server_for_others_needs_a_token() -> None:
    """A token opens the web server to others; without a web server none is needed."""
    environ = {"UHOME2MQTT_WEB__HOST": "0.0.0.0"}
    assert not _from_environ(environ | {"UHOME2MQTT_WEB__TOKEN": "t"}).web.loopback
    assert not _from_environ(environ | {"UHOME2MQTT_WEB__ENABLED": "no"}).web.enabled


def test_state_directory_of_systemd() -> None:
    """The first directory that systemd provides is taken, and state_dir beats it."""
    environ = {"STATE_DIRECTORY": "/var/lib/one:/var/lib/two"}
    assert _from_environ(environ).state_dir == Path("/var/lib/one")
    assert _from_environ(environ | {"UHOME2MQTT_STATE_DIR": "/s"}).state_dir == Path("/s")


@pytest.mark.parametrize(("user", "expected"), [(0, SYSTEM_STATE), (1000, Path("/somewhere/state/uhome2mqtt"))])
def test_state_directory_without_systemd(monkeypatch: pytest.MonkeyPatch, user: int, expected: Path) -> None:
    """Root keeps the state where services do, everybody else in their own state directory."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere/state")
    assert default_state_dir({}) == expected


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
def test_missing_client(name: str) -> None:
    """A command that needs the OpenAPI's client names what is missing and where it is found."""
    with pytest.raises(SettingsError) as caught:
        _from_environ({f"UHOME2MQTT_UHOME__{name.upper()}": "x"}).require_client()
    other = {"client_id": "client_secret", "client_secret": "client_id"}[name]
    where = "it is in the Xthings Home app under My Account, OpenAPI"
    assert caught.value.problems == (f"uhome.{other}: not given, but needed; {where}",)


def test_complete_client() -> None:
    """With both halves of the client there is nothing to say."""
    environ = {"UHOME2MQTT_UHOME__CLIENT_ID": "a", "UHOME2MQTT_UHOME__CLIENT_SECRET": "b"}
    _from_environ(environ).require_client()


def test_settings_made_by_hand_are_checked_too() -> None:
    """Settings that contradict themselves cannot be constructed, and the error shows no values."""
    with pytest.raises(ValidationError, match="contradict each other"):
        Settings.model_validate({"polling": {"interval": 60, "interval_push_healthy": 30}})
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"mqtt": {"password": ["hunter2"]}})
    assert "hunter2" not in str(caught.value)


def test_nothing_shows_a_secret() -> None:
    """Settings can be printed, dumped and shown without their secrets."""
    loaded = _from_environ({key.variable: "hunter2" for key in KEYS.values() if key.secret})
    shown = redacted(loaded)
    assert shown["mqtt"]["password"] == shown["web"]["token"] == "**********"
    assert redacted(_from_environ({}))["mqtt"]["password"] is None
    assert "hunter2" not in f"{loaded!r} {loaded} {shown} {loaded.model_dump_json()}"


@pytest.mark.parametrize("seconds", [0.5, 10.0, 90.0, 120.0, 5400.0, 21600.0, 86400.0, 172800.0])
def test_durations_round_trip(seconds: float) -> None:
    """A duration that is written is read back as the same."""
    assert parse_duration(format_duration(seconds)) == seconds


def test_log_levels_are_those_of_the_logs() -> None:
    """Every level that can be configured is one that the logs know."""
    for level in ("debug", "info", "warning", "error"):
        logs.set_level(_from_environ({"UHOME2MQTT_LOG__LEVEL": level}).log.level)
    logs.set_level("info")
