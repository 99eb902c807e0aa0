"""Whether the bridge that runs with a configuration is ready: asked at its web server, or at the broker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from uhome2mqtt import local_web
from uhome2mqtt.model import Json, parse_json
from uhome2mqtt.settings import Settings

WITHIN = 3.0
"""Seconds for an answer; whoever watches a container gives the whole command five, and loading it takes time."""
FRESH = 150.0
"""Seconds; the bridge tells of its health once a minute, and one may be lost."""
NO_CLOUD = frozenset({"offline", "unauthorized"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """What a bridge waits for, nothing where it is ready; `asked`: who said so, `web` or `broker`."""

    reasons: tuple[str, ...]
    asked: str

    @property
    def line(self) -> str:
        """It in one line."""
        return f"not ready: {'; '.join(self.reasons)}" if self.reasons else "ready"

    @property
    def document(self) -> dict[str, Json]:
        """It for programs."""
        return {"ready": not self.reasons, "reasons": list(self.reasons), "asked": self.asked}


def at_web(settings: Settings) -> tuple[str, ...]:
    """Ask the bridge itself."""
    where = local_web.address(settings)
    try:
        status, body = local_web.get(settings, "/readyz", WITHIN)
    except OSError as problem:
        return (f"no bridge answers at {where} ({problem.strerror or problem})",)
    if status == HTTPStatus.OK:
        return ()
    return tuple(local_web.reasons(body)) or (f"{where} answers {status}: is it another program?",)


def judged(state: bytes, health: bytes, now: datetime) -> tuple[str, ...]:
    """Say what is missing by `bridge/state` and `bridge/health`.

    A bridge that was killed together with its broker leaves an `online` behind; its health grows old. Whether the
    device list has come is not retained, but no bridge that has one says that it never reached the cloud.
    """
    if state != b"online":
        return (f"the bridge is {state.decode(errors='replace') or 'not known to the broker'}",)
    document = _parsed(health)
    age = _age(document.get("at"), now)
    if age is None or age > FRESH:
        return ("the bridge has not told of its health for too long",)
    cloud = str(document.get("cloud"))
    return (f"the cloud is {cloud}",) if cloud in NO_CLOUD else ()


def _parsed(text: bytes) -> Mapping[str, Json]:
    try:
        document = parse_json(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _age(stamp: Json, now: datetime) -> float | None:
    try:
        return (now - datetime.fromisoformat(str(stamp))).total_seconds()
    except (ValueError, TypeError):
        return None
