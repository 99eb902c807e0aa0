"""What is known of one device, and how a report changes it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from uhome2mqtt.catalogue import documented, essential, kind_of
from uhome2mqtt.catalogue.attributes import COLOR_MODE, COLOR_MODES, CONNECTIVITY, HEALTH, LAST_REPORTED, STALE
from uhome2mqtt.events import Now
from uhome2mqtt.model import Attribute, Device, Json, Report, Source, canonical, together

OFFLINE_CODES = frozenset({"DEVICE_OFFLINE", "DEVICE-OFFLINE"})
_HEALTH_WORDS = ("online", "offline")
"""Anything else is unknown. While one of these stands, only the count of reports makes a device offline."""
OFFLINE_AFTER = 2
"""The cloud sometimes calls a device offline for a single report, so that one does not count."""
OFFLINE_APART = 1.0
"""Seconds between two notifications that count: one that was delivered twice is one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A reported value; `at`: monotonic time of the last report by a reachable device, None = never.

    Minus infinity: it has been out of date, and only a report makes it fresh again. `changed`: since when it has been
    said.
    """

    value: Json
    at: float | None
    changed: float = -math.inf


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One device of the account as the bridge knows it; `alias`: the name that a request gave it."""

    device: Device
    level: str
    name: str
    listed_at: float
    alias: str = ""
    enabled: bool = True
    observed: frozenset[Attribute] = frozenset()
    facts: Mapping[Attribute, Fact] = field(default_factory=dict)
    offline_reports: int = 0
    offline_at: float = -math.inf
    missing_lists: int = 0
    last_reported: datetime | None = None
    source: Source | None = None

    @property
    def known(self) -> frozenset[Attribute]:
        """All attributes that the device's profile documents or that it has shown."""
        return together(documented(self.device), self.observed)

    @property
    def kind(self) -> str:
        return kind_of(self.known)

    @property
    def offline(self) -> bool:
        """Whether the device is out of reach: two reports in a row, or the first one ever, said so."""
        return self.offline_reports >= (OFFLINE_AFTER if self.last_reported else 1)

    @property
    def values(self) -> dict[Attribute, Json]:
        """Everything that was ever reported."""
        return {name: fact.value for name, fact in self.facts.items()}

    def claimable(self, now: Now, stale_after: float) -> dict[Attribute, Json]:
        """Give what may be said of the device now: nothing stale, nothing of a device out of reach."""
        if self.offline:
            return {}
        return {
            name: fact.value
            for name, fact in self.facts.items()
            if fact.at is not None and fact.at + stale_after > now.monotonic
        }

    def findings(self, now: Now, stale_after: float) -> dict[Attribute, Json]:
        """Give the bridge's own findings on the device."""
        findings: dict[Attribute, Json] = {STALE: "ON" if self.stale(now, stale_after) else "OFF"}
        if self.offline:
            findings[CONNECTIVITY] = "offline"
        elif canonical(self.claimable(now, stale_after).get(HEALTH)) in _HEALTH_WORDS:
            findings[CONNECTIVITY] = "online"
        if self.last_reported is not None:
            findings[LAST_REPORTED] = self.last_reported.isoformat(timespec="seconds").replace("+00:00", "Z")
        if colors := [name for name in COLOR_MODES if name in self.observed]:
            changed = {name: fact.changed for name, fact in self.facts.items()}
            findings[COLOR_MODE] = COLOR_MODES[max(colors, key=lambda name: changed.get(name, -math.inf))]
        return findings

    def stale(self, now: Now, stale_after: float) -> bool:
        """Tell whether what must never be shown out of date is."""
        return self._stale_at(stale_after) <= now.monotonic

    def next_expiry(self, now: Now, stale_after: float) -> float | None:
        """Tell when the next of the facts that are in date goes out of date, unless a report comes."""
        reported = (fact.at for fact in self.facts.values() if fact.at is not None)
        expiries = (at + stale_after for at in (self.listed_at, *reported))
        return min((at for at in expiries if at > now.monotonic), default=None)

    def aged(self, now: Now, stale_after: float) -> Node:
        """Give up for good what is out of date, before a longer age begins to count."""

        def kept(at: float | None) -> float | None:
            return at if at is None or at + stale_after > now.monotonic else -math.inf

        facts = {name: replace(fact, at=kept(fact.at)) for name, fact in self.facts.items()}
        return replace(self, facts=facts, listed_at=kept(self.listed_at) or self.listed_at)

    def _stale_at(self, stale_after: float) -> float:
        times = (self._fresh_at(name) for name in essential(self.known))
        return min(times, default=self._fresh_at(HEALTH)) + stale_after

    def _fresh_at(self, name: Attribute) -> float:
        fact = self.facts.get(name)
        return self.listed_at if fact is None or fact.at is None else fact.at


def is_out_of_reach(report: Report) -> bool:
    """Tell whether the cloud calls the device offline; what else it then says is its memory."""
    error = report.error is not None and report.error.code in OFFLINE_CODES
    return error or canonical(report.states.get(HEALTH)) == "offline"


def merge(node: Node, report: Report, source: Source, now: Now) -> Node:
    """Take a report in: it changes what it carries and nothing else.

    The states of a device out of reach are the cloud's memory: they replace values but make none of them fresh.
    """
    out_of_reach = is_out_of_reach(report)
    if out_of_reach and (source is not Source.PUSH or now.monotonic >= node.offline_at + OFFLINE_APART):
        node = replace(node, offline_reports=node.offline_reports + 1, offline_at=now.monotonic)
    if not report.states:
        return node
    fresh = {
        name: Fact(
            value=value,
            at=_kept(node, name) if out_of_reach else now.monotonic,
            changed=_since(node, name, value, now),
        )
        for name, value in report.states.items()
    }
    node = replace(node, facts={**node.facts, **fresh}, observed=together(node.observed, frozenset(report.states)))
    if out_of_reach:
        return node
    # Whoever reports is within reach, whether the report says so or carries no health at all.
    return replace(node, offline_reports=0, last_reported=now.utc, source=source)


def _since(node: Node, name: Attribute, value: Json, now: Now) -> float:
    fact = node.facts.get(name)
    return now.monotonic if fact is None or canonical(fact.value) != canonical(value) else fact.changed


def _kept(node: Node, name: Attribute) -> float | None:
    fact = node.facts.get(name)
    return None if fact is None else fact.at
