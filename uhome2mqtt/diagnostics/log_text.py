"""The lines of a log: what they tell of devices and hosts, and how they may be shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import groupby

from uhome2mqtt.catalogue import KEYS
from uhome2mqtt.diagnostics.redaction import FACT, Redaction, unquoted
from uhome2mqtt.model import Json, parse_json
from uhome2mqtt.topics import is_level

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LEVEL = re.compile(rf".+?/([^/]+)(?:/(?:{'|'.join(sorted(KEYS))}))?/(?:set|get)|([^/]+)")
_ABOUT_DEVICES = frozenset({"unknown_device_reported", "rule_for_nobody"})


def plain(log: str) -> str:
    """Give a log without the colours of a terminal, which would stick to the words."""
    return _COLOURS.sub("", log)


def devices(log: str) -> Iterator[dict[str, Json]]:
    """Find what the lines call devices, in the members of a device's description."""
    for facts in map(_facts, log.split("\n")):
        # Beside a device it is a command's.
        yield {"id": facts.get("id") if "device" not in facts else None, "name": facts.get("name")}
        for member in ("topic", "device", "from"):
            yield {"topic": _level(facts.get(member))}
        if facts.get("event") in _ABOUT_DEVICES:
            yield {"id": facts.get("about")}


def hosts(log: str) -> Iterator[str]:
    """Find the hosts and the URLs of brokers that the lines tell."""
    for facts in map(_facts, log.split("\n")):
        yield from (str(facts[member]) for member in ("host", "broker") if member in facts)


def shown(log: str, redaction: Redaction) -> str:
    """Redact the lines: those that are JSON value by value, what stands between them as one text."""
    texts: list[str] = []
    for is_json, group in groupby(log.split("\n"), key=lambda line: _document(line) is not None):
        lines = list(group)
        texts.extend([_line(line, redaction) for line in lines] if is_json else [redaction.text("\n".join(lines))])
    return "\n".join(texts)


def _line(line: str, redaction: Redaction) -> str:
    before = line[: line.index("{")]
    return redaction.text(before) + json.dumps(redaction.json(_document(line)), ensure_ascii=False)


def _document(line: str) -> dict[str, Json] | None:
    """Give the object that a line ends in, behind whatever the journal or a container's log has put before it."""
    try:
        found = parse_json(line[line.index("{") :])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _facts(line: str) -> dict[str, Json]:
    if (document := _document(line)) is not None:
        return document
    event = next((name for name in _ABOUT_DEVICES if name in line), None)
    return {"event": event, **{match[1]: unquoted(match[2]) for match in FACT.finditer(line)}}


def _level(topic: Json) -> str | None:
    """Give the device's level: the whole, or that of a topic to which commands are published."""
    found = _LEVEL.fullmatch(topic) if isinstance(topic, str) else None
    level = found and (found[1] or found[2])
    return level if is_level(level) else None
