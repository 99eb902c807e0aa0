"""Write the example configuration file from the model."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from uhome2mqtt.settings.keys import DEVICE_KEYS, DEVICES, KEYS, Key, section_model
from uhome2mqtt.settings.model import Settings
from uhome2mqtt.settings.show import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

WIDTH = 100
SCHEMA_URL = "https://raw.githubusercontent.com/uhome2mqtt/uhome2mqtt/main/config.schema.json"
"""Where editors find it, wherever the file has been copied to."""
SAMPLE_DEVICE = '"AA:BB:CC:DD:EE:FF"'
HEAD = """\
Configuration of uhome2mqtt: every key with its default.
Copy it to config.yaml or /etc/uhome2mqtt/config.yaml and keep only what you change.
A line that starts with # and no space is a key without a default: remove the # to set it.
Secrets are better kept in files or in the environment, see docs/configuration.md.
"""


def example() -> str:
    """Return config.example.yaml: every key with its meaning, what it takes, and its default or a sample."""
    lines = [f"# yaml-language-server: $schema={SCHEMA_URL}", *(f"# {line}" for line in HEAD.splitlines())]
    for name, field in Settings.model_fields.items():
        lines += ["", *_part(name, field)]
    return "\n".join(lines) + "\n"


def _part(name: str, field: FieldInfo) -> Iterator[str]:
    if name == DEVICES:
        yield from _devices()
    elif model := section_model(field):
        keys = [key for key in KEYS.values() if key.section is field]
        yield from _comment(f"{model.__doc__}", "")
        yield f"{name}:"
        for key in keys:
            yield from _comment(meaning(key), "  ")
            yield setting(key, "  ")
    else:
        yield from _comment(meaning(KEYS[name]), "")
        yield setting(KEYS[name], "")


def _devices() -> Iterator[str]:
    yield from _comment(f"{KEYS[DEVICES].field.description}:", "")
    for key in DEVICE_KEYS.values():
        yield from _comment(f"{key.path[-1]}: {meaning(key)}", "")
    yield f"{DEVICES}:"
    yield f"#  {SAMPLE_DEVICE}:"
    for key in DEVICE_KEYS.values():
        yield setting(key, "    ").replace("    ", "#    ") if key.default is not None else setting(key, "    ")


def meaning(key: Key) -> str:
    """Say in one sentence what a key means and takes."""
    default = key.note("default")
    return f"{key.field.description} ({key.allowed}{f'; default: {default}' if default else ''})"


def setting(key: Key, indent: str) -> str:
    """Write the key with its default, or commented out with a sample."""
    if key.default is not None:
        return f"{indent}{key.path[-1]}: {written(key, key.default)}"
    return f"#{indent}{key.path[-1]}: {key.note('sample')}"


def _comment(text: str, indent: str) -> list[str]:
    prefix = f"{indent}# "
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=prefix,
        subsequent_indent=prefix,
        break_on_hyphens=False,
        break_long_words=False,
    )
