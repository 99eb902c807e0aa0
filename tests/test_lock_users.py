"""What may be asked for lock users, and what is told of them; a keypad code is in no text."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from uhome2mqtt import lock_users
from uhome2mqtt.errors import PayloadError
from uhome2mqtt.lock_users import on_lock, read_id, read_user, rendered, shows
from uhome2mqtt.model import Command, Json, LockUser
from uhome2mqtt.simulator import Quirks, SimDevice, demo_household
from uhome2mqtt.simulator.lock_users import check
from uhome2mqtt.simulator.physics import Command as SimCommand

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast a machine is decides about no test."""

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
ANN: dict[str, Json] = {"name": "Ann", "type": "permanent", "password": 123456}
STAY: Json = ["2026-07-01 15:00", "2026-07-08 11:00"]
TIM: dict[str, Json] = {"name": "Tim", "type": "temporary", "password": "2468", "daterange": STAY}
WRITTEN: dict[str, Json] = {
    "name": "Tim",
    "type": 2,
    "password": 2468,
    "daterange": STAY,
    "weeks": [0, 1, 2, 3, 4, 5, 6],
    "timerange": ["00:00", "23:59"],
    "limit": 0,
}
CARRIED: dict[str, Json] = {name: WRITTEN[name] for name in ("password", "daterange", "weeks", "timerange", "limit")}


def refusal(members: Mapping[str, Json]) -> str:
    """Give the text of a refusal."""
    with pytest.raises(PayloadError) as caught:
        read_user(members, NOW)
    return str(caught.value)


def front_door() -> SimDevice:
    """Give a lock of the simulated cloud."""
    return demo_household()[0]


# What is read


@pytest.mark.parametrize(
    ("members", "arguments"),
    [
        (ANN, {"name": "Ann", "type": 0, "password": 123456}),
        (ANN | {"type": 0}, {"name": "Ann", "type": 0, "password": 123456}),
        (ANN | {"type": "Normal"}, {"name": "Ann", "type": 0, "password": 123456}),
        (ANN | {"type": "ADMIN"}, {"name": "Ann", "type": 3, "password": 123456}),
        (ANN | {"type": 3, "limit": None, "weeks": None}, {"name": "Ann", "type": 3, "password": 123456}),
        (ANN | {"password": "12345678"}, {"name": "Ann", "type": 0, "password": 12345678}),
        (ANN | {"password": 1000}, {"name": "Ann", "type": 0, "password": 1000}),
        (ANN | {"name": "ü" * 64}, {"name": "ü" * 64, "type": 0, "password": 123456}),
        (ANN | {"name": "👩‍👧 4"}, {"name": "👩‍👧 4", "type": 0, "password": 123456}),
        (TIM, WRITTEN),
        (TIM | {"type": 2, "weeks": None, "timerange": None, "limit": None}, WRITTEN),
        (TIM | {"weeks": [6, 0]}, WRITTEN | {"weeks": [0, 6]}),
        (TIM | {"timerange": ["09:00", "17:30"]}, WRITTEN | {"timerange": ["09:00", "17:30"]}),
        (TIM | {"limit": 65535}, WRITTEN | {"limit": 65535}),
        # Somewhere it is half an hour before midnight of the day before.
        (
            TIM | {"daterange": ["2026-06-01 00:00", "2026-07-01 00:00"]},
            WRITTEN | {"daterange": ["2026-06-01 00:00", "2026-07-01 00:00"]},
        ),
        (
            TIM | {"daterange": ["2026-06-01 00:00", "9999-12-31 23:59"]},
            WRITTEN | {"daterange": ["2026-06-01 00:00", "9999-12-31 23:59"]},
        ),
    ],
)
def test_users_are_read(members: Mapping[str, Json], arguments: dict[str, Json]) -> None:
    """Every spelling of a user becomes the arguments that the cloud takes, all four of a schedule among them."""
    assert read_user(members, NOW) == arguments
    assert list(read_user(members, NOW)) == list(arguments)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"name": None}, "name is missing: send a text of 1 to 64 characters"),
        ({"name": 123456}, "name is a number: send a text of 1 to 64 characters"),
        ({"name": ["Ann"]}, "name is a list: send a text of 1 to 64 characters"),
        ({"name": ""}, "name is blank: send a text of 1 to 64 characters"),
        ({"name": " \t"}, "name is blank: send a text of 1 to 64 characters"),
        ({"name": "x" * 65}, "name has 65 characters: send at most 64"),
        ({"name": "x" * 1234}, "name has 1,234 characters: send at most 64"),
        ({"name": " Ann"}, "name begins or ends with white space: leave that out"),
        ({"name": "Ann\n"}, "name begins or ends with white space: leave that out"),
        ({"name": "A\0nn"}, "name has control characters: leave them out"),
    ],
)
def test_names_that_are_refused(change: dict[str, Json], text: str) -> None:
    """A name is a text that is seen whole; it is never quoted, for it may be a code in the wrong place."""
    assert refusal(ANN | change) == text


