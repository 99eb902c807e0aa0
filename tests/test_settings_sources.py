from __future__ import annotations

from pathlib import Path

import pytest

from uhome2mqtt.errors import SettingsError
from uhome2mqtt.settings import found_file, load, load_again
from uhome2mqtt.settings.sources import is_there

NOWHERE = Path("/nonexistent")

VARIABLES: list[tuple[str, dict[str, str], tuple[str, ...]]] = [
    (
        "",
        {"UHOME2MQTT_MQTT__USRNAME": "hunter2"},
        ("UHOME2MQTT_MQTT__USRNAME: unknown environment variable; did you mean UHOME2MQTT_MQTT__USERNAME?",),
    ),
    (
        "",
        {"UHOME2MQTT_MQTT__HOST": "x"},
        ("UHOME2MQTT_MQTT__HOST: unknown environment variable; did you mean UHOME2MQTT_MQTT__URL?",),
    ),
    (
        "",
        {"uhome2mqtt_mqtt__url": "x"},
        ("uhome2mqtt_mqtt__url: unknown environment variable; did you mean UHOME2MQTT_MQTT__URL?",),
    ),
    (
        "",
        {"UHOME2MQTT_FOO__ZZZ": "x"},
        (
            (
                "UHOME2MQTT_FOO__ZZZ: unknown environment variable; those of keys are like UHOME2MQTT_MQTT__URL, "
                "with two underscores after the section"
            ),
        ),
    ),
    (
        "",
        {"UHOME2MQTT_MQTT__PASWORD_FILE": "/x"},
        (
            (
                "UHOME2MQTT_MQTT__PASWORD_FILE: unknown environment variable; did you mean "
                "UHOME2MQTT_MQTT__PASSWORD_FILE?"
            ),
        ),
    ),
    (
        "",
        {"UHOME2MQTT_MQTT__USERNAME_FILE": "/x"},
        ("UHOME2MQTT_MQTT__USERNAME_FILE: unknown environment variable; did you mean UHOME2MQTT_MQTT__USERNAME?",),
    ),
    (
        "",
        {"UHOME2MQTT_MQTT": "{}"},
        ("UHOME2MQTT_MQTT: unknown environment variable; each of a section's keys has one of its own",),
    ),
    (
        "",
        {"UHOME2MQTT_MQTT__QOS": "9"},
        ("mqtt.qos: got '9'; allowed is a whole number from 0 to 2 (UHOME2MQTT_MQTT__QOS)",),
    ),
    (
        "mqtt: {qos: 7}",
        {"UHOME2MQTT_MQTT__QOS": "9"},
        ("mqtt.qos: got '9'; allowed is a whole number from 0 to 2 (UHOME2MQTT_MQTT__QOS)",),
    ),
    (
        "",
        {"UHOME2MQTT_MQTT__PASSWORD": "a", "UHOME2MQTT_MQTT__PASSWORD_FILE": "/x"},
        ("mqtt.password: both UHOME2MQTT_MQTT__PASSWORD and UHOME2MQTT_MQTT__PASSWORD_FILE are set; keep one",),
    ),
    (
        "",
        {"UHOME2MQTT_MQTT__PASSWORD_FILE": "/nonexistent"},
        (
            (
                "mqtt.password: the secret file cannot be read: No such file or directory "
                "(UHOME2MQTT_MQTT__PASSWORD_FILE=/nonexistent)"
            ),
        ),
    ),
    (
        "",
        {"UHOME2MQTT_MQTT__PASSWORD_FILE": "/"},
        ("mqtt.password: the secret file cannot be read: Is a directory (UHOME2MQTT_MQTT__PASSWORD_FILE=/)",),
    ),
    (
        "",
        {"UHOME2MQTT_MQTT__PASSWORD_FILE": "/dev/null"},
        ("mqtt.password: the secret file is empty (UHOME2MQTT_MQTT__PASSWORD_FILE=/dev/null)",),
    ),
    (
        "",
        {"UHOME2MQTT_WEB__HOST": "::", "UHOME2MQTT_WEB__TOKEN_FILE": "/dev/null"},
        ("web.token: the secret file is empty (UHOME2MQTT_WEB__TOKEN_FILE=/dev/null)",),
    ),
    ("", {"UHOME2MQTT_DEVICES": "{hunter2"}, ("devices: not JSON, or a name twice in it (UHOME2MQTT_DEVICES)",)),
    (
        "",
        {"UHOME2MQTT_DEVICES": "front"},
        (
            (
                "devices: got 'front', but it is no mapping; allowed is device ids, each with topic, "
                "name or enabled (UHOME2MQTT_DEVICES)"
            ),
        ),
    ),
    (
        "",
        {"UHOME2MQTT_DEVICES": '{"A": {}, "A": {}}'},
        ("devices: not JSON, or a name twice in it (UHOME2MQTT_DEVICES)",),
    ),
    ("", {"UHOME2MQTT_DEVICES": "[" * 100_000}, ("devices: not JSON, or a name twice in it (UHOME2MQTT_DEVICES)",)),
    (
        "",
        {"UHOME2MQTT_COMMANDS__ALLOW": '{"lock": 1}'},
        (
            (
                "commands.allow: got a mapping, but the rule for lock is neither all nor a list of "
                "words and keys like [LOCK, mode] or []; allowed is all, or rules by kind (lock, "
                "light, switch) or device: the word all, or a list of words and keys "
                "(UHOME2MQTT_COMMANDS__ALLOW)"
            ),
        ),
    ),
    (
        "",
        {"UHOME2MQTT_COMMANDS__MAX_AGE": "2 h"},
        (
            (
                "commands.max_age: got '2 h', but it is out of range; allowed is a duration from 1 s "
                "to 1 h (UHOME2MQTT_COMMANDS__MAX_AGE)"
            ),
        ),
    ),
    (
        "",
        {"UHOME2MQTT_MQTT__PASSWORD_FILE": "hunter2"},
        (
            (
                "mqtt.password: the secret file cannot be read: No such file or directory "
                "(UHOME2MQTT_MQTT__PASSWORD_FILE)"
            ),
        ),
    ),
]


