"""Where notifications arrive, as the configuration says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from uhome2mqtt.settings import Settings, load, redacted


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
