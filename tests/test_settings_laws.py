from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uhome2mqtt.errors import SettingsError
from uhome2mqtt.settings import load
from uhome2mqtt.settings.keys import KEYS

NOWHERE = Path("/nonexistent")
HYPOTHESIS = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
WORDS = st.sampled_from(
    [*KEYS, *"{}[]:,#&*!|>'\"%@`-?\n\t ", "  ", "hunter2", ": ", "- ", "mqtt", "password", "ä", "\0"]
)
ONE_LINE = WORDS.filter(lambda word: "\n" not in word)


def _problems(file: Path | None, environ: dict[str, str]) -> str:
    try:
        load(file, environ, secrets_directory=NOWHERE)
    except SettingsError as error:
        return str(error)
    return ""


@HYPOTHESIS
@given(words=st.lists(WORDS, max_size=30))
def test_no_file_breaks_the_loader(tmp_path: Path, words: list[str]) -> None:
    """Whatever the file contains, loading it gives settings or a list of problems."""
    file = tmp_path / "any.yaml"
    file.write_text("".join(words))
    _problems(file, {})


@HYPOTHESIS
@given(
    values=st.dictionaries(
        st.sampled_from([key.variable for key in KEYS.values()]),
        st.text() | st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(repr),
    )
)
def test_no_variable_breaks_the_loader(values: dict[str, str]) -> None:
    """Whatever the variables contain, loading them gives settings or a list of problems."""
    _problems(None, values)


@HYPOTHESIS
@given(
    before=st.lists(ONE_LINE, max_size=6),
    after=st.lists(ONE_LINE, max_size=6),
    key=st.sampled_from(["password: ", "url: mqtt://u:", "pasword: "]),
)
def test_no_broken_file_shows_a_secret(tmp_path: Path, before: list[str], after: list[str], key: str) -> None:
    """However the line of a password is broken, no problem shows the password."""
    secret = "Zq9-Xw7"
    file = tmp_path / "any.yaml"
    file.write_text(f"mqtt:\n  {key}{''.join(before)}{secret}{''.join(after)}@h\n")
    assert secret not in _problems(file, {})
