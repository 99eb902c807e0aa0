"""The form of a row of the catalogue, and the readers and parsers that its rows share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from uhome2mqtt.errors import PayloadError
from uhome2mqtt.model import Attribute, Command, Device, Json, canonical, quoted

Values: TypeAlias = "Mapping[Attribute, Json]"
"""What is known of a device, as reported; what is not known is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What one accepted payload asks for.

    `then`: commands that follow the first, each once the one before was accepted: the cloud takes one at a time.
    `expect`: canonical values whose report confirms the command, all of them. `uses`: the words and keys that
    the user's policy must allow. `transition`: what the key shows until one of `expect`'s attributes is
    reported with a value outside `steady`. `coalesce`: of several that wait, only the newest is worth
    sending.
    """

    command: Command
    expect: Mapping[Attribute, Json]
    uses: frozenset[str]
    transition: str | None = None
    steady: frozenset[Json] = frozenset()
    coalesce: bool = False
    then: tuple[Command, ...] = ()


Renderer: TypeAlias = Callable[[Values], Json]
Parser: TypeAlias = Callable[[Json, Values], Intent]
Options: TypeAlias = Callable[[Device, frozenset[Attribute]], dict[str, Json]]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityDescription:
    """One key: when it exists, how it is read, how it is set, and how Home Assistant shows it.

    `render` gives the JSON value (None = unknown) from the values that may be claimed. `forgettable` keys
    become unknown when their attributes are stale or the device is out of reach. `platform` is Home
    Assistant's, None for a key that has no entity of its own; `options` are its discovery options.
    """

    key: str
    requires: frozenset[Attribute]
    render: Renderer
    requires_any: frozenset[Attribute] = frozenset()
    excludes: frozenset[Attribute] = frozenset()
    forgettable: bool = False
    value_type: Literal["string", "number", "object"] = "string"
    values: tuple[str, ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    unit: str | None = None
    parse: Parser | None = None
    settable: tuple[str, ...] = ()
    platform: str | None = None
    name: str | None = None
    options: Options = field(default=lambda _device, _known: {})

    @property
    def example(self) -> str:
        """Something that the key takes: its first word or, where it takes a range, the end of that."""
        return ",".join(part.rpartition("…")[2] for part in self.settable[0].split(","))

    def exists(self, known: frozenset[Attribute]) -> bool:
        """Tell whether a device with these attributes has this key."""
        return (
            self.requires <= known
            and not (self.excludes & known)
            and (not self.requires_any or bool(self.requires_any & known))
        )


def word(attribute: Attribute, words: Mapping[Json, str]) -> Renderer:
    """Read an attribute through a table of words; anything that is not in the table is unknown."""

    def render(values: Values) -> Json:
        value = canonical(values.get(attribute))
        # A dictionary takes True for 1: a boolean is none of the cloud's words.
        return words.get(value) if isinstance(value, str | int) and not isinstance(value, bool) else None

    return render


def number(attribute: Attribute, low: int, high: int, factor: int = 1) -> Renderer:
    """Read a whole number within bounds, both included; anything else is unknown."""

    def render(values: Values) -> Json:
        value = canonical(values.get(attribute))
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            return None
        return value * factor

    return render


def one_of(payload: Json, words: Mapping[str, Intent]) -> Intent:
    """Find the intent of a word, letter case ignored, nothing trimmed or guessed."""
    # Only ASCII: a Kelvin sign or a ligature would fold to letters that nobody typed.
    if isinstance(payload, str) and payload.isascii():
        for allowed, intent in words.items():
            if payload.casefold() == allowed.casefold():
                return intent
    raise PayloadError(f"{quoted(payload)} is not one of {', '.join(words)}")


def text_of(value: Json) -> str:
    """Write a value as the plain text of its topic."""
    return "None" if value is None else str(value)
