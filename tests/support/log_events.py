"""All events that the program can log, found in its source."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from uhome2mqtt.model import BridgeEvent, CloudStatus, Outcome

PACKAGE = Path(__file__).parent.parent.parent / "uhome2mqtt"
EVENT = re.compile(r"[a-z]+(_[a-z]+)*")
LEVELS = ("debug", "info", "warning", "error", "critical")
FAMILIES = {"cloud_": [str(status) for status in CloudStatus], "command_": [str(outcome) for outcome in Outcome]}
"""What events are made of whose names are composed."""


@dataclass(slots=True)
class Found:
    """What the source says of an event: levels that stand there, and fields that are named there."""

    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


def inventory() -> dict[str, Found]:
    """Find all events of the package."""
    found: defaultdict[str, Found] = defaultdict(Found)
    for file in PACKAGE.rglob("*.py"):
        if "simulator" not in file.parts:
            for call in _calls(file):
                for name, level in _events(call):
                    found[name].levels |= {level} & set(LEVELS)
                    found[name].fields |= {keyword.arg for keyword in call.keywords if keyword.arg} - {"exc_info"}
    return dict(found)


def _calls(file: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call))


def _events(call: ast.Call) -> Iterator[tuple[str, str]]:
    """Give name and level of what a call logs; the level is empty where it is not known before it runs."""
    called = ast.unparse(call.func)
    method, given = called.rpartition(".")[-1], call.args
    if method in LEVELS and given and called.endswith((f"log.{method}", f"get_logger().{method}")):
        yield from ((name, method) for name in _names(given[0]))
    elif called in {"say", "write"} and given and isinstance(given[0], ast.Constant):
        yield from ((name, "") for name in _names(given[0]) if EVENT.fullmatch(name))
    elif method == "note" and len(given) > 1:
        # One of several levels stands in a conditional expression or in a variable.
        level = given[0].value if isinstance(given[0], ast.Constant) else ""
        yield from ((name, str(level)) for name in _names(given[1]))
    elif method == "note_once":
        yield from ((name, "warning") for name in _names(given[1]))
    elif method == "bridge_event" and len(given) > 1:
        written = ast.unparse(given[1])
        yield from ((str(event), "info") for event in BridgeEvent if written in {f"BridgeEvent.{event.name}", "event"})


def _names(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant):
        yield str(node.value)
    elif isinstance(node, ast.JoinedStr):
        start = node.values[0]
        assert isinstance(start, ast.Constant), ast.unparse(node)
        family = str(start.value)
        yield from (f"{family}{end}" for end in FAMILIES[family])
