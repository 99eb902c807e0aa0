"""What Prometheus is told, read by its own parser."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from uhome2mqtt import __version__
from uhome2mqtt.errors import CloudError
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.metrics import exposition
from uhome2mqtt.model import Failure, FailureKind

LIMITED = CloudError(Failure(kind=FailureKind.RATE_LIMITED, code="HTTP_429", message=""))


def told(ledger: Ledger) -> dict[tuple[str, ...], float]:
    """Read the exposition: name and label values of each sample."""
    families = text_string_to_metric_families(exposition(ledger).decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_nothing_yet() -> None:
    """Before any request there is the version, and no success is claimed."""
    assert told(Ledger()) == {("uhome2mqtt_build_info", __version__): 1}


def test_requests() -> None:
    """Requests are counted by kind and outcome, and timed by kind."""
    ledger = Ledger(lambda: 1_800_000_000.0)
    for _ in range(2):
        with ledger.request("query"):
            pass
    with pytest.raises(CloudError), ledger.request("command"):
        raise LIMITED
    samples = told(ledger)
    assert samples["uhome2mqtt_cloud_requests_total", "query", "ok"] == 2
    assert samples["uhome2mqtt_cloud_requests_total", "command", "rate_limited"] == 1
    assert samples["uhome2mqtt_cloud_request_duration_seconds_count", "query"] == 2
    assert 0 < samples["uhome2mqtt_cloud_request_duration_seconds_sum", "command"] < 1
    assert samples["uhome2mqtt_cloud_last_success_timestamp_seconds",] == 1_800_000_000.0
