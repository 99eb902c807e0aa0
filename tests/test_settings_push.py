"""Where notifications arrive, as the configuration says it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from uhome2mqtt.errors import SettingsError
from uhome2mqtt.settings import Settings, load, redacted
from uhome2mqtt.settings.changes import compare


def _from_environ(environ: Mapping[str, str]) -> Settings:
    return load(None, environ, secrets_directory=Path("/nonexistent"))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://h", "/"),
        ("https://h?access_token={secret}", "/"),
        ("https://h/a%20b/c", "/a b/c"),
        ("https://h/n?a={secret}&b={secret}", "/n"),
        (None, None),
    ],
)
def test_path(url: str | None, path: str | None) -> None:
    """Notifications are listened to where the URL's path leads; the secret may have a place in its query."""
    notifications = _from_environ({} if url is None else {"UHOME2MQTT_NOTIFICATIONS__PUBLIC_URL": url}).notifications
    assert (notifications.public_url, notifications.path) == (url, path)


@pytest.mark.parametrize(
    "environ",
    [
        {"UHOME2MQTT_NOTIFICATIONS__PUBLIC_URL": "https://h/metrics", "UHOME2MQTT_WEB__ENABLED": "no"},
        {
            "UHOME2MQTT_NOTIFICATIONS__PUBLIC_URL": "https://h",
            "UHOME2MQTT_UHOME__REDIRECT_URI": "http://localhost:8099/",
        },
        {"UHOME2MQTT_NOTIFICATIONS__PUBLIC_URL": "https://h/metrics/u-tec"},
    ],
)
def test_free_paths_of_notifications(environ: Mapping[str, str]) -> None:
    """Where the web server has no other use for the path, be it that it is off, notifications may have it."""
    assert _from_environ(environ).notifications.path is not None


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://h:8443/api/webhook/hunter2?access_token={secret}", "https://h:8443/***"),
        ("https://h/n?key=hunter2&to=https://elsewhere", "https://h/***"),
        ("https://h/hunter2?", "https://h/***"),
        ("https://h?hunter2", "https://h/***"),
        ("https://h/n", "https://h/n"),
        (None, None),
    ],
)
def test_shown_address(url: str | None, shown: str | None) -> None:
    """Of an address with a query neither that nor the path is shown: a webhook's is as good as a password."""
    loaded = _from_environ({} if url is None else {"UHOME2MQTT_NOTIFICATIONS__PUBLIC_URL": url})
    document = redacted(loaded)
    assert document["notifications"]["public_url"] == shown
    assert "hunter2" not in f"{loaded!r} {loaded} {document} {loaded.model_dump_json()}"


PUSH = {"public_url": "https://h/n"}


@pytest.mark.parametrize(
    ("given", "listener"),
    [
        ({}, None),
        ({"port": 8098}, ("127.0.0.1", 8098)),
        ({"host": "0.0.0.0", "port": 8098}, ("0.0.0.0", 8098)),
        ({"host": "127.0.0.2", "port": 8099}, ("127.0.0.2", 8099)),
        ({"host": "bridge.lan", "port": 8099}, ("bridge.lan", 8099)),
    ],
)
def test_port_of_its_own(given: Mapping[str, object], listener: tuple[str, int] | None) -> None:
    """Notifications may have a port of their own, which is this machine's where no address is given."""
    assert Settings.model_validate({"notifications": {**PUSH, **given}}).notifications.listener == listener


def test_any_path_on_a_port_of_its_own() -> None:
    """A port of its own has no pages, so that notifications may come in by any path."""
    url = {"public_url": "https://h/healthz", "port": 8098}
    assert Settings.model_validate({"notifications": url}).notifications.path == "/healthz"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"notifications": {**PUSH, "host": "127.0.0.1"}}, "notifications.host: .* it needs notifications.port"),
        ({"notifications": {"port": 8098}}, "notifications.port: .* it needs notifications.public_url"),
        ({"notifications": {**PUSH, "port": 8099}}, r"is the address of the pages \(127.0.0.1:8099\)"),
        ({"notifications": {**PUSH, "host": "localhost", "port": 8099}}, "is the address of the pages"),
        ({"notifications": {**PUSH, "host": "[::]", "port": 8099}}, "is the address of the pages"),
        (
            {"notifications": {**PUSH, "port": 8099}, "web": {"host": "0.0.0.0", "token": "t"}},
            "is the address of the pages",
        ),
        ({"notifications": {**PUSH, "port": 0}}, "notifications.port: got '0'; allowed is a whole number from 1"),
    ],
)
def test_useless_ports(tmp_path: Path, given: Mapping[str, object], reason: str) -> None:
    """A port that nobody can listen on, or to which nothing comes, is refused."""
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps(given))
    with pytest.raises(SettingsError, match=reason):
        load(file, {}, secrets_directory=tmp_path / "none")


def test_port_of_pages_that_are_off() -> None:
    """A web server that does not run needs no port."""
    given = {"notifications": {**PUSH, "port": 8099}, "web": {"enabled": False}}
    assert Settings.model_validate(given).notifications.listener == ("127.0.0.1", 8099)


def test_another_port_needs_a_restart() -> None:
    """Where notifications arrive is not changed while the bridge runs."""
    before, after = (Settings.model_validate({"notifications": {**PUSH, "port": port}}) for port in (8098, 8097))
    assert compare(before, after).at_restart == ("notifications.port",)
