from __future__ import annotations

import pytest
from pydantic import ValidationError

from uhome2mqtt.simulator import Quirks, UnknownQuirkError


def test_every_quirk_is_described() -> None:
    """Every quirk says what it does and whether its default was observed."""
    for name, field in Quirks.model_fields.items():
        assert field.description, name
        assert field.description.endswith(("(observed)", "(guess)", "(documented)", "(simulation)")), name


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("push_mode=dead", "push_mode", "dead"),
        ("bolt_seconds=2", "bolt_seconds", 2.0),
        ("read_back_lag=3,40", "read_back_lag", (3.0, 40.0)),
        ("read_back_lag=3", "read_back_lag", (3.0, 3.0)),
        ("read_back_lag=[1, 2]", "read_back_lag", (1.0, 2.0)),
        ("client_id=12345", "client_id", "12345"),
        ("rate_limit_reply=429", "rate_limit_reply", "429"),
        ("header_missing=true", "header_missing", True),
        ('auto_lock={"AA": 5}', "auto_lock", {"AA": 5.0}),
        ("rate_limit=null", "rate_limit", None),
    ],
)
def test_assignments_of_the_command_line(text: str, name: str, value: object) -> None:
    """A quirk is written name=value, a range also as two numbers with a comma."""
    assert getattr(Quirks.parse([text]), name) == value


@pytest.mark.parametrize(
    "text",
    ["push_mode=sometimes", "read_back_lag=5,1", "read_back_lag=a,b", "read_back_lag=1,2,3", "bolt_seconds=-1"],
)
def test_wrong_values(text: str) -> None:
    """A value of the wrong kind is refused."""
    with pytest.raises(ValidationError):
        Quirks.parse([text])


def test_unknown_names() -> None:
    """An unknown quirk is refused together with the nearest right one."""
    with pytest.raises(UnknownQuirkError, match="unknown quirk 'psh_mode'; did you mean 'push_mode'") as caught:
        Quirks.parse(["psh_mode=on"])
    assert (caught.value.name, caught.value.nearest) == ("psh_mode", "push_mode")


def test_all_or_nothing() -> None:
    """Of several changes none is made when one of them is wrong."""
    quirks = Quirks()
    with pytest.raises(ValidationError):
        quirks.change({"bolt_seconds": 9, "push_mode": "x"})
    assert quirks == Quirks()


def test_assignment_is_checked() -> None:
    """Setting an attribute to nonsense is refused as well."""
    with pytest.raises(ValidationError):
        Quirks().expires_in = 0
