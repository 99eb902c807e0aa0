"""The automations and blueprints for Home Assistant name what the bridge describes, in today's syntax."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from uhome2mqtt.model import Outcome

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "home-assistant"
BLUEPRINTS = sorted(FOLDER.glob("blueprints/automation/uhome2mqtt/*.yaml"))
GOLDEN = ROOT / "tests" / "fixtures" / "discovery"
OF_AUTOMATIONS = {"id", "alias", "description", "mode", "max", "variables", "triggers", "conditions", "actions"}
STATES_OF_LOCKS = {"jammed", "locked", "locking", "open", "opening", "unlocked", "unlocking"}
SELECTORS = {"action", "entity", "number", "select", "time"}


@dataclass(frozen=True, slots=True)
class Input:
    """What a blueprint is given for a name."""

    name: str


class Loader(yaml.SafeLoader):
    """Reads YAML with the tag of blueprints; any other tag is an error."""


def _input(loader: yaml.SafeLoader, node: yaml.Node) -> Input:
    assert isinstance(node, yaml.ScalarNode)
    return Input(str(loader.construct_scalar(node)))


Loader.add_constructor("!input", _input)


def load(file: Path) -> Any:
    """Read a file."""
    return Loader(file.read_text()).get_single_data()


def inside(value: Any) -> Iterator[Any]:
    """Give a value and everything in it."""
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(item)


def components() -> dict[str, dict[str, Any]]:
    """Give what the golden files describe of a lock and of the bridge, by the entity's id."""
    described = [json.loads((GOLDEN / f"{name}.json").read_text()) for name in ("lock", "bridge")]
    return {each["default_entity_id"]: each for one in described for each in one["components"].values()}


def entities(value: Any) -> list[str]:
    """Give the ids of entities that are named."""
    named = [each["entity_id"] for each in inside(value) if isinstance(each, dict) and "entity_id" in each]
    return [one for each in named for one in (each if isinstance(each, list) else [each]) if isinstance(one, str)]


def templates(value: Any) -> str:
    """Give all texts in one."""
    return "\n".join(each for each in inside(value) if isinstance(each, str))


AUTOMATIONS = [*load(FOLDER / "automations.yaml"), *map(load, BLUEPRINTS)]
NAMES = [*(each["id"] for each in load(FOLDER / "automations.yaml")), *(each.stem for each in BLUEPRINTS)]
EACH = pytest.mark.parametrize("automation", AUTOMATIONS, ids=NAMES)


@EACH
def test_syntax(automation: dict[str, Any]) -> None:
    """Every automation has the keys of Home Assistant 2024.10, and none of those before."""
    assert automation.keys() - {"blueprint"} <= OF_AUTOMATIONS
    assert {"triggers", "actions"} <= automation.keys()
    parts = [each for each in inside(automation) if isinstance(each, dict)]
    assert not any({"platform", "service"} & part.keys() for part in parts)
    assert {trigger["trigger"] for trigger in automation["triggers"]} <= {"state", "time"}


@EACH
def test_entities(automation: dict[str, Any]) -> None:
    """Every entity that is named is one that the bridge describes."""
    named = [one for one in entities(automation) if "{" not in one]
    assert {*named} <= components().keys()


@EACH
def test_states(automation: dict[str, Any]) -> None:
    """Every state that is waited for is one that the entity can have."""
    for trigger in automation["triggers"]:
        for entity in entities(trigger):
            platform = components()[entity]["platform"]
            known = {"lock": STATES_OF_LOCKS, "binary_sensor": {"on", "off"}, "event": set[str]()}[platform]
            assert {trigger["to"]} <= known if "to" in trigger else platform == "event"


@EACH
def test_outcomes(automation: dict[str, Any]) -> None:
    """Every outcome and every attribute that is named is one of a command's result."""
    text = templates(automation.get("conditions")) + templates(automation["actions"])
    [result] = [each for each in components().values() if each["platform"] == "event"]
    assert result["event_types"] == [str(outcome) for outcome in Outcome]
    listed = re.findall(r"event_type in \[(.*?)\]", text)
    assert {*re.findall(r"'(\w+)'", " ".join(listed))} <= {*result["event_types"]}
    assert {*re.findall(r"attributes\.(\w+)", text)} <= {"event_type", "payload", "message", "reason"}


@EACH
def test_actions(automation: dict[str, Any]) -> None:
    """Nothing is done but to lock and to tell, and never to unlock."""
    done = {each["action"] for each in inside(automation["actions"]) if isinstance(each, dict) and "action" in each}
    assert done <= {"lock.lock", "persistent_notification.create"}
    assert "unlock" not in templates(automation["actions"])


@pytest.mark.parametrize("file", BLUEPRINTS, ids=lambda file: file.stem)
def test_blueprints(file: Path) -> None:
    """Every input of a blueprint is used, everything used is an input, and each has a selector."""
    automation = load(file)
    about = automation["blueprint"]
    assert about["domain"] == "automation"
    used = {each.name for each in inside(automation) if isinstance(each, Input)}
    assert used == about["input"].keys()
    for described in about["input"].values():
        [(kind, options)] = described["selector"].items()
        assert kind in SELECTORS
        for wanted in (options or {}).get("filter", ()):
            assert wanted["integration"] == "mqtt"
            assert wanted["domain"] in {each["platform"] for each in components().values()}


def test_outcomes_to_choose() -> None:
    """The blueprint offers every final outcome but the good one, and by default those that a person should hear of."""
    [blueprint] = [load(file)["blueprint"] for file in BLUEPRINTS if file.stem == "lock_command_did_not_take"]
    outcomes = blueprint["input"]["outcomes"]
    assert {*outcomes["selector"]["select"]["options"]} == {str(each) for each in Outcome} - {"accepted", "confirmed"}
    assert outcomes["default"] == ["unconfirmed", "rejected", "failed"]
