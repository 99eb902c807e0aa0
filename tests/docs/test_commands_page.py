"""The examples of the page about commands work as they stand."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from tests.support.ear import client
from tests.support.mosquitto import Mosquitto
from tests.support.stage import staged
from uhome2mqtt.model import Json, Outcome
from uhome2mqtt.topics import SetTopic

from .page import TOPICS, Shell, blocks, command_lines, scripts

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shell]:
    """Run a bridge that also manages codes, on locks that hear of their users at once."""
    async with staged(tmp_path_factory.mktemp("stage"), mosquitto) as stage:
        await stage.account.control("PATCH", "quirks", {"user_list_delay": 0, "user_sync_delay": 0})
        await stage.up(lock_users={"enabled": True})
        prepared = Shell(stage=stage, directory=tmp_path_factory.mktemp("shell"))
        prepared.prepare()
        yield prepared


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def answers(shell: Shell) -> Mapping[str, Any]:
    """Run every command line of the page in its order, and give its answer by the line."""
    return {line: await answer(shell, line) for line in command_lines()}


async def answer(shell: Shell, line: str) -> Any:
    """Run a command line; `mosquitto_rr` prints the answer, for `mosquitto_pub` it is the outcome."""
    since = shell.stage.ear.now
    code, out, err = await shell.run("bash", "-c", shell.here(line))
    assert (code, err) == (0, ""), line
    if line.startswith("mosquitto_rr"):
        return json.loads(out)
    device = re.findall(r"-t uhome2mqtt/(\w+)/", line)[0]
    return await shell.stage.ear.until_event(f"{device}/result", "confirmed", since)


def shape(value: Json) -> Json:
    """Give the names of the members and the kinds of the values, with a list's first element for all of them."""
    match value:
        case dict():
            return {name: shape(member) for name, member in value.items()}
        case list():
            return [shape(item) for item in value[:1]]
        case _:
            return type(value).__name__


def inside(value: Any) -> Iterator[dict[str, Any]]:
    """Give every mapping in a document."""
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(item)


async def test_command_lines(answers: Mapping[str, Any]) -> None:
    """Every command of the page is confirmed and every request carried out."""
    for line, told in answers.items():
        assert told.get("event_type", told.get("status")) in {"confirmed", "ok"}, (line, told)
    assert len(answers) > 10


async def test_documents(shell: Shell, answers: Mapping[str, Any]) -> None:
    """Every outcome and every answer on the page has exactly the members that the bridge publishes."""
    assert answers
    refresh = next(line for line in command_lines() if "/refresh" in line)
    assert (await answer(shell, refresh))["error"].startswith("TOO_SOON: asked for less than 10 s ago; again in ")
    heard = [json.loads(each.payload) for each in shell.stage.ear.heard if each.payload.startswith("{")]
    shapes = [shape(document) for document in heard]
    shown = [json.loads(block) for block in blocks("json")]
    assert shown
    assert [document for document in shown if shape(document) not in shapes] == []
    # The order of the members is the bridge's own, too.
    members = [list(document) for document in heard]
    assert [document for document in shown if list(document) not in members] == []


@pytest.mark.parametrize(
    ("script", "says"),
    [*zip(scripts(), ["the front door is locked", "confirmed", "online"], strict=True)],
    ids=["mosquitto_rr", "result", "response"],
)
async def test_scripts(shell: Shell, script: str, says: str) -> None:
    """Every shell script of the page does what it says."""
    interpreter = script.partition("\n")[0].removeprefix("#!")
    assert await shell.run(interpreter, shell.file("script", shell.here(script))) == (0, f"{says}\n", "")


@pytest.mark.parametrize(
    ("order", "ends"),
    [
        (("garage", "lock", "UNLOCK"), (0, "confirmed query\n")),
        (("garage", "lock", "OPEN"), (1, "refused 'OPEN' is not")),
    ],
    ids=["confirmed", "refused"],
)
async def test_python(shell: Shell, order: tuple[str, ...], ends: tuple[int, str]) -> None:
    """The Python program gives a command, waits for the outcome and ends with it."""
    [program] = blocks("python")
    stage = shell.stage
    for there, here in (
        ('("localhost", 1883)', f'("127.0.0.1", {stage.broker.port})'),
        ('"uhome2mqtt"', f'"{stage.ear.base}"'),
        ('f"reply/', f'f"{stage.ear.base}/reply/'),
    ):
        assert program.count(there) == 1
        program = program.replace(there, here)
    code, out, err = await shell.run(sys.executable, "-W", "error", shell.file("command.py", program), *order)
    assert (code, err) == (ends[0], "")
    assert out.startswith(ends[1])