@pytest.mark.parametrize(
    ("value", "given_as"),
    [
        (None, "is missing"),
        ("guest", "is 'guest'"),
        ("", "is ''"),
        ("2", "is '2'"),
        (5, "is 5"),
        (-1, "is -1"),
        (2.0, "is 2.0"),
        (True, "is True"),
        (False, "is False"),
        ([2], "is [2]"),
        ("TEMPORARY ", "is 'TEMPORARY '"),
        ("\u1d43dmin", "is 'ᵃdmin'"),
        (123456, "is …"),
        ("x" * 100, "is '" + "x" * 56 + "..."),
    ],
)
def test_types_that_are_refused(value: Json, given_as: str) -> None:
    """A type is one of three words or numbers."""
    assert refusal(ANN | {"type": value}) == f'type {given_as}: send "permanent" (0), "temporary" (2) or "admin" (3)'


@pytest.mark.parametrize("value", [1, "owner", "Owner"])
def test_nobody_becomes_the_owner(value: Json) -> None:
    """The owner's type is only ever read."""
    assert refusal(ANN | {"type": value}) == (
        "type 1 is the owner, whom the app alone makes and who is only read: "
        'send "permanent" (0), "temporary" (2) or "admin" (3)'
    )


CODE = "send 4 to 8 digits, the first of them not 0"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "is missing"),
        (True, "is true or false"),
        (1234.0, "is a fraction"),
        (["1234"], "is a list"),
        ({"code": 1234}, "is an object"),
        ("", "is empty"),
        ("12a4", "holds other characters than digits"),
        (" 1234", "holds other characters than digits"),
        ("-1234", "holds other characters than digits"),
        ("\uff11\uff12\uff13\uff14", "holds other characters than digits"),
        (-1234, "is negative"),
        ("7", "has 1 digit"),
        ("012", "has 3 digits"),
        ("123456789", "has 9 digits"),
        ("1" * 1234, "has 1,234 digits"),
        (123456789, "has 9 digits"),
        (0, "has 1 digit, not counting a 0 at the beginning, which numbers do not keep"),
        (123, "has 3 digits, not counting a 0 at the beginning, which numbers do not keep"),
        ("0123", "begins with 0, which would be lost, since the cloud keeps codes as numbers"),
        ("00000000", "begins with 0, which would be lost, since the cloud keeps codes as numbers"),
    ],
)
def test_codes_that_are_refused(value: Json, text: str) -> None:
    """A refused code is described and not quoted."""
    assert refusal(ANN | {"password": value}) == f"password {text}: {CODE}"


