"""Write the tables of the page about metrics: `python -m uhome2mqtt.metrics`."""

from __future__ import annotations

import sys

from uhome2mqtt.metrics.page import tables

sys.stdout.write(tables())
