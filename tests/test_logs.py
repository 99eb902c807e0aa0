from __future__ import annotations

import gc
import io
import json
import logging
import sys
import tracemalloc
from base64 import b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, quote_plus

import pytest
import structlog

from uhome2mqtt import logs

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "s3cr+t/(.*)[x]"
AWKWARD = "pä\"ss' w\\ord\n\t%41"
FORMATS: list[Literal["console", "json"]] = ["console", "json"]


@dataclass
class Holder:
    """An object whose description shows what it holds."""

    content: object


class Unprintable:
    """An object that cannot describe itself."""

    def __repr__(self) -> str:
        raise RuntimeError(SECRET)


class UnprintableError(Exception):
    """An exception without a text."""

    def __str__(self) -> str:
        raise RuntimeError(SECRET)


class ShoutingText(str):
    """Text that fails when it is asked to be text."""

    __slots__ = ()

    def __str__(self) -> str:
        raise RuntimeError(SECRET)


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def _without_pytest() -> None:
    """Remove pytest's own handlers, which format records too, and fail where ours must not."""
    logging.getLogger().handlers.clear()


def _lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def _nested(depth: int) -> list[Any]:
    return [_nested(depth - 1)] if depth else [SECRET]


def _cyclic() -> dict[str, Any]:
    cycle: dict[str, Any] = {"text": SECRET}
    cycle["self"] = cycle
    return cycle


