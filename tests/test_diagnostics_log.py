"""The log in the bundle: what it tells of devices is replaced, also where nothing else knows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.installation import write
from tests.support.process import run
from tests.test_diagnostics import opened
from uhome2mqtt.diagnostics import log_text
from uhome2mqtt.diagnostics.redaction import Redaction

EVENTS = [
    {"level": "info", "event": "started", "broker": "mqtt://farm.example:1883", "base_topic": "farm"},
    {"level": "info", "event": "device_added", "id": "lock-77x", "topic": "front_door", "name": "Front Door"},
    {"level": "info", "event": "device_renamed", "id": "lock-77x", "topic": "hall", "name": "Flur", "from": "oma_tuer"},
    {"level": "info", "event": "command_received", "device": "barn", "key": "lock", "payload": "LOCK", "id": "wish-12"},
    {"level": "debug", "event": "left_to_other_bridge", "topic": "farm/stable/lock/set"},
    {"level": "warning", "event": "unknown_device_reported", "about": "far-away-9"},
    {"level": "error", "event": "subscription_refused", "topic": "farm/bridge/#"},
    {"level": "error", "event": "internal_error", "exception": "Traceback:\nFlur\nis not there"},
]
PRIVATE = {"lock-77x", "front_door", "front door", "flur", "hall", "oma_tuer", "barn", "stable", "far-away-9"}
FORMS: dict[str, Callable[[dict[str, str]], str]] = {
    "json": json.dumps,
    "journal": lambda event: "<6>" + json.dumps(event),
    "compose": lambda event: "bridge-1  | " + json.dumps(event),
}


def console(event: dict[str, str]) -> str:
    """Write an event as for people on a terminal, with its colours."""
    facts = (
        f"\x1b[36m{name}\x1b[0m=\x1b[35m{repr(text) if ' ' in text else text}\x1b[0m" for name, text in event.items()
    )
    return f"2026-01-31T12:00:00Z [info     ] \x1b[1m{event['event']}\x1b[0m {' '.join(facts)}"


def learned(log: str) -> Redaction:
    """Know what a log tells of devices."""
    redaction = Redaction()
    redaction.know_devices(log_text.devices(log))
    return redaction


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("broken", [True, False])
async def test_learns_from_lines(tmp_path: Path, form: str, *, broken: bool) -> None:
    """Devices, former names, topics and hosts in JSON lines do not show, though nothing but the log tells of them."""
    log = tmp_path / "log"
    log.write_text("".join(f"{FORMS[form](event)}\n" for event in EVENTS))
    write(tmp_path, **({"polling": {"interval": 1}} if broken else {}))
    code, out, _ = await run("diagnostics", "--log", str(log), cwd=tmp_path)
    assert code == 0
    text = opened(tmp_path / out.strip())["log.txt"]
    assert [word for word in PRIVATE | {"farm.example"} if word in text.casefold()] == []
    shown = [json.loads(line[line.index("{") :]) for line in text.splitlines()]
    assert [line["event"] for line in shown] == [event["event"] for event in EVENTS]
    assert shown[3] == EVENTS[3] | {"device": shown[3]["device"]}
    assert shown[6] == EVENTS[6]
    assert shown[1]["id"] == shown[2]["id"]


async def test_learns_from_terminal(tmp_path: Path) -> None:
    """The same holds for lines that were written for people, colours and all."""
    log = tmp_path / "log"
    log.write_text("".join(f"{console(event)}\n" for event in EVENTS if "\n" not in event.get("exception", "")))
    (tmp_path / "config.yaml").write_text("polling: {interval: 1}")
    code, out, _ = await run("diagnostics", "--log", str(log), cwd=tmp_path)
    assert code == 0
    text = opened(tmp_path / out.strip())["log.txt"]
    assert "\x1b" not in text
    assert [word for word in PRIVATE | {"farm.example"} if word in text.casefold()] == []
    assert "id=wish-12" in text
    assert "payload=LOCK" in text


@pytest.mark.parametrize(
    ("written", "name"),
    [("'Front Door'", "Front Door"), ('"Käthe\'s"', "Käthe's"), ("plain", "plain"), (r"'broken \x'", r"broken \x")],
)
def test_quoted(written: str, name: str) -> None:
    """A fact for people is read as it was before it was quoted."""
    facts = [
        device["name"] for device in log_text.devices(f"device_added name={written} kind=lock") if "name" in device
    ]
    assert facts == [name]


def test_text_between() -> None:
    """Lines that are no objects stay as they are, but for what is known."""
    log = 'Traceback:\n  barn\n[1]\n{"device": "barn", "n": 1}\n{broken\n'
    redaction = learned(log)
    word = redaction.alias("topic", "barn")
    assert log_text.shown(log, redaction) == f'Traceback:\n  {word}\n[1]\n{{"device": "{word}", "n": 1}}\n{{broken\n'


async def test_state_directory_of_broken_configuration(tmp_path: Path) -> None:
    """An unusable configuration still tells devices, users and hosts, and its state directory devices and tokens."""
    state, log = tmp_path / "state", tmp_path / "log"
    state.mkdir(mode=0o700)
    pins = {"devices": {"lock-77x": {"topic": "front_door", "name": "Front Door"}}}
    for name, document in (("devices.json", pins), ("tokens.json", {"access_token": "a-token-on-disk"})):
        (state / name).write_text(json.dumps(document))
        (state / name).chmod(0o600)
    private = ["front door", "lock-77x", "a-token-on-disk", "zaphod", "lock-88y", "shed", "farm.example", "my-client"]
    log.write_text("\n".join(f"said {word} once" for word in private))
    write(
        tmp_path,
        polling={"interval": 1},
        mqtt={"username": "zaphod", "url": "mqtt://farm.example", "client_id": "my-client"},
        devices={"lock-88y": {"name": "Shed", "unknown": 1}},
        commands={"allow": {"lock-99z": ["LOCK"]}},
    )
    code, out, _ = await run("diagnostics", "--log", str(log), cwd=tmp_path)
    assert code == 0
    parts = opened(tmp_path / out.strip())
    assert len(parts["log.txt"].splitlines()) == len(private)
    text = "".join(parts.values()).casefold()
    assert [word for word in (*private, "lock-99z") if word in text] == []


async def test_default_state_directory(tmp_path: Path) -> None:
    """Where the configuration says of no usable state directory, systemd's or the default one is looked into."""
    pins = {"devices": {"lock-77x": {"topic": "front_door", "name": "Front Door"}}}
    (tmp_path / "devices.json").write_text(json.dumps(pins))
    (tmp_path / "log").write_text("it is front door\n")
    for document in ({"polling": 1, "mqtt": {"url": "mqtt://[::1"}}, {"state_dir": [7]}):
        (tmp_path / "config.yaml").write_text(json.dumps(document))
        options = ("--log", str(tmp_path / "log"), "-o", str(tmp_path / "x.zip"))
        assert (await run("diagnostics", *options, cwd=tmp_path, STATE_DIRECTORY=str(tmp_path)))[0] == 0
        assert opened(tmp_path / "x.zip")["log.txt"].startswith("it is name-")
