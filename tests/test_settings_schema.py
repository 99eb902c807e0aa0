"""What editors are told of the configuration file, held against what the loader takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from uhome2mqtt.errors import SettingsError
from uhome2mqtt.settings import documentation, example, json_schema, load
from uhome2mqtt.settings.keys import DEVICE_KEYS, KEYS

from .test_settings_problems import FILES

SCHEMA_FILE = Path(__file__).parent.parent / "config.schema.json"
NOWHERE = Path("/nonexistent")
CHECK = jsonschema.Draft7Validator(json_schema())

VALID = (
    "",
    "# nothing but a comment",
    "mqtt:",
    "mqtt: {password: 12345, username: true, client_id: 0x10}",
    "mqtt: {protocol: 5}",
    "mqtt: {protocol: 3.1.1}",
    "mqtt: {protocol: '5', qos: '2', keepalive: '45'}",
    "mqtt: {qos: 0, keepalive: 45, verify: no}",
    "mqtt: {keepalive: 45.5 s, verify: 'False', json_state: 1}",
    "mqtt: {url: 'MQTTS://[::1]:8883'}",
    "mqtt: {url: wss://broker.example.org/mqtt, ca_file: ~, password: null}",
    "mqtt: {base_topic: home/locks}",
    "homeassistant: {discovery: off}",
    "homeassistant: {discovery: Both}",
    "polling: {interval: 1 min, interval_push_healthy: 10min, discovery_interval: 1 d}",
    "notifications: {public_url: 'https://host/n?access_token={secret}', rotate_every: 7 d}",
    "notifications: {public_url: 'https://host/n', host: 0.0.0.0, port: 8098}",
    "commands: {allow: all}",
    "commands: {allow: []}",
    "commands: {allow: [LOCK, mode]}",
    "commands: {allow: {lock: [LOCK], Hall: all, light: []}}",
    "web: {trusted_proxies: 127.0.0.1}",
    "web: {trusted_proxies: [127.0.0.1, 10.0.0.0/8], port: 0}",
    "lights: {rgb_state: st.a.b, rgb_command: st.a.c(d)}",
    "devices:",
    "devices: {A: , B: {topic: 12, name: 7, enabled: off}}",
    "log: {level: DEBUG, format: JSON}",
    "state_dir: 5",
)

TOO_FINE = {
    "mqtt: {url: mqtt://localhost/x}",
    "mqtt: {url: mqtt://localhost:x}",
    "mqtt: {url: mqtt://localhost:0}",
    "mqtt:\n  url: mqtt://me:hunter2 #@localhost",
    "mqtt: {url: 'ws://a/b?token=hunter2'}",
    "mqtt: {url: 'mqtt://[::1'}",
    'mqtt: {base_topic: "a\\0"}',
    "mqtt: {base_topic: " + "x" * 201 + "}",
    "mqtt: {ca_file: ~nobody-at-all/x}",
    "lights: {rgb_state: st.Switch.switch}",
    "lights: {rgb_state: ST.COLORTEMPERATURE.TEMPERATURE}",
    "commands: {allow: {lock: [LCOK, mode], Hall: all}}",
    "commands: {allow: {'': []}}",
    "polling: {interval: 2 h}",
    "web: {trusted_proxies: [127.0.0.1, proxy.example]}",
    "web: {trusted_proxies: 172.16.0.1/12}",
    "web: {trusted_proxies: '10.0.0.1, 10.0.0.2'}",
    "web: {trusted_proxies: ['*']}",
    "devices: {'': {name: x}}",
}
"""Mistakes within a text, of which only the loader's message can say what is wrong."""
BETWEEN_KEYS = re.compile(
    r"it needs|it is smaller|is not a loopback|it is not https|uses the path|devices have the topic|given twice"
    r"|stands elsewhere|<braces>|<own>"
)


class Reader(yaml.SafeLoader):
    """Reads YAML 1.2 as editors do: on and yes are words, and there are no dates."""


