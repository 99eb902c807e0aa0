"""Define the kinds of value that configuration keys take, each with the words for what is allowed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, JsonValue, SecretStr
from pydantic_core import core_schema

from uhome2mqtt.settings.urls import check_broker_url, check_http_url, check_network, check_push_url
from uhome2mqtt.uhome.lights import parse_command, parse_state

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler

SECONDS_PER = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
DAY = 86400
KINDS = ("lock", "light", "switch")
"""The kinds of device that `commands.allow` can name."""

DURATION = r"\s*([0-9]+(?:\.[0-9]+)?)\s*(s|sec|m|min|h|d)?\s*"
_SLUG = re.compile(r"[a-z0-9_-]+")
_MAX_TOPIC_BYTES = 200
"""Leaves room below MQTT's 65535 bytes, and below the limits of the brokers that allow far less."""


def _plain(pattern: str) -> Mapping[str, JsonValue]:
    """Describe text to editors: what YAML calls a number or a boolean is text here, too."""
    return {"type": ["string", "number", "boolean"], "pattern": pattern}


def _url(*schemes: str) -> Mapping[str, JsonValue]:
    """Describe a URL to editors: one of the schemes in any letter case, and no credentials."""
    return {"type": "string", "pattern": f"^({'|'.join(map(ignoring_case, schemes))})://[^@\\s#]+$"}


def ignoring_case(word: str) -> str:
    """Write a word as a pattern that takes it in any letter case; JSON Schema has no flag for that."""
    return "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else re.escape(letter) for letter in word)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Say what a type allows: in words, and to editors as JSON Schema, which may allow more and never less."""

    text: str
    schema: Mapping[str, JsonValue] = field(compare=False)


