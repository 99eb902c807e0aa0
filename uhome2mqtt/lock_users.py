"""Lock users: what may be asked for in their name, and what is told of them.

No text of a refusal holds a keypad code, wherever in the request somebody put it: numbers that could be one are masked,
and what stands where a code is expected is described but never quoted.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TypeAlias, TypeGuard

from uhome2mqtt.errors import PayloadError
from uhome2mqtt.model import Command, Json, LockUser, canonical, quoted, whole_number

CAPABILITY = "st.lockUser"

PERMANENT, OWNER, TEMPORARY, ADMIN = range(4)
TYPES = {"permanent": PERMANENT, "normal": PERMANENT, "temporary": TEMPORARY, "admin": ADMIN}

NAME_LENGTH = 64
CODE_LENGTHS = range(4, 9)
DAYS = range(7)
LIMITS = range(65536)
"""How often a code may open; 0 is without limit."""
FARTHEST_WEST = timedelta(hours=12)
"""How long after UTC a day ends where it ends last; in which time zone the lock is, nobody says."""

SCHEDULE = ("daterange", "weeks", "timerange", "limit")
"""Members of a temporary user; the cloud was seen to refuse one that lacks any of them."""

PERSON = ("name", "type", "password")
_MEMBERS = (*PERSON, *SCHEDULE)
_MEANT = {"code": "password", "pin": "password", "days": "weeks"}
_ALWAYS: dict[str, Json] = {"weeks": [*DAYS], "timerange": ["00:00", "23:59"], "limit": 0}

_MOMENT, _TIME = "%Y-%m-%d %H:%M", "%H:%M"
MOST_PROBLEMS = 10
_LARGEST_ID = 2**63 - 1

_ONE_OF_TYPES = 'send "permanent" (0), "temporary" (2) or "admin" (3)'
_CODE = "send 4 to 8 digits, the first of them not 0"
_DATERANGE = 'send ["YYYY-MM-DD HH:MM", "YYYY-MM-DD HH:MM"], the start and the end in the time of the lock'
_TIMERANGE = 'send ["HH:MM", "HH:MM"], 00:00 to 23:59, the start first; across midnight it takes two users'

_Reader: TypeAlias = Callable[[Json], Json]

# --- commands ---

LIST = Command(capability=CAPABILITY, name="list")


def get(user_id: int) -> Command:
    """Ask for one user, with the code."""
    return Command(capability=CAPABILITY, name="get", arguments={"id": user_id})


def add(arguments: Mapping[str, Json]) -> Command:
    """Add a user; the cloud gives the id and does not tell it."""
    return Command(capability=CAPABILITY, name="add", arguments=arguments)


def update(user_id: int, arguments: Mapping[str, Json]) -> Command:
    """Replace what is known of a user; whether the cloud would merge a part of it is not sure."""
    return Command(capability=CAPABILITY, name="update", arguments={"id": user_id, **arguments})


def delete(user_id: int) -> Command:
    """Remove a user."""
    return Command(capability=CAPABILITY, name="delete", arguments={"id": user_id})


# --- what users are shown as ---


def rendered(user: LockUser, *, codes: bool) -> dict[str, Json]:
    """Give the JSON object of a user; without `codes` only what is known to hold none."""
    told: dict[str, Json] = {
        "id": user.id,
        "name": user.name,
        "type": user.type,
        "status": user.status,
        "sync_status": user.sync_status,
    }
    if codes:
        return told | dict(user.extra)
    masked: dict[str, Json] = {} if user.extra.get("password") is None else {"password": "***"}
    return told | masked | {name: value for name, value in user.extra.items() if name in SCHEDULE}


def on_lock(user: LockUser) -> bool:
    """Tell whether the lock itself has heard of a user as the cloud shows him."""
    return canonical(user.sync_status) == 1


def shows(user: LockUser, arguments: Mapping[str, Json]) -> bool:
    """Tell whether a user, as read by `get`, is what was written, so far as he carries it.

    The type is not compared: types are read by other numbers than they are written.
    """
    carried = [name for name in ("password", *SCHEDULE) if user.extra.get(name) is not None and name in arguments]
    same = (_plain(user.extra[name]) == _plain(arguments[name]) for name in carried)
    return user.name == arguments["name"] and all(same)


def _plain(value: Json) -> str:
    # As text, so that "01234" is not 1234. The order of days means nothing, and that of a range is the order of time.
    return ",".join(sorted(map(str, value))) if isinstance(value, list) else str(value)


# --- what is asked for ---


def read_id(value: Json) -> int:
    """Read the id of a user: a positive whole number, or its digits."""
    number = whole_number(value)
    if number is None or not 0 < number <= _LARGEST_ID:
        raise PayloadError(f"id {_given(value)}: send the number that lock_users/list shows")
    return number


def read_user(members: Mapping[str, Json], utc: datetime) -> dict[str, Json]:
    """Read the object of an addition or an update into arguments; raises PayloadError with all of its problems."""
    given = {name: value for name, value in members.items() if value is not None}
    problems = [_unknown(name) for name in members if name not in _MEMBERS]
    user = _read({name: given.get(name) for name in _PERSON}, _PERSON, problems)
    dates: dict[str, Json] = {name: given[name] for name in SCHEDULE if name in given}
    if (kind := user.get("type")) == TEMPORARY:
        dates = {"daterange": None, **_ALWAYS, **dates}
    elif kind is not None and dates:
        problems.append(f'{", ".join(dates)}: a schedule needs type "temporary"; leave it out or send that type')
        dates = {}
    schedule = _read(dates, {**_SCHEDULE, "daterange": lambda value: _daterange(value, utc)}, problems)
    if problems:
        more = f"; and {len(problems) - MOST_PROBLEMS:,} more" if len(problems) > MOST_PROBLEMS else ""
        raise PayloadError("; ".join(problems[:MOST_PROBLEMS]) + more)
    return {**user, **schedule}


def _read(given: Mapping[str, Json], readers: Mapping[str, _Reader], problems: list[str]) -> dict[str, Json]:
    values: dict[str, Json] = {}
    for name, value in given.items():
        try:
            values[name] = readers[name](value)
        except PayloadError as problem:
            problems.append(f"{name} {problem}")
    return values


def _unknown(name: str) -> str:
    plain = name.strip().casefold()
    close = [_MEANT[plain]] if plain in _MEANT else get_close_matches(plain, _MEMBERS, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}? " if close else ""
    return f"{quoted(name)} is unknown: {hint}allowed are {', '.join(_MEMBERS)}"


def _kind(value: Json) -> str:
    """Say what a value is and not which."""
    kinds = {bool: "true or false", int: "a number", float: "a fraction", list: "a list", dict: "an object"}
    return kinds.get(type(value), "missing")


def _given(value: Json) -> str:
    return "is missing" if value is None else f"is {quoted(value)}"


def _name(value: Json) -> Json:
    # Never quoted: whoever swaps name and password has a code here.
    if not isinstance(value, str):
        raise PayloadError(f"is {_kind(value)}: send a text of 1 to {NAME_LENGTH} characters")
    if not value.strip():
        raise PayloadError(f"is blank: send a text of 1 to {NAME_LENGTH} characters")
    if len(value) > NAME_LENGTH:
        raise PayloadError(f"has {len(value):,} characters: send at most {NAME_LENGTH}")
    if value != value.strip():
        raise PayloadError("begins or ends with white space: leave that out")
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise PayloadError("has control characters: leave them out")
    return value


def _type(value: Json) -> Json:
    number = value
    # Only ASCII: a Kelvin sign or a ligature would fold to letters that nobody typed.
    if isinstance(value, str) and value.isascii():
        number = OWNER if value.casefold() == "owner" else TYPES.get(value.casefold())
    if isinstance(number, int) and not isinstance(number, bool):
        if number == OWNER:
            raise PayloadError(f"{OWNER} is the owner, whom the app alone makes and who is only read: {_ONE_OF_TYPES}")
        if number in TYPES.values():
            return number
    raise PayloadError(f"{_given(value)}: {_ONE_OF_TYPES}")


def _password(value: Json) -> Json:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise PayloadError(f"is {_kind(value)}: {_CODE}")
    digits = str(value)
    if not (digits.isascii() and digits.isdecimal()):
        what = "holds other characters than digits" if digits else "is empty"
        raise PayloadError(f"{'is negative' if isinstance(value, int) else what}: {_CODE}")
    if len(digits) not in CODE_LENGTHS:
        short = isinstance(value, int) and len(digits) < CODE_LENGTHS.start
        lost = ", not counting a 0 at the beginning, which numbers do not keep" if short else ""
        raise PayloadError(f"has {len(digits):,} digit{'s' * (len(digits) > 1)}{lost}: {_CODE}")
    if digits.startswith("0"):
        raise PayloadError(f"begins with 0, which would be lost, since the cloud keeps codes as numbers: {_CODE}")
    return int(digits)


def _daterange(value: Json, utc: datetime) -> Json:
    start, end = _range(value, _MOMENT, _DATERANGE)
    if utc - end > FARTHEST_WEST:
        raise PayloadError(f"{_given(value)} and is over in every time zone: {_DATERANGE}")
    return [start.strftime(_MOMENT), end.strftime(_MOMENT)]


def _timerange(value: Json) -> Json:
    start, end = _range(value, _TIME, _TIMERANGE)
    return [start.strftime(_TIME), end.strftime(_TIME)]


def _range(value: Json, form: str, wanted: str) -> tuple[datetime, datetime]:
    match [_moment(item, form) for item in value] if isinstance(value, list) else []:
        case [datetime() as start, datetime() as end] if start < end:
            return start, end
        case [datetime(), datetime()]:
            raise PayloadError(f"{_given(value)} and does not start before it ends: {wanted}")
        case _:
            raise PayloadError(f"{_given(value)}: {wanted}")


def _moment(value: Json, form: str) -> datetime | None:
    try:
        moment = datetime.strptime(value, form).replace(tzinfo=UTC) if isinstance(value, str) else None
    except ValueError:
        return None
    # Python reads 7:5 as well, of which nobody knows what the cloud would make.
    return moment if moment is not None and moment.strftime(form) == value else None


def _weeks(value: Json) -> Json:
    days = [day for day in value if _whole(day, DAYS)] if isinstance(value, list) else []
    if not days or days != value or len(set(days)) < len(days):
        raise PayloadError(f"{_given(value)}: send a list of different days, 0 (Sunday) to 6 (Saturday)")
    return [*sorted(days)]


def _limit(value: Json) -> Json:
    if not _whole(value, LIMITS):
        raise PayloadError(f"{_given(value)}: send how often the code may open, 1 to {LIMITS[-1]:,}, or 0 for no limit")
    return value


def _whole(value: Json, allowed: range) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value in allowed


_PERSON: dict[str, _Reader] = {"name": _name, "type": _type, "password": _password}
_SCHEDULE: dict[str, _Reader] = {"weeks": _weeks, "timerange": _timerange, "limit": _limit}
