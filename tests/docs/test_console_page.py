"""The page about the console: who may use it, held against the bridge's own rules."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from uhome2mqtt.doctor.web import EXPOSURE
from uhome2mqtt.settings import Settings, load
from uhome2mqtt.web import LOCAL_HOSTS
from uhome2mqtt.web.guard import ATTEMPTS, OWN_SITES, SESSION

from .page import DOCS, blocks

TEXT = (DOCS / "console.md").read_text()
CONFIGURATIONS: list[dict[str, Any]] = [yaml.safe_load(block) for block in blocks("yaml", TEXT)]


@pytest.mark.parametrize("snippet", CONFIGURATIONS)
def test_configurations(snippet: dict[str, Any], tmp_path: Path) -> None:
    """Every configuration of the page is one that the bridge takes."""
    file = tmp_path / "config.yaml"
    file.write_text(yaml.safe_dump(snippet))
    taken = load(file, {}, secrets_directory=tmp_path / "none")
    for name, members in snippet.items():
        assert set(members) <= getattr(taken, name).model_fields_set


def test_proxies() -> None:
    """Both proxies cut the same prefix off and lead to where the pages are; nginx does what Caddy does by itself."""
    web = Settings().web
    [nginx], [caddy] = blocks("nginx", TEXT), blocks("caddyfile", TEXT)
    [prefix] = re.findall(r"location (.*) \{", nginx)
    assert re.findall(r"handle_path (.*)\* \{", caddy) == [prefix]
    assert re.findall(r"proxy_pass http://(.*)/;", nginx) == [f"{web.host}:{web.port}"]
    assert re.findall(r"reverse_proxy (.*)", caddy) == [f"{web.host}:{web.port}"]
    for line in ("Host $http_host", "X-Forwarded-For $remote_addr", "X-Forwarded-Proto $scheme"):
        assert f"proxy_set_header {line};" in nginx
    assert "proxy_buffering off;" in nginx


def test_words() -> None:
    """Names, limits and times of the page are those of the guard."""
    for name in LOCAL_HOSTS:
        assert f"`{f'[{name}]' if ':' in name else name}`" in TEXT
    for site in OWN_SITES:
        assert f"`{site}`" in TEXT
    assert (ATTEMPTS, SESSION) == (10, 12 * 3600)
    assert "Ten wrong tokens" in TEXT
    assert "twelve hours end each" in TEXT
    assert f"(`{EXPOSURE}`)" in TEXT
