"""What Prometheus is told of the bridge."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from uhome2mqtt import __version__
from uhome2mqtt.ledger import Ledger


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


def exposition(ledger: Ledger) -> bytes:
    """Write the metrics in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Requests(ledger))
    return generate_latest(registry)
