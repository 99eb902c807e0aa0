"""An AsyncAPI document as its readers use it: which channel a topic is, and whether a message has its form."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from jsonschema import Draft7Validator, FormatChecker
from referencing import Registry
from referencing.jsonschema import DRAFT7

URI = "urn:interface"
MOMENTS = FormatChecker(formats=())


@MOMENTS.checks("date-time", raises=ValueError)
def is_moment(value: object) -> bool:
    """Tell whether a text is a time with its offset."""
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


@dataclass(frozen=True)
class Interface:
    """A document, and what can be asked of it."""

    document: Mapping[str, Any]

    @cached_property
    def _registry(self) -> Registry[Any]:
        empty: Registry[Any] = Registry()
        registry: Registry[Any] = empty.with_resource(URI, DRAFT7.create_resource(self.document))
        return registry

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        return {name: pattern(channel) for name, channel in self.document["channels"].items()}

    def channels(self, topic: str) -> dict[str, dict[str, str]]:
        """Give the channels that a topic may be, with the values of their parameters."""
        found = ((name, form.fullmatch(topic)) for name, form in self._patterns.items())
        return {name: match.groupdict() for name, match in found if match is not None}

    def messages(self, channel: str, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Give the messages of a channel: those that bear the value of a parameter as their name, or else all."""
        messages: dict[str, Any] = self.document["channels"][channel]["messages"]
        named = {key: each for key, each in messages.items() if each["name"] in parameters.values()}
        return named or messages

    def fitting(self, topic: str, payload: str) -> Iterator[tuple[str, str]]:
        """Give the messages, with their channels, that this one on this topic may be."""
        for channel, parameters in self.channels(topic).items():
            for key in self.messages(channel, parameters):
                if not self.problems(channel, key, payload):
                    yield channel, key

    def problems(self, channel: str, message: str, payload: str) -> list[str]:
        """Say what keeps a payload from being this message."""
        try:
            value = decoded(self.document["channels"][channel]["messages"][message]["contentType"], payload)
        except ValueError as problem:
            return [str(problem)]
        errors = self._validator(channel, message).iter_errors(value)
        return [f"{error.json_path}: {error.message[:300]}" for error in errors]

    def _validator(self, channel: str, message: str) -> Draft7Validator:
        schema = {"$ref": f"{URI}#/channels/{channel}/messages/{message}/payload"}
        return Draft7Validator(schema, registry=self._registry, format_checker=MOMENTS)

    def binding(self, channel: str) -> dict[str, Any]:
        """Give the MQTT binding of the operations on a channel, which is the same for all of them."""
        reference = {"$ref": f"#/channels/{channel}"}
        operations = [each for each in self.document["operations"].values() if each["channel"] == reference]
        [name] = {each["bindings"]["$ref"].rpartition("/")[2] for each in operations}
        [action] = {each["action"] for each in operations}
        binding: dict[str, Any] = self.document["components"]["operationBindings"][name]["mqtt"]
        return {"action": action, **binding}


def pattern(channel: Mapping[str, Any]) -> re.Pattern[str]:
    """Make the pattern of a channel's topics; what a parameter lists is all that it can be."""
    parts = re.split(r"\{(\w+)\}", channel["address"])
    parameters = channel.get("parameters", {})
    form = ""
    for number, part in enumerate(parts):
        choices = "|".join(map(re.escape, parameters[part].get("enum", ()))) if number % 2 else ""
        several = ".+" if part == "request" else "[^/]+"
        form += f"(?P<{part}>{choices or several})" if number % 2 else re.escape(part)
    return re.compile(form)


def decoded(content: str, payload: str) -> Any:
    """Read a payload as its content type says; a text of digits may be a number."""
    if content == "application/json":
        return json.loads(payload)
    assert content == "text/plain"
    return int(payload) if payload.isdecimal() else payload
