"""The page about notifications: its snippets are what they say, and fit together and to the bridge."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from uhome2mqtt.engine.requests import ACTIONS
from uhome2mqtt.model import PushStatus
from uhome2mqtt.settings import Settings, load
from uhome2mqtt.topics import RequestTopic

from .page import DOCS, TOPICS, blocks, first_column

PAGE = DOCS / "notifications.md"
TEXT = PAGE.read_text()
FLOW = DOCS / "notifications" / "node-red.json"

YAML: list[dict[str, Any]] = [yaml.safe_load(block) for block in blocks("yaml", TEXT)]
CONFIGURATIONS = [snippet for snippet in YAML if snippet.keys() <= Settings.model_fields.keys()]
BY_WEBHOOK = [snippet for snippet in CONFIGURATIONS if "{secret}" in json.dumps(snippet)]
DIRECT = [snippet for snippet in CONFIGURATIONS if "notifications" in snippet and snippet not in BY_WEBHOOK]
LANGUAGES = {"caddyfile", "js", "json", "nginx", "sh", "yaml"}

Loading = Callable[[dict[str, Any]], Settings]


@pytest.fixture
def loaded(tmp_path: Path) -> Loading:
    """Load a snippet as a user's whole configuration."""

    def from_file(snippet: dict[str, Any]) -> Settings:
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(snippet))
        return load(file, {}, secrets_directory=tmp_path / "no-secrets")

    return from_file


def snippet_with(name: str) -> dict[str, Any]:
    """Give the one YAML snippet that has a member of this name at its top."""
    [found] = [snippet for snippet in YAML if name in snippet]
    return found


def labels() -> dict[str, str]:
    """Give the labels of the bridge's container."""
    return dict(label.split("=", 1) for label in snippet_with("networks")["services"]["uhome2mqtt"]["labels"])


def section(title: str) -> str:
    """Give what stands below a heading, up to the next one."""
    [found] = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def test_languages() -> None:
    """Every snippet of the page has a language that these tests know."""
    fences = re.findall(r"^```(.*)$", TEXT, re.MULTILINE)
    assert set(fences[::2]) == LANGUAGES
    assert set(fences[1::2]) == {""}


@pytest.mark.parametrize("snippet", CONFIGURATIONS, ids="-".join)
def test_configurations(snippet: dict[str, Any], loaded: Loading) -> None:
    """Every configuration of the page is one that the bridge takes, and each of its values arrives."""
    taken = loaded(snippet)
    for name, members in snippet.items():
        assert set(members) <= getattr(taken, name).model_fields_set


def test_one_path(loaded: Loading) -> None:
    """Every proxy publishes the path of `public_url` and no other, and leads to where the web server listens."""
    [path] = {loaded(snippet).notifications.path for snippet in DIRECT}
    [host] = {str(loaded(snippet).notifications.public_url).split("/")[2] for snippet in DIRECT}
    web = Settings().web
    listens = f"{web.host}:{web.port}"

    [caddy] = blocks("caddyfile", TEXT)
    assert re.findall(r"handle\b *(.*) \{", caddy) == [path, ""]
    assert re.findall(r"reverse_proxy (.*)", caddy) == [listens]
    assert caddy.startswith(f"{host} {{")
    [nginx] = blocks("nginx", TEXT)
    assert re.findall(r"location (.*) \{", nginx) == [f"= {path}", "/"]
    assert re.findall(r"proxy_pass (.*);", nginx) == [f"http://{listens}"]
    assert re.findall(r"server_name (.*);", nginx) == [host]
    for ending, text in (("respond 404", caddy), ("return 404;", nginx)):
        assert text.count(ending) == 1

    rule = f"Host(`{host}`) && Path(`{path}`)"
    traefik = snippet_with("http")["http"]
    assert [router["rule"] for router in traefik["routers"].values()] == [rule]
    [service] = traefik["services"].values()
    assert service["loadBalancer"]["servers"] == [{"url": f"http://{listens}"}]
    assert [text for label, text in labels().items() if label.endswith(".rule")] == [rule]
    assert labels()["traefik.http.services.uhome2mqtt.loadbalancer.server.port"] == str(web.port)
    assert snippet_with("tunnel")["ingress"] == [
        {"hostname": host, "path": f"^{path}$", "service": f"http://{listens}"},
        {"service": "http_status:404"},
    ]