@dataclass(frozen=True, slots=True)
class Duration:
    """Mark a float as seconds between two bounds, written as a number or like `30 s`, `5 min`, `6 h`."""

    least: float
    most: float

    @property
    def text(self) -> str:
        return f"a duration from {format_duration(self.least)} to {format_duration(self.most)}"

    def parse(self, value: object) -> float:
        """Return seconds; raise ValueError for what is no duration or out of bounds."""
        seconds = parse_duration(value)
        if not self.least <= seconds <= self.most:
            alone = "" if isinstance(value, str) and value.strip()[-1].isalpha() else ": without a unit it is seconds"
            raise ValueError(f"it is out of range{alone}")
        return seconds

    def __get_pydantic_core_schema__(self, source: type[Any], handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_before_validator_function(self.parse, handler(source))


def parse_duration(value: object) -> float:
    """Read seconds from a number or from text with or without a unit."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = re.fullmatch(DURATION, value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("it is no number of seconds and no text like 30 s, 5 min, 6 h or 7 d")
    return float(match[1]) * SECONDS_PER[match[2] or "s"]


def format_duration(seconds: float) -> str:
    """Write seconds in the largest unit that needs no fraction."""
    if seconds > DAY and seconds % DAY == 0:
        return f"{seconds / DAY:g} d"
    for unit in ("h", "min"):
        if seconds and seconds % SECONDS_PER[unit] == 0:
            return f"{seconds / SECONDS_PER[unit]:g} {unit}"
    return f"{seconds:g} s"


def _check_text(text: str) -> str:
    if not text.strip():
        raise ValueError("it is empty")
    if "\0" in text:
        raise ValueError("it contains a NUL character")
    return text


def _check_secret(secret: SecretStr) -> SecretStr:
    _check_text(secret.get_secret_value())
    return secret


def _check_topic(topic: str) -> str:
    _check_text(topic)
    if any(character in topic for character in "+#"):
        raise ValueError("it contains + or #, which are wildcards")
    if topic.startswith("/") or topic.endswith("/"):
        raise ValueError("it starts or ends with a slash")
    if len(topic.encode(errors="replace")) > _MAX_TOPIC_BYTES:
        raise ValueError("it is too long")
    return topic


def _check_slug(slug: str) -> str:
    if not _SLUG.fullmatch(slug):
        raise ValueError("it has other characters")
    if slug == "bridge":
        raise ValueError("bridge is reserved")
    return slug


def _parse_path(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return Path(_check_text(value)).expanduser()
    except RuntimeError as error:
        raise ValueError("there is no such home directory") from error


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _parse_allow(value: object) -> object:
    """Return the rules by kind or device; a list alone is the rule for every kind."""
    if isinstance(value, list | tuple):
        return dict.fromkeys(KINDS, _parse_rule(value, "every kind"))
    if isinstance(value, dict):
        return {_check_text(str(name)): _parse_rule(rule, name) for name, rule in value.items()}
    return _parse_rule(value, "every kind")


def _parse_rule(rule: object, whose: object) -> Literal["all"] | tuple[str, ...]:
    if rule == "all":
        return "all"
    if isinstance(rule, list | tuple) and all(isinstance(word, str) and word.strip() for word in rule):
        return tuple(rule)
    raise ValueError(f"the rule for {whose} is neither all nor a list of words and keys like [LOCK, mode] or []")


def _check_state_name(text: str) -> str:
    parse_state(text)
    return text


def _check_command_name(text: str) -> str:
    parse_command(text)
    return text


def _parse_networks(value: object) -> object:
    """Return the addresses and networks of a list; one alone is a list of one."""
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, str) for entry in entries):
        raise ValueError("it is no list of addresses and networks")
    return tuple(check_network(entry.strip()) for entry in entries)


_TEXT = _plain(r"\S")
_WORDS: Mapping[str, JsonValue] = {"type": "array", "items": {"type": "string", "pattern": r"\S"}}
_RULE: JsonValue = {"anyOf": [{"const": "all"}, {**_WORDS}]}
_RULES: Mapping[str, JsonValue] = {
    "anyOf": [{"const": "all"}, {**_WORDS}, {"type": "object", "additionalProperties": _RULE}]
}
_NETWORKS: Mapping[str, JsonValue] = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}

Text = Annotated[str, AfterValidator(_check_text), Allowed("text, not empty", _TEXT)]
Secret = Annotated[SecretStr, AfterValidator(_check_secret), Allowed("text, not empty", _TEXT)]
FilePath = Annotated[Path, BeforeValidator(_parse_path), Allowed("a path", _TEXT)]
HttpUrl = Annotated[str, AfterValidator(check_http_url), Allowed("a URL like https://host/path", _url("http", "https"))]
PushUrl = Annotated[
    str,
    AfterValidator(check_push_url),
    Allowed("a URL like https://host/path or https://host/path?access_token={{secret}}", _url("http", "https")),
]
BrokerUrl = Annotated[
    str,
    AfterValidator(check_broker_url),
    Allowed(
        "mqtt://host:1883, mqtts://host:8883, ws://host:80/path or wss://host:443/path",
        _url("mqtt", "mqtts", "ws", "wss"),
    ),
]
TopicPath = Annotated[
    str,
    AfterValidator(_check_topic),
    Allowed("a topic without + and #, no slash at its start or end", _plain(r"^(?!\s*$)(?!/)[^+#]*[^+#/]$")),
]
Slug = Annotated[
    str,
    AfterValidator(_check_slug),
    Allowed("lower-case letters, digits, _ and -, but not bridge", _plain("^(?!bridge$)[a-z0-9_-]+$")),
]
Rule = Literal["all"] | tuple[str, ...]
Allowance = Annotated[
    Literal["all"] | dict[str, Rule],
    BeforeValidator(_parse_allow),
    Allowed("all, or rules by kind (lock, light, switch) or device: the word all, or a list of words and keys", _RULES),
]
StateName = Annotated[
    str,
    AfterValidator(_check_state_name),
    Allowed("a name like st.switch.switch", {"type": "string", "pattern": r"^[^()]+\.[^()]+$"}),
]
CommandName = Annotated[
    str,
    AfterValidator(_check_command_name),
    Allowed(
        "a command with its argument like st.switchLevel.setLevel(level)",
        {"type": "string", "pattern": r"^[^()]+\.[^()]+\([^(),]+\)\s*$"},
    ),
]
Networks = Annotated[
    tuple[str, ...],
    BeforeValidator(_parse_networks),
    Allowed("a list of IP addresses and networks like [127.0.0.1, 172.16.0.0/12]", _NETWORKS),
]
IgnoringCase = BeforeValidator(_lower)
