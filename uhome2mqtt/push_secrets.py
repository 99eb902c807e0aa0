"""The secrets that notifications must carry, kept so that neither a restart nor a failed registration loses any."""

from __future__ import annotations

import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from uhome2mqtt import logs
from uhome2mqtt.errors import StorageError
from uhome2mqtt.model import Json, parse_json
from uhome2mqtt.storage import ensure_private_directory, read_private, write_private

VERSION = 1
PREVIOUS_FOR = 600.0
"""Seconds for which a secret is accepted after another one has replaced it: notifications may be under way."""
LATEST = 1e12
"""No clock shows more seconds, and larger whole numbers would fit into no float."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Secret:
    """A secret and the wall clock's time of when it was made, or was replaced."""

    text: str = field(repr=False)
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """All secrets; replaced as a whole, so that who asks meanwhile sees either the old ones or the new ones."""

    current: _Secret | None = None
    candidate: _Secret | None = None
    previous: _Secret | None = None


class PushSecrets:
    """At most three secrets: the one in use, the one that is being registered, the one that was in use before.

    `rotate_every`: seconds for which one is used.
    """

    def __init__(
        self,
        path: Path,
        rotate_every: float,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self.rotate_every = rotate_every
        self._clock = clock
        self._monotonic = monotonic
        self._log = logs.get_logger()
        self._complained = False
        self._saved = True
        self._held = self._read()
        self._previous_until = monotonic() + self._left_after_restart(self._held.previous)
        for kept in (self._held.current, self._held.candidate, self._held.previous):
            if kept is not None:
                logs.add_secret(kept.text)

    def accepts(self, given: str) -> bool:
        """Tell whether a notification with this secret comes from the cloud; takes equally long for any text."""
        offered = given.encode(errors="surrogatepass")
        equal = [hmac.compare_digest(offered, each.encode(errors="surrogatepass")) for each in self._accepted()]
        return any(equal) and bool(given)

    @property
    def in_doubt(self) -> bool:
        """Whether there is a secret of which nobody knows whether the cloud has taken it."""
        return self._held.candidate is not None

    def to_register(self, *, renew: bool) -> str:
        """Give the secret to send to the cloud, which is accepted from now on; `renew`: not the one in use."""
        held = self._held
        chosen = held.candidate or held.current
        if chosen is None or (held.candidate is None and (renew or self._is_old(chosen))):
            chosen = _Secret(text=secrets.token_urlsafe(32), at=self._clock())
            self._hold(replace(held, candidate=chosen))
        elif not self._saved:
            self._save()
        logs.add_secret(chosen.text)
        return chosen.text

    def registered(self, secret: str) -> None:
        """Take a secret that the cloud has accepted into use."""
        held = self._held
        if held.current is not None and secret == held.current.text:
            return
        logs.add_secret(secret)
        now_held = replace(held, current=_Secret(text=secret, at=self._clock()))
        if held.candidate is not None and secret == held.candidate.text:
            now_held = replace(held, current=held.candidate, candidate=None)
        if held.current is not None:
            self._previous_until = self._monotonic() + PREVIOUS_FOR
            now_held = replace(now_held, previous=held.current)
        self._hold(now_held)

    def _accepted(self) -> list[str]:
        held, over = self._held, self._monotonic() >= self._previous_until
        kept = (held.current, held.candidate, None if over else held.previous)
        return [each.text for each in kept if each is not None]

    def _is_old(self, kept: _Secret) -> bool:
        # A clock that was ahead when the secret was made would keep it for ever.
        return not 0 <= self._clock() - kept.at < self.rotate_every

    def _left_after_restart(self, previous: _Secret | None) -> float:
        if previous is None:
            return 0.0
        return min(max(0.0, previous.at + PREVIOUS_FOR - self._clock()), PREVIOUS_FOR)

    def _hold(self, held: _Held) -> None:
        self._held = held
        self._save()

    def _save(self) -> None:
        document: dict[str, Json] = {
            "version": VERSION,
            "current": _encoded(self._held.current),
            "candidate": _encoded(self._held.candidate),
            "previous": self._encoded_previous(),
        }
        try:
            ensure_private_directory(self._path.parent)
            write_private(self._path, json.dumps(document, indent=1).encode())
        except StorageError as problem:
            self._saved = False
            if not self._complained:
                self._log.error("push_secret_not_saved", why=str(problem))
            self._complained = True
        else:
            self._saved, self._complained = True, False

    def _encoded_previous(self) -> Json:
        """Write when it was replaced as the wall clock has it now, wherever that has jumped meanwhile."""
        left = self._previous_until - self._monotonic()
        if self._held.previous is None or left <= 0:
            return None
        return _encoded(replace(self._held.previous, at=self._clock() + left - PREVIOUS_FOR))

    def _read(self) -> _Held:
        try:
            content = read_private(self._path)
            return _Held() if content is None else _decoded(parse_json(content))
        except (StorageError, ValueError) as problem:
            self._log.error("state_unreadable", file=str(self._path), why=str(problem))
            return _Held()


def _encoded(kept: _Secret | None) -> Json:
    return None if kept is None else {"secret": kept.text, "at": kept.at}


def _decoded(document: Json) -> _Held:
    """Read the file; raise ValueError for one that another program, or another version, has written."""
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError("it is of another version")
    return _Held(**{name: _decoded_secret(document.get(name)) for name in ("current", "candidate", "previous")})


def _decoded_secret(entry: Json) -> _Secret | None:
    if entry is None:
        return None
    text, at = (entry.get("secret"), entry.get("at")) if isinstance(entry, dict) else (None, None)
    if not isinstance(text, str) or not text or isinstance(at, bool) or not isinstance(at, int | float):
        raise ValueError("it holds something else than secrets")
    if not -LATEST < at < LATEST:
        raise ValueError("it holds no time")
    return _Secret(text=text, at=at)
