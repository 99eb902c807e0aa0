"""Alerts and dashboard of the examples speak of metrics that there are, and say what to do."""

from __future__ import annotations

import re

import yaml

from tests.support.prometheus_examples import (
    RULE_TESTS,
    RULES,
    SCRAPE,
    alerts,
    dashboard,
    metrics_in,
    queries,
)
from uhome2mqtt.metrics import TABLE

STANDARD = {"up", "process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"}
"""What Prometheus itself, or its client library, tells."""


def test_metrics_exist() -> None:
    """Every metric in a query is documented, and every documented one is on the dashboard."""
    asked = set().union(*(metrics_in(query) for _, query in queries()))
    assert asked == {*TABLE, *STANDARD}
    alarmed = set().union(*(metrics_in(rule["expr"]) for rule in alerts()))
    assert alarmed <= {*TABLE, *STANDARD}


def test_words_exist() -> None:
    """Every word that a query wants a label to have is one that the label may have."""
    words = {word for row in TABLE.values() for some in row.labels.values() for word in some}
    asked = [query for _, query in queries()] + [rule["expr"] for rule in alerts()]
    for query in asked:
        for label, value in re.findall(r'(\w+)(?:=|=~|!=)"([^"]*)"', query):
            if label not in {"job", "instance"}:
                assert {*value.split("|")} <= words, query


def test_alerts() -> None:
    """Every alert has a severity, a summary that names the bridge, and more than a line about what to do."""
    for rule in alerts():
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert "$labels.instance" in rule["annotations"]["summary"]
        assert len(rule["annotations"]["description"]) > 100
        assert re.fullmatch(r"Uhome[A-Za-z]+", rule["alert"])


def test_every_alert_is_tested() -> None:
    """The tests of the rules have one for each alert, and one in which none of them fires."""
    tests = yaml.safe_load(RULE_TESTS.read_text())
    assert [test["name"] for test in tests["tests"]] == [*(rule["alert"] for rule in alerts()), "a good day"]
    assert tests["rule_files"] == [RULES.name]


def test_scrape() -> None:
    """What is to be added to Prometheus loads the alerts, and calls the job as they expect it."""
    config = yaml.safe_load(SCRAPE.read_text())
    assert config["rule_files"] == [RULES.name]
    [job] = config["scrape_configs"]
    assert job["job_name"] == "uhome2mqtt"
    assert job["static_configs"] == [{"targets": ["localhost:8099"]}]


def test_dashboard() -> None:
    """The dashboard has its rows, no panel overlaps another, and no data source is fixed."""
    read = dashboard()
    rows = [panel["title"] for panel in read["panels"] if panel["type"] == "row"]
    assert rows == ["Health", "Commands", "Cloud", "Push", "Broker", "Process"]
    assert len({panel["id"] for panel in read["panels"]}) == len(read["panels"])
    taken: set[tuple[int, int]] = set()
    for panel in read["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["description"]
        for part in [*panel.get("targets", ()), *([panel] if panel["type"] != "row" else [])]:
            assert part["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    variables = {variable["name"]: variable for variable in read["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    used = set(re.findall(r"\$(?!__)\{?(\w+)", str(read))) - {"rate_interval"}
    assert used == variables.keys()