DATES = 'send ["YYYY-MM-DD HH:MM", "YYYY-MM-DD HH:MM"], the start and the end in the time of the lock'
TIMES = 'send ["HH:MM", "HH:MM"], 00:00 to 23:59, the start first; across midnight it takes two users'
WEEKS = "send a list of different days, 0 (Sunday) to 6 (Saturday)"
LIMIT = "send how often the code may open, 1 to 65,535, or 0 for no limit"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("daterange", None, f"is missing: {DATES}"),
        ("daterange", "2026-07-01 15:00", f"is '…-07-01 15:00': {DATES}"),
        ("daterange", [], f"is []: {DATES}"),
        ("daterange", ["2026-07-01 15:00"], f"is ['…-07-01 15:00']: {DATES}"),
        ("daterange", ["2026-02-30 15:00", "2026-07-08 11:00"], f"is ['…-02-30 15:00', '…-07-08 11:00']: {DATES}"),
        ("daterange", ["2026-07-01 15:00", "2026-7-8 11:00"], f"is ['…-07-01 15:00', '…-7-8 11:00']: {DATES}"),
        ("daterange", ["2026-07-01 15:00", "2026-07-08T11:00"], f"is ['…-07-01 15:00', '…-07-08T11:00']: {DATES}"),
        ("daterange", ["2026-07-01 15:00", "2026-07-08 24:00"], f"is ['…-07-01 15:00', '…-07-08 24:00']: {DATES}"),
        ("daterange", ["2026-07-01 15:00", 5], f"is ['…-07-01 15:00', 5]: {DATES}"),
        ("daterange", ["0000-07-01 15:00", "2026-07-08 24:00"], f"is ['…-07-01 15:00', '…-07-08 24:00']: {DATES}"),
        (
            "daterange",
            ["2026-07-08 11:00", "2026-07-08 11:00"],
            f"is ['…-07-08 11:00', '…-07-08 11:00'] and does not start before it ends: {DATES}",
        ),
        (
            "daterange",
            ["2026-06-01 00:00", "2026-06-30 23:59"],
            f"is ['…-06-01 00:00', '…-06-30 23:59'] and is over in every time zone: {DATES}",
        ),
        ("weeks", [], f"is []: {WEEKS}"),
        ("weeks", "Mon", f"is 'Mon': {WEEKS}"),
        ("weeks", [1, 7], f"is [1, 7]: {WEEKS}"),
        ("weeks", [1, 1], f"is [1, 1]: {WEEKS}"),
        ("weeks", [0, True], f"is [0, True]: {WEEKS}"),
        ("weeks", [1.0], f"is [1.0]: {WEEKS}"),
        ("weeks", ["1"], f"is ['1']: {WEEKS}"),
        ("timerange", ["9:00", "17:00"], f"is ['9:00', '17:00']: {TIMES}"),
        ("timerange", ["00:00", "24:00"], f"is ['00:00', '24:00']: {TIMES}"),
        ("timerange", ["12:00", "12:00", "12:00"], f"is ['12:00', '12:00', '12:00']: {TIMES}"),
        ("timerange", {"from": "09:00"}, f"is {{'from': '09:00'}}: {TIMES}"),
        ("timerange", ["22:00", "06:00"], f"is ['22:00', '06:00'] and does not start before it ends: {TIMES}"),
        ("limit", -1, f"is -1: {LIMIT}"),
        ("limit", 65536, f"is …: {LIMIT}"),
        ("limit", True, f"is True: {LIMIT}"),
        ("limit", "3", f"is '3': {LIMIT}"),
        ("limit", 1.0, f"is 1.0: {LIMIT}"),
    ],
)
def test_schedules_that_are_refused(name: str, value: Json, text: str) -> None:
    """A schedule has one form, real dates and an end; what could be a code is masked in the quotation."""
    assert refusal(TIM | {name: value}) == f"{name} {text}"


def test_only_temporary_users_have_a_schedule() -> None:
    """A schedule that would have no effect is refused instead of ignored."""
    assert refusal(ANN | {"daterange": STAY, "limit": 0, "weeks": None}) == (
        'daterange, limit: a schedule needs type "temporary"; leave it out or send that type'
    )


ALLOWED = "allowed are name, type, password, daterange, weeks, timerange, limit"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Password", "'Password' is unknown: did you mean password? "),
        ("pasword", "'pasword' is unknown: did you mean password? "),
        ("PIN", "'PIN' is unknown: did you mean password? "),
        ("code", "'code' is unknown: did you mean password? "),
        ("days", "'days' is unknown: did you mean weeks? "),
        ("date_range", "'date_range' is unknown: did you mean daterange? "),
        ("dates", "'dates' is unknown: did you mean daterange? "),
        ("colour", "'colour' is unknown: "),
        ("", "'' is unknown: "),
        ("123456", "'…' is unknown: "),
    ],
)
@pytest.mark.parametrize("value", [None, 123456])
def test_unknown_members_are_refused(name: str, value: Json, text: str) -> None:
    """Nothing is ignored that might have been meant, not even with null; what it holds is not told."""
    assert refusal(ANN | {name: value}) == text + ALLOWED


def test_every_problem_is_told_at_once() -> None:
    """Whoever has made four mistakes learns of four."""
    assert refusal({"nmae": "Ann", "password": "12", "limit": -1}) == (
        f"'nmae' is unknown: did you mean name? {ALLOWED}; name is missing: send a text of 1 to 64 characters; "
        'type is missing: send "permanent" (0), "temporary" (2) or "admin" (3); '
        f"password has 2 digits: {CODE}; limit is -1: {LIMIT}"
    )


# Anything at all


CODES = st.text("0123456789", min_size=4, max_size=8) | st.from_regex(r"[1-9][0-9]{3,7}", fullmatch=True)


