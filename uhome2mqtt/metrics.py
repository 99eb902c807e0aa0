"""What Prometheus is told of the bridge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from uhome2mqtt import __version__
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.model import PushStatus, PushView


class _Requests(Collector):
    """The accounts of the requests to the cloud, since this process began."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("uhome2mqtt_build", "Version of the bridge", {"version": __version__})
        requests = CounterMetricFamily(
            "uhome2mqtt_cloud_requests", "Requests to the U home cloud", labels=("kind", "outcome")
        )
        for (kind, outcome), count in sorted(self._ledger.counts.items()):
            requests.add_metric((kind, outcome), count)
        yield requests
        durations = SummaryMetricFamily(
            "uhome2mqtt_cloud_request_duration_seconds", "How long requests to the U home cloud took", labels=("kind",)
        )
        for kind, (count, seconds) in sorted(self._ledger.durations.items()):
            durations.add_metric((kind,), count, seconds)
        yield durations
        if (last := self._ledger.last_success) is not None:
            yield GaugeMetricFamily(
                "uhome2mqtt_cloud_last_success_timestamp_seconds", "When the cloud last answered well", last
            )


class _Push(Collector):
    """Whether notifications arrive, and what they spare the cloud."""

    def __init__(self, view: PushView, posts: Mapping[str, int]) -> None:
        self._view = view
        self._posts = posts

    def collect(self) -> Iterator[Metric]:
        status = GaugeMetricFamily(
            "uhome2mqtt_push_status", "1 for how far notifications can be relied on", labels=("status",)
        )
        for each in PushStatus:
            status.add_metric((str(each),), float(each is self._view.status))
        yield status
        evidence = CounterMetricFamily(
            "uhome2mqtt_push_evidence", "Changes that queries saw, by what notifications had told", labels=("verdict",)
        )
        for verdict, count in self._view.evidence.items():
            evidence.add_metric((verdict,), count)
        yield evidence
        posts = CounterMetricFamily(
            "uhome2mqtt_notification_posts", "Requests to the address of notifications", labels=("outcome",)
        )
        for outcome, count in sorted(self._posts.items()):
            posts.add_metric((outcome,), count)
        yield posts
        yield CounterMetricFamily(
            "uhome2mqtt_notifications", "Notifications taken, by whichever road they came", self._view.received
        )
        yield GaugeMetricFamily(
            "uhome2mqtt_poll_interval_seconds", "Time between two queries of all devices", self._view.poll_interval
        )


def exposition(ledger: Ledger, push: PushView, posts: Mapping[str, int]) -> bytes:
    """Write the metrics in Prometheus' text format; `posts`: requests to the address of notifications by outcome."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Requests(ledger))
    registry.register(_Push(push, posts))
    return generate_latest(registry)
