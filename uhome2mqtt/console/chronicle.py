"""What devices have reported and what became of commands in the last hours: kept in memory, and bounded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache
from typing import TypeAlias

from uhome2mqtt.events import Now
from uhome2mqtt.model import Json, Report, Source

KEPT = timedelta(hours=24)
MOST, TOGETHER = 200, 40_000
"""Entries of one device, and of all together."""
LONGEST = 256
"""Characters of a text in an outcome: whoever commands chooses how long its transaction and its payload are."""
UNTOLD = frozenset({"last_reported"})
"""Keys that change with every report."""
TELLING = ("lock", "door", "switch", "light")
"""Keys of which it is told since when they have been what they are."""
UNKNOWN = "None"
IN_BETWEEN = frozenset({"LOCKING", "UNLOCKING"})
REMEMBERED = 256
"""What is shown alike of many devices, such as the first report of a locked door, is kept once."""
_Told: TypeAlias = tuple[tuple[str, str], ...]
"""Keys with their payloads."""


@dataclass(slots=True, kw_only=True)
class _Entry:
    """One entry of a timeline, and when it came last; equal reports in a row share one."""

    at: Now
    until: Now
    shown: Mapping[str, Json]
    count: int = 1


@dataclass(slots=True, kw_only=True)
class _Course:
    """What is remembered of one device; `standing`: what keys in `TELLING` show, `since` when where that is known.

    `report`: the last one, how it came and when. There may be ten thousand of these, and they mostly have one or two
    entries: an empty deque is larger than all that.
    """

    entries: list[_Entry] = field(default_factory=list)
    report: tuple[Report, Source, Now] | None = None
    outcome: Mapping[str, Json] | None = None
    standing: dict[str, str] = field(default_factory=dict)
    since: dict[str, Json] = field(default_factory=dict)


class Chronicle:
    """The timelines of all devices, by their ids."""

    def __init__(self) -> None:
        self._courses: dict[str, _Course] = {}
        self._count = 0

    def reported(self, report: Report, source: Source, changes: Mapping[str, str], now: Now) -> None:
        """Take a report in, and what it changed: keys with their payloads."""
        course, told = self._course(report.device_id), _told(changes)
        course.report = report, source, now
        shown = _report(told, source, None if report.error is None else report.error.code)
        self._stand(course, told, now)
        last = course.entries[-1] if course.entries else None
        if last is not None and not told and _is_alike(last.shown, shown):
            last.until, last.count = now, last.count + 1
        else:
            self._add(course, shown, now)

    def changed(self, device_id: str, changes: Mapping[str, str], now: Now) -> None:
        """Take in what has changed though no report has come: states go out of date, commands are under way."""
        course, told = self._course(device_id), _told(changes)
        self._stand(course, told, now)
        if told:
            self._add(course, _change(told), now)

    def ended(self, device_id: str, outcome: Mapping[str, Json], now: Now) -> None:
        """Take in what became of a command, as on the device's `result` topic; all but the first are final."""
        course = self._course(device_id)
        course.outcome = {name: _cut(value) for name, value in outcome.items()}
        self._add(course, {"what": "outcome", **course.outcome}, now)

    def keep(self, device_ids: Iterable[str]) -> None:
        """Forget all devices but these."""
        self._courses = {each: self._courses[each] for each in device_ids if each in self._courses}
        self._count = sum(len(course.entries) for course in self._courses.values())

    def recent(self, device_id: str) -> Mapping[str, Json] | None:
        """Give the newest outcome of a device."""
        course = self._courses.get(device_id)
        return None if course is None else course.outcome

    def since(self, device_id: str) -> dict[str, Json]:
        """Tell since when keys show what they show, but for those that have done so since nothing was known."""
        course = self._courses.get(device_id)
        return {} if course is None else dict(course.since)

    def report(self, device_id: str) -> dict[str, Json] | None:
        """Give the last report of a device in the cloud's own words."""
        course = self._courses.get(device_id)
        if course is None or course.report is None:
            return None
        report, source, at = course.report
        states: dict[str, Json] = {str(name): value for name, value in report.states.items()}
        error: Json = None
        if report.error is not None:
            error = {"code": report.error.code, "message": report.error.message}
        return {"at": at.stamp, "source": str(source), "states": states, "error": error}

    def timeline(self, device_id: str, now: Now) -> list[Json]:
        """Give what is remembered of a device, the oldest first."""
        course = self._courses.get(device_id)
        if course is None:
            return []
        self._forget(course, now)
        return [_written(entry) for entry in course.entries]

    def _course(self, device_id: str) -> _Course:
        if (course := self._courses.get(device_id)) is None:
            course = self._courses[device_id] = _Course()
        return course

    def _add(self, course: _Course, shown: Mapping[str, Json], now: Now) -> None:
        course.entries.append(_Entry(at=now, until=now, shown=shown))
        self._count += 1
        self._shorten(course, MOST)
        self._forget(course, now)
        if self._count > TOGETHER:
            # By half, so that it need not be done again soon.
            most = max(1, TOGETHER // 2 // len(self._courses))
            for each in self._courses.values():
                self._shorten(each, most)

    def _forget(self, course: _Course, now: Now) -> None:
        entries, oldest = course.entries, now.monotonic - KEPT.total_seconds()
        young = (number for number, entry in enumerate(entries) if entry.until.monotonic >= oldest)
        self._shorten(course, len(entries) - next(young, len(entries)))

    def _shorten(self, course: _Course, most: int) -> None:
        beyond = max(0, len(course.entries) - most)
        del course.entries[:beyond]
        self._count -= beyond

    def _stand(self, course: _Course, told: _Told, now: Now) -> None:
        """Take note of a change between two states that were both reported."""
        for key, payload in told:
            if key not in TELLING or payload in IN_BETWEEN or payload == course.standing.get(key):
                continue
            was = course.standing.pop(key, None)
            course.since.pop(key, None)
            if payload == UNKNOWN:
                continue
            course.standing[key] = payload
            if was is not None:
                course.since[key] = now.stamp


def _told(changes: Mapping[str, str]) -> _Told:
    return tuple((key, payload) for key, payload in changes.items() if key not in UNTOLD)


@lru_cache(REMEMBERED)
def _change(told: _Told) -> Mapping[str, Json]:
    """Give what is shown of a change without a report."""
    return {"what": "change", "states": dict(told)}


@lru_cache(REMEMBERED)
def _report(told: _Told, source: Source, error: str | None) -> Mapping[str, Json]:
    """Give what is shown of a report, and of the code of its error."""
    shown: dict[str, Json] = {"what": "report", "source": str(source), "states": dict(told)}
    return shown if error is None else {**shown, "error": error}


def _is_alike(last: Mapping[str, Json], shown: Mapping[str, Json]) -> bool:
    """Tell whether a report that changed nothing belongs to the one before: it came in the same way."""
    return all(last.get(name) == shown.get(name) for name in ("what", "source", "error"))


def _cut(value: Json) -> Json:
    """Keep of a long text its beginning; of anything else that is long, the beginning of its JSON."""
    if isinstance(value, dict | list):
        text = json.dumps(value, ensure_ascii=False)
        return value if len(text) <= LONGEST else f"{text[:LONGEST]}…"
    return f"{value[:LONGEST]}…" if isinstance(value, str) and len(value) > LONGEST else value


def _written(entry: _Entry) -> dict[str, Json]:
    times: dict[str, Json] = {"at": entry.at.stamp, "until": entry.until.stamp, "count": entry.count}
    return {**times, **entry.shown}
