"""Listing what an account exposes."""

from __future__ import annotations

import json
import re

from tests.support.account import FRONT
from tests.support.stage import Stage, in_process, load_settings
from uhome2mqtt.account import describe_devices


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


async def test_silent_device(stage: Stage) -> None:
    """A device that the cloud does not report is listed with what its profile documents, unknown."""
    await stage.log_in()
    stage.account.cloud.quirks.change({"offline_query": "error"})
    await stage.account.by_hand(FRONT, online=False)
    listed = json.loads(await describe_devices(load_settings(stage), as_json=True, redact=False, note=print))
    front = next(device for device in listed if device["id"] == FRONT)
    assert front["state"]["lock"] is None