def _problems(file: Path, environ: dict[str, str], secrets: Path = NOWHERE) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(file, environ, secrets_directory=secrets)
    return caught.value.problems


@pytest.mark.parametrize(("text", "environ", "expected"), VARIABLES)
def test_problems_of_variables(tmp_path: Path, text: str, environ: dict[str, str], expected: tuple[str, ...]) -> None:
    """Each mistake in a variable is reported with the variable's name, and without secrets."""
    file = tmp_path / "config.yaml"
    file.write_text(text)
    problems = _problems(file, environ)
    assert problems == tuple(text.replace("FILE, ", f"{file}, ") for text in expected)
    assert "hunter2" not in "".join(problems)


def test_all_problems_at_once(tmp_path: Path) -> None:
    """Every source and every section contributes to one list, and the error's text is that list."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "mqtt.password").touch()
    file = tmp_path / "config.yaml"
    file.write_text(
        "mqtt: {qos: 3, usrname: a, key_file: /k}\n"
        "polling: {interval: 1 min, interval_push_healthy: 20, discovery_interval: 1}\n"
        "web: {host: 0.0.0.0}\n"
        "mqtt_url: x\n"
    )
    environ = {"UHOME2MQTT_MQTT__KEEPALIVE": "never", "UHOME2MQTT_MQTT__USRNAME": "a"}
    with pytest.raises(SettingsError) as caught:
        load(file, environ, secrets_directory=tmp_path / "secrets")
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == [
        "mqtt.usrname",
        "mqtt_url",
        "mqtt.password",
        "UHOME2MQTT_MQTT__USRNAME",
        "mqtt.qos",
        "mqtt.keepalive",
        "polling.discovery_interval",
        "polling.interval_push_healthy",
        "web.token",
        "mqtt.key_file",
    ]


def test_refused_values_cause_no_contradictions(tmp_path: Path) -> None:
    """A value that is refused is not compared with others: one mistake is one problem."""
    file = tmp_path / "config.yaml"
    file.write_text("polling: {interval: x, stale_after: 11}\nweb: x\n")
    problems = _problems(file, {"UHOME2MQTT_WEB__HOST": "0.0.0.0"})
    assert [line.split(":")[0] for line in problems] == ["web", "polling.interval"]


@pytest.mark.parametrize("by", ["-c", "$UHOME2MQTT_CONFIG"])
def test_file_that_does_not_exist(tmp_path: Path, by: str) -> None:
    """A file that somebody asked for has to exist."""
    missing = tmp_path / "missing.yaml"
    asked, environ = (missing, {}) if by == "-c" else (None, {"UHOME2MQTT_CONFIG": str(missing)})
    with pytest.raises(SettingsError) as caught:
        load(asked, environ, secrets_directory=NOWHERE)
    assert str(caught.value) == f"{missing}: there is no such file (given by {by})"


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A directory in the file's place, as Docker makes one for a missing mount, is reported."""
    assert _problems(tmp_path, {}) == (f"{tmp_path}: cannot be read: Is a directory",)


