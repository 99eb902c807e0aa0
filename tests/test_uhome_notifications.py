"""What the cloud tells of its own accord, in every shape that was seen, documented or feared."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from uhome2mqtt.model import Attribute, DeviceError, Json, Notification, Report, attribute, parse_json
from uhome2mqtt.simulator.shapes import DRAWN, body
from uhome2mqtt.simulator.vocabulary import PushShape
from uhome2mqtt.uhome import MOST_ENTRIES, decode_notification
from uhome2mqtt.uhome.members import LONGEST_ID

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast a machine is decides about no test."""

FIXTURES = Path(__file__).parent / "fixtures"
LOCK = "C4:5B:BE:00:10:01"
DIMMER = "C4:5B:BE:00:20:01"
UNKNOWN = "00:00:5E:00:53:FF"
HEALTH, LOCK_STATE, LOCK_MODE, SWITCH, LEVEL = (
    Attribute(f"st.{name}")
    for name in ("healthcheck.status", "lock.lockstate", "lock.lockmode", "switch.switch", "switchlevel.level")
)
NOTHING = Notification()
UNREADABLE = Notification(unreadable=1)


# Every shape of the simulator


VALUES: tuple[Json, ...] = ("Locked", "UNLOCKED", "", "門", 0, 25, -1, 0.5, True, None, ["A", 1])
"""There is one device for each."""
IDS = tuple(f"C4:5B:BE:00:30:{number:02}" for number in range(len(VALUES)))
KINDS: dict[str, list[dict[str, Json]]] = {
    "DeviceState": [
        {
            "id": identifier,
            "states": [
                {"capability": "st.healthCheck", "name": "status", "value": "Online"},
                {"capability": "st.lock", "name": "lockState", "value": value},
            ],
        }
        for identifier, value in zip(IDS, VALUES, strict=True)
    ],
    "DeviceSync": [{"id": identifier, "name": "Door", "handleType": "utec-lock"} for identifier in IDS],
    "DeviceDelete": [{"id": identifier} for identifier in IDS],
}
CASINGS = (str, str.lower, str.upper, str.swapcase)


def lowered(value: Json) -> Json:
    """Fold a word, as the lower-case shape does."""
    return value.lower() if isinstance(value, str) else value


WHOLE = tuple(
    Report(device_id=identifier, states={HEALTH: "Online", LOCK_STATE: value})
    for identifier, value in zip(IDS, VALUES, strict=True)
)
LOWERED = tuple(
    Report(device_id=identifier, states={HEALTH: "online", LOCK_STATE: lowered(value)})
    for identifier, value in zip(IDS, VALUES, strict=True)
)
CHANGED_ALONE = tuple(
    Report(device_id=identifier, states={LOCK_STATE: value}) for identifier, value in zip(IDS, VALUES, strict=True)
)
STATELESS = tuple(Report(device_id=identifier) for identifier in IDS)

USUAL = (Notification(reports=WHOLE), Notification(changed=IDS), Notification(deleted=IDS))
NONE_READABLE = (Notification(unreadable=len(IDS)),) * 3
# A list of bare ids that came without the notification's name says that something happened to these devices.
NAMELESS = (Notification(reports=WHOLE), Notification(changed=IDS), Notification(reports=STATELESS))
EXPECTED: dict[PushShape, tuple[Notification, Notification, Notification]] = {
    PushShape.ENVELOPE: USUAL,
    PushShape.BARE_LIST: NAMELESS,
    PushShape.PAYLOAD_LIST: USUAL,
    PushShape.DEVICES_ONLY: NAMELESS,
    PushShape.ID_ONLY: (Notification(reports=STATELESS), *USUAL[1:]),
    PushShape.STATES_MAPPING: USUAL,
    PushShape.STATES_SINGLE: (Notification(reports=CHANGED_ALONE), *USUAL[1:]),
    PushShape.PAYLOAD_VERSION: USUAL,
    PushShape.TOP_LEVEL_VERSION: USUAL,
    PushShape.LOWER_CASE: (Notification(reports=LOWERED), *USUAL[1:]),
    PushShape.UNKNOWN_ID: (
        Notification(
            reports=tuple(Report(device_id=UNKNOWN, states={HEALTH: "Online", LOCK_STATE: value}) for value in VALUES)
        ),
        Notification(changed=(UNKNOWN,)),
        Notification(deleted=(UNKNOWN,)),
    ),
    PushShape.PARTIAL: (Notification(reports=CHANGED_ALONE), *USUAL[1:]),
    PushShape.ENTRY_NOT_OBJECT: NONE_READABLE,
    PushShape.ID_MISSING: NONE_READABLE,
    PushShape.SCALAR: (UNREADABLE,) * 3,
    PushShape.NULL: (UNREADABLE,) * 3,
}


