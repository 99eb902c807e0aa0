from __future__ import annotations

import pytest

from uhome2mqtt.catalogue import DESCRIPTIONS, EntityDescription, Intent
from uhome2mqtt.catalogue.attributes import BATTERY_LEVEL, DOOR, LOCK_MODE, LOCK_STATE
from uhome2mqtt.errors import PayloadError
from uhome2mqtt.model import Attribute, Command, Json

ROWS: dict[str, EntityDescription] = {row.key: row for row in DESCRIPTIONS}


def parsed(key: str, payload: Json) -> Intent:
    """Read a payload with the parser of a key."""
    parse = ROWS[key].parse
    assert parse is not None
    return parse(payload, {})


WORDS: dict[str, tuple[Attribute, dict[str, str | None]]] = {
    "lock": (
        LOCK_STATE,
        {
            "locked": "LOCKED",
            "unlocked": "UNLOCKED",
            "jammed": "JAMMED",
            "unknown": None,
            "locking": None,
            "unlocking": None,
            "open": None,
            "not locked": None,
            "lock": None,
        },
    ),
    "door": (
        DOOR,
        {"open": "open", "closed": "closed", "unknown": None, "opened": None, "close": None, "ajar": None},
    ),
    "mode": (
        LOCK_MODE,
        {"0": "normal", "1": "passage", "2": "locked", "3": None, "-1": None, "normal": None, "locked": None},
    ),
}
CASES = [(key, word) for key, (_, words) in WORDS.items() for word in words]


@pytest.mark.parametrize(("key", "word"), CASES)
def test_words_are_read_in_every_letter_case(key: str, word: str) -> None:
    """Each word of the cloud is shown as promised in every letter case, and one that is not known as unknown."""
    attribute, words = WORDS[key]
    for spelt in (word, word.upper(), word.capitalize(), word.title(), word.swapcase(), f" {word}\n"):
        assert ROWS[key].render({attribute: spelt}) == words[word]


NEITHER: list[Json] = [
    None, "", " ", True, False, 3, -1, 0.5, [], {}, ["Locked"], ["Unlocked"], {"value": "Unlocked"}, [0],
    "unloc\u212aed",
]  # fmt: skip


@pytest.mark.parametrize("value", NEITHER, ids=ascii)
@pytest.mark.parametrize("key", WORDS)
def test_everything_else_is_unknown(key: str, value: Json) -> None:
    """A value of another type or another word, however near, is unknown and never guessed."""
    assert ROWS[key].render({WORDS[key][0]: value}) is None


@pytest.mark.parametrize("key", WORDS)
def test_what_was_not_reported_is_unknown(key: str) -> None:
    """Without a report a lock's keys are unknown, whatever else was reported."""
    others: dict[Attribute, Json] = {attribute: "Locked" for attribute, _ in WORDS.values()}
    del others[WORDS[key][0]]
    assert ROWS[key].render(others) is None


@pytest.mark.parametrize(("mode", "word"), [(0, "normal"), (1, "passage"), (2, "locked")])
def test_modes_are_numbers(mode: int, word: str) -> None:
    """A mode is read as a number, also one with a fraction of zero."""
    assert ROWS["mode"].render({LOCK_MODE: mode}) == ROWS["mode"].render({LOCK_MODE: float(mode)}) == word


BATTERY: dict[str, tuple[Json, tuple[Json, Json, Json]]] = {
    "1": (1, (20, 1, "ON")),
    "2": (2, (40, 2, "ON")),
    "3": (3, (60, 3, "OFF")),
    "4": (4, (80, 4, "OFF")),
    "5": (5, (100, 5, "OFF")),
    "digits": ("3", (60, 3, "OFF")),
    "whole float": (3.0, (60, 3, "OFF")),
    "0": (0, (None, None, None)),
    "6": (6, (None, None, None)),
    "percentage": (85, (None, None, None)),
    "negative": (-1, (None, None, None)),
    "boolean": (True, (None, None, None)),
    "fraction": (2.5, (None, None, None)),
    "infinite": (float("inf"), (None, None, None)),
    "huge": (10**400, (None, None, None)),
    "word": ("low", (None, None, None)),
    "empty": ("", (None, None, None)),
    "null": (None, (None, None, None)),
    "list": ([3], (None, None, None)),
}


@pytest.mark.parametrize(("level", "expected"), BATTERY.values(), ids=BATTERY)
def test_battery_levels(level: Json, expected: tuple[Json, Json, Json]) -> None:
    """A battery's level of 1 to 5 is shown in steps of 20 %, as it is, and as low up to 2; all else is unknown."""
    rendered = tuple(ROWS[key].render({BATTERY_LEVEL: level}) for key in ("battery", "battery_level", "battery_low"))
    assert rendered == expected


def test_battery_that_was_not_reported() -> None:
    """Without a report a battery is neither low nor full but unknown."""
    assert [ROWS[key].render({}) for key in ("battery", "battery_level", "battery_low")] == [None] * 3


def _turn(word: str, expect: str, transition: str) -> Intent:
    return Intent(
        command=Command(capability="st.lock", name=word.lower()),
        expect={LOCK_STATE: expect},
        uses=frozenset({word}),
        transition=transition,
        steady=frozenset({"locked", "unlocked"}),
    )


def _mode(word: str, mode: int) -> Intent:
    return Intent(
        command=Command(capability="st.lock", name="setMode", arguments={"mode": mode}),
        expect={LOCK_MODE: mode},
        uses=frozenset({word}),
    )


INTENTS: dict[tuple[str, str], Intent] = {
    ("lock", "LOCK"): _turn("LOCK", "locked", "LOCKING"),
    ("lock", "UNLOCK"): _turn("UNLOCK", "unlocked", "UNLOCKING"),
    ("mode", "normal"): _mode("normal", 0),
    ("mode", "passage"): _mode("passage", 1),
    ("mode", "locked"): _mode("locked", 2),
}


@pytest.mark.parametrize(("key", "word"), INTENTS, ids=[word for _, word in INTENTS])
def test_words_become_commands_in_every_letter_case(key: str, word: str) -> None:
    """Each word, in any letter case, becomes the cloud's exact command and the exact state that confirms it."""
    for spelt in (word, word.lower(), word.upper(), word.title(), word.swapcase()):
        assert parsed(key, spelt) == INTENTS[key, word]


REFUSED: dict[str, list[Json]] = {
    "lock": ["LOCKED", "UNLOCKED", "OPEN", "LOC\u212a", "UNLOC\u212a", "LOCK,UNLOCK", "locks", "normal"],
    "mode": ["LOCK", "0", 0, 1, 2, "pa\u00dfage", "pa\u017f\u017fage", "normal,passage"],
}
NEVER: list[Json] = ["", " ", None, True, False, 1, 0.0, [], {}, ["LOCK"], {"value": "LOCK"}, "None", "null", '"LOCK"']
SPACED = [f"{space}{word}" for word in ("LOCK", "normal") for space in " \t\n\0\u00a0\ufeff"]
SPACED += [f"{word}{space}" for word in ("LOCK", "normal") for space in " \r\n\0\u200b"]


@pytest.mark.parametrize(
    ("key", "payload"),
    [(key, payload) for key, near in REFUSED.items() for payload in [*near, *NEVER, *SPACED]],
    ids=ascii,
)
def test_everything_else_is_refused(key: str, payload: Json) -> None:
    """Nothing is trimmed or guessed: what is not one of the words is refused with the words there are."""
    with pytest.raises(PayloadError) as caught:
        parsed(key, payload)
    assert str(caught.value).endswith(f"is not one of {', '.join(ROWS[key].settable)}")
