"""What Prometheus is told, read by its own parsers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.scraped import OPENMETRICS, Scraped
from uhome2mqtt import __version__
from uhome2mqtt.effects import Observe
from uhome2mqtt.errors import CloudError
from uhome2mqtt.events import Started, Tick
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.metrics import TABLE, Login, Meters, Metrics, Sources
from uhome2mqtt.metrics.reasons import disconnection, reason_word
from uhome2mqtt.model import CloudStatus, Failure, FailureKind, Outcome, PushStatus, PushView
from uhome2mqtt.vitals import Vitals

LIMITED = CloudError(Failure(kind=FailureKind.RATE_LIMITED, code="HTTP_429", message=""))
PUSH = PushView(status=PushStatus.HEALTHY, received=7, evidence={"hit": 5, "late": 0, "miss": 1}, poll_interval=300.0)
VITALS = Vitals(
    cloud=CloudStatus.DEGRADED,
    broker_connected=True,
    push=PUSH,
    poll_age=12.5,
    list_age=None,
    devices={"lock": 3, "light": 1},
    stale=2,
    offline=1,
    excluded=1,
    pending=1,
    contradictions=4,
    other_bridges=1,
    standing_by=False,
)


def sources(
    ledger: Ledger | None = None, login: Login | None = None, posts: Mapping[str, int] | None = None
) -> Sources:
    """Say where the metrics of a bridge come from."""
    return Sources(
        ledger=ledger or Ledger(),
        vitals=lambda: VITALS,
        posts=lambda: posts or {},
        login=lambda: login or Login(needed=True),
        outbox=lambda: 3,
        started=1_800_000_000.5,
    )


def told(
    meters: Meters | None = None,
    ledger: Ledger | None = None,
    login: Login | None = None,
    posts: Mapping[str, int] | None = None,
    accept: str = "",
) -> Scraped:
    """Scrape a bridge."""
    content, media_type = Metrics(meters or Meters(), sources(ledger, login, posts)).exposition(accept)
    return Scraped(content.decode(), media_type)


def test_nothing_yet() -> None:
    """Before any request there is the version, and no success, no token and no device list is claimed."""
    scraped = told()
    [build] = scraped.samples("uhome2mqtt_build_info")
    assert build.labels["version"] == __version__
    assert scraped["uhome2mqtt_start_time_seconds"] == 1_800_000_000.5
    for name in ("cloud_last_success", "access_token_expiry", "login_expiry"):
        assert f"uhome2mqtt_{name}_timestamp_seconds" not in scraped
    assert "uhome2mqtt_device_list_age_seconds" not in scraped


def test_vitals() -> None:
    """It is told how the bridge is doing, with a zero for each kind of device that there is none of."""
    scraped = told(login=Login(needed=False, expires_at=1_900_000_000.0, ends_at=1_950_000_000.0))
    assert scraped["uhome2mqtt_cloud_status", "degraded"] == 1
    assert scraped.total("uhome2mqtt_cloud_status") == 1
    assert [scraped["uhome2mqtt_devices", kind] for kind in ("lock", "light", "switch", "device")] == [3, 1, 0, 0]
    for name, value in (
        ("poll_age_seconds", 12.5),
        ("devices_stale", 2),
        ("devices_offline", 1),
        ("devices_excluded", 1),
        ("commands_pending", 1),
        ("contradictions_total", 4),
        ("broker_connected", 1),
        ("broker_outbox_messages", 3),
        ("other_bridges", 1),
        ("standing_by", 0),
        ("login_needed", 0),
        ("access_token_expiry_timestamp_seconds", 1_900_000_000),
        ("login_expiry_timestamp_seconds", 1_950_000_000),
    ):
        assert scraped[f"uhome2mqtt_{name}"] == value


def test_push() -> None:
    """It is told how far notifications are relied on, by which evidence, and how they were answered."""
    scraped = told(posts={"accepted": 7, "unauthorized": 2})
    statuses = {sample.labels["status"]: sample.value for sample in scraped.samples("uhome2mqtt_push_status")}
    assert statuses == {str(status): float(status is PushStatus.HEALTHY) for status in PushStatus}
    assert scraped["uhome2mqtt_push_evidence_total", "hit"] == 5
    assert scraped["uhome2mqtt_push_evidence_total", "miss"] == 1
    assert scraped["uhome2mqtt_notification_posts_total", "unauthorized"] == 2
    assert scraped["uhome2mqtt_notifications_total"] == 7
    assert scraped["uhome2mqtt_poll_interval_seconds"] == 300


def test_requests() -> None:
    """Requests are counted by kind and outcome, and timed by kind."""
    ledger = Ledger(lambda: 1_800_000_000.0)
    for _ in range(2):
        with ledger.request("query"):
            pass
    with pytest.raises(CloudError), ledger.request("command"):
        raise LIMITED
    scraped = told(ledger=ledger)
    assert scraped["uhome2mqtt_cloud_requests_total", "query", "ok"] == 2
    assert scraped["uhome2mqtt_cloud_requests_total", "command", "rate_limited"] == 1
    assert scraped["uhome2mqtt_cloud_request_duration_seconds_count", "query"] == 2
    assert scraped["uhome2mqtt_cloud_request_duration_seconds_bucket", "query", "+Inf"] == 2
    assert 0 < scraped["uhome2mqtt_cloud_request_duration_seconds_sum", "command"] < 1
    assert scraped["uhome2mqtt_cloud_last_success_timestamp_seconds"] == 1_800_000_000.0


def observed(outcome: Outcome, key: str | None = "lock", reason: str | None = None, seconds: float = 0.0) -> Observe:
    """Give an outcome as the engine tells it."""
    return Observe(id="run-7", key=key, outcome=outcome, reason=reason, seconds=seconds)


def test_commands() -> None:
    """Outcomes are counted; how long acceptance and confirmation took has the id of the command as its exemplar."""
    meters = Meters()
    meters.command(observed(Outcome.ACCEPTED, seconds=0.3))
    meters.command(observed(Outcome.CONFIRMED, reason="push", seconds=1.7))
    meters.command(observed(Outcome.REFUSED, reason="EXPIRED"))
    scraped = told(meters, accept=OPENMETRICS)
    assert scraped["uhome2mqtt_commands_total", "lock", "accepted", "none"] == 1
    assert scraped["uhome2mqtt_commands_total", "lock", "confirmed", "push"] == 1
    assert scraped["uhome2mqtt_commands_total", "lock", "refused", "EXPIRED"] == 1
    assert scraped["uhome2mqtt_commands_total", "switch", "unconfirmed", "NOT_REPORTED"] == 0
    assert scraped["uhome2mqtt_command_acceptance_duration_seconds_sum", "lock"] == 0.3
    exemplars = {
        float(sample.labels["le"]): sample.exemplar.labels
        for sample in scraped.samples("uhome2mqtt_command_confirmation_duration_seconds_bucket")
        if sample.exemplar
    }
    assert exemplars == {2.0: {"command_id": "run-7"}}


def test_made_up_words() -> None:
    """Whatever somebody makes up, no label takes it over: time series are bounded."""
    meters = Meters()
    for number in range(50):
        meters.command(observed(Outcome.REFUSED, key=f"made-up-{number}", reason="UNKNOWN_KEY"))
        meters.command(observed(Outcome.REJECTED, reason=f"MADE-UP-{number}"))
    meters.command(observed(Outcome.REFUSED, key=None, reason="UNKNOWN_DEVICE"))
    scraped = told(meters)
    assert scraped["uhome2mqtt_commands_total", "other", "refused", "UNKNOWN_KEY"] == 50
    assert scraped["uhome2mqtt_commands_total", "lock", "rejected", "other"] == 50
    assert scraped["uhome2mqtt_commands_total", "other", "refused", "UNKNOWN_DEVICE"] == 1


def test_spellings() -> None:
    """Spellings of one reason are one label."""
    spellings = ("DEVICE-OFFLINE", "device_offline", "ConnectError", "no such", None)
    expected = ["DEVICE_OFFLINE", "DEVICE_OFFLINE", "ConnectError", "other", "none"]
    assert [reason_word(given) for given in spellings] == expected


def test_disconnections() -> None:
    """A lost connection is counted by the broker's reason, else by whether something took too long."""
    assert disconnection(142, "") == "taken_over"
    assert disconnection(-1, "Operation timed out") == "timeout"
    assert disconnection(-1, "Unspecified error") == "connection_lost"
    assert disconnection(255, "what nobody knows") == "connection_lost"
    meters = Meters()
    meters.disconnected(139, "Server shutting down")
    scraped = told(meters)
    assert scraped["uhome2mqtt_broker_disconnections_total", "server_shutting_down"] == 1
    assert scraped["uhome2mqtt_broker_disconnections_total", "taken_over"] == 0