def recased(value: Json, casing: Callable[[str], str]) -> Json:
    """Spell the names of all members, capabilities, attributes and messages otherwise."""
    if isinstance(value, list):
        return [recased(each, casing) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        casing(key): casing(inner)
        if isinstance(inner, str) and key in {"name", "capability"}
        else recased(inner, casing)
        for key, inner in value.items()
    }


def pushed(shape: PushShape, kind: str) -> bytes:
    """Let the simulator write a notification about a change of every lock's state."""
    return body(shape, kind, KINDS[kind], message_id="m", changed=frozenset({"st.lock.lockState"}))


@pytest.mark.parametrize("casing", CASINGS, ids=lambda casing: casing.__name__)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", EXPECTED)
def test_every_shape_is_read(shape: PushShape, kind: str, casing: Callable[[str], str]) -> None:
    """Every shape of every kind is read for what it says, in any letter case of names and with values as sent."""
    told = decode_notification(recased(parse_json(pushed(shape, kind)), casing))
    expected = EXPECTED[shape][list(KINDS).index(kind)]
    # 0 and False, 1 and True are equal to Python only.
    assert repr(told) == repr(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_states_that_are_no_json(kind: str) -> None:
    """The documents' braces around states are refused before anything is read of them."""
    with pytest.raises(ValueError, match="at character"):
        parse_json(pushed(PushShape.STATES_NOT_JSON, kind))


def test_no_shape_is_forgotten() -> None:
    """Whatever the simulator may draw, what comes of it is written here."""
    assert {*EXPECTED, PushShape.STATES_NOT_JSON} == set(DRAWN)


def test_recorded_notification() -> None:
    """The recorded notification of a dimmer, its version misspelt as the live service does, is one report."""
    told = decode_notification(parse_json((FIXTURES / "notification_dimmer.json").read_bytes()))
    assert told == Notification(reports=(Report(device_id=DIMMER, states={HEALTH: "Online", SWITCH: "on", LEVEL: 25}),))


# Frames


ENTRY: dict[str, Json] = {"id": LOCK, "states": [{"capability": "st.lock", "name": "lockState", "value": "Locked"}]}
READ = Notification(reports=(Report(device_id=LOCK, states={LOCK_STATE: "Locked"}),))
FRAMES: dict[str, tuple[Json, Notification]] = {
    "header missing": ({"payload": {"devices": [ENTRY]}}, READ),
    "header null": ({"header": None, "payload": {"devices": [ENTRY]}}, READ),
    "header a list": ({"header": ["DeviceDelete"], "payload": {"devices": [ENTRY]}}, READ),
    "header without a name": ({"header": {"messageId": "m"}, "payload": [ENTRY]}, READ),
    "header with an empty name": ({"header": {"name": ""}, "payload": [ENTRY]}, READ),
    "header with a name that is no word": ({"header": {"name": ["DeviceDelete"]}, "payload": [ENTRY]}, READ),
    "payload one entry": ({"payload": ENTRY}, READ),
    "payload one entry, to be deleted": (
        {"header": {"name": "DeviceDelete"}, "payload": {"ID": LOCK}},
        Notification(deleted=(LOCK,)),
    ),
    "payload one entry with something for devices": ({"payload": {**ENTRY, "devices": None}}, READ),
    "devices beside a payload without any": ({"payload": {}, "devices": [ENTRY]}, READ),
    "devices beside no payload": ({"payload": None, "devices": [ENTRY]}, READ),
    "header beside devices": (
        {"header": {"name": "DeviceDelete"}, "devices": [ENTRY]},
        Notification(deleted=(LOCK,)),
    ),
    "empty list": ([], NOTHING),
    "payload an empty list": ({"payload": []}, NOTHING),
    "no devices": ({"header": {"name": "DeviceDelete"}, "payload": {"devices": []}}, NOTHING),
    "empty object": ({}, UNREADABLE),
    "payload empty": ({"payload": {}}, UNREADABLE),
    "payload a word": ({"payload": "ok"}, UNREADABLE),
    "payload without an id": ({"payload": {"states": []}}, UNREADABLE),
    "payload with an error": ({"payload": {"error": {"code": "INVALID_TOKEN"}}}, UNREADABLE),
    "devices a word": ({"payload": {"devices": LOCK}}, UNREADABLE),
    "devices an object": ({"payload": {"devices": {LOCK: ENTRY}}}, UNREADABLE),
    "an entry in place of everything": (ENTRY, UNREADABLE),
    "number": (7, UNREADABLE),
    "truth": (True, UNREADABLE),
    "word": ("ok", UNREADABLE),
    "null": (None, UNREADABLE),
}


@pytest.mark.parametrize(("told", "expected"), FRAMES.values(), ids=FRAMES)
def test_every_frame_is_read(told: Json, expected: Notification) -> None:
    """Devices are found in every frame; where there are none to be found, the notification is unreadable."""
    assert decode_notification(told) == expected


@pytest.mark.parametrize("name", ["DeviceStates", "Command", " DeviceState", "7", 7], ids=repr)
@pytest.mark.parametrize("payload", [{"devices": [ENTRY, ENTRY]}, {"devices": ["x", "y"]}, None], ids=str)
def test_unknown_kinds_are_unreadable(name: Json, payload: Json) -> None:
    """Of a kind that nobody has described nothing is taken, and it counts once."""
    assert decode_notification({"header": {"name": name}, "payload": payload}) == UNREADABLE


# Kinds


CHANGED, REPORTED = Notification(changed=(LOCK,)), Notification(reports=(Report(device_id=LOCK),))
WITHOUT_A_NAME: dict[str, tuple[dict[str, Json], Notification]] = {
    "id alone": ({}, REPORTED),
    "states": ({"states": []}, REPORTED),
    "states and a name": ({"states": {"st.lock": {"lockState": "Locked"}}, "name": "Door"}, READ),
    "an error": (
        {"error": {"code": "DEVICE_OFFLINE"}},
        Notification(reports=(Report(device_id=LOCK, error=DeviceError(code="DEVICE_OFFLINE")),)),
    ),
    "something new": ({"battery": 5}, REPORTED),
    "a name": ({"name": "Door"}, CHANGED),
    "an empty name": ({"name": ""}, CHANGED),
    "a handle type": ({"HandleType": "utec-lock"}, CHANGED),
    "a category": ({"category": "SmartLock"}, CHANGED),
    "a name and no states": ({"name": "Door", "states": None}, CHANGED),
    "no name": ({"name": None}, REPORTED),
}


@pytest.mark.parametrize(("members", "expected"), WITHOUT_A_NAME.values(), ids=WITHOUT_A_NAME)
def test_kinds_without_a_name(members: dict[str, Json], expected: Notification) -> None:
    """An entry that came without the notification's name is a record if it reads like one, else a report."""
    assert decode_notification([{"id": LOCK, **members}]) == expected


def test_records_and_reports_in_one_list() -> None:
    """Each entry of a list without a name is taken for what it is itself."""
    told: list[Json] = [{"id": "1", "name": "Door"}, ENTRY, {"id": "2"}, {"id": "3", "category": "LIGHT"}]
    assert decode_notification(told) == Notification(reports=(*READ.reports, Report(device_id="2")), changed=("1", "3"))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("DeviceState", READ),
        ("DeviceSync", Notification(changed=(LOCK,))),
        ("DeviceDelete", Notification(deleted=(LOCK,))),
    ],
)
def test_the_name_decides(kind: str, expected: Notification) -> None:
    """A notification is of the kind that it is called, whatever else its entries hold."""
    assert decode_notification({"header": {"name": kind}, "payload": [{**ENTRY, "name": "Door"}]}) == expected


