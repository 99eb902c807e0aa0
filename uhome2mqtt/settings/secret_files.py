"""Know which files hold secrets, by where the values came from, and which of them other users can read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from uhome2mqtt.permissions import ANYBODY_ELSE, Exposed, exposed
from uhome2mqtt.settings.keys import find
from uhome2mqtt.settings.sources import DOCKER_SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from uhome2mqtt.settings.loading import Inspection


def exposed_files(inspection: Inspection, environ: Mapping[str, str]) -> list[Exposed]:
    """Give the files with secrets, and the state directory with what is in it, that other users can open."""
    found = exposed(_with_secrets(inspection, environ))
    return found if inspection.settings is None else found + _exposed_state(inspection.settings.state_dir)


def _with_secrets(inspection: Inspection, environ: Mapping[str, str]) -> Iterator[Path]:
    """Give the files that secrets came from, and private keys."""
    for path, origin in inspection.origins.items():
        key = find(path)
        if key is not None and key.secret and (file := _file(origin, environ)):
            yield file
    if inspection.settings is not None:
        yield from (file for file in (inspection.settings.mqtt.key_file, inspection.settings.web.key_file) if file)


def _file(origin: str, environ: Mapping[str, str]) -> Path | None:
    """Give the file of an origin; None for a variable, and where systemd or a container's runtime set the mode."""
    name, line, _ = origin.rpartition(", line ")
    variable = origin.partition("=")[0]
    file = Path(name if line else environ.get(variable, origin) if variable.endswith("_FILE") else origin)
    theirs = [DOCKER_SECRETS, *map(Path, filter(None, [environ.get("CREDENTIALS_DIRECTORY")]))]
    if not line and origin in environ and not origin.endswith("_FILE"):
        return None
    return None if any(file.is_relative_to(directory) for directory in theirs) else file


def _exposed_state(state_dir: Path) -> list[Exposed]:
    """Look at the state directory; what is behind a closed door is as safe as that."""
    outside = exposed([state_dir], ANYBODY_ELSE)
    try:
        return outside + exposed(sorted(state_dir.glob("*.json")) if outside else [], ANYBODY_ELSE)
    except OSError:
        return outside
