"""What is kept of the last hours."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.engine.driver import BACK, FRONT, NOON
from tests.engine.reports import report_of
from uhome2mqtt.console import Chronicle, chronicle
from uhome2mqtt.events import Now
from uhome2mqtt.model import Source


def at(seconds: float) -> Now:
    """Give a moment, in seconds from noon."""
    return Now(monotonic=5000 + seconds, utc=NOON + timedelta(seconds=seconds))


def entries(kept: Chronicle, seconds: float, device_id: str = FRONT.id) -> list[Any]:
    """Give what the chronicle shows of a device at a moment."""
    return list(kept.timeline(device_id, at(seconds)))


def test_equal_reports_share_an_entry() -> None:
    """A report that comes in the same way as the one before and changes nothing is counted with it."""
    kept = Chronicle()
    kept.reported(report_of(FRONT, lock="Locked"), Source.QUERY, {"lock": "LOCKED", "last_reported": "x"}, at(0))
    for seconds in (30, 60, 90):
        kept.reported(report_of(FRONT, lock="Locked"), Source.QUERY, {"last_reported": str(seconds)}, at(seconds))
    kept.reported(report_of(FRONT, lock="Locked"), Source.PUSH, {}, at(95))
    first, pushed = entries(kept, 100)
    assert first["states"] == {"lock": "LOCKED"}
    assert (first["count"], first["at"], first["until"]) == (4, at(0).stamp, at(90).stamp)
    assert (pushed["source"], pushed["count"], pushed["states"]) == ("push", 1, {})


def test_last_report() -> None:
    """The last report is kept in the cloud's own words, with its error."""
    kept = Chronicle()
    kept.reported(report_of(FRONT, lock="Locked", battery=3), Source.QUERY, {}, at(0))
    kept.reported(report_of(FRONT, "DEVICE_OFFLINE"), Source.CONFIRM, {}, at(5))
    report: Any = kept.report(FRONT.id)
    assert (report["at"], report["source"], report["states"]) == (at(5).stamp, "confirm", {})
    assert report["error"] == {"code": "DEVICE_OFFLINE", "message": "so says the cloud"}
    assert entries(kept, 5)[-1]["error"] == "DEVICE_OFFLINE"


def test_change_without_report() -> None:
    """What changes without a report is told as such; a change of nothing but the time of the last one is none."""
    kept = Chronicle()
    kept.changed(FRONT.id, {"lock": "None", "stale": "ON"}, at(0))
    kept.changed(FRONT.id, {"last_reported": "x"}, at(1))
    [only] = entries(kept, 2)
    assert (only["what"], only["states"]) == ("change", {"lock": "None", "stale": "ON"})


def test_outcomes() -> None:
    """Outcomes stand in the timeline as they are on MQTT, and the newest is given by itself."""
    kept = Chronicle()
    for event in ("accepted", "confirmed"):
        kept.ended(FRONT.id, {"event_type": event, "key": "lock", "at": "then"}, at(0))
    assert [each["event_type"] for each in entries(kept, 1)] == ["accepted", "confirmed"]
    assert entries(kept, 1)[0]["at"] == "then"
    assert kept.recent(FRONT.id) == {"event_type": "confirmed", "key": "lock", "at": "then"}


def test_since() -> None:
    """Since when a state stands is told of a change between two that were reported, and forgotten with the state."""
    kept = Chronicle()

    def show(seconds: float, payload: str) -> dict[str, Any]:
        kept.changed(FRONT.id, {"lock": payload}, at(seconds))
        return dict(kept.since(FRONT.id))

    assert show(0, "LOCKED") == {}
    assert show(10, "UNLOCKING") == {}
    assert show(12, "UNLOCKED") == {"lock": at(12).stamp}
    assert show(20, "UNLOCKED") == {"lock": at(12).stamp}
    assert show(30, "None") == {}
    assert show(40, "UNLOCKED") == {}


def test_nothing_known() -> None:
    """Of a device of which nothing has come there is nothing."""
    kept = Chronicle()
    assert (kept.recent("nobody"), kept.since("nobody"), kept.report("nobody")) == (None, {}, None)
    assert entries(kept, 0, "nobody") == []


def test_old_entries_go() -> None:
    """What is older than a day is forgotten."""
    kept = Chronicle()
    kept.changed(FRONT.id, {"lock": "LOCKED"}, at(0))
    kept.changed(FRONT.id, {"lock": "UNLOCKED"}, at(3600))
    assert len(entries(kept, 24 * 3600 + 1)) == 1
    assert entries(kept, 25 * 3600 + 1) == []


def test_bounded() -> None:
    """However much happens, only so much is kept of a device, the newest."""
    kept = Chronicle()
    for number in range(chronicle.MOST + 50):
        kept.changed(FRONT.id, {"lock": str(number)}, at(number))
    shown = entries(kept, 1000)
    assert len(shown) == chronicle.MOST
    assert shown[-1]["states"] == {"lock": str(chronicle.MOST + 49)}


def test_bounded_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """With very many entries less is kept of every device, of those that fell silent long ago as well."""
    monkeypatch.setattr(chronicle, "TOGETHER", 1000)
    kept = Chronicle()
    for number in range(100):
        for device in range(50):
            kept.changed(str(device), {"lock": str(number)}, at(number))
    lengths = [len(entries(kept, 100, str(device))) for device in range(50)]
    assert sum(lengths) <= 1000
    assert min(lengths) >= 5
    assert entries(kept, 100, "7")[-1]["states"] == {"lock": "99"}


def test_more_devices_than_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of each device the newest is kept, however many there are."""
    monkeypatch.setattr(chronicle, "TOGETHER", 10)
    kept = Chronicle()
    for number in range(100):
        kept.changed(str(number), {"lock": "LOCKED"}, at(0))
    assert all(len(entries(kept, 1, str(number))) == 1 for number in range(100))


def test_long_outcomes_are_cut() -> None:
    """Of what somebody has sent with a command, however long it is, only the beginning is kept."""
    kept = Chronicle()
    kept.ended(
        FRONT.id, {"transaction": "t" * 9000, "payload": {"x": ["y" * 9000]}, "reason": None, "key": "lock"}, at(0)
    )
    kept.ended(FRONT.id, {"transaction": "short", "payload": {"state": "ON"}, "reason": None, "key": "light"}, at(0))
    long, short = entries(kept, 1)
    assert (len(long["transaction"]), len(long["payload"]), long["key"]) == (257, 257, "lock")
    assert (short["transaction"], short["payload"]) == ("short", {"state": "ON"})


def test_removed_devices() -> None:
    """Of devices that have left the account nothing is kept."""
    kept = Chronicle()
    kept.changed(FRONT.id, {"lock": "LOCKED"}, at(0))
    kept.changed(BACK.id, {"lock": "LOCKED"}, at(0))
    kept.keep([BACK.id, "new"])
    assert (entries(kept, 1), len(entries(kept, 1, BACK.id))) == ([], 1)
