from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from uhome2mqtt.settings import Settings, documentation, example, json_schema, load, redacted
from uhome2mqtt.settings.__main__ import main
from uhome2mqtt.settings.keys import DEVICE_KEYS, KEYS

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "config.example.yaml"
PAGE = ROOT / "docs" / "configuration.md"
REMEDY = "run python -m uhome2mqtt.settings"
ENVIRON = {"STATE_DIRECTORY": "/s"}


def _load(file: Path) -> Settings:
    return load(file, ENVIRON, secrets_directory=Path("/nonexistent"))


def test_example_is_up_to_date() -> None:
    """config.example.yaml is what the model says."""
    assert EXAMPLE.read_text() == example(), f"{REMEDY} > config.example.yaml"


def test_page_is_up_to_date() -> None:
    """docs/configuration.md is what the model says."""
    assert PAGE.read_text() == documentation(), f"{REMEDY} --docs > docs/configuration.md"


def test_example_is_the_default() -> None:
    """The example file, as it is, changes nothing."""
    assert _load(EXAMPLE) == Settings(state_dir=Path("/s"))


def test_example_with_everything_set(tmp_path: Path) -> None:
    """With every sample uncommented, the example is loaded and sets every key."""
    file = tmp_path / "config.yaml"
    file.write_text(re.sub(r"^#(?! \S)", "", example(), flags=re.MULTILINE))
    shown = redacted(_load(file))
    unset = [key.name for key in KEYS.values() if key.section and shown[key.path[0]][key.path[-1]] is None]
    assert unset == []
    assert shown["devices"] == {"AA:BB:CC:DD:EE:FF": {"topic": "front_door", "name": "Front door", "enabled": True}}
    assert shown["state_dir"] == "/var/lib/uhome2mqtt"


@pytest.mark.parametrize("name", KEYS)
def test_every_key_is_documented(name: str) -> None:
    """Each key has a sentence of its own, a sample or a default, and stands in the example and on the page."""
    key = KEYS[name]
    assert key.field.description
    assert not key.field.description.endswith(".")
    assert key.allowed
    assert name == "devices" or key.default is not None or key.note("sample") is not None
    assert re.search(rf"^#? *{key.path[-1]}:", example(), re.MULTILINE)
    assert f"`{name}`" in documentation()


def test_keys_of_devices_are_documented() -> None:
    """The keys of a single device stand on the page."""
    assert all(f"| `{key.name}` |" in documentation() for key in DEVICE_KEYS.values())


def test_examples_of_the_page_are_loaded(tmp_path: Path) -> None:
    """Every YAML example of the page is a usable configuration."""
    examples = re.findall(r"```yaml\n(.*?)```", documentation(), re.DOTALL)
    assert len(examples) == 3
    for number, text in enumerate(examples):
        file = tmp_path / f"{number}.yaml"
        file.write_text(text)
        _load(file)


def test_variables_of_the_page_are_read() -> None:
    """Every variable that the page's shell examples set is one that is read."""
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", documentation(), re.DOTALL))
    pairs = re.findall(r"^(\w+)='?([^'\n]*)'?$", blocks, re.MULTILINE)
    environ = {name: value for name, value in pairs if not name.endswith("_FILE")}
    assert len(pairs) == len(environ) + 1
    loaded = load(None, environ, secrets_directory=Path("/nonexistent"))
    assert loaded.devices["AA:BB:CC:DD:EE:FF"].topic == "front_door"


@pytest.mark.parametrize("option", [None, "--schema", "--docs"])
def test_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str | None) -> None:
    """The command prints the example, the schema or the page."""
    monkeypatch.setattr(sys, "argv", ["settings", *([option] if option else [])])
    main()
    written = capsys.readouterr().out
    if option == "--schema":
        assert json.loads(written) == json_schema()
    else:
        assert written == (documentation() if option else example())


def test_command_as_a_module() -> None:
    """Running the package is that command."""
    done = subprocess.run(
        [sys.executable, "-m", "uhome2mqtt.settings"], capture_output=True, text=True, check=True, encoding="utf-8"
    )
    assert done.stdout == example()
