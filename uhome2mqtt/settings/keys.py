"""List the configuration keys of the model with all that sources, messages and pages need to know of them."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Literal, Union, cast, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel, SecretStr

from uhome2mqtt.settings.model import Settings
from uhome2mqtt.settings.sections import Device
from uhome2mqtt.settings.types import Allowed, Duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue
    from pydantic.fields import FieldInfo

    from uhome2mqtt.settings.model import KeyPath

ENVIRONMENT_PREFIX = "UHOME2MQTT_"
DEVICES = "devices"
NEAR_ENOUGH = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One configuration key as the model defines it."""

    name: str
    field: FieldInfo
    section: FieldInfo | None

    @property
    def path(self) -> KeyPath:
        return tuple(self.name.split("."))

    @property
    def variable(self) -> str:
        """Name of its environment variable."""
        return ENVIRONMENT_PREFIX + "__".join(self.path).upper()

    @property
    def secret(self) -> bool:
        """Whether its value must never be shown."""
        return SecretStr in _facts(self.field.annotation)

    @property
    def structured(self) -> bool:
        """Whether an environment variable holds it as JSON."""
        return not {dict, tuple}.isdisjoint(_facts(self.field.annotation))

    @property
    def allowed(self) -> str:
        """What it takes, in words."""
        return next(text for text in map(_text, self.facts) if text).format(**bounds(self.facts))

    @property
    def facts(self) -> list[object]:
        """Its types and their annotations, the outermost first."""
        return [*self.field.metadata, *_facts(self.field.annotation)]

    @property
    def default(self) -> object:
        """Its default, None where there is none or where it is computed."""
        return None if self.field.default_factory else self.field.default

    def note(self, name: str) -> JsonValue:
        """Return what the table of keys says beyond pydantic's own words, None for nothing."""
        return notes(self.field).get(f"x-{name}")


def notes(field: FieldInfo) -> Mapping[str, JsonValue]:
    """Return what `about` recorded for a field."""
    return cast("Mapping[str, JsonValue]", field.json_schema_extra or {})


def section_model(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a field that is a section, None for a key."""
    annotation = field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _keys() -> Iterator[Key]:
    for name, field in Settings.model_fields.items():
        if (model := section_model(field)) is None:
            yield Key(name=name, field=field, section=None)
            continue
        for leaf, inner in model.model_fields.items():
            yield Key(name=f"{name}.{leaf}", field=inner, section=field)


def _facts(annotation: object) -> Iterator[object]:
    """Yield the types and the annotations of a type, through unions."""
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *metadata = get_args(annotation)
        yield from metadata
        yield from _facts(inner)
    elif origin in {Union, UnionType}:
        for option in get_args(annotation):
            yield from _facts(option)
    else:
        yield annotation
        if origin is not Literal:
            yield origin


def _text(fact: object) -> str:
    if isinstance(fact, Allowed | Duration):
        return fact.text
    if get_origin(fact) is Literal:
        return "one of " + ", ".join(get_args(fact))
    words = {bool: "true or false", int: "a whole number from {least} to {most}"}
    return words.get(fact, "") if isinstance(fact, type) else ""


def bounds(facts: list[object]) -> dict[str, JsonValue]:
    """Give the least and the most that a number may be, as far as there are any."""
    found: dict[str, JsonValue] = {}
    for fact in facts:
        if isinstance(fact, Ge):
            found["least"] = cast("int", fact.ge)
        elif isinstance(fact, Le):
            found["most"] = cast("int", fact.le)
    return found


KEYS = {key.name: key for key in _keys()}
DEVICE_KEYS = {
    name: Key(name=f"{DEVICES}.<id>.{name}", field=field, section=None) for name, field in Device.model_fields.items()
}
SECTIONS = tuple(name for name, field in Settings.model_fields.items() if section_model(field))


def find(path: KeyPath) -> Key | None:
    """Return the key that a path leads to."""
    if path[0] == DEVICES and len(path) > 1:
        return DEVICE_KEYS.get(path[-1])
    return KEYS.get(".".join(path))


def nearest(name: str, *, keys_only: bool = False) -> str | None:
    """Return the key or section that somebody may have meant by an unknown name."""
    candidates = {wrong: right for wrong, right in _MEANT.items() if not keys_only or right in KEYS}
    close = difflib.get_close_matches(_plain(name), candidates, n=1, cutoff=NEAR_ENOUGH)
    return candidates[close[0]] if close else None


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", ".", name.lower())


def _meant() -> Iterator[tuple[str, str]]:
    """Yield names that people write and the right ones; later ones beat earlier ones."""
    for key in KEYS.values():
        yield _plain(key.path[-1]), key.name
        for alias in cast("list[str]", key.note("also-called") or []):
            yield _plain(".".join((*key.path[:-1], alias))), key.name
    for name, field in Settings.model_fields.items():
        for alias in cast("list[str]", notes(field).get("x-also-called") or []):
            yield _plain(alias), name
        yield _plain(name), name
    for key in KEYS.values():
        yield _plain(key.name), key.name


_MEANT = dict(_meant())