def test_engine() -> None:
    """Turns of the engine are counted by what happened; a deadline that came early was not missed."""
    meters = Meters()
    meters.turned(Started(), 0.002)
    meters.turned(Tick(), 0.0002)
    meters.woken(late=-0.001)
    meters.woken(late=0.03)
    scraped = told(meters)
    assert scraped["uhome2mqtt_engine_events_total", "started"] == 1
    assert scraped["uhome2mqtt_engine_events_total", "stop_requested"] == 0
    assert scraped["uhome2mqtt_engine_turn_duration_seconds_count"] == 2
    assert scraped["uhome2mqtt_event_loop_lag_seconds_sum"] == 0.03


def test_publishing() -> None:
    """Without acknowledgements there is nothing to time, and what could not be published was not."""
    meters = Meters()
    with meters.publishing(None, acknowledged=False):
        pass
    with pytest.raises(ValueError, match="no topic"), meters.publishing(None, acknowledged=True):
        raise ValueError("no topic")
    scraped = told(meters)
    assert scraped["uhome2mqtt_messages_published_total"] == 1
    assert scraped["uhome2mqtt_publish_acknowledgement_duration_seconds_count"] == 0


@pytest.mark.parametrize(
    ("accept", "family"),
    [
        ("", "text/plain"),
        ("*/*", "text/plain"),
        (OPENMETRICS, "application/openmetrics-text"),
        ("application/openmetrics-text;version=abc", "text/plain"),
        ("text/plain;version=1.x", "text/plain"),
    ],
)
def test_formats(accept: str, family: str) -> None:
    """Who asks for OpenMetrics gets it; whatever else somebody asks for, there is an answer."""
    _, media_type = Metrics(Meters(), sources()).exposition(accept)
    assert media_type.startswith(f"{family}; ")


def test_names() -> None:
    """Names and labels are as Prometheus wants them, and tell their base unit."""
    units = ("_seconds", "_total", "_info", "_messages")
    unitless = {"cloud_status", "push_status", "broker_connected", "login_needed", "commands_pending"}
    for name, row in TABLE.items():
        short = name.removeprefix("uhome2mqtt_")
        assert name == f"uhome2mqtt_{short}"
        counts = ("devices", "other_bridges", "standing_by")
        assert name.endswith(units) or short in unitless or short.startswith(counts), name
        assert name.endswith("_total") == (row.kind == "counter"), name
        assert name.endswith("_info") == (row.kind == "info"), name
        assert bool(row.buckets) == (row.kind == "histogram"), name
        assert not row.labels.keys() & {"device", "id", "name", "topic", "le"}, name
        assert list(row.buckets) == sorted(set(row.buckets)), name


def test_page() -> None:
    """The page about metrics has the tables that the code writes."""
    page = (Path(__file__).parent.parent / "docs" / "metrics.md").read_text()
    written = subprocess.run([sys.executable, "-m", "uhome2mqtt.metrics"], capture_output=True, text=True, check=True)
    assert written.stdout in page
    assert all(f"| `{name}` |" in written.stdout for name in TABLE)