# Entries


STATES: dict[str, tuple[dict[str, Json], Report]] = {
    "error": (
        {"error": {"code": "DEVICE_OFFLINE", "message": "no"}},
        Report(device_id=LOCK, error=DeviceError(code="DEVICE_OFFLINE", message="no")),
    ),
    "error and states": (
        {"error": "BUSY", "states": {"st.lock": {"lockMode": 2}}},
        Report(device_id=LOCK, states={LOCK_MODE: 2}, error=DeviceError(code="BUSY")),
    ),
    "no error": ({"error": None}, Report(device_id=LOCK)),
    "empty mapping": ({"states": {}}, Report(device_id=LOCK)),
    "states a word": ({"states": "Locked"}, Report(device_id=LOCK)),
    "states null": ({"states": None}, Report(device_id=LOCK)),
    "odd states": ({"states": [None, 7, "x", [], {}, {"capability": "st.lock"}]}, Report(device_id=LOCK)),
    "hint": (
        {"states": [{"capability": "st.deferredResponse", "name": "seconds", "value": 5}]},
        Report(device_id=LOCK),
    ),
}


@pytest.mark.parametrize(("members", "expected"), STATES.values(), ids=STATES)
def test_entries_are_read_as_in_replies(members: dict[str, Json], expected: Report) -> None:
    """What an entry says of its device is read as in a reply to a query; an entry that says nothing is a report too."""
    told: Json = {"header": {"name": "DeviceState"}, "payload": {"devices": [{"id": LOCK, **members}]}}
    assert decode_notification(told) == Notification(reports=(expected,))


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_entries_without_an_id_are_unreadable(kind: Json) -> None:
    """An entry that is no object or names no device counts as unreadable, and the others are read all the same."""
    broken: list[Json] = [None, 7, True, "x", LOCK, [], [ENTRY], {}, {"id": ""}, {"id": None}, {"id": True},
                          {"id": 1.5}, {"id": [LOCK]}, {"id": {}}, {"name": "Door"}, {"states": []}]  # fmt: skip
    told = decode_notification({"header": {"name": kind}, "payload": {"devices": [*broken, {"id": LOCK}]}})
    assert told.unreadable == len(broken)
    assert (*(report.device_id for report in told.reports), *told.changed, *told.deleted) == (LOCK,)


