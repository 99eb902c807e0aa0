"""What the bridge talks about: devices, attributes, reports, commands."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import NewType, NoReturn, TypeAlias

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

MAX_DEPTH = 64
"""Nothing that the bridge reads is nested deeper than ten; what is must not exhaust the stack of a later step."""

MAX_DIGITS = 19
"""As many as numbers of 64 bits have."""


def parse_json(text: bytes | str) -> Json:
    """Read JSON as RFC 8259 has it; whatever is wrong with it, the error is a ValueError without the text.

    Half a surrogate pair (a name that was cut inside an emoji) could be written to no topic: it becomes a `?`.
    A number beyond all floats could not be written as JSON again: it is refused, as is nesting beyond `MAX_DEPTH`.
    """
    try:
        # Decoded here: json.loads lets bytes hide half a pair, and guesses at UTF-16 and UTF-32.
        decoded = (text.encode(errors="replace") if isinstance(text, str) else text).decode("utf-8-sig")
        parsed: Json = json.loads(decoded, parse_constant=_refuse_constant, parse_float=_finite)
        if decoded.count("[") + decoded.count("{") > MAX_DEPTH and _too_deep(parsed):
            raise ValueError("nested too deeply")
        if "\\u" in decoded:
            parsed = json.loads(json.dumps(parsed, ensure_ascii=False).encode(errors="replace"))
    except json.JSONDecodeError as problem:
        raise ValueError(f"{problem.msg.removesuffix(' at')} at character {problem.pos}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError("a number is too large")
    return number


def _too_deep(parsed: Json) -> bool:
    level = [parsed] if isinstance(parsed, (list, dict)) else []
    for _ in range(MAX_DEPTH):
        inner: list[Json] = []
        for outer in level:
            inner += outer.values() if isinstance(outer, dict) else outer
        # Made of pairs, not of types joined with |: twice as fast, and somebody may send this to keep doors waiting.
        level = [value for value in inner if isinstance(value, (list, dict))]
    return bool(level)


Attribute = NewType("Attribute", str)
"""A readable attribute as `<capability>.<name>`, case-folded: `st.lock.lockstate`."""


LONGEST_QUOTE = 60
_CODE = re.compile(r"\d{4,}")


def quoted(given: Json) -> str:
    """Quote what somebody sent, cut to a readable length and without what may be a keypad code that went astray."""
    return shortened(masked(repr(given)))


def shortened(text: str, longest: int = LONGEST_QUOTE) -> str:
    """Cut a text to a readable length."""
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def masked(text: str) -> str:
    """Replace runs of four digits and more."""
    return _CODE.sub("…", text)


def harmless(given: Json) -> Json:
    """Give what somebody sent as it may be repeated to everybody."""
    if isinstance(given, list):
        return [harmless(each) for each in given]
    if isinstance(given, dict):
        return {masked(name): harmless(value) for name, value in given.items()}
    text = masked(str(given))
    return given if text == str(given) else text


REMEMBERED = 256
"""Attributes, and sets of them, that are remembered: an account has a few, whatever its devices show."""


@lru_cache(REMEMBERED)
def attribute(capability: str, name: str) -> Attribute:
    """Name an attribute; the cloud's documents and replies differ in letter case only."""
    return Attribute(f"{capability}.{name}".casefold())


@lru_cache(REMEMBERED)
def together(*some: frozenset[Attribute]) -> frozenset[Attribute]:
    """Give all attributes of some sets, as one set that all devices share which have the same: most have."""
    return frozenset[Attribute]().union(*some)


@lru_cache(REMEMBERED)
def capability_of(name: Attribute) -> str:
    """Give the capability that an attribute belongs to: `st.lock`."""
    return name.rpartition(".")[0]


COLOR_TEMP = attribute("st.colorTemperature", "temperature")
RGB = attribute("st.color", "color")
"""Names of the bridge's own: nobody has seen what the cloud calls these, so that the configuration says it."""

_CHANNELS = ("r", "g", "b")
_BRIGHTEST = 255


def rgb_text(value: Json) -> str | None:
    """Write a colour as `r,g,b`, given in that form or as an object of the three; anything else is none."""
    if isinstance(value, str):
        given: list[Json] = list(value.split(","))
    elif isinstance(value, dict):
        folded = {name.casefold(): channel for name, channel in value.items()}
        # One more member, such as a white channel, makes another colour of it.
        given = [folded[name] for name in _CHANNELS if name in folded] if len(value) == len(_CHANNELS) else []
    else:
        return None
    channels = [number for number in map(whole_number, given) if number is not None and number <= _BRIGHTEST]
    return ",".join(map(str, channels)) if len(channels) == len(given) == len(_CHANNELS) else None


