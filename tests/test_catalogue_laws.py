from __future__ import annotations

import json

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from uhome2mqtt.catalogue import DESCRIPTIONS, KNOWN
from uhome2mqtt.catalogue.attributes import COLOR_MODE, CONNECTIVITY, LOCK_MODE, LOCK_STATE, SWITCH
from uhome2mqtt.catalogue.description import EntityDescription
from uhome2mqtt.errors import PayloadError
from uhome2mqtt.model import Attribute, Json, rgb_text

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast a machine is decides about no test."""

ROWS: dict[str, EntityDescription] = {row.key: row for row in DESCRIPTIONS}
SETTABLE = [row for row in DESCRIPTIONS if row.parse is not None]

WORDS = st.sampled_from(
    ["locked", "Unlocked", "JAMMED", "on", "Off", "open", "Closed", "online", "Offline", "LOCK", "UNLOCK", "normal",
     "passage", "TOGGLE", "0", "1", "2", "50", "100", "state", "brightness", "unknown", "color_temp",
     "color", "rgb", "r", "g", "b", "2700", "1,2,3"],
)  # fmt: skip
NEAR = st.builds(
    lambda word, old, new: word.replace(old, new),
    WORDS,
    st.sampled_from(["k", "K", "ff", "FF", "ss", "s", "o", "l", "1", ""]),
    st.sampled_from(["\u212a", "\ufb00", "\ufb01", "\u017f", "\u00df", "\u0131", "\uff11", " ", "\t", "\0", ""]),
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-3, 103)
    | st.sampled_from([255, 256, 1999, 2700, 9001])
    | st.integers()
    | st.floats()
    | st.text()
    | WORDS
    | NEAR
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(), inner, max_size=3),
    max_leaves=6,
)
COLORS = st.fixed_dictionaries({"r": SCALARS, "g": st.integers(0, 256), "b": st.integers(0, 256)})
VALUES = st.dictionaries(st.sampled_from(sorted({*KNOWN, CONNECTIVITY, COLOR_MODE})), JSON | COLORS)


def _allowed(row: EntityDescription, value: Json) -> bool:
    """Tell whether a value is one that users were told to expect of a row."""
    if value is None:
        return True
    if row.value_type == "number":
        assert row.minimum is not None
        assert row.maximum is not None
        return type(value) is int and row.minimum <= value <= row.maximum
    return isinstance(value, str) and (rgb_text(value) == value if row.key == "rgb" else value in row.values)


def _allowed_light(value: Json) -> bool:
    assert isinstance(value, dict)
    return (
        value.keys() <= {"state", "brightness", "color_mode", "color_temp", "color"}
        and value["state"] in ("ON", "OFF", None)
        and _allowed(ROWS["brightness"], value.get("brightness"))
        and _allowed_color(value)
    )


def _allowed_color(light: dict[str, Json]) -> bool:
    """Tell whether a light that says how it shines says that alone, and readably."""
    colors = {name: light[name] for name in ("color_temp", "color") if name in light}
    match light.get("color_mode"):
        case "color_temp":
            return colors.keys() == {"color_temp"} and type(colors["color_temp"]) is int
        case "rgb":
            return colors.keys() == {"color"} and rgb_text(colors["color"]) is not None
        case mode:
            return not colors and mode in {None, "brightness"}


@PATIENT
@given(values=VALUES)
def test_whatever_is_reported_shows_an_allowed_value_or_unknown(values: dict[Attribute, Json]) -> None:
    """Whatever JSON stands in whichever attribute, every key shows one of its values or unknown."""
    for key in {*ROWS} - {"stale", "last_reported"}:
        row, rendered = ROWS[key], ROWS[key].render(values)
        assert _allowed_light(rendered) if key == "light" else _allowed(row, rendered)
        assert json.dumps(rendered, allow_nan=False)


MEANINGS: dict[tuple[str, str], tuple[Attribute, str]] = {
    ("lock", "LOCKED"): (LOCK_STATE, "locked"),
    ("lock", "UNLOCKED"): (LOCK_STATE, "unlocked"),
    ("lock", "JAMMED"): (LOCK_STATE, "jammed"),
    ("switch", "ON"): (SWITCH, "on"),
    ("switch", "OFF"): (SWITCH, "off"),
}


@PATIENT
@given(value=SCALARS)
@example(value="unloc\u212aed")
@example(value="o\ufb00")
@example(value=False)
@example(value=0)
def test_nothing_is_claimed_that_was_not_said(value: Json) -> None:
    """A lock is unlocked, or a switch off, only where the cloud said that very word in ASCII letters."""
    for (key, shown), (attribute, word) in MEANINGS.items():
        said = isinstance(value, str) and value.isascii() and value.strip().lower() == word
        assert (ROWS[key].render({attribute: value}) == shown) is said


@PATIENT
@given(value=SCALARS)
@example(value=True)
@example(value=False)
def test_modes_are_claimed_of_numbers_alone(value: Json) -> None:
    """A mode is shown only of 0, 1 and 2, as numbers or digits, and never of a boolean."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    is_digits = isinstance(value, str) and value.isascii() and value.strip().lstrip("0") in {"", "1", "2"}
    rendered = ROWS["mode"].render({LOCK_MODE: value})
    if rendered is not None:
        assert is_number or is_digits
        assert rendered == ("normal", "passage", "locked")[int(str(value).strip().partition(".")[0])]
    elif is_number:
        assert value not in (0, 1, 2)


@PATIENT
@given(payload=JSON, values=VALUES)
@example(payload={"state": "TOGGLE", "brightness": 5}, values={SWITCH: "on"})
@example(payload="9" * 5000, values={})
@example(payload={"brightness": 5, "color_temp": 2700}, values={})
@example(payload={"state": "ON", "color": {"r": 1, "g": 2, "b": 3}}, values={})
def test_any_payload_is_a_command_or_refused(payload: Json, values: dict[Attribute, Json]) -> None:
    """Whatever a payload holds, a parser makes a command that can be confirmed of it, or raises PayloadError."""
    for row in SETTABLE:
        assert row.parse is not None
        try:
            intent = row.parse(payload, values)
        except PayloadError as problem:
            text = str(problem)
        else:
            actions = (intent.command, *intent.then)
            text = json.dumps([[each.capability, each.name, dict(each.arguments)] for each in actions])
            assert intent.expect
            assert intent.uses
            assert intent.expect.keys() <= KNOWN
            assert intent.transition is None or intent.transition in row.values
        assert text.isprintable()


@PATIENT
@given(payload=st.text() | NEAR)
@example(payload="LOC\u212a")
@example(payload="O\ufb00")
@example(payload="UNLOCK ")
def test_no_word_is_guessed(payload: str) -> None:
    """A lock, a mode and a switch obey their words in ASCII letters of any case, and nothing that resembles them."""
    for row in (ROWS["lock"], ROWS["mode"], ROWS["switch"]):
        assert row.parse is not None
        allowed = payload.isascii() and payload.lower() in {word.lower() for word in row.settable}
        try:
            row.parse(payload, {SWITCH: "on"})
        except PayloadError:
            assert not allowed
        else:
            assert allowed
