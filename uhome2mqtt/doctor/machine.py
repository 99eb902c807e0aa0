"""What can be seen without asking anybody: configuration, files, secrets, kept tokens."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from uhome2mqtt import PROJECT_URL, logs
from uhome2mqtt.doctor.findings import Blame, Finding, failed, ok, unchecked, warning
from uhome2mqtt.errors import AccessError, SettingsError, StorageError
from uhome2mqtt.settings import Inspection, Settings, exposed_files
from uhome2mqtt.token_store import TokenFile

SECRETS = (("uhome", "client_secret"), ("mqtt", "password"), ("web", "token"))
EDIT = f"mend the configuration; {PROJECT_URL}/blob/main/docs/configuration.md has every key"
HOUR, DAY = 3600.0, 86400.0


def config(inspection: Inspection) -> list[Finding]:
    """Say which configuration is used, and everything that is wrong with it."""
    if inspection.problems:
        *others, last = inspection.problems
        found = [failed("config", problem, "", Blame.UNUSABLE) for problem in others]
        return [*found, failed("config", last, EDIT, Blame.UNUSABLE)]
    settings = inspection.settings or Settings()
    where = "no configuration file is used" if inspection.file is None else str(inspection.file)
    try:
        settings.require_client()
    except SettingsError as problem:
        return [failed("config", f"{text} ({where})", "", Blame.UNUSABLE) for text in problem.problems]
    return [ok("config", f"usable; {where}; state directory {settings.state_dir}")]


def permissions(inspection: Inspection, environ: Mapping[str, str]) -> list[Finding]:
    """Name the files with secrets that other users of the machine can read."""
    found = exposed_files(inspection, environ)
    if not found:
        return [ok("permissions", "no secret can be read by other users of this machine")]
    return [warning("permissions", one.text, one.mend) for one in found]


def state_dir(settings: Settings) -> list[Finding]:
    """Say whether the state directory can be written."""
    path = settings.state_dir
    try:
        existing = next(level for level in (path, *path.parents) if level.exists())
        if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
            return [ok("state_dir", f"{path} can be written")]
    except OSError:
        # A directory above it cannot even be entered.
        existing = path
    mend = "give it to the user that runs the bridge, or choose another state_dir"
    return [failed("state_dir", f"{existing} cannot be written", mend, Blame.MACHINE)]


def secrets(inspection: Inspection) -> list[Finding]:
    """Say which secrets are set and from what kind of source; never which they are."""
    said = [f"{'.'.join(path)} {_source(inspection.origins.get(path))}" for path in SECRETS]
    return [ok("secrets", "; ".join(said))]


def _source(origin: str | None) -> str:
    if origin is None:
        return "is not set"
    if ", line " in origin:
        return "is in the configuration file"
    return "comes from a file" if "/" in origin or origin.endswith("_FILE") else "comes from the environment"


def token(settings: Settings, now: float | None = None) -> list[Finding]:
    """Say until when the kept login is good and whether it can be renewed; the cloud is not asked."""
    file = TokenFile(settings.state_dir)
    now = time.time() if now is None else now
    try:
        kept = file.news()
    except AccessError as problem:
        # Whose login it is cannot be seen; the message says itself what to do.
        return [failed("token", str(problem), "", Blame.MACHINE)]
    except (StorageError, ValueError) as problem:
        return [failed("token", f"cannot be read: {problem}", "run: uhome2mqtt login", Blame.AUTHORIZATION)]
    if kept is None:
        return [unchecked("token", "somebody has logged out" if file.logged_out else "there is none yet")]
    for secret in filter(None, (kept.grant.access_token, kept.grant.refresh_token)):
        logs.add_secret(secret)
    until = (
        f"good until {_moment(kept.grant.expires_at)}" if kept.grant.expires_at > now else "the access token is over"
    )
    if kept.grant.refresh_token is None:
        return [warning("token", f"{until}, and cannot be renewed", "then run: uhome2mqtt login")]
    return [ok("token", f"{until}, and is renewed by itself")]


def _moment(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return "a time beyond all calendars"
