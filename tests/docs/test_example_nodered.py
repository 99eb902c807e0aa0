"""The flow of the locks for Node-RED, as far as it is seen without running it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from uhome2mqtt.model import Outcome

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "examples" / "node-red" / "locks.json").read_text()
NODES: list[dict[str, Any]] = json.loads(TEXT)
CORE = {
    "comment", "debug", "function", "inject", "link call", "link in", "link out",
    "mqtt in", "mqtt out", "mqtt-broker", "status", "tab",
}  # fmt: skip
DASHBOARD = {"ui-base", "ui-group", "ui-notification", "ui-page", "ui-template", "ui-theme"}
PAGE = (ROOT / "docs" / "node-red.md").read_text()


def of(kind: str) -> list[dict[str, Any]]:
    """Give the nodes of a type."""
    return [node for node in NODES if node["type"] == kind]


def test_nodes() -> None:
    """Nothing is needed but Node-RED and the dashboard, every wire leads to a node, and there is one broker."""
    assert {node["type"] for node in NODES} == CORE | DASHBOARD
    ids = {node["id"] for node in NODES}
    assert len(ids) == len(NODES)
    assert {to for node in NODES for out in node.get("wires", ()) for to in out} <= ids
    [broker] = of("mqtt-broker")
    assert {node["broker"] for node in (*of("mqtt in"), *of("mqtt out"))} == {broker["id"]}


def test_one_base_topic() -> None:
    """The base topic stands in one place, all topics follow from it, and no device is named in any of them."""
    [tab] = of("tab")
    variables = {each["name"]: each for each in tab["env"]}
    assert variables["BASE_TOPIC"]["value"] == "uhome2mqtt"
    followers = {name for name in variables if name.startswith("TOPIC_")}
    assert {node["topic"] for node in of("mqtt in")} == {f"${{{name}}}" for name in followers}
    topics = [variables[name]["value"] for name in followers]
    assert all(re.fullmatch(r"\$\{BASE_TOPIC\}/(bridge/\w+|\+(/\w+)?)", topic) for topic in topics)
    assert "uhome2mqtt/" not in "".join(node["func"] for node in of("function"))


def test_command() -> None:
    """A command is never retained, expires, and carries a transaction and the time at which it was sent."""
    [out] = of("mqtt out")
    assert (out["retain"], out["expiry"], out["qos"], out["topic"]) == ("false", "30", "1", "")
    [send] = [node["func"] for node in of("function") if out["id"] in node["wires"][0]]
    assert "{ value, transaction, sent_at: began }" in send


def test_words() -> None:
    """Every outcome that the flow knows is one of the bridge's, or its own for no answer."""
    listed = re.findall(r"const TOLD = (\[.*?\]);", "".join(node["func"] for node in of("function")))
    assert {*json.loads(*listed)} == {"unconfirmed", "failed", "rejected", "no_answer"}
    assert {*json.loads(*listed)} - {"no_answer"} < {str(outcome) for outcome in Outcome}


def test_page() -> None:
    """The page names the versions that are tested, and what the flow's nodes are called."""
    packages = re.findall(r"(\S+)@(\d+\.\d+)\.\d+", (ROOT / "scripts" / "test-nodered").read_text())
    assert [version in PAGE for _, version in packages] == [True, True]
    for name in (*(node["name"] for node in of("link in")), "uhome2mqtt alert", "lock up", "alert on the page"):
        assert f"*{name}*" in PAGE
        assert any(node.get("name") == name for node in NODES)