RULES = [yaml.safe_load(block) for block in blocks("yaml") if block.startswith("commands:")]
ALLOWED = (
    {"front_door/lock/set": "LOCK", "front_door/mode/set": "passage"},
    {"front_door/lock/set": "UNLOCK", "back_door/lock/set": "LOCK", "dining_room/light/set": "ON"},
)
FORBIDDEN = (
    {"front_door/lock/set": "UNLOCK"},
    {
        "back_door/lock/set": "UNLOCK",
        "garage/lock/set": "LOCK",
        "dining_room/brightness/set": "40",
        "coffee_machine/switch/set": "TOGGLE",
    },
)


@pytest.mark.parametrize(
    ("rules", "allowed", "forbidden"), [*zip(RULES, ALLOWED, FORBIDDEN, strict=True)], ids=["locks", "house"]
)
async def test_rules(
    tmp_path: Path,
    mosquitto: Mosquitto,
    rules: Mapping[str, Any],
    allowed: Mapping[str, str],
    forbidden: Mapping[str, str],
) -> None:
    """The rules of the page allow what it says and nothing else."""
    async with staged(tmp_path, mosquitto) as stage:
        await stage.up(**rules)
        for orders, event in ((forbidden, "refused"), (allowed, "accepted")):
            for topic, payload in orders.items():
                since = stage.ear.now
                await stage.ear.say(topic, payload)
                told = await stage.ear.until_event(f"{topic.split('/')[0]}/result", event, since)
                assert told["reason"] == ("NOT_ALLOWED" if event == "refused" else None)


ABOUT_CODES = "uhome2mqtt/bridge/request/lock_users/list"
ABOUT_A_LOCK = "uhome2mqtt/front_door/lock/set"
ANSWERED = ("uhome2mqtt/bridge/response/lock_users/list", "reply/keys/1")


async def test_access_control(tmp_path: Path) -> None:
    """With the access rules of the page only who manages codes can send requests about them, or read the answers."""
    [rules] = blocks("conf")
    file = tmp_path / "acl"
    file.write_text(rules)
    with Mosquitto(tmp_path, "allow_anonymous true", f"acl_file {file}") as broker:
        bridge, others, keys = [await delivered(broker, user) for user in ("uhome2mqtt", "homeassistant", "keys")]
    assert {sender for topic, sender in bridge if topic == ABOUT_CODES} == {"keys", "uhome2mqtt"}
    assert {sender for topic, sender in bridge if topic == ABOUT_A_LOCK} == {"homeassistant", "keys", "uhome2mqtt"}
    assert {topic for topic, _ in others} == {ABOUT_A_LOCK}
    assert {(topic, "uhome2mqtt") for topic in ANSWERED} <= keys


async def delivered(broker: Mosquitto, listener: str) -> set[tuple[str, str]]:
    """Let every user publish everything, and give what a listener gets of it, as topic and sender."""
    async with client(broker, username=listener) as listening:
        await listening.subscribe([("uhome2mqtt/#", 1), ("reply/#", 1)])
        for sender in ("nobody", "homeassistant", "keys", "uhome2mqtt"):
            async with client(broker, username=sender) as sending:
                # Without QoS, since the refusal of what has it is an error of its own.
                for topic in (ABOUT_CODES, ABOUT_A_LOCK, *ANSWERED):
                    await sending.publish(topic, sender)
                await sending.publish("uhome2mqtt/end", f"end of {sender}")
        heard: set[tuple[str, str]] = set()
        async with asyncio.timeout(10):
            async for message in listening.messages:
                if message.payload == b"end of uhome2mqtt":
                    break
                if str(message.topic) != "uhome2mqtt/end":
                    heard.add((str(message.topic), message.payload.decode()))
    return heard


async def test_home_assistant(shell: Shell) -> None:
    """The automations name entities that discovery gives, topics that take commands, and outcomes that there are."""
    retained = await shell.stage.held()
    configs = [json.loads(payload) for topic, payload in retained.items() if topic.startswith("ha/device/")]
    entities = {component["default_entity_id"] for each in configs for component in each["components"].values()}
    written = [yaml.safe_load(block) for block in blocks("yaml") if not block.startswith("commands:")]
    parts = list(inside(written))
    assert {"automation", "script"} <= {name for part in parts for name in part}
    assert {part["entity_id"] for part in parts if "entity_id" in part} <= entities
    topics = [part["topic"] for part in parts if "topic" in part]
    assert [TOPICS.parse_command(topic) for topic in topics] == [SetTopic(device="front_door", key="lock")]
    conditions = " ".join(text for part in parts for text in part.get("conditions", ()))
    assert set(re.findall(r"'(\w+)'", conditions)) < {str(outcome) for outcome in Outcome}
