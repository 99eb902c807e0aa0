"""What is read when somebody asks, and how all of it is told."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import TypeAlias

from prometheus_client import ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from uhome2mqtt import __version__
from uhome2mqtt.ledger import LIMITS, Ledger
from uhome2mqtt.metrics.meters import Meters
from uhome2mqtt.metrics.table import PREFIX, TABLE
from uhome2mqtt.model import CloudStatus, PushStatus
from uhome2mqtt.vitals import Vitals

_UPTO = [*map(str, LIMITS), "+Inf"]

Samples: TypeAlias = Iterable[tuple[tuple[str, ...], float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How the account is connected; times in seconds since 1970, None where there is none or it is not known."""

    needed: bool
    expires_at: float | None = None
    ends_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the metrics come from; `posts`: requests to the address of notifications by outcome."""

    ledger: Ledger
    vitals: Callable[[], Vitals]
    posts: Callable[[], Mapping[str, int]]
    login: Callable[[], Login]
    outbox: Callable[[], int]
    started: float


class Views(Collector):
    """Reads how things are, each time anew."""

    def __init__(self, sources: Sources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        sources, vitals = self._sources, self._sources.vitals()
        build = {"version": __version__, "python": platform.python_version()}
        yield InfoMetricFamily(f"{PREFIX}build", TABLE[f"{PREFIX}build_info"].about, build)
        yield from _gauge("start_time_seconds", sources.started)
        yield from _requests(sources.ledger)
        yield from _cloud(vitals)
        yield from _login(sources.login())
        yield from _gauge("broker_connected", vitals.broker_connected)
        yield from _gauge("broker_outbox_messages", sources.outbox())
        yield from _gauge("other_bridges", vitals.other_bridges)
        yield from _gauge("standing_by", vitals.standing_by)
        yield from _push(vitals, sources.posts())


class Metrics:
    """All that is told of one bridge."""

    def __init__(self, meters: Meters, sources: Sources) -> None:
        self._registry = meters.registry
        self._registry.register(Views(sources))
        # Registers itself, and tells nothing where the system has no /proc.
        ProcessCollector(registry=self._registry)

    def exposition(self, accept: str = "") -> tuple[bytes, str]:
        """Write the metrics as a scraper wants them, by its Accept header: OpenMetrics, else text; with the type."""
        try:
            encode, media_type = choose_encoder(accept)
        except (TypeError, ValueError):  # the library stumbles over a version that is no number
            encode, media_type = choose_encoder("")
        return encode(self._registry), media_type


def _requests(ledger: Ledger) -> Iterator[Metric]:
    yield _counter("cloud_requests_total", ledger.counts.items())
    name = f"{PREFIX}cloud_request_duration_seconds"
    durations = HistogramMetricFamily(name, TABLE[name].about, labels=("kind",))
    for kind, (_, seconds) in sorted(ledger.durations.items()):
        up_to = zip(_UPTO, accumulate(ledger.sorted_by[kind]), strict=True)
        durations.add_metric((kind,), [*up_to], seconds)
    yield durations
    yield from _gauge("cloud_last_success_timestamp_seconds", ledger.last_success)


def _cloud(vitals: Vitals) -> Iterator[Metric]:
    yield _status("cloud_status", CloudStatus, vitals.cloud)
    yield from _gauge("poll_age_seconds", vitals.poll_age)
    yield from _gauge("poll_interval_seconds", vitals.push.poll_interval)
    yield from _gauge("device_list_age_seconds", vitals.list_age)
    kinds = TABLE[f"{PREFIX}devices"].labels["kind"]
    yield _gauges("devices", [((kind,), vitals.devices.get(kind, 0)) for kind in kinds])
    yield from _gauge("devices_stale", vitals.stale)
    yield from _gauge("devices_offline", vitals.offline)
    yield from _gauge("devices_excluded", vitals.excluded)
    yield from _gauge("commands_pending", vitals.pending)
    yield _counter("contradictions_total", [((), vitals.contradictions)])


def _login(login: Login) -> Iterator[Metric]:
    yield from _gauge("login_needed", login.needed)
    yield from _gauge("access_token_expiry_timestamp_seconds", login.expires_at)
    yield from _gauge("login_expiry_timestamp_seconds", login.ends_at)


def _push(vitals: Vitals, posts: Mapping[str, int]) -> Iterator[Metric]:
    push = vitals.push
    yield _status("push_status", PushStatus, push.status)
    yield _counter("push_evidence_total", [((verdict,), count) for verdict, count in push.evidence.items()])
    yield _counter("notification_posts_total", [((outcome,), count) for outcome, count in posts.items()])
    yield _counter("notifications_total", [((), push.received)])


def _status(name: str, words: Iterable[str], now: str) -> Metric:
    return _gauges(name, [((str(word),), word == now) for word in words])


def _gauge(name: str, value: float | None) -> Iterator[Metric]:
    """Give a gauge without labels; nothing where there is no value."""
    if value is not None:
        yield _gauges(name, [((), value)])


def _gauges(name: str, samples: Samples) -> Metric:
    row = TABLE[f"{PREFIX}{name}"]
    family = GaugeMetricFamily(f"{PREFIX}{name}", row.about, labels=tuple(row.labels))
    for labels, value in samples:
        family.add_metric(labels, float(value))
    return family


def _counter(name: str, samples: Samples) -> Metric:
    row = TABLE[f"{PREFIX}{name}"]
    family = CounterMetricFamily(f"{PREFIX}{name}", row.about, labels=tuple(row.labels))
    for labels, value in sorted(samples):
        family.add_metric(labels, value)
    return family
