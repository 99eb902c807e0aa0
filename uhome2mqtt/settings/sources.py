"""Read configuration from files, secret files and the environment."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from uhome2mqtt.settings.document import parse
from uhome2mqtt.settings.keys import DEVICES, ENVIRONMENT_PREFIX, KEYS, SECTIONS, Key, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from uhome2mqtt.settings.gathered import Gathered

CONFIG_VARIABLE = ENVIRONMENT_PREFIX + "CONFIG"
SEARCH = (Path("config.yaml"), Path("/etc/uhome2mqtt/config.yaml"))
DOCKER_SECRETS = Path("/run/secrets")
LARGEST = 1 << 20
"""Bytes of a file: no configuration comes near, and a wrong path must not fill the memory."""

_VARIABLES = {key.variable: key for key in KEYS.values()}
_FILE_VARIABLES = {f"{key.variable}_FILE": key for key in KEYS.values() if key.secret}
_SERVICE_LINK = re.compile(ENVIRONMENT_PREFIX + r"(SERVICE_(HOST|PORT)(_\w+)?|PORT(_[0-9]+_(TCP|UDP|SCTP)(_\w+)?)?)")
"""What Kubernetes sets in every pod beside a service that is called uhome2mqtt."""


def read_file(gathered: Gathered, config_file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Read the configuration file that is asked for, or the first one found; gives the one that was read."""
    asked = _asked(config_file, environ)
    for path in (asked,) if asked else SEARCH:
        try:
            content = _read(path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            gathered.problems.append(f"{path}: cannot be read: {_why(error)}")
            return None
        if len(content) > LARGEST:
            gathered.problems.append(f"{path}: larger than 1 MiB, so that it is no configuration file")
            return None
        document = parse(str(path), content)
        gathered.problems += document.problems
        gathered.add_tree(document.values, document.origin)
        return path
    if asked:
        by = "-c" if config_file else f"${CONFIG_VARIABLE}"
        gathered.problems.append(f"{asked}: there is no such file (given by {by})")
    return None


def found_file(config_file: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Give the configuration file that is asked for, or the first one that there is."""
    return _asked(config_file, environ) or next(filter(is_there, SEARCH), None)


def is_there(path: Path) -> bool:
    """Tell whether there is a file; one that cannot be looked at counts."""
    try:
        return path.exists()
    except OSError:
        return True


def read_secret_directory(gathered: Gathered, directory: Path) -> None:
    """Take files named like `mqtt.password` or `UHOME2MQTT_MQTT__PASSWORD`, letter case ignored."""
    try:
        entries = sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        gathered.problems.append(f"{directory}: cannot be read: {_why(error)}")
        return
    taken: dict[str, Path] = {}
    for entry in entries:
        key = _SECRET_NAMES.get(entry.name.lower())
        if key and (first := taken.setdefault(key.name, entry)) is not entry:
            gathered.problems.append(f"{key.name}: given twice ({first} and {entry})")
        elif key:
            _read_secret(gathered, key, entry, str(entry))


def read_environment(gathered: Gathered, environ: Mapping[str, str]) -> None:
    """Take the variables of keys and of secret files; report those that nothing reads. An empty one is not set."""
    for name, value in _ours(environ):
        if key := _FILE_VARIABLES.get(name):
            if environ.get(key.variable):
                gathered.problems.append(f"{key.name}: both {key.variable} and {name} are set; keep one")
            elif value:
                # Some put the password itself here, so that only what is plainly a path is shown.
                origin = f"{name}={value}" if value.startswith("/") else name
                _read_secret(gathered, key, Path(value), origin)
        elif key := _VARIABLES.get(name):
            if value:
                _add_variable(gathered, key, value)
        else:
            gathered.problems.append(f"{name}: unknown environment variable{_hint(name)}")


def _ours(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in sorted(environ.items()):
        known_otherwise = name == CONFIG_VARIABLE or _SERVICE_LINK.fullmatch(name)
        if name.upper().startswith(ENVIRONMENT_PREFIX) and not known_otherwise:
            yield name, value


def _add_variable(gathered: Gathered, key: Key, value: str) -> None:
    if key.structured and value.lstrip().startswith(("{", "[", '"')):
        try:
            # Numbers stay text, as in the file: what looks like one may be a name.
            parsed = json.loads(
                value,
                object_pairs_hook=_without_duplicates,
                parse_int=str,
                parse_float=str,
                parse_constant=str,
            )
        except (ValueError, RecursionError):
            gathered.problems.append(f"{key.name}: not JSON, or a name twice in it ({key.variable})")
            return
    else:
        parsed = value
    if key.name == DEVICES:
        gathered.add_devices(parsed, lambda _: key.variable)
    else:
        gathered.add(key.path, parsed, key.variable)


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a name is given twice")
    return result


def _read_secret(gathered: Gathered, key: Key, path: Path, origin: str) -> None:
    try:
        secret = re.sub(r"\r?\n\Z", "", _read(path).decode())
    except OSError as error:
        problem = f"cannot be read: {_why(error)}"
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    else:
        problem = "is larger than 1 MiB" if len(secret) > LARGEST else "" if secret else "is empty"
        gathered.add(key.path, secret, origin)
    if problem:
        gathered.spoilt.add(key.path)
        gathered.values.pop(key.path, None)
        gathered.problems.append(f"{key.name}: the secret file {problem} ({origin})")


def _asked(config_file: Path | None, environ: Mapping[str, str]) -> Path | None:
    return config_file or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)


def _read(path: Path) -> bytes:
    """Read a file, and no more of it than shows that it is too large: it may be a device without an end."""
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def _why(error: OSError) -> str:
    hint = "; the user that runs the bridge must be able to" if isinstance(error, PermissionError) else ""
    return f"{error.strerror}{hint}"


def _hint(name: str) -> str:
    dotted = name[len(ENVIRONMENT_PREFIX) :].replace("__", ".").lower()
    if dotted in SECTIONS:
        return "; each of a section's keys has one of its own"
    meant = nearest(dotted.removesuffix("_file") if dotted.endswith("_file") else dotted, keys_only=True)
    if meant is None:
        return f"; those of keys are like {KEYS['mqtt.url'].variable}, with two underscores after the section"
    key = KEYS[meant]
    file = "_FILE" if dotted.endswith("_file") and key.secret else ""
    return f"; did you mean {key.variable}{file}?"


def _secret_names() -> Iterator[tuple[str, Key]]:
    for key in KEYS.values():
        if key.secret:
            for name in (key.name, "__".join(key.path), key.variable.lower()):
                yield name, key


_SECRET_NAMES = dict(_secret_names())
