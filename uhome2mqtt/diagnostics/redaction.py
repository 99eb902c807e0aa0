"""Replacing what tells whose house it is: the same thing by the same word in one bundle, by another in the next."""

from __future__ import annotations

import ast
import hashlib
import json
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress
from urllib.parse import quote

from uhome2mqtt import logs
from uhome2mqtt.catalogue import DESCRIPTIONS
from uhome2mqtt.model import Json
from uhome2mqtt.topics import node_id, slug

SHORTEST = 2
"""Shorter texts, like common words, are replaced only where they stand as a name: else every line would be spoilt."""
_MAC = re.compile(r"(?<![0-9a-fA-F])[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}(?![0-9a-fA-F])")
_BARE_MAC = re.compile(r"(?<![0-9a-fA-F])(?=[0-9a-fA-F]*[0-9])[0-9a-fA-F]{12}(?![0-9a-fA-F])")
_CREDENTIALS = re.compile(r"(://)[^\s/@\"']+@")
_HOME = re.compile(r"(?<![\w.-])((?:/var)?/(?:home|Users)/)(?!user-[0-9a-f]{8}\b)([^/\s\"',;:()<>{}\[\]]+)")
_DOCTORED = frozenset({"id", "topic", "name", "alias"})
"""Members of a device's description whose values are replaced as a whole."""
_NAMING = _DOCTORED | {"device", "from"}
"""Members of descriptions, settings and log lines whose values are replaced whatever else the word means."""
FACT = re.compile(
    rf"""(?<![\w.])({"|".join(sorted(_NAMING))}|about|host|broker)=('(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[^\s'"]\S*)"""
)
"""A fact in a log line for people."""
COMMON = frozenset(
    word.casefold()
    for word in (
        *(
            "lock",
            "light",
            "switch",
            "device",
            "devices",
            "bridge",
            "broker",
            "cloud",
            "home",
            "host",
            "client",
            "user",
        ),
        *("id", "topic", "name", "alias", "mac", "level", "event", "state", "config", "info", "health", "set", "get"),
        *("localhost", "mosquitto", "mqtt", "core-mosquitto", "uhome2mqtt", "homeassistant", "hass", "addons"),
        *("root", "admin", "nobody", "pi", "app"),
        *(word for row in DESCRIPTIONS for word in (row.key, *row.values, *row.settable)),
    )
)
"""Words of the bridge, and words that everybody uses: they tell of nobody, and without them nothing can be read."""


class Redaction:
    """What is to be replaced, and by what."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(16)
        self._known: dict[str, str] = {}
        self._spelled: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def know(self, kind: str, texts: Iterable[str]) -> None:
        """Replace these texts from now on, in every spelling in which they could appear; `kind`: what is shown."""
        for text in texts:
            for spelling in _spellings(text):
                self._known.setdefault(spelling.casefold(), self.alias(kind, text))
                if len(spelling) >= SHORTEST and spelling.casefold() not in COMMON:
                    # As it is written: what ignores letter case does not know that ß is ss.
                    self._spelled.add(spelling)
                    self._pattern = None

    def know_devices(self, devices: Iterable[dict[str, Json]]) -> None:
        """Replace ids, names and topics of devices; the topic that was made of a name by the name's own word."""
        for device in devices:
            for member in ("id", "name", "alias", "topic"):
                text = device.get(member)
                if isinstance(text, str) and text:
                    self.know(member, [text])

    def alias(self, kind: str, text: str) -> str:
        """Give the word for a text."""
        digest = hashlib.blake2s(text.casefold().encode(errors="replace"), key=self._salt, digest_size=4)
        return f"{kind}-{digest.hexdigest()}"

    def text(self, text: str) -> str:
        """Give a text as it may be shown."""
        text = FACT.sub(self._fact, logs.mask(text))
        if self._spelled:
            text = self._words().sub(lambda match: self._known.get(match[0].casefold(), "…"), text)
        text = _HOME.sub(lambda match: match[1] + self.alias("user", match[2]), text)
        text = _CREDENTIALS.sub(r"\1***@", text)
        text = _MAC.sub(lambda match: self.alias("mac", match[0]), text)
        return _BARE_MAC.sub(lambda match: self.alias("mac", match[0]), text)

    def json(self, value: Json) -> Json:
        """Give a JSON value as it may be shown, its members' names included."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.json(member) for member in value]
        if isinstance(value, dict):
            return {self.text(name): self._member(name, member) for name, member in value.items()}
        return value

    def device(self, device: Json) -> Json:
        """Give a device's description as it may be shown."""
        if not isinstance(device, dict):
            return self.json(device)
        hidden = {name: self.alias(name, str(value)) for name, value in device.items() if name in _DOCTORED and value}
        return {**{name: self.json(value) for name, value in device.items()}, **hidden}

    def _words(self) -> re.Pattern[str]:
        """Give the pattern of all that is replaced wherever it stands."""
        if self._pattern is None:
            choice = "|".join(map(re.escape, sorted(self._spelled, key=len, reverse=True)))
            # The letter of an escaped line break belongs to no word.
            self._pattern = re.compile(rf"(?:(?<![^\W_])|(?<=\\[nrt]))(?:{choice})(?![^\W_])", re.IGNORECASE)
        return self._pattern

    def _fact(self, match: re.Match[str]) -> str:
        word = self._known.get(unquoted(match[2]).casefold()) if match[1] in _NAMING else None
        quote_mark = match[2][0] if match[2][0] in "'\"" else ""
        return f"{match[1]}={quote_mark}{word}{quote_mark}" if word else match[0]

    def _member(self, name: str, value: Json) -> Json:
        if name in _NAMING and isinstance(value, str) and (word := self._known.get(value.casefold())):
            return word
        # What a text file would be masked for has lost its name here.
        hidden = isinstance(value, str) and logs.mask(f"{name}={value}") != f"{name}={value}"
        return "***" if hidden else self.json(value)


def unquoted(text: str) -> str:
    """Give the text of a fact as it was before it was quoted."""
    if text[0] in "'\"":
        with suppress(ValueError, SyntaxError):
            return str(ast.literal_eval(text))
        return text[1:-1]
    return text


def _spellings(text: str) -> set[str]:
    """Give how a text appears in topics, identifiers, addresses and JSON."""
    made = {
        text,
        text.casefold(),
        text.upper(),
        slug(text),
        node_id(text),
        quote(text),
        quote(text, safe=""),
        text.replace(":", ""),
    }
    made |= {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], text.replace(" ", "_")}
    return {spelling for spelling in made if spelling}