@pytest.mark.parametrize(
    ("identifier", "expected"), [(" c4:5b ", " c4:5b "), ("門", "門"), (4711, "4711"), (0, "0"), ("?", "?")]
)
def test_ids_are_kept_as_sent(identifier: Json, expected: str) -> None:
    """An id is neither trimmed nor folded; a number is its digits."""
    for kind in KINDS:
        told = decode_notification({"header": {"name": kind}, "payload": {"devices": [{"id": identifier}]}})
        assert (*(report.device_id for report in told.reports), *told.changed, *told.deleted) == (expected,)


def test_reports_of_one_device_stay_several() -> None:
    """Several reports of one device stay several, in the order in which they were told."""
    modes = [2, 0, 1, 0]
    told: list[Json] = [{"id": LOCK, "states": {"st.lock": {"lockMode": mode}}} for mode in modes]
    told.insert(2, {"id": DIMMER})
    assert [(report.device_id, report.states.get(LOCK_MODE)) for report in decode_notification(told).reports] == [
        (LOCK, 2), (LOCK, 0), (DIMMER, None), (LOCK, 1), (LOCK, 0)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("DeviceSync", Notification(changed=("b", "a", "B", "7"))),
        ("DeviceDelete", Notification(deleted=("b", "a", "B", "7"))),
    ],
)
def test_ids_are_named_once(kind: str, expected: Notification) -> None:
    """Each id that was changed or deleted is named once, in the order of its first place."""
    entries: list[Json] = [{"id": identifier} for identifier in ("b", "a", "b", "B", "7", 7, "a")]
    assert decode_notification({"header": {"name": kind}, "payload": {"devices": entries}}) == expected


@pytest.mark.parametrize("kind", [*KINDS, None])
def test_only_so_many_entries_are_read(kind: Json) -> None:
    """Of thousands of entries the first are read, and the rest counts as unreadable, whatever is in it."""
    entries: list[Json] = [{"id": str(number)} for number in range(20 * MOST_ENTRIES)]
    told = decode_notification({"header": {"name": kind}, "payload": {"devices": [None, *entries, "x"]}})
    assert told.unreadable == 1 + 19 * MOST_ENTRIES + 2
    named = (*(report.device_id for report in told.reports), *told.changed, *told.deleted)
    assert named == tuple(str(number) for number in range(MOST_ENTRIES - 1))


# Anything at all