MOMENTS = st.integers(-400, 2000).map(lambda hours: f"{NOW + timedelta(hours=hours):%Y-%m-%d %H:%M}")
TIMES_OF_DAY = st.times().map(lambda time: f"{time:%H:%M}")
USUAL: dict[str, st.SearchStrategy[Json]] = {
    "name": st.text(max_size=70),
    "type": st.sampled_from(["permanent", "Temporary", "admin", "owner", 0, 1, 2, 3]),
    "daterange": st.lists(MOMENTS, min_size=2, max_size=2).map(lambda ends: [*sorted(ends)]),
    "weeks": st.lists(st.integers(0, 7), max_size=5).map(lambda days: [*days]),
    "timerange": st.lists(TIMES_OF_DAY, min_size=2, max_size=2).map(lambda ends: [*sorted(ends)]),
    "limit": st.integers(-1, 70000),
}


def odd(code: str) -> st.SearchStrategy[Json]:
    """Draw what is out of place, as likely as not a code."""
    here: list[Json] = [code, int(code), float(code), f"{code}0", f" {code}", f"x{code}", [code], {code: int(code)}]
    return st.sampled_from(here) | st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9)


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, dict[str, Json]]:
    """Draw a code and a request with it, in which this or that is unusual or wrong."""
    code = draw(CODES)
    request = draw(st.sampled_from([ANN, TIM])) | {"password": draw(st.sampled_from([code, int(code)]))}
    for name in draw(st.sets(st.sampled_from(list(USUAL)), max_size=3)):
        request[name] = draw(USUAL[name])
    for name in draw(st.sets(st.sampled_from([*WRITTEN, "pin", code]), max_size=2)):
        request[name] = draw(odd(code))
    return code, request


@PATIENT
@given(request=requests())
@example(request=("6553", TIM | {"limit": 6553500}))
@example(request=("2026", TIM | {"password": "2026", "daterange": ["2026-01-01 00:00", "2026-01-02 00:00"]}))
def test_any_request_is_refused_in_silence_or_taken_by_a_lock(request: tuple[str, dict[str, Json]]) -> None:
    """Whatever is asked for, no refusal holds a code, and what is not refused the simulated cloud takes."""
    code, members = request
    try:
        arguments = read_user(members, NOW)
    except PayloadError as problem:
        text = str(problem)
        assert not [start for start in range(len(code) - 3) if code[start : start + 4] in text]
        event("refused")
        return
    event("taken")
    check(front_door(), SimCommand(capability="st.lockUser", name="add", arguments=arguments), Quirks())


@PATIENT
@given(
    name=st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=64),
    code=st.integers(1000, 99_999_999),
    days=st.sets(st.integers(0, 6), min_size=1),
    limit=st.integers(0, 65535),
)
def test_what_is_right_is_taken(name: str, code: int, days: set[int], limit: int) -> None:
    """Every user within the limits is accepted, by the bridge and by the simulated cloud."""
    asked: dict[str, Json] = {"name": name, "password": str(code), "weeks": [*days], "limit": limit}
    arguments = read_user(TIM | asked, NOW)
    assert arguments == WRITTEN | asked | {"password": code, "weeks": sorted(days)}
    check(front_door(), SimCommand(capability="st.lockUser", name="add", arguments=arguments), Quirks())


# Ids and commands


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1),
        (4026531840, 4026531840),
        ("4026531840", 4026531840),
        (2**63 - 1, 2**63 - 1),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_ids_are_read(value: Json, number: int) -> None:
    """An id is a number or its digits, also beyond what JavaScript can count to."""
    assert read_id(value) == number


@pytest.mark.parametrize(
    ("value", "given_as"),
    [
        (None, "is missing"),
        (0, "is 0"),
        ("0", "is '0'"),
        (-5, "is -5"),
        ("-5", "is '-5'"),
        (True, "is True"),
        (1.0, "is 1.0"),
        ("", "is ''"),
        (" 5", "is ' 5'"),
        ("\u0665", "is '\u0665'"),
        ("²", "is '²'"),
        ([5], "is [5]"),
        (2**63, "is …"),
        (str(2**63), "is '…'"),
        ("9" * 5000, "is '…'"),
    ],
)
def test_ids_that_are_refused(value: Json, given_as: str) -> None:
    """Anything else is no id."""
    with pytest.raises(PayloadError) as caught:
        read_id(value)
    assert str(caught.value) == f"id {given_as}: send the number that lock_users/list shows"


