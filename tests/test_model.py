from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from uhome2mqtt.model import (
    MAX_DEPTH,
    Attribute,
    Json,
    attribute,
    canonical,
    capability_of,
    parse_json,
    quoted,
    rgb_text,
)

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast a machine is decides about no test."""

T = TypeVar("T")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def _deeper(frames: int, action: Callable[[], T]) -> T:
    return _deeper(frames - 1, action) if frames else action()


@PATIENT
@given(value=JSON)
def test_json_is_read_as_it_was_written(value: Json) -> None:
    """What a JSON writer wrote, escaped or not, as bytes or as text, is read back the same."""
    for escaped in (True, False):
        text = json.dumps(value, ensure_ascii=escaped)
        assert parse_json(text) == parse_json(text.encode()) == value


NOT_JSON = {
    "nothing": (b"", "Expecting value at character 0"),
    "a tab": (b'"\t"', "Invalid control character at character 1"),
    "a word": (b"ON", "Expecting value at character 0"),
    "NaN": (b"NaN", "NaN is not JSON"),
    "infinity": (b"[Infinity]", "Infinity is not JSON"),
    "minus infinity": (b'{"a": -Infinity}', "-Infinity is not JSON"),
    "more than a float holds": (b"1e999", "a number is too large"),
    "less than a float holds": (b"[-1e999]", "a number is too large"),
    "broken UTF-8": (b'"\xff"', "not UTF-8"),
    "half a surrogate pair in bytes": (b'"\xed\xa0\x80"', "not UTF-8"),
    "half a surrogate pair in UTF-16": ('"\\ud800"'.encode("utf-16"), "not UTF-8"),
    "UTF-16": ("{}".encode("utf-16-le"), "Expecting property name enclosed in double quotes at character 1"),
    "two documents": (b"{}{}", "Extra data at character 2"),
    "100,000 brackets": (b"[" * 100_000, "nested too deeply"),
    "100,000 braces": (b'{"a":' * 100_000, "nested too deeply"),
    "100,000 pairs of brackets": (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "one bracket too many": (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "nested too deeply"),
    "one brace too many": (b'{"a":' * (MAX_DEPTH + 1) + b"1" + b"}" * (MAX_DEPTH + 1), "nested too deeply"),
}


@pytest.mark.parametrize(("text", "problem"), NOT_JSON.values(), ids=NOT_JSON)
def test_what_is_not_json_is_a_value_error(text: bytes, problem: str) -> None:
    """What is not JSON is refused with a reason that holds nothing of the text."""
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}$") as caught:
        parse_json(text)
    assert type(caught.value) is ValueError


def test_integers_beyond_the_interpreter_are_a_value_error() -> None:
    """An integer of 100,000 digits is refused, one of 4,000 is read."""
    with pytest.raises(ValueError, match="Exceeds the limit"):
        parse_json("9" * 100_000)
    assert parse_json("9" * 4_000) == int("9" * 4_000)


@PATIENT
@given(text=st.binary() | st.text(st.characters(exclude_categories=())))
@example(text='"\ud800"')
@example(text="\ufeff{}")
@example(text=b"\xef\xbb\xbf{}")
def test_reading_json_raises_nothing_but_value_errors(text: bytes | str) -> None:
    """Whatever the text, it is JSON that can be written again as UTF-8, or a ValueError."""
    try:
        parsed = parse_json(text)
    except ValueError:
        return
    assert json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()


HALVES = {
    "high half": (r'"Door \ud83d"', "Door ?"),
    "low half": (r'"\ude00 Door"', "? Door"),
    "in a key": (r'{"\ud800": 1}', {"?": 1}),
    "whole pair": (r'"\ud83d\ude00"', "\N{GRINNING FACE}"),
    "unescaped in text": ('"\ud800"', "?"),
}


@pytest.mark.parametrize(("text", "expected"), HALVES.values(), ids=HALVES)
def test_half_a_surrogate_pair_becomes_a_question_mark(text: str, expected: Json) -> None:
    """A name that was cut inside an emoji can be published: the half becomes a question mark."""
    assert parse_json(text) == expected


def test_numbers_keep_their_kind() -> None:
    """Integers stay integers and fractions floats, also after a text with an escape was rewritten."""
    parsed = parse_json(r'["\u00e4", 1, 1.0, -0.5, 1e3, true, null]')
    assert isinstance(parsed, list)
    assert parsed == ["ä", 1, 1.0, -0.5, 1000.0, True, None]
    assert [type(value) for value in parsed] == [str, int, float, float, float, bool, type(None)]


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 900, 950, 980, 990, 994])
def test_what_was_read_can_be_shown_and_written_anywhere(depth: int) -> None:
    """A document that is read at all is shallow enough for steps that have half the stack left."""
    try:
        parsed = parse_json("[" * depth + "]" * depth)
    except ValueError:
        assert depth > MAX_DEPTH
    else:
        assert depth <= MAX_DEPTH
        assert _deeper(400, lambda: (quoted(parsed), json.dumps(parsed)))


def test_many_brackets_side_by_side_are_not_deep() -> None:
    """A long list of devices is not nested deeply, however many brackets it has."""
    assert parse_json("[" + ",".join(['{"a":[{}]}'] * 1000) + "]") == [{"a": [{}]}] * 1000


NAMES = {
    "live": ("st.lock", "lockState"),
    "help centre": ("st.Lock", "lockState"),
    "lower case": ("st.lock", "lockstate"),
    "upper case": ("ST.LOCK", "LOCKSTATE"),
}


@pytest.mark.parametrize(("capability", "name"), NAMES.values(), ids=NAMES)
def test_letter_case_does_not_tell_attributes_apart(capability: str, name: str) -> None:
    """However a capability and its attribute are spelt, they are one attribute of one capability."""
    assert attribute(capability, name) == Attribute("st.lock.lockstate")
    assert capability_of(attribute(capability, name)) == "st.lock"


CANONICAL: dict[str, tuple[Json, Json]] = {
    "word": ("Locked", "locked"),
    "word with spaces": (" Locked\n", "locked"),
    "digits": ("50", 50),
    "digits with spaces": (" 50 ", 50),
    "leading zeros": ("007", 7),
    "whole float": (50.0, 50),
    "minus zero": (-0.0, 0),
    "fraction": (0.5, 0.5),
    "fraction as text": ("0.5", "0.5"),
    "signed digits": ("-1", "-1"),
    "nine digits": ("999999999", 999_999_999),
    "ten digits": ("1234567890", "1234567890"),
    "other digits": ("\u0665", "\u0665"),
    "superscript": ("\u00b2", "\u00b2"),
    "Kelvin sign": ("unloc\u212aed", "unloc\u212aed"),
    "ligature": ("o\ufb00", "o\ufb00"),
    "empty": ("", ""),
    "number": (7, 7),
    "nothing": (None, None),
    "list": (["Locked"], ["Locked"]),
    "object": ({"a": 1}, {"a": 1}),
}


@pytest.mark.parametrize(("value", "expected"), CANONICAL.values(), ids=CANONICAL)
def test_spellings_of_one_value_are_equal(value: Json, expected: Json) -> None:
    """Words in any letter case, digits as text and whole floats become one form; anything else stays as it is."""
    assert canonical(value) == expected
    assert type(canonical(value)) is type(expected)


def test_booleans_and_infinity_stay_what_they_are() -> None:
    """A boolean becomes no number, and neither does an infinite float."""
    assert canonical(value=True) is True
    assert canonical(math.inf) == math.inf


@PATIENT
@given(value=JSON)
def test_canonical_form_is_final(value: Json) -> None:
    """The canonical form of a canonical form is itself."""
    assert canonical(canonical(value)) == canonical(value)


# Colours


COLORS: dict[str, tuple[Json, str | None]] = {
    "text": ("255,0,10", "255,0,10"),
    "leading zeros": ("007,00,0", "7,0,0"),
    "object": ({"r": 255, "g": 0, "b": 10}, "255,0,10"),
    "another order": ({"b": 10, "g": 0, "r": 255}, "255,0,10"),
    "capital letters": ({"R": 255, "G": 0, "B": 10}, "255,0,10"),
    "digits": ({"r": "255", "g": "0", "b": "10"}, "255,0,10"),
    "two channels": ("255,0", None),
    "four channels": ("255,0,0,0", None),
    "a white channel": ({"r": 0, "g": 0, "b": 0, "w": 255}, None),
    "another channel": ({"r": 0, "g": 0, "w": 255}, None),
    "one letter twice": ({"r": 0, "R": 0, "g": 1}, None),
    "too bright": ("256,0,0", None),
    "negative": ({"r": -1, "g": 0, "b": 0}, None),
    "fraction": ({"r": 1.5, "g": 0, "b": 0}, None),
    "boolean": ({"r": True, "g": 0, "b": 0}, None),
    "spaces": ("255, 0, 0", None),
    "foreign digits": ("\u0661,0,0", None),
    "hexadecimal": ("#ff0000", None),
    "empty": ("", None),
    "empty object": ({}, None),
    "list": ([255, 0, 0], None),
    "number": (255, None),
    "null": (None, None),
}


@pytest.mark.parametrize(("value", "text"), COLORS.values(), ids=COLORS)
def test_colors(value: Json, text: str | None) -> None:
    """A colour is three whole numbers of 0 to 255, as text or as an object of exactly these three."""
    assert rgb_text(value) == text


@PATIENT
@given(value=JSON)
def test_any_value_is_a_color_or_none(value: Json) -> None:
    """Whatever JSON stands for a colour, its text is none or stands for itself."""
    text = rgb_text(value)
    assert text is None or rgb_text(text) == text