WORDS = st.sampled_from(
    ["header", "payload", "devices", "name", "id", "ID", "states", "error", "code", "handleType", "category",
     "capability", "value", "st.lock", "lockState", "DeviceState", "DeviceSync", "DeviceDelete", "devicestate", LOCK],
)  # fmt: skip
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=6),
    max_leaves=30,
)
ENTRY_LIKE: st.SearchStrategy[Json] = st.dictionaries(WORDS, JSON, max_size=5) | JSON.map(lambda value: {"id": value})
ENTRIES: st.SearchStrategy[list[Json]] = st.lists(ENTRY_LIKE)
NAMES: st.SearchStrategy[Json] = st.sampled_from([*KINDS, "devicedelete", "", None, "Other"])


def framed(name: Json, entries: list[Json]) -> tuple[Json, ...]:
    """Write entries in every frame that holds a list."""
    header: Json = {"name": name}
    devices: Json = {"devices": entries}
    return entries, devices, {"header": header, "payload": entries}, {"header": header, "payload": devices}


FRAMED: st.SearchStrategy[Json] = st.builds(framed, NAMES, ENTRIES).flatmap(st.sampled_from)


@PATIENT
@given(told=JSON | FRAMED)
@example(told=[{"id": "\ud800", "states": {"\udfff": {"\ud83d": "\ud83d"}}}])
def test_any_json_is_a_notification(told: Json) -> None:
    """Whatever JSON arrives, it is a notification: reports name their devices, ids are there and stand once."""
    notification = decode_notification(told)
    assert isinstance(notification, Notification)
    assert all(report.device_id for report in notification.reports)
    for ids in (notification.changed, notification.deleted):
        assert all(ids)
        assert len(set(ids)) == len(ids)
    assert notification.unreadable >= 0


@PATIENT
@given(text=FRAMED.map(lambda told: json.dumps(told).encode()))
@example(text=rb'[{"id":"\ud800","states":{"\udfff":{"\ud83d":"\ud83d"}}}]')
@example(text=b'[{"id":-' + b"9" * 4300 + b',"states":{"a":{"b":1e308}}}]')
@example(text=b'{"payload":{"devices":' + b"[" * 60 + b"]" * 60 + b"}}")
@example(text=b'[{"id":"1","states":' + b'{"a":' * 60 + b"1" + b"}" * 60 + b"}]")
def test_what_was_parsed_can_be_read_and_repeated(text: bytes) -> None:
    """What was parsed of a body is read without an error, and every id of it can be written as UTF-8."""
    notification = decode_notification(parse_json(text))
    ids = [*(report.device_id for report in notification.reports), *notification.changed, *notification.deleted]
    assert [identifier.encode().decode() for identifier in ids] == ids


@PATIENT
@given(entries=ENTRIES)
def test_every_entry_counts_once(entries: list[Json]) -> None:
    """Each entry of a notification about states is a report or unreadable, and none gets lost."""
    told = decode_notification({"header": {"name": "DeviceState"}, "payload": {"devices": entries}})
    assert len(told.reports) + told.unreadable == len(entries)
    assert not told.changed
    assert not told.deleted


def test_numbers() -> None:
    """The number of a notification is read, where it has one; a very long one is cut."""
    assert decode_notification({"header": {"MessageID": "7-a"}, "payload": []}).message_id == "7-a"
    assert decode_notification({"header": {"messageId": "7" * 1000}, "payload": []}).message_id == "7" * LONGEST_ID
    frames: list[Json] = [[], {"payload": []}, {"header": {"messageId": None}, "payload": []}]
    for unnumbered in frames:
        assert decode_notification(unnumbered).message_id == ""


def test_what_would_be_kept_for_ever() -> None:
    """Ids, attributes and values that are far longer than any are not taken; the rest is."""
    long = "x" * 2000
    states: Json = [
        {"capability": long, "name": "a", "value": 1},
        {"capability": "st.lock", "name": long, "value": 1},
        {"capability": "st.lock", "name": "lockState", "value": long},
        {"capability": "st.lock", "name": "lockMode", "value": 1},
    ]
    told = decode_notification([{"id": long, "states": states}, {"id": "a", "states": states}])
    assert told.unreadable == 1
    assert told.reports == (Report(device_id="a", states={attribute("st.lock", "lockMode"): 1}),)
