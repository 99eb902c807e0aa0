"""What Prometheus is told of the bridge.

A metric is a row of `TABLE`. What happens is counted in `Meters`, at once and at the same price however many devices
there are; how things are is read by `Views` when somebody asks.
"""

from uhome2mqtt.metrics.meters import Meters
from uhome2mqtt.metrics.table import PREFIX, TABLE, Row
from uhome2mqtt.metrics.views import Login, Metrics, Sources

__all__ = ["PREFIX", "TABLE", "Login", "Meters", "Metrics", "Row", "Sources"]