Reader.yaml_implicit_resolvers = {}
for tag, pattern, first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
):
    Reader.add_implicit_resolver(f"tag:yaml.org,2002:{tag}", re.compile(rf"^(?:{pattern})$"), first)


def read(text: str) -> Any:
    """Read a document as an editor does."""
    return yaml.load(text, Reader)  # noqa: S506 - it is a safe loader


def caught(text: str) -> list[str]:
    """Say where the schema finds fault with a document."""
    return ["/".join(map(str, error.absolute_path)) for error in CHECK.iter_errors(read(text))]


def catchable() -> Iterator[str]:
    """Give the bad files that are YAML, and whose mistake lies in one key."""
    for text, problems in FILES.items():
        try:
            read(text)
        except (yaml.YAMLError, RecursionError):
            continue
        if text not in TOO_FINE and not BETWEEN_KEYS.search(problems[0]):
            yield text


def test_schema_is_up_to_date() -> None:
    """config.schema.json is what the model says."""
    written = json.dumps(json_schema(), indent=2) + "\n"
    assert SCHEMA_FILE.read_text() == written, "run python -m uhome2mqtt.settings --schema > config.schema.json"


def test_schema_is_one() -> None:
    """The schema is valid itself, and small enough to be retained on a broker."""
    jsonschema.Draft7Validator.check_schema(json_schema())
    assert len(json.dumps(json_schema())) < 40_000


@pytest.mark.parametrize("text", VALID)
def test_valid_files(tmp_path: Path, text: str) -> None:
    """What the loader takes, an editor does not underline."""
    file = tmp_path / "config.yaml"
    file.write_text(text)
    load(file, {}, secrets_directory=NOWHERE)
    assert caught(text) == []


def test_examples_and_defaults() -> None:
    """The example file, with and without its samples, and the examples of the page are fine; so is every default."""
    everything = re.sub(r"^#(?! \S)", "", example(), flags=re.MULTILINE)
    for text in (example(), everything, *re.findall(r"```yaml\n(.*?)```", documentation(), re.DOTALL)):
        assert caught(text) == []
    for key in KEYS.values():
        if key.section:
            told = json_schema()["properties"][key.path[0]]["properties"][key.path[1]]
            for value in (*([told["default"]] if "default" in told else []), *told.get("examples", [])):
                assert jsonschema.Draft7Validator(told).is_valid(value), key.name


@pytest.mark.parametrize("text", list(catchable()), ids=lambda text: text[:40])
def test_bad_files(text: str) -> None:
    """An editor underlines the mistakes that one key can have."""
    assert caught(text) != []


@pytest.mark.parametrize("text", sorted(TOO_FINE), ids=lambda text: text[:40])
def test_what_only_the_loader_finds(tmp_path: Path, text: str) -> None:
    """What an editor lets pass is refused all the same when it is loaded."""
    file = tmp_path / "config.yaml"
    file.write_text(text)
    assert caught(text) == []
    with pytest.raises(SettingsError):
        load(file, {}, secrets_directory=NOWHERE)


@pytest.mark.parametrize("text", ["30", "30 s", "5m", "24 h", " 10 min "])
def test_durations(text: str) -> None:
    """Durations are numbers within their bounds or text with a unit."""
    assert caught(f"polling: {{interval: {text}}}") == []
    assert caught("polling: {interval: 9}") == ["polling/interval"]


def test_every_key_is_described() -> None:
    """Each key has its meaning, what it takes and its default in words; no secret has an example."""
    parts = json_schema()["properties"]
    for key in KEYS.values():
        told = parts[key.path[0]] if len(key.path) == 1 else parts[key.path[0]]["properties"][key.path[1]]
        assert key.field.description in told["description"]
        assert not (key.secret and ("examples" in told or "default" in told))
    assert set(parts["devices"]["additionalProperties"]["properties"]) == set(DEVICE_KEYS)
