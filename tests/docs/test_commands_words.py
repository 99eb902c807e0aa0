"""The page about commands has every name and word that the bridge has, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path

from uhome2mqtt import engine
from uhome2mqtt.engine.members import TAKES
from uhome2mqtt.engine.requests import ACTIONS
from uhome2mqtt.model import LOG_LEVELS, Outcome
from uhome2mqtt.topics import SetTopic

from .page import DOCS, TOPICS, blocks, first_column, section

ENGINE = "\n".join(file.read_text() for file in sorted(Path(engine.__path__[0]).glob("*.py")))


def test_requests() -> None:
    """The table of requests has exactly the names that the bridge takes, in its order."""
    listed = [name for name in first_column(section("Requests to the bridge")) if name in ACTIONS or "/" in name]
    assert listed == list(ACTIONS)


def test_members() -> None:
    """The table of requests names every member of each, but for a user's, which have a table of their own."""
    rows = re.findall(r"^\| `([^`]+)` \|([^|]*)\|", section("Requests to the bridge"), re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", members)) for name, members in rows if name in TAKES}
    assert len(told) > 10
    for name in told.keys() - {"lock_users/add", "lock_users/update"}:
        assert told[name] - {*LOG_LEVELS} == TAKES[name].keys()
    users = first_column(section("Lock users"))
    assert {word for word in users if word in TAKES["lock_users/update"]} == TAKES["lock_users/update"].keys() - {
        "device"
    }


def test_words_of_errors() -> None:
    """The table of errors has every word with which the bridge begins one."""
    words = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)*): ', ENGINE))
    told = set(re.findall(r"\b[A-Z]+(?:_[A-Z]+)*\b", " ".join(first_column(section("Requests to the bridge")))))
    foreign = {"DEVICE_OFFLINE", "HTTP_500", "LOGIN_NEEDED"}
    assert {word for word in told if word in words} == words
    assert told - words - foreign - {"BAD", "REQUEST"} == set()


def test_words_of_refusals() -> None:
    """The table of refusals has every reason with which the bridge refuses a command."""
    words = set(re.findall(r'RefusalError\(\s*"([A-Z_]+)"', ENGINE))
    table = [word for word in first_column(section("What is refused, and why")) if word.isupper()]
    assert {*table, "NO_DEVICE_LIST"} == words


def test_outcomes() -> None:
    """The table of event types has exactly the outcomes that there are."""
    told = first_column(section("The life of a command"))
    assert told[-len(Outcome) :] == [str(outcome) for outcome in Outcome]


def test_node_red() -> None:
    """The flow is wired up, sends to a command topic and hears outcomes; its first function stands on the page."""
    nodes = json.loads((DOCS / "nodered" / "lock.json").read_text())
    by_id = {node["id"]: node for node in nodes}
    assert len(by_id) == len(nodes)
    assert {wire for node in nodes for output in node.get("wires", ()) for wire in output} <= by_id.keys()
    [sending] = [node for node in nodes if node["type"] == "mqtt out"]
    assert TOPICS.parse_command(sending["topic"]) == SetTopic(device="front_door", key="lock")
    assert sending["retain"] == "false"
    [listening] = [node for node in nodes if node["type"] == "mqtt in"]
    assert listening["topic"] == TOPICS.result("front_door")
    assert {by_id[node["broker"]]["type"] for node in (sending, listening)} == {"mqtt-broker"}
    assert blocks("js") == [f"{by_id['uhome2mqtt-command']['func']}\n"]
