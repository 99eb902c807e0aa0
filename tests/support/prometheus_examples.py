"""The dashboard and the alerts of examples/, as their users load them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
RULES = EXAMPLES / "prometheus" / "alerts.yaml"
RULE_TESTS = EXAMPLES / "prometheus" / "alerts-test.yaml"
SCRAPE = EXAMPLES / "prometheus" / "scrape.yaml"
DASHBOARD = EXAMPLES / "grafana" / "uhome2mqtt.json"

_METRIC = re.compile(r"\b(?:uhome2mqtt|process)_\w+|\bup\b(?={)")


def dashboard() -> dict[str, Any]:
    """Read the dashboard."""
    read: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return read


def alerts() -> list[dict[str, Any]]:
    """Read the alerts."""
    [group] = yaml.safe_load(RULES.read_text())["groups"]
    rules: list[dict[str, Any]] = group["rules"]
    return rules


def queries() -> Iterator[tuple[str, str]]:
    """Give the title and the query of everything that the dashboard asks, with its variables filled in."""
    read = dashboard()
    for panel in read["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], filled(target["expr"])
    for annotation in read["annotations"]["list"]:
        yield annotation["name"], filled(annotation["expr"])


def filled(query: str) -> str:
    """Fill in what Grafana would."""
    for name, value in (("$__rate_interval", "1m"), ("$job", "uhome2mqtt"), ("$instance", ".+")):
        query = query.replace(name, value)
    return query


def metrics_in(query: str) -> set[str]:
    """Name the metrics of a query as they are documented: a histogram by the name that its samples share."""
    found = set(_METRIC.findall(query)) - {"uhome2mqtt"}
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}
