"""The table that a run of the rules ends with."""

from __future__ import annotations

from .verdicts import table, verdicts

SENTENCES = {"1-retained": "Retained commands are refused", "7-never": "Is not played", "reply": "Answers come"}
PLAYED = "tests/e2e/rules/test_rules.py::test_rule"


def test_table() -> None:
    """Each rule that was played is a line with its number, each cell says whether all parts of its test were good."""
    reports = [
        (f"{PLAYED}[1-retained-5-mosquitto]", True),
        (f"{PLAYED}[1-retained-3.1.1-mosquitto]", False),
        (f"{PLAYED}[1-retained-3.1.1-mosquitto]", True),
        (f"{PLAYED}[reply-3.1.1-embedded]", True),
        ("tests/e2e/test_commands.py::test_unlock", False),
    ]
    assert list(table(SENTENCES, verdicts(reports))) == [
        "                                   5/mosquitto  3.1.1/mosquitto  5/embedded  3.1.1/embedded",
        " 1  Retained commands are refused  ok           FAILED           -           -",
        "    Answers come                   -            -                -           ok",
    ]


def test_no_table() -> None:
    """A run without rules has no table."""
    assert list(table(SENTENCES, verdicts([("tests/e2e/test_commands.py::test_unlock", True)]))) == []
