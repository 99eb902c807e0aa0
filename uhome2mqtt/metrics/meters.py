"""What is counted and timed when it happens."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics

from uhome2mqtt.clock import now
from uhome2mqtt.effects import Observe
from uhome2mqtt.metrics.reasons import DISCONNECTIONS, NONE, disconnection, key_word, reason_word
from uhome2mqtt.metrics.table import EVENTS, PREFIX, SETTABLE, TABLE
from uhome2mqtt.model import Outcome

# One more series for each counter and each bucket's owner, of which nothing here makes use.
disable_created_metrics()

_EXPECTED = (
    (Outcome.ACCEPTED, NONE),
    (Outcome.CONFIRMED, "push"),
    (Outcome.CONFIRMED, "query"),
    (Outcome.UNCONFIRMED, "NOT_REPORTED"),
    (Outcome.REJECTED, "DEVICE_OFFLINE"),
)
"""Begun at zero: a series that appears with its first count shows Prometheus no increase."""


class Meters:
    """The instruments of one bridge, and the registry that they are in."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._commands = self._counter("commands_total")
        self._accepted = self._histogram("command_acceptance_duration_seconds")
        self._confirmed = self._histogram("command_confirmation_duration_seconds")
        self._lag = self._histogram("event_loop_lag_seconds")
        self._turns = self._histogram("engine_turn_duration_seconds")
        events = self._counter("engine_events_total")
        self._events = {event: events.labels(word) for event, word in EVENTS.items()}
        self._connections = self._counter("broker_connections_total")
        self._disconnections = self._counter("broker_disconnections_total")
        self._published = self._counter("messages_published_total")
        self._received = self._counter("messages_received_total")
        self._acknowledged = self._histogram("publish_acknowledgement_duration_seconds")
        self._notified = self._histogram("notification_publish_duration_seconds")
        for reason in DISCONNECTIONS:
            self._disconnections.labels(reason)
        for key in SETTABLE:
            for outcome, reason in _EXPECTED:
                self._commands.labels(key, str(outcome), reason)

    def command(self, seen: Observe) -> None:
        """Count an outcome of a command, and time it where the cloud took it or the device did it."""
        key, exemplar = key_word(seen.key), {"command_id": seen.id}
        self._commands.labels(key, str(seen.outcome), reason_word(seen.reason)).inc()
        if seen.outcome is Outcome.ACCEPTED:
            self._accepted.labels(key).observe(seen.seconds, exemplar)
        elif seen.outcome is Outcome.CONFIRMED:
            self._confirmed.labels(key).observe(seen.seconds, exemplar)

    def turned(self, event: object, seconds: float) -> None:
        """Take note that the engine has dealt with an event."""
        self._events[type(event).__name__].inc()
        self._turns.observe(seconds)

    def woken(self, late: float) -> None:
        """Take note of a deadline that came; `late`: by how many seconds it was missed."""
        self._lag.observe(max(late, 0.0))

    def connected(self) -> None:
        """Count a connection to the broker."""
        self._connections.inc()

    def disconnected(self, code: int, why: str) -> None:
        """Count a lost connection; `code`: the broker's reason, negative for none."""
        self._disconnections.labels(disconnection(code, why)).inc()

    def received(self) -> None:
        """Count a message that came."""
        self._received.inc()

    @contextmanager
    def publishing(self, caused_at: float | None, *, acknowledged: bool) -> Iterator[None]:
        """Count and time a message that is published within the block; `caused_at` as in `Publish`."""
        began = time.perf_counter()
        yield
        self._published.inc()
        if acknowledged:
            self._acknowledged.observe(time.perf_counter() - began)
        if caused_at is not None:
            self._notified.observe(max(now().monotonic - caused_at, 0.0))

    def _counter(self, name: str) -> Counter:
        row = TABLE[f"{PREFIX}{name}"]
        return Counter(f"{PREFIX}{name}", row.about, tuple(row.labels), registry=self.registry)

    def _histogram(self, name: str) -> Histogram:
        row = TABLE[f"{PREFIX}{name}"]
        return Histogram(f"{PREFIX}{name}", row.about, tuple(row.labels), registry=self.registry, buckets=row.buckets)
