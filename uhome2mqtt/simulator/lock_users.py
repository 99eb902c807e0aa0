"""The lockUser capability: who has a code, and how long the lock takes to hear of it."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

from uhome2mqtt.simulator.device import LockUser
from uhome2mqtt.simulator.vocabulary import DuplicateCode, OfflineUsers, Schedule, UserTypes
from uhome2mqtt.simulator.wire import BadRequestError

if TYPE_CHECKING:
    from collections.abc import Callable

    from uhome2mqtt.simulator.device import SimDevice
    from uhome2mqtt.simulator.dice import Dice
    from uhome2mqtt.simulator.house import House
    from uhome2mqtt.simulator.physics import Command
    from uhome2mqtt.simulator.quirks import Quirks

TYPES = {0, 1, 2, 3}
TEMPORARY = 2
SCHEDULE = {
    Schedule.ALL_FOUR: ("daterange", "weeks", "timerange", "limit"),
    Schedule.LIMIT_OPTIONAL: ("daterange", "weeks", "timerange"),
    Schedule.OPTIONAL: (),
}
WRITES = {"add", "update", "delete"}
READ_AS = {UserTypes.AS_WRITTEN: {}, UserTypes.OPPOSITE: {0: 3, 3: 1}}
MOMENT = r"\d{4}-\d\d-\d\d ([01]\d|2[0-3]):[0-5]\d"
TIME = r"([01]\d|2[0-3]):[0-5]\d"


def check(device: SimDevice, command: Command, quirks: Quirks) -> None:
    """Refuse a command that no lock can carry out."""
    arguments = command.arguments
    if not device.is_lock or command.name not in {"list", "get"} | WRITES:
        raise BadRequestError(f"Command {command.capability}/{command.name} is not supported")
    if command.name in {"get", "update", "delete"} and _find(device, arguments.get("id")) is None:
        raise BadRequestError("Unknown lock user id")
    if command.name == "add":
        _check_user(arguments, quirks)
    if command.name == "update":
        known = _find(device, arguments["id"])
        _check_user(_fields(known) | arguments if known else arguments, quirks)
    if quirks.duplicate_code is DuplicateCode.REFUSED and _is_taken(device, arguments):
        raise BadRequestError("Lock user password is taken")


def answer(device: SimDevice, command: Command, quirks: Quirks) -> dict[str, Any]:
    """Answer `list` and `get`, which are the two commands that answer at once."""
    read_as = READ_AS[quirks.lock_user_types]
    if not device.online and quirks.offline_lock_users is OfflineUsers.ABSENT:
        return {}
    if command.name == "list":
        users = [user.listed() | {"type": read_as.get(user.type, user.type)} for user in device.users]
        return {} if quirks.lock_users_absent else {"users": users}
    user = _find(device, command.arguments["id"])
    return {"user": user.shown() | {"type": read_as.get(user.type, user.type)}} if user else {}


def write(house: House, device: SimDevice, command: Command, *, quirks: Quirks, dice: Dice) -> None:
    """Let an addition, change or removal take effect after its delay, and reach the lock after another; or never."""
    forgotten = quirks.duplicate_code is DuplicateCode.DROPPED and _is_taken(device, command.arguments)
    if forgotten or dice.chance(quirks.accepted_not_executed):
        return
    user = LockUser(id=dice.number(1 << 20, 1 << 23), name="", type=0, sync_status=0)
    house.later(quirks.user_list_delay, partial(_take_effect, house, device, command, user, quirks))


def _take_effect(house: House, device: SimDevice, command: Command, new: LockUser, quirks: Quirks) -> None:
    user = new if command.name == "add" else _find(device, command.arguments["id"])
    if user is None:
        return
    if command.name == "delete":
        device.users.remove(user)
        return
    if user is new:
        device.users.append(user)
    _assign(user, command.arguments)
    user.sync_status = 0
    house.later(quirks.user_sync_delay, partial(setattr, user, "sync_status", 1))


def _assign(user: LockUser, arguments: dict[str, Any]) -> None:
    user.name = arguments.get("name", user.name)
    user.type = arguments.get("type", user.type)
    user.password = arguments.get("password", user.password)
    user.schedule |= {name: arguments[name] for name in SCHEDULE[Schedule.ALL_FOUR] if name in arguments}


def _fields(user: LockUser) -> dict[str, Any]:
    return {"name": user.name, "type": user.type, "password": user.password} | user.schedule


def _find(device: SimDevice, user_id: object) -> LockUser | None:
    return next((user for user in device.users if user.id == user_id), None)


def _is_taken(device: SimDevice, arguments: dict[str, Any]) -> bool:
    others = (user for user in device.users if user.id != arguments.get("id"))
    return "password" in arguments and arguments["password"] in [user.password for user in others]


def _check_user(arguments: dict[str, Any], quirks: Quirks) -> None:
    name, kind, password = (arguments.get(key) for key in ("name", "type", "password"))
    if not isinstance(name, str) or not name:
        raise BadRequestError("Lock user needs a name")
    if not isinstance(kind, int) or isinstance(kind, bool) or kind not in TYPES:
        raise BadRequestError("Lock user type is invalid")
    # Four to eight digits as an integer, so no leading zero is possible.
    if not isinstance(password, int) or not re.fullmatch(r"[1-9]\d{3,7}", str(password)):
        raise BadRequestError("Lock user password is invalid")
    missing = [key for key in SCHEDULE[quirks.incomplete_schedule] if key not in arguments]
    if kind == TEMPORARY and missing:
        raise BadRequestError(f"Temporary lock user needs {', '.join(missing)}")
    wrong = [key for key, is_right in FORMS.items() if key in arguments and not is_right(arguments[key])]
    if kind == TEMPORARY and wrong:
        raise BadRequestError(f"Temporary lock user has a wrong {', '.join(wrong)}")


def _is_span(value: object, form: str) -> bool:
    match value:
        case [str(start), str(end)]:
            return start < end and all(re.fullmatch(form, text, re.ASCII) for text in (start, end))
        case _:
            return False


def _is_days(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(day in range(7) for day in value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


FORMS: dict[str, Callable[[object], bool]] = {
    "daterange": partial(_is_span, form=MOMENT),
    "weeks": _is_days,
    "timerange": partial(_is_span, form=TIME),
    "limit": _is_count,
}
