"""Write log lines for people or as JSON, with every secret masked and without ever raising.

A line passes: level filter, context, plain values (this is where secrets go), time stamp, renderer, standard error.
The journal notes the time itself and is told the priority.
"""

from __future__ import annotations

import json
import logging
import os
import re
import reprlib
import sys
import time
import traceback
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, quote_plus

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
"""Of syslog, as sd-daemon(3) wants them at the start of a line."""
MASK = "***"
SHORTEST_SECRET = 4
"""Shorter texts occur in innocent words."""
REMEMBERED_SECRETS = 64
"""How many of the secrets registered at run time are kept: tokens are refreshed for years."""
REPETITIONS, MINUTE = 20, 60.0
"""How often a message of a library may come in so many seconds."""
REMEMBERED_MESSAGES = 64
REMEMBERED_NAMES = 256
DEEPEST = 8
LONGEST = 20_000

_SECRET_NAMES = re.compile(r"token|secret|password|authorization|code|refresh", re.IGNORECASE)
_HARMLESS_NAMES = frozenset({"status_code", "error_code", "reason_code", "return_code", "exit_code"})
_ASSIGNED = re.compile(
    r"""((?:token|secret|password|authorization_code|(?<![\w-])code|(?<=%3F|%26)code)
         (?:\\*["']?\s*(?:=|%3D)\s*                                   # in a form, a URL, a quoted URL,
          | \\*["']\s*:\s*                                            # a dict or JSON,
          | :\s*(?=\\*b?["'])))                                       # YAML
        (?: \\+["'][^"'\\]*                                           # JSON within JSON
          | b?"(?:\\.|[^"\\])*"? | b?'(?:\\.|[^'\\])*'?               # quoted
          | [^\s&"',;)}\]%\\]+)                                       # bare""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_TELLING = re.compile(r"token|secret|password|code|bearer|basic", re.IGNORECASE)
"""What occurs in every text that one of the two others finds something in; most texts have none of it."""
_BEARER = re.compile(r"\b(bearer\s+)[^\s\"',;)}\]]+|\b(basic\s+)[A-Za-z0-9+/=]{8,}", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_REPR = reprlib.Repr()
# No cut before masking: reprlib would leave half a secret at the cut.
_REPR.maxother = 10_000_000


class Secrets:
    """The texts that no line may show, in every spelling in which they could appear."""

    def __init__(self) -> None:
        self._lasting: tuple[str, ...] = ()
        self._passing: deque[str] = deque(maxlen=REMEMBERED_SECRETS)
        self._pattern: re.Pattern[str] | None = None

    def replace(self, values: Iterable[str]) -> None:
        """Register what the configuration holds, instead of what it held before."""
        self._lasting = tuple(values)
        self._compile()

    def add(self, value: str) -> None:
        """Register a secret that came up at run time."""
        with suppress(ValueError):
            self._passing.remove(value)
        self._passing.append(value)
        self._compile()

    def mask(self, text: str) -> str:
        """Return the text without the registered secrets and without what looks like one."""
        if self._pattern:
            text = self._pattern.sub(MASK, text)
        if not _TELLING.search(text):
            return text
        text = _BEARER.sub(lambda match: f"{match[1] or match[2]}{MASK}", text)
        return _ASSIGNED.sub(rf"\1{MASK}", text)

    def _compile(self) -> None:
        secrets = {value for value in (*self._lasting, *self._passing) if len(value) >= SHORTEST_SECRET}
        spellings = {spelling for secret in secrets for spelling in _spellings(secret)}
        # The longest first: a secret may begin with another one.
        alternatives = sorted(map(re.escape, spellings), key=len, reverse=True)
        self._pattern = re.compile("|".join(alternatives)) if alternatives else None
        # It would keep hundreds of the patterns before this one, each as large.
        re.purge()


def _spellings(secret: str) -> Iterable[str]:
    data = secret.encode(errors="replace")
    text = data.decode()
    quoted = [quote(text), quote(text, safe=""), quote_plus(text)]
    lower = [re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), spelling) for spelling in quoted]
    escaped = [repr(secret)[1:-1], repr(data)[2:-1]]
    escaped += [json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)]
    return (secret, *quoted, *lower, *escaped, b64encode(data).decode().rstrip("="))


_secrets = Secrets()
_threshold = [LEVELS["info"]]


def keep_out(secrets: Iterable[str]) -> None:
    """Keep the secrets of the configuration out of all lines, instead of those of the one before."""
    _secrets.replace(secrets)


def add_secret(value: str) -> None:
    """Keep a text out of all lines from now on."""
    _secrets.add(value)


def mask(text: str) -> str:
    """Return the text as it may be shown."""
    return _secrets.mask(text)


def set_level(level: str) -> None:
    """Write lines of this level and above; raise ValueError for a word that is no level."""
    if level not in LEVELS:
        raise ValueError(f"the level must be one of {', '.join(LEVELS)}")
    _threshold[0] = LEVELS[level]


class Logger(structlog.BoundLoggerBase):
    """A logger that takes the name of an event and its facts."""

    def debug(self, event: str, **facts: object) -> None:
        self._write("debug", event, facts)

    def info(self, event: str, **facts: object) -> None:
        self._write("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        self._write("warning", event, facts)

    def error(self, event: str, **facts: object) -> None:
        self._write("error", event, facts)

    def critical(self, event: str, **facts: object) -> None:
        self._write("critical", event, facts)

    def exception(self, event: str, **facts: object) -> None:
        """Write an error with the exception that is being handled."""
        self._write("error", event, {"exc_info": True, **facts})

    def _write(self, level: str, event: str, facts: dict[str, Any]) -> None:
        if LEVELS[level] >= _threshold[0]:
            arguments, _ = self._process_event(level, event, facts)
            self._logger.msg(*arguments)


def get_logger() -> Logger:
    """Return a logger; lines written before `configure` look as structlog likes."""
    logger: Logger = structlog.get_logger()
    return logger


def configure(level: str, fmt: Literal["auto", "console", "json"], secrets: Iterable[str] = ()) -> None:
    """Set up structlog and the standard library's logging; may be called again with other settings."""
    set_level(level)
    keep_out(secrets)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _plain_values,
            _renderer(fmt),
        ],
        wrapper_class=Logger,
        context_class=dict,
        logger_factory=StandardError,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if isinstance(handler, LibraryHandler)]:
        root.removeHandler(handler)
    root.addHandler(LibraryHandler())
    root.setLevel(logging.WARNING)


