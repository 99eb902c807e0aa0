"""Listing what an account exposes."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from tests.support.account import FRONT, Account
from tests.support.installation import out_of_reach, write
from tests.support.process import run
from tests.support.stage import Stage, in_process, load_settings
from uhome2mqtt.account import describe_devices, log_out
from uhome2mqtt.errors import AccessError
from uhome2mqtt.exit_codes import exit_code
from uhome2mqtt.settings import Settings


async def test_pinned_topic(stage: Stage) -> None:
    """A device is listed with the topic that it got when it was first seen, whatever its name is now."""
    await stage.log_in()
    async with in_process(stage):
        await stage.complete()
    await stage.account.by_hand(FRONT, name="Main Entrance")
    notes: list[str] = []
    listed = json.loads(await describe_devices(load_settings(stage), as_json=True, redact=False, note=notes.append))
    assert re.fullmatch(
        r"Requests .* 2 for this list; by the bridge in the last 24 hours \d+, of which 0 failed\.", notes[0]
    )
    front = next(device for device in listed if device["id"] == FRONT)
    assert (front["topic"], front["name"]) == ("front_door", "Main Entrance")


async def test_batches(stage: Stage) -> None:
    """The states of many devices are asked for in pieces, and it is said how many requests that took."""
    notes: list[str] = []
    await stage.log_in()
    settings = load_settings(stage, uhome={"query_batch_size": 3})
    table = await describe_devices(settings, as_json=False, redact=False, note=notes.append)
    assert len(table.splitlines()) == 8
    assert [len(entry["devices"]) for entry in stage.account.requests("Query")] == [3, 3, 1]
    assert notes == ["Requests to the cloud: 4 for this list."]


async def test_tokens_of_another_user(tmp_path: Path) -> None:
    """Whoever may not read the tokens is told as whom to come; nothing is asked of the cloud, nor said of a login."""
    settings = Settings(state_dir=tmp_path)
    for work in (
        describe_devices(settings, as_json=True, redact=False, note=print),
        log_out(settings, say=print),
    ):
        with out_of_reach(tmp_path), pytest.raises(AccessError, match="run this as the user that runs") as caught:
            await work
        assert (exit_code(caught.value), "login" in str(caught.value)) == (78, False)


async def test_cloud_that_hangs(tmp_path: Path, cloud_account: Account) -> None:
    """Of a cloud that hangs it is said for how long it was waited for, and how to find out more."""
    cloud_account.log_in(tmp_path / "state")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/action"
        code, _, err = await run("devices", "-c", str(write(tmp_path, uhome={"api_url": url})))
    assert code == 69
    assert "ReadTimeout: the cloud did not answer within 5 s; run: uhome2mqtt check\n" in err


async def test_silent_device(stage: Stage) -> None:
    """A device that the cloud does not report is listed with what its profile documents, unknown."""
    await stage.log_in()
    stage.account.cloud.quirks.change({"offline_query": "error"})
    await stage.account.by_hand(FRONT, online=False)
    listed = json.loads(await describe_devices(load_settings(stage), as_json=True, redact=False, note=print))
    front = next(device for device in listed if device["id"] == FRONT)
    assert front["state"]["lock"] is None