def canonical(value: Json) -> Json:
    """Make two spellings of one value equal: letter case, `"50"`, `50.0` and `50`.

    Anything that is neither a word nor a number is returned as it is, so that an unknown form stays
    visible and never compares equal to a known one.
    """
    # Only ASCII: a Kelvin sign or a ligature would fold to letters that nobody sent.
    if isinstance(value, str) and value.isascii():
        word = value.strip().casefold()
        return int(word) if word.isdecimal() and len(word) < 10 else word  # noqa: PLR2004 - no attribute has ten digits
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def whole_number(value: Json) -> int | None:
    """Read a whole number that is not negative, or its digits, as JavaScript has to write the large ones."""
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= MAX_DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One record of the device list."""

    id: str
    name: str
    category: str = ""
    handle_type: str = ""
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    serial_number: str = ""
    custom_data: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceError:
    """What the cloud says of one device instead of its states; code as sent, e.g. `DEVICE_OFFLINE`."""

    code: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What one reply or notification says of one device: states, an error, or neither."""

    device_id: str
    states: Mapping[Attribute, Json] = field(default_factory=dict)
    error: DeviceError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """What one notification says: reports of devices, and ids of those that were added or changed, or have left.

    `unreadable`: how many parts of it made no sense. `message_id`: its number, empty where it has none.
    """

    reports: tuple[Report, ...] = ()
    changed: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    unreadable: int = 0
    message_id: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One control action in the cloud's exact spelling."""

    capability: str
    name: str
    arguments: Mapping[str, Json] = field(default_factory=dict, repr=False)  # may hold a keypad code


@dataclass(frozen=True, slots=True, kw_only=True)
class LockUser:
    """Somebody who has a keypad code of a lock, as the cloud tells it.

    `extra`: what only `get` tells, the code among it.
    """

    id: int
    name: str
    type: Json = None
    status: Json = None
    sync_status: Json = None
    extra: Mapping[str, Json] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsersReply:
    """What the cloud says to a question or an order about lock users; None: the reply did not hold it."""

    error: DeviceError | None = None
    users: tuple[LockUser, ...] | None = None
    user: LockUser | None = None


LOG_LEVELS = ("debug", "info", "warning", "error")
"""What is written to the log: lines of this weight and above."""


class Source(StrEnum):
    """How a report reached the bridge."""

    QUERY = "query"
    PUSH = "push"
    CONFIRM = "confirm"


class Discovery(StrEnum):
    """How devices are described to Home Assistant: one topic for a device, one for each entity, or both."""

    DEVICE = "device"
    ENTITY = "entity"
    BOTH = "both"
    OFF = "off"


EVERYTHING = "*"
"""Stands for all entities of a device."""


class CloudStatus(StrEnum):
    """How the cloud is doing."""

    ONLINE = "online"
    DEGRADED = "degraded"
    """Some requests fail."""
    OFFLINE = "offline"
    """No request succeeds."""
    UNAUTHORIZED = "unauthorized"
    """Somebody has to log in."""


class BridgeEvent(StrEnum):
    """What the bridge tells everybody, besides commands for devices that there are not."""

    DEVICE_ADDED = "device_added"
    DEVICE_RENAMED = "device_renamed"
    DEVICE_REMOVED = "device_removed"
    DEVICE_EXCLUDED = "device_excluded"
    """Somebody deleted a device, or an entity of it, in Home Assistant."""
    DEVICE_RESTORED = "device_restored"
    AUTHORIZATION_REQUIRED = "authorization_required"
    AUTHORIZATION_RESTORED = "authorization_restored"
    PUSH_UNHEALTHY = "push_unhealthy"
    PUSH_RESTORED = "push_restored"
    CONFIG_RELOADED = "config_reloaded"


class PushStatus(StrEnum):
    """Whether notifications can be relied on, as far as there is evidence."""

    DISABLED = "disabled"
    """No address is configured."""
    REGISTRATION_FAILED = "registration_failed"
    UNVERIFIED = "unverified"
    """There is too little evidence."""
    HEALTHY = "healthy"
    """Four of the last five changes had been pushed before a query saw them, the newest too."""
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    """The last two changes were not pushed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushView:
    """How far notifications can be relied on; `evidence`: hits, late ones and misses, `poll_interval` in seconds."""

    status: PushStatus
    received: int
    evidence: Mapping[str, int]
    poll_interval: float


class Outcome(StrEnum):
    """What became of a command; all but the first are final."""

    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    UNCONFIRMED = "unconfirmed"
    REJECTED = "rejected"
    FAILED = "failed"
    REFUSED = "refused"
    SUPERSEDED = "superseded"


class FailureKind(StrEnum):
    """What a failed request means to the one who asked for it."""

    AUTHORIZATION = "authorization"
    """Nobody is logged in, or the cloud no longer accepts the grant."""
    UNREACHABLE = "unreachable"
    """The request never left: no name, no connection, no TLS."""
    UNCERTAIN = "uncertain"
    """It may or may not have been executed: time-out, 5xx, broken connection, unreadable reply."""
    RATE_LIMITED = "rate_limited"
    """HTTP 429."""
    REJECTED = "rejected"
    """The cloud understood and said no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a request had no result; `retry_after` in seconds where the cloud named it."""

    kind: FailureKind
    code: str
    message: str
    retry_after: float | None = None

    @property
    def text(self) -> str:
        """Say it in one line."""
        return f"{self.code}: {self.message}" if self.message else self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """What the bridge keeps of a device across restarts: its topic level and the attributes it has shown.

    `name`: the one shown last. `alias`: the one that a `device/rename` gave it, which comes before the cloud's.
    """

    topic: str
    name: str = ""
    alias: str = ""
    observed: frozenset[Attribute] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """What Home Assistant was last told, and where; kept across restarts.

    `layout`: None where that is not known. `excluded`: what is told no more, since somebody deleted it there: device
    id, or the empty string for the bridge itself, to the keys of its entities, or to `EVERYTHING`.
    """

    base: str = ""
    prefix: str = ""
    layout: Discovery | None = None
    excluded: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Somebody at the bridge's own pages, who waits for the answer with this number; `private`: for nobody else."""

    number: int
    private: bool = False
