"""Texts that are kept compressed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from uhome2mqtt.packed import pack, unpacked


@given(st.lists(st.text()))
def test_nothing_is_lost(parts: list[str]) -> None:
    """A text comes back as it was, whatever it is and in how many parts it was given."""
    assert pack(parts).text == unpacked(pack(parts)) == unpacked("".join(parts)) == "".join(parts)


def test_half_a_surrogate_pair() -> None:
    """What could be published nowhere becomes a question mark."""
    assert pack(["half \ud83d"]).encoded == b"half ?"


def test_equal() -> None:
    """Equal texts are equal when they are packed, and others are not."""
    assert pack(["lock" * 900]) == pack(["lock" * 900]) != pack(["lock" * 901])
