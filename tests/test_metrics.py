"""What Prometheus is told, read by its own parser."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from prometheus_client.parser import text_string_to_metric_families

from uhome2mqtt import __version__
from uhome2mqtt.errors import CloudError
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.metrics import exposition
from uhome2mqtt.model import Failure, FailureKind, PushStatus, PushView

LIMITED = CloudError(Failure(kind=FailureKind.RATE_LIMITED, code="HTTP_429", message=""))


PUSH = PushView(status=PushStatus.HEALTHY, received=7, evidence={"hit": 5, "late": 0, "miss": 1}, poll_interval=300.0)


def told(ledger: Ledger, push: PushView = PUSH, posts: Mapping[str, int] | None = None) -> dict[tuple[str, ...], float]:
    """Read the exposition: name and label values of each sample."""
    families = text_string_to_metric_families(exposition(ledger, push, posts or {}).decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_nothing_yet() -> None:
    """Before any request there is the version, and no success is claimed."""
    samples = {name: value for name, value in told(Ledger()).items() if "cloud" in name[0] or "build" in name[0]}
    assert samples == {("uhome2mqtt_build_info", __version__): 1}


def test_push() -> None:
    """It is told how far notifications are relied on, by which evidence, and how they were answered."""
    samples = told(Ledger(), posts={"accepted": 7, "unauthorized": 2})
    statuses = {name[1]: value for name, value in samples.items() if name[0] == "uhome2mqtt_push_status"}
    assert statuses == {str(status): float(status is PushStatus.HEALTHY) for status in PushStatus}
    assert samples["uhome2mqtt_push_evidence_total", "hit"] == 5
    assert samples["uhome2mqtt_push_evidence_total", "miss"] == 1
    assert samples["uhome2mqtt_notification_posts_total", "unauthorized"] == 2
    assert samples["uhome2mqtt_notifications_total",] == 7
    assert samples["uhome2mqtt_poll_interval_seconds",] == 300


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