def test_file_that_is_not_utf_8(tmp_path: Path) -> None:
    """A file in another encoding is reported with the line where that shows."""
    file = tmp_path / "config.yaml"
    file.write_bytes("mqtt:\n  username: hunter2ü\n".encode("latin-1"))
    assert _problems(file, {}) == (f"{file}, line 2: not UTF-8; save it in that encoding",)


def test_secret_file_that_is_not_utf_8(tmp_path: Path) -> None:
    """A secret in another encoding is refused."""
    (tmp_path / "mqtt.password").write_bytes(b"hunter2\xff")
    with pytest.raises(SettingsError) as caught:
        load(None, {}, secrets_directory=tmp_path)
    assert str(caught.value) == f"mqtt.password: the secret file is not UTF-8 ({tmp_path}/mqtt.password)"


def test_secret_in_two_files(tmp_path: Path) -> None:
    """Two files for the same secret in one directory are refused: either could be the outdated one."""
    for name in ("MQTT__PASSWORD", "mqtt.password"):
        (tmp_path / name).write_text("hunter2")
    with pytest.raises(SettingsError) as caught:
        load(None, {}, secrets_directory=tmp_path)
    assert str(caught.value) == (f"mqtt.password: given twice ({tmp_path}/MQTT__PASSWORD and {tmp_path}/mqtt.password)")


def test_directory_of_secrets_that_cannot_be_read() -> None:
    """A directory of secrets that exists and cannot be listed is reported."""
    directory = Path("/" + "x" * 300)
    with pytest.raises(SettingsError) as caught:
        load(None, {}, secrets_directory=directory)
    assert str(caught.value) == f"{directory}: cannot be read: File name too long"


def test_endless_files() -> None:
    """A device without an end, in the place of a file or of a secret, is refused instead of read."""
    endless = Path("/dev/zero")
    assert _problems(endless, {}) == ("/dev/zero: larger than 1 MiB, so that it is no configuration file",)
    with pytest.raises(SettingsError) as caught:
        load(None, {"UHOME2MQTT_MQTT__PASSWORD_FILE": str(endless)}, secrets_directory=NOWHERE)
    assert str(caught.value) == (
        "mqtt.password: the secret file is larger than 1 MiB (UHOME2MQTT_MQTT__PASSWORD_FILE=/dev/zero)"
    )


def test_file_that_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the file of the start has gone, nothing is read again: that names the file, not the keys it had set."""
    monkeypatch.chdir(tmp_path)
    file = Path("config.yaml")
    file.write_text("mqtt: {username: somebody}")
    before = found_file(None, {})
    assert load_again(None, {}, before).mqtt.username == "somebody"
    file.unlink()
    with pytest.raises(SettingsError, match=r"\Aconfig\.yaml: there is no such file any more\Z"):
        load_again(None, {}, before)
    assert load_again(None, {}, None).mqtt.username is None


def test_file_that_cannot_be_looked_at() -> None:
    """A configuration file that is out of sight is there all the same."""
    with_long_name = Path("/etc", "long" * 100)
    assert is_there(with_long_name)
