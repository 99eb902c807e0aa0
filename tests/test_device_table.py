"""The table of devices on a terminal: names rule it not, and its columns stand below one another."""

from __future__ import annotations

import json

from tests.support.account import FRONT
from tests.support.stage import Stage, load_settings
from uhome2mqtt.account import describe_devices

RULING = "Door\x1b[2J\x9b31m\r\nnext\u202etxt"


async def listed(stage: Stage, name: str, *, as_json: bool) -> str:
    """List the devices of an account in which one has this name."""
    await stage.log_in()
    await stage.account.by_hand(FRONT, name=name)
    return await describe_devices(load_settings(stage), as_json=as_json, redact=False, note=print)


async def test_control_characters(stage: Stage) -> None:
    """A name can neither rule the terminal nor break its line nor turn the direction of the text."""
    table = await listed(stage, RULING, as_json=False)
    assert "Door\ufffd[2J\ufffd31m\ufffd\ufffdnext\ufffdtxt  " in table
    assert len(table.splitlines()) == 8


async def test_control_characters_as_json(stage: Stage) -> None:
    """As JSON such a name is given as it is, by escapes."""
    text = await listed(stage, RULING, as_json=True)
    assert RULING in {device["name"] for device in json.loads(text)}
    assert [letter for letter in text if not letter.isprintable() and letter != "\n"] == []


async def test_wide_letters(stage: Stage) -> None:
    """Wide letters count for two columns and accents of their own for none, so that the columns are not shifted."""
    name = "玄関 café\u0301"
    table = await listed(stage, name, as_json=False)
    head, *rows = table.splitlines()
    kind = head.index("kind")
    row = next(row for row in rows if name in row)
    # Two letters take a column more than they are, one takes one less.
    assert row[kind - 1 : kind + 4].strip() == "lock"
    assert row[kind - 1 :].startswith("lock ")
    assert all(row[kind:].split()[0] in {"lock", "light", "switch", "device"} for row in rows if name not in row)
