"""The matrix of rules at the end of a run that has played them."""

from __future__ import annotations

import pytest

from .book import RULES
from .verdicts import table, verdicts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the matrix."""
    reports = [
        (report.nodeid, report.passed)
        for outcome in ("passed", "failed", "error")
        for report in terminalreporter.stats.get(outcome, [])
    ]
    lines = list(table({rule.name: rule.sentence for rule in RULES}, verdicts(reports)))
    if lines:
        terminalreporter.section("rules of commands")
        for line in lines:
            terminalreporter.write_line(line)