@pytest.mark.parametrize(
    ("command", "name", "arguments"),
    [
        (lock_users.LIST, "list", {}),
        (lock_users.get(5), "get", {"id": 5}),
        (lock_users.add({"name": "Ann"}), "add", {"name": "Ann"}),
        (lock_users.update(5, {"name": "Ann"}), "update", {"id": 5, "name": "Ann"}),
        (lock_users.delete(5), "delete", {"id": 5}),
    ],
)
def test_commands(command: Command, name: str, arguments: dict[str, Json]) -> None:
    """Commands are flat, as the live service was seen to take them."""
    assert command == Command(capability="st.lockUser", name=name, arguments=arguments)


def test_commands_are_those_of_a_lock() -> None:
    """The simulated cloud takes each of them."""
    lock = front_door()
    user = lock.users[1].id
    for command in (
        lock_users.LIST,
        lock_users.get(user),
        lock_users.add(read_user(ANN, NOW)),
        lock_users.update(user, read_user(TIM, NOW)),
        lock_users.delete(user),
    ):
        order = SimCommand(capability=command.capability, name=command.name, arguments=dict(command.arguments))
        check(lock, order, Quirks())


# What is shown


def tim(**changes: Json) -> LockUser:
    """Give a user as `get` reads him, some of him changed."""
    return LockUser(id=7, name="Tim", type=2, status=1, sync_status=0, extra=CARRIED | changes)


def test_users_are_shown() -> None:
    """With codes everything that the cloud tells is shown."""
    head = {"id": 7, "name": "Tim", "type": 2, "status": 1, "sync_status": 0}
    assert rendered(tim(keyCode=2468), codes=True) == head | CARRIED | {"keyCode": 2468}
    assert list(rendered(tim(), codes=True)) == [*head, *CARRIED]


def test_users_are_shown_without_codes() -> None:
    """Without codes nothing is shown that might be one under another name."""
    head = {"id": 7, "name": "Tim", "type": 2, "status": 1, "sync_status": 0}
    assert rendered(tim(keyCode=2468), codes=False) == head | CARRIED | {"password": "***"}
    assert rendered(tim(password=None), codes=False) == head | {k: v for k, v in CARRIED.items() if k != "password"}
    assert rendered(LockUser(id=7, name=""), codes=False) == {
        "id": 7,
        "name": "",
        "type": None,
        "status": None,
        "sync_status": None,
    }


@pytest.mark.parametrize(("status", "expected"), [(1, True), ("1", True), (0, False), ("0", False), (None, False)])
def test_users_on_the_lock(status: Json, expected: object) -> None:
    """The lock knows those whose sync_status is 1."""
    assert on_lock(LockUser(id=7, name="Tim", sync_status=status)) is expected


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        (tim(), True),
        (tim(password="2468"), True),
        (tim(password=None, weeks=None, limit=None), True),
        (tim(weeks=[6, 5, 4, 3, 2, 1, 0]), True),
        (tim(weeks=["0", "1", "2", "3", "4", "5", "6"]), True),
        (tim(limit="0", colour="red"), True),
        (LockUser(id=7, name="Tim", type=9), True),
        (LockUser(id=7, name="tim", extra=CARRIED), False),
        (tim(password=2469), False),
        (tim(password="02468"), False),
        (tim(password="****"), False),
        (tim(weeks=[0]), False),
        (tim(weeks=0), False),
        (tim(limit=1), False),
        (tim(daterange=["2026-07-01 15:00", "2026-07-08 11:01"]), False),
    ],
)
def test_what_was_written_is_recognized(user: LockUser, expected: object) -> None:
    """A user shows what was written if all of it that he carries is the same; his type says nothing."""
    assert shows(user, WRITTEN) is expected


def test_what_was_not_written_is_not_compared() -> None:
    """A schedule that a lock still tells of a permanent user says nothing."""
    user = LockUser(id=7, name="Ann", extra={"password": 123456, "limit": 5})
    assert shows(user, read_user(ANN, NOW))


@PATIENT
@given(request=requests())
def test_what_is_written_shows_when_it_is_read(request: tuple[str, dict[str, Json]]) -> None:
    """Whatever was accepted is recognized when the cloud tells it as it was sent."""
    with suppress(PayloadError):
        arguments = read_user(request[1], NOW)
        extra = {name: value for name, value in arguments.items() if name not in {"name", "type"}}
        assert shows(LockUser(id=1, name=str(arguments["name"]), extra=extra), arguments)