LEAKS: dict[str, Any] = {
    "text": f"before {SECRET} after",
    "nested dict": {"a": {"b": {"c": SECRET}}},
    "list": [1, [SECRET], (SECRET,), {SECRET}, frozenset({SECRET})],
    "deep": _nested(30),
    "cycle": _cyclic(),
    "key": {SECRET: 1},
    "tuple key": {(SECRET, 1): 2},
    "bytes key": {SECRET.encode(): 2},
    "bytes": SECRET.encode(),
    "bytearray": bytearray(SECRET.encode()),
    "broken bytes": b"\xff" + SECRET.encode(),
    "object": Holder(SECRET),
    "exception": ValueError(SECRET),
    "unprintable": Unprintable(),
    "unprintable exception": UnprintableError(SECRET),
    "subclass": ShoutingText(SECRET),
    "url": f"https://host/?x={quote(SECRET)}",
    "url, no safe characters": f"https://host/?x={quote(SECRET, safe='')}",
    "url, lower case": f"https://host/?x={quote(SECRET, safe='').lower()}",
    "form": f"x={quote_plus(SECRET)}",
    "base64": b64encode(SECRET.encode()).decode(),
    "awkward": AWKWARD,
    "awkward object": Holder(AWKWARD),
    "awkward bytes in an object": Holder(AWKWARD.encode()),
    "awkward JSON": json.dumps({"x": AWKWARD}),
    "awkward JSON, not ASCII": json.dumps({"x": AWKWARD}, ensure_ascii=False),
    "awkward form": quote_plus(AWKWARD),
    "long": "x" * (logs.LONGEST - 5) + SECRET,
    "long object": Holder("x" * (logs.LONGEST - 5) + SECRET),
}
PIECES = ("s3cr", "(.*)", "KC4q", "ord\n", "ss' w", "ss\\' w", "%41", "%2541")


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("name", LEAKS)
def test_registered_secrets_never_show(
    fmt: Literal["console", "json"], name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No spelling of a registered secret, wherever it stands, reaches a line of either format."""
    _without_pytest()
    logs.configure("debug", fmt, [SECRET, AWKWARD])
    log = logs.get_logger()
    log.info("happened", fact=LEAKS[name])
    log.bind(fact=LEAKS[name]).warning("bound")
    logging.getLogger("library").warning("fact: %s", LEAKS[name])
    logging.getLogger("library").error(LEAKS[name])
    written = capsys.readouterr().err
    assert written.count("\n") >= 4
    assert not [piece for piece in PIECES if piece in written]


@pytest.mark.parametrize("fmt", FORMATS)
def test_exceptions_are_written_without_secrets(
    fmt: Literal["console", "json"], capsys: pytest.CaptureFixture[str]
) -> None:
    """Tracebacks are complete, with chained causes, and masked."""
    logs.configure("info", fmt, [SECRET])
    try:
        try:
            int(SECRET)
        except ValueError as error:
            raise KeyError("refused", SECRET) from error
    except KeyError as error:
        logs.get_logger().exception("failed", account="a")
        logs.get_logger().error("failed", exc_info=error)
        logs.get_logger().error("failed", exc_info=(type(error), error, None))
        logging.getLogger("library").exception("failed with %s", SECRET)
    written = capsys.readouterr().err
    assert written.count("ValueError: invalid literal for int() with base 10: '***'") == 4
    assert written.count("KeyError: ('refused', '***')") == 4
    assert "s3cr" not in written


def test_exc_info_without_an_exception(capsys: pytest.CaptureFixture[str]) -> None:
    """Asking for the exception where there is none is no mistake."""
    logs.configure("info", "json")
    logs.get_logger().exception("failed")
    logs.get_logger().error("failed", exc_info=(None, None, None))
    assert all("exception" not in line for line in _lines(capsys))


SUSPICIOUS = {
    "Authorization: Bearer abc.def-123": "Authorization: Bearer ***",
    "bearer abc, next": "bearer ***, next",
    "Basic dXNlcjpwYXNz rest": "Basic *** rest",
    "https://h/cb?code=abc&state=1": "https://h/cb?code=***&state=1",
    "https://h/cb?authorization_code=abc&x=1": "https://h/cb?authorization_code=***&x=1",
    "redirect=http%3A%2F%2Fh%3Fcode%3Dabc%26x%3D1": "redirect=http%3A%2F%2Fh%3Fcode%3D***%26x%3D1",
    "client_secret=abc access_token=def": "client_secret=*** access_token=***",
    "refresh_token = 'a b, c' rest": "refresh_token = *** rest",
    '{"access_token": "a, b", "expires_in": 1}': '{"access_token": ***, "expires_in": 1}',
    '{"password":"a\\"b","x":1}': '{"password":***,"x":1}',
    "{'client_secret': b'abc'}": "{'client_secret': ***}",
    '"{\\"id_token\\": \\"abc\\"}"': '"{\\"id_token\\": ***\\"}"',
    "password: 'abc'": "password: ***",
    "status_code=404, the code: is shown": "status_code=404, the code: is shown",
    "token refreshed; password wrong": "token refreshed; password wrong",
}


@pytest.mark.parametrize("text", SUSPICIOUS)
def test_text_that_looks_like_a_secret_is_masked(text: str) -> None:
    """Tokens, codes and passwords that nobody registered are masked by their form, innocent words are not."""
    logs.configure("info", "json")
    assert logs.mask(text) == SUSPICIOUS[text]


def test_masking_long_text_is_quick() -> None:
    """Text of a megabyte without a secret does not stop the bridge."""
    logs.configure("info", "json", [SECRET])
    text = "tokentokensecretcode" * 50_000
    assert logs.mask(text) == text


def test_names_that_promise_a_secret(capsys: pytest.CaptureFixture[str]) -> None:
    """Values under the names of secrets are masked at any depth, flags, gaps and status codes are shown."""
    logs.configure("info", "json")
    logs.get_logger().info(
        "happened",
        accessToken="a",
        nested=[{"Client-Secret": ["a"], b"password": 5, "Authorization": {"a": "b"}}],
        door_code=1234,
        refresh_with="a",
        token=None,
        refresh=True,
        status_code=404,
    )
    assert _lines(capsys)[0] | {"timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "event": "happened",
        "accessToken": "***",
        "nested": [{"Client-Secret": "***", "password": "***", "Authorization": "***"}],
        "door_code": "***",
        "refresh_with": "***",
        "token": None,
        "refresh": True,
        "status_code": 404,
    }


def test_secrets_registered_later(capsys: pytest.CaptureFixture[str]) -> None:
    """A secret that came up at run time is masked from then on, and stays so when the settings are read again."""
    logs.configure("info", "json", [SECRET])
    logs.add_secret("fresh-value")
    logs.add_secret("fresh-value")
    logs.configure("info", "json", ["other"])
    logs.get_logger().info("happened", a="fresh-value", b=SECRET, c="other", d="the")
    line = _lines(capsys)[0]
    assert (line["a"], line["b"], line["c"], line["d"]) == ("***", SECRET, "***", "the")


def test_many_secrets_over_time() -> None:
    """Only the newest secrets of the run time are kept, those of the settings always."""
    logs.configure("info", "json", [SECRET])
    for number in range(logs.REMEMBERED_SECRETS + 1):
        logs.add_secret(f"token-number-{number:04}")
    assert logs.mask("token-number-0000") == "token-number-0000"
    assert logs.mask(f"token-number-0001 {SECRET}") == "*** ***"


def test_memory_of_secrets_over_time() -> None:
    """Of secrets that come and go over the years nothing is left in memory."""

    def renew(numbers: range) -> int:
        for number in numbers:
            logs.add_secret(f"{number:020d}" * 4)
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = renew(range(64))
        assert renew(range(64, 94)) < before + 500_000
    finally:
        tracemalloc.stop()


def test_short_texts_are_no_secrets() -> None:
    """A secret of less than four characters is not searched for: it would occur in innocent words."""
    logs.configure("info", "json", ["the", ""])
    assert logs.mask("the end") == "the end"


def test_secret_that_begins_with_another() -> None:
    """Of two secrets with the same beginning, nothing of the longer one stays."""
    logs.configure("info", "json", ["abcd", "abcdefgh"])
    assert logs.mask("abcdefgh abcd") == "*** ***"


def test_secret_number(capsys: pytest.CaptureFixture[str]) -> None:
    """A number that is a registered secret is masked as well."""
    logs.configure("info", "json", ["4711471"])
    logs.get_logger().info("happened", pin=4711471, other=12)
    line = _lines(capsys)[0]
    assert (line["pin"], line["other"]) == ("***", 12)


def test_json_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever is passed, a line is one JSON document, and control characters are spelled out."""
    logs.configure("info", "json")
    logs.get_logger().info(
        "happened",
        numbers=[float("nan"), float("inf"), 10**30],
        escape="\x1b[31m\r\x9b",
        surrogate="\ud800",
        key={None: 1, 2: 3},
        name="Haustür",
    )
    line = _lines(capsys)[0]
    assert line["numbers"] == ["nan", "inf", 10**30]
    assert line["escape"] == "\\x1b[31m\\x0d\\x9b"
    assert line["surrogate"] == "\\xd800"
    assert line["key"] == {"None": 1, "2": 3}
    assert line["name"] == "Haustür"


def test_facts_cannot_forge_what_every_line_has(capsys: pytest.CaptureFixture[str]) -> None:
    """A fact that is called like a fixed part of a line is renamed."""
    logs.configure("info", "json")
    logs.get_logger().info("level_changed", level="debug", timestamp="never")
    line = _lines(capsys)[0]
    assert (line["level"], line["level_"], line["timestamp_"]) == ("info", "debug", "never")
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert line["timestamp"].endswith("Z")


def test_console_lines_cannot_be_forged(capsys: pytest.CaptureFixture[str]) -> None:
    """A line break in a fact does not begin a new line on the console."""
    logs.configure("info", "console")
    logs.get_logger().info("happened", name="a\n2026 [error] forged\x1b[31m")
    written = capsys.readouterr().err
    assert written.count("\n") == 1
    assert "\x1b" not in written


def test_levels(capsys: pytest.CaptureFixture[str]) -> None:
    """Each method writes its level, those below the threshold write nothing, and it can be changed."""
    logs.configure("warning", "json")
    log = logs.get_logger()
    for write in (log.debug, log.info, log.warning, log.error, log.critical):
        write("happened")
    logs.set_level("debug")
    log.debug("now")
    assert [line["level"] for line in _lines(capsys)] == ["warning", "error", "critical", "debug"]


def test_unknown_level() -> None:
    """A word that is no level is refused and changes nothing."""
    with pytest.raises(ValueError, match="the level must be one of debug, info, warning, error, critical"):
        logs.set_level("loud")


def test_context_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """What is bound to the context of a task stands in its lines."""
    logs.configure("info", "json")
    structlog.contextvars.bind_contextvars(device="a")
    logs.get_logger().info("happened")
    assert _lines(capsys)[0]["device"] == "a"


def test_libraries_are_heard_from_warnings_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Below a warning nothing of a library is written, even where the library's own level would allow it."""
    logs.configure("debug", "json")
    logs.configure("debug", "json")
    library = logging.getLogger("httpx")
    library.setLevel(logging.DEBUG)
    library.info("GET https://host/")
    library.warning("%(who)s waits %(seconds)d s", {"who": "it", "seconds": 3})
    library.critical("lost")
    library.setLevel(logging.NOTSET)
    assert [(line["level"], line["library"], line["message"]) for line in _lines(capsys)] == [
        ("warning", "httpx", "it waits 3 s"),
        ("error", "httpx", "lost"),
    ]


def test_library_message_that_does_not_fit_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong format string of a library is written with its arguments, masked, and raises nothing."""
    _without_pytest()
    logs.configure("info", "json", [SECRET])
    wrong = "%d of %d"
    logging.getLogger("library").warning(wrong, SECRET)
    assert _lines(capsys)[0]["message"] == "%d of %d ['***']"


class Terminal(io.StringIO):
    """A stream that people look at."""

    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    """A stream that nobody reads any more."""

    def write(self, _: str, /) -> int:
        raise OSError("gone")


@pytest.mark.parametrize(("environment", "colours"), [("", True), ("1", False)], ids=["with colours", "NO_COLOR"])
def test_auto_on_a_terminal(monkeypatch: pytest.MonkeyPatch, environment: str, *, colours: bool) -> None:
    """On a terminal, `auto` writes for people, with colours unless NO_COLOR is set."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("NO_COLOR", environment)
    logs.configure("info", "auto")
    logs.get_logger().info("happened", a=1)
    assert not terminal.getvalue().startswith("{")
    assert ("\x1b[" in terminal.getvalue()) is colours


def test_auto_elsewhere_is_json(capsys: pytest.CaptureFixture[str]) -> None:
    """Where standard error is no terminal, `auto` writes JSON."""
    logs.configure("info", "auto")
    logs.get_logger().info("happened")
    assert _lines(capsys)[0]["event"] == "happened"


@pytest.mark.parametrize("stream", [None, Broken()])
def test_broken_standard_error(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None) -> None:
    """A standard error that is closed or broken stops nobody."""
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure("info", "auto")
    logs.get_logger().info("happened")


def test_a_flood_of_a_library(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A message of a library that comes over and over is left out for the rest of the minute; others are not."""
    clock = [1000.0]
    monkeypatch.setattr("uhome2mqtt.logs.time.monotonic", lambda: clock[0])
    logs.configure("debug", "json")
    library = logging.getLogger("asyncio")
    for number in range(1000):
        library.error("no descriptor for %d", number)
    library.error("another")
    written = _lines(capsys)
    assert [line["message"] for line in written] == [f"no descriptor for {n}" for n in range(logs.REPETITIONS)] + [
        "another"
    ]
    assert ["hint" in line for line in written] == [False] * (logs.REPETITIONS - 1) + [True, False]
    clock[0] += 61
    library.error("no descriptor for %d", 7)
    for number in range(2 * logs.REMEMBERED_MESSAGES):
        library.error(f"kind {number}")
    assert len(_lines(capsys)) == 1 + 2 * logs.REMEMBERED_MESSAGES