def for_journal(level: str, text: str) -> str:
    """Give each line its priority where standard error is the journal, so that `journalctl -p warning` finds it."""
    if not _is_journal():
        return text
    return "\n".join(f"<{PRIORITIES[level]}>{line}" for line in text.split("\n"))


def _is_journal() -> bool:
    """Tell whether standard error is the journal.

    systemd names the device and inode of its stream, so that who is piped elsewhere knows it.
    """
    try:
        here = os.fstat(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{here.st_dev}:{here.st_ino}"


def _renderer(fmt: str) -> Processor:
    terminal = sys.stderr is not None and sys.stderr.isatty()
    # Who asks for JSON has a program that reads it, and that wants the time of every line.
    timed = fmt == "json" or not _is_journal()
    render: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if fmt == "console" or (fmt == "auto" and terminal):
        render = structlog.dev.ConsoleRenderer(
            colors=terminal and not os.environ.get("NO_COLOR"),
            exception_formatter=structlog.dev.plain_traceback,
        )

    def rendered(logger: WrappedLogger, name: str, event: EventDict) -> str:
        level = event["level"]
        if not timed:
            del event["timestamp"]
        return for_journal(level, str(render(logger, name, event)))

    return rendered


class Outage:
    """Something that fails again and again: it is said at its beginning and at its end, with its length."""

    def __init__(self) -> None:
        self._since: float | None = None

    def lasts(self) -> bool:
        """Take note of a failure, and tell whether it only goes on."""
        begun = self._since is not None
        if not begun:
            self._since = time.monotonic()
        return begun

    @property
    def under_way(self) -> bool:
        return self._since is not None

    def over(self) -> dict[str, int]:
        """Take note of a success; gives `seconds` where something had failed before."""
        since, self._since = self._since, None
        return {} if since is None else {"seconds": round(time.monotonic() - since)}


class StandardError:
    """Write lines to whatever standard error is at that moment."""

    def __init__(self, *_: object) -> None:
        pass

    def msg(self, line: str) -> None:
        """Write a line; a broken standard error must not stop the bridge."""
        if sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(line + "\n")
                sys.stderr.flush()


class LibraryHandler(logging.Handler):
    """Turn what libraries log into events; nothing below a warning, where they would show URLs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._recent: dict[tuple[str, str], tuple[float, int]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record as an event of its level; one that comes over and over would fill the disk."""
        if (count := self._count(record)) > REPETITIONS:
            return
        level = "warning" if record.levelno < logging.ERROR else "error"
        write = getattr(get_logger(), level)
        hint = {"hint": "repeated: the rest of this minute's are left out"} if count == REPETITIONS else {}
        write("library_message", library=record.name, message=_message(record), exc_info=record.exc_info, **hint)

    def _count(self, record: logging.LogRecord) -> int:
        """Count a message within its minute."""
        now, key = time.monotonic(), (record.name, str(_plain(record.msg)))
        since, count = self._recent.pop(key, (now, 0))
        if now - since > MINUTE:
            since, count = now, 0
        self._recent[key] = since, count + 1
        while len(self._recent) > REMEMBERED_MESSAGES:
            del self._recent[next(iter(self._recent))]
        return count + 1


def _message(record: logging.LogRecord) -> str:
    text, arguments = str(_plain(record.msg)), record.args
    if not arguments:
        return text
    # Whoever formats plain values cannot run into an object that fails to describe itself.
    given = _plain(arguments)
    try:
        return text % (given if isinstance(given, dict) else tuple(given))
    except (TypeError, ValueError, KeyError):
        return f"{text} {given}"


_STAMP = structlog.processors.TimeStamper(fmt="iso", utc=True)


def _plain_values(_: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """Reduce everything to masked text, numbers, lists and mappings, and put what matters first."""
    error = _exception(event.pop("exc_info", None))
    if error:
        event["exception"] = "".join(traceback.format_exception(error)).rstrip()
    plain = _plain_mapping(event, 0)
    fixed = {**_STAMP(None, level, {}), "level": level, "event": plain.pop("event", None)}
    return {**fixed, **{f"{name}_" if name in fixed else name: fact for name, fact in plain.items()}}


def _exception(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return next((part for part in exc_info if isinstance(part, BaseException)), None)
    return sys.exc_info()[1] if exc_info else None


def _plain(value: object, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if type(value) in {int, float}:
        return _plain_number(value)
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, bytes | bytearray):
        return _clean(value.decode(errors="backslashreplace"))
    return _plain_object(value, depth)


def _plain_object(value: object, depth: int) -> Any:
    if depth >= DEEPEST:
        return "…"
    if isinstance(value, dict):
        return _plain_mapping(value, depth)
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, BaseException):
        return _clean("".join(traceback.format_exception_only(value)).rstrip())
    # reprlib survives an object that fails to describe itself.
    return _clean(_REPR.repr_instance(value, 1))


def _plain_mapping(mapping: Mapping[Any, object], depth: int) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in mapping.items():
        name = str(_plain(key, depth + 1))
        # Flags and gaps say that there is a secret, not which.
        hidden = _is_secret(name) and value is not None and not isinstance(value, bool)
        result[name] = MASK if hidden else _plain(value, depth + 1)
    return result


@lru_cache(REMEMBERED_NAMES)
def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAMES.search(name)) and name.lower() not in _HARMLESS_NAMES


def _plain_number(number: object) -> object:
    text = repr(number)
    masked = _secrets.mask(text)
    return number if masked == text and text not in {"nan", "inf", "-inf"} else masked


def _clean(text: str) -> str:
    # Masked before it is cut, or half a secret would stay; control characters could forge lines or rule a terminal.
    return _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", _secrets.mask(str.__str__(text)))[:LONGEST]
