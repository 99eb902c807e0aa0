"""Load the configuration and report everything that is wrong with it at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from uhome2mqtt.errors import SettingsError
from uhome2mqtt.settings.gathered import Gathered, Given
from uhome2mqtt.settings.keys import find
from uhome2mqtt.settings.model import CONFLICTS, Settings, default_state_dir
from uhome2mqtt.settings.sources import DOCKER_SECRETS, is_there, read_environment, read_file, read_secret_directory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

    from uhome2mqtt.settings.model import Conflict, KeyPath

NOT_TRIED = "default_factory_not_called"
"""Type of the error for a default that depends on a refused value: nobody's mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """A configuration with all that is wrong with it; `settings` is None where it cannot be used.

    `given`, `origins`: each value and where it came from, by its path; refused ones included. `secrets`: the texts
    that nothing may show. `file`: the configuration file that was read.
    """

    settings: Settings | None
    problems: tuple[str, ...]
    origins: Mapping[KeyPath, str]
    given: Mapping[KeyPath, object] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)
    file: Path | None = None


def load(config_file: Path | None, environ: Mapping[str, str], *, secrets_directory: Path = DOCKER_SECRETS) -> Settings:
    """Return the settings from the environment, secret files, the configuration file and the defaults, in this order.

    Raises `SettingsError` with one line for every problem of every source; none shows a secret.
    """
    found = inspect(config_file, environ, secrets_directory=secrets_directory)
    if found.settings is None:
        raise SettingsError(found.problems)
    return found.settings


def load_again(config_file: Path | None, environ: Mapping[str, str], before: Path | None) -> Settings:
    """Return the settings anew; raises `SettingsError` also where the file that was found before has gone."""
    if before is not None and not is_there(before):
        raise SettingsError((f"{before}: there is no such file any more",))
    return load(config_file, environ)


def inspect(
    config_file: Path | None, environ: Mapping[str, str], *, secrets_directory: Path = DOCKER_SECRETS
) -> Inspection:
    """Load the settings, or learn what is wrong with them; raises nothing for that."""
    gathered = Gathered()
    gathered.add(("state_dir",), str(default_state_dir(environ)), "$STATE_DIRECTORY or the default")
    file = read_file(gathered, config_file, environ)
    read_secret_directory(gathered, secrets_directory)
    if credentials := environ.get("CREDENTIALS_DIRECTORY"):
        read_secret_directory(gathered, Path(credentials))
    read_environment(gathered, environ)
    # What is refused is taken out of what was given.
    given = dict(gathered.values)
    settings = _validate(gathered)
    return Inspection(
        settings=None if gathered.problems else settings,
        problems=tuple(gathered.problems),
        origins={path: value.origin for path, value in given.items()},
        given={path: value.value for path, value in given.items()},
        secrets=tuple(str(value.value) for path, value in given.items() if (key := find(path)) and key.secret),
        file=file,
    )


def _validate(gathered: Gathered) -> Settings | None:
    """Report every refused value; look for contradictions in what is left, if anything can be said of it."""
    while True:
        try:
            return Settings.model_validate(_tree(gathered.values))
        except ValidationError as error:
            details = error.errors(include_url=False)
        if details[0]["type"] == CONFLICTS:
            _refuse_conflicts(gathered, details[0]["ctx"][CONFLICTS])
            return None
        for detail in details:
            if detail["type"] != NOT_TRIED:
                _refuse_value(gathered, detail)


def _refuse_value(gathered: Gathered, detail: ErrorDetails) -> None:
    path = tuple(str(step) for step in detail["loc"] if step != "[key]")
    for found in [known for known in gathered.values if known[: len(path)] == path]:
        reason = detail.get("ctx", {}).get("error", "")
        gathered.refuse(found, gathered.values.pop(found), str(reason))


def _refuse_conflicts(gathered: Gathered, conflicts: list[Conflict]) -> None:
    clear = [(path, why) for path, why, others in conflicts if not any(map(gathered.is_spoilt, (path, *others)))]
    for path, why in clear:
        gathered.refuse(path, gathered.values.get(path), why)


def _tree(values: Mapping[KeyPath, Given]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for (*parents, leaf), given in values.items():
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {})
        branch[leaf] = given.value
    return tree