def test_largest_body() -> None:
    """Every proxy that can limit a body lets 64 KiB pass, as the bridge does."""
    [caddy] = blocks("caddyfile", TEXT)
    [nginx] = blocks("nginx", TEXT)
    assert re.findall(r"max_size (.*)", caddy) == ["64KiB"]
    assert re.findall(r"client_max_body_size (.*);", nginx) == ["64k"]
    middlewares = snippet_with("http")["http"]["middlewares"]
    assert middlewares == {"uhome2mqtt-body": {"buffering": {"maxRequestBodyBytes": 64 * 1024}}}
    assert labels()["traefik.http.middlewares.uhome2mqtt-body.buffering.maxrequestbodybytes"] == str(64 * 1024)
    assert labels()["traefik.http.routers.uhome2mqtt.middlewares"] == "uhome2mqtt-body"


def test_address_of_the_proxy() -> None:
    """In containers the proxy that is believed is the one whose address the example fixes."""
    traefik = snippet_with("networks")["services"]["traefik"]["networks"]["proxy"]
    trusted = [snippet["web"].get("trusted_proxies") for snippet in DIRECT]
    assert [traefik["ipv4_address"]] in trusted


def test_home_assistant(loaded: Loading) -> None:
    """The automation takes the webhook that `public_url` names, from outside, and keeps nothing of it."""
    [automation] = snippet_with("automation")["automation"]
    [trigger] = automation["triggers"]
    assert (trigger["trigger"], trigger["local_only"], trigger["allowed_methods"]) == ("webhook", False, ["POST"])
    assert automation["trace"] == {"stored_traces": 0}
    [snippet] = BY_WEBHOOK
    notifications = loaded(snippet).notifications
    assert notifications.path == f"/api/webhook/{trigger['webhook_id']}"
    assert str(notifications.address("s-3")).endswith(f"{notifications.path}?access_token=s-3")
    [action] = automation["actions"]
    assert action["action"] == "mqtt.publish"
    assert "retain" not in action["data"]
    assert set(re.findall(r"'(\w+)': trigger\.", action["data"]["payload"])) == members_of_the_request()
    assert action["data"]["topic"] == request_topic()


def test_node_red() -> None:
    """The flow is wired up, answers, and publishes where the bridge listens; its function stands on the page."""
    nodes = json.loads(FLOW.read_text())
    by_id = {node["id"]: node for node in nodes}
    by_type = {node["type"]: node for node in nodes}
    assert len(by_id) == len(by_type) == len(nodes)
    receiving, passing, sending = by_type["http in"], by_type["function"], by_type["mqtt out"]
    assert (receiving["method"], receiving["url"]) == ("post", "/notifications")
    assert receiving["wires"] == [[passing["id"]]]
    assert passing["wires"] == [[sending["id"]], [by_type["http response"]["id"]]]
    assert (sending["topic"], sending["retain"]) == (request_topic(), "false")
    assert by_id[sending["broker"]]["type"] == "mqtt-broker"
    assert blocks("js", TEXT) == [f"{passing['func']}\n"]
    # One Node-RED can have both flows of these pages.
    others = json.loads((DOCS / "nodered" / "lock.json").read_text())
    assert by_id.keys().isdisjoint(node["id"] for node in others)


def test_requests() -> None:
    """Every request that the page names is one that the bridge takes."""
    named = set(re.findall(r"uhome2mqtt/bridge/request/([a-z_/]+)", TEXT))
    assert named == {"notification", "notifications/register"}
    assert named <= ACTIONS.keys()


def test_statuses() -> None:
    """The table of statuses has exactly those that there are, in their order."""
    assert first_column(section("What each status means")) == [str(status) for status in PushStatus]


def request_topic() -> str:
    """Give the topic on which whoever else receives notifications passes them on."""
    topic = "uhome2mqtt/bridge/request/notification"
    assert TOPICS.parse_command(topic) == RequestTopic(name="notification")
    return topic


def members_of_the_request() -> set[str]:
    """Give the members of the example of that request."""
    [example] = blocks("json", TEXT)
    return set(json.loads(example))
