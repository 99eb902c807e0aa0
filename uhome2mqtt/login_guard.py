"""What went wrong with the login, kept across restarts: a bridge that restarts in a loop must not ask in a loop."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from uhome2mqtt import logs
from uhome2mqtt.errors import StorageError
from uhome2mqtt.model import parse_json
from uhome2mqtt.storage import ensure_private_directory, read_private, write_private

FILE_NAME = "login_guard.json"
VERSION = 1
FIRST_PAUSE = 30.0
LONGEST_PAUSE = 900.0
JITTER = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Failures in a row of one refresh token, known by its fingerprint; `until` in seconds since 1970."""

    login: str = ""
    failures: int = 0
    until: float = 0.0
    refused: bool = False


class LoginGuard:
    """Tells when a refresh token may be used; nothing that it says of one holds for another.

    `client`: id and secret with which it is used: what was refused to wrong ones may be granted to the right ones.
    """

    def __init__(
        self, directory: Path, clock: Callable[[], float], chance: Callable[[], float], client: str = ""
    ) -> None:
        self._path = directory / FILE_NAME
        self._clock = clock
        self._chance = chance
        self._client = client
        self._memory: Memory | None = None
        self._complained = False
        self._log = logs.get_logger()

    def pause(self, refresh_token: str) -> float:
        """Give the seconds until this refresh token may be tried again; 0: now."""
        left = self._about(refresh_token).until - self._clock()
        # A longer wait was never ordered: the clock has been set back.
        return left if 0 < left <= LONGEST_PAUSE * (1 + JITTER) else 0.0

    def refused(self, refresh_token: str) -> bool:
        """Tell whether the cloud has refused this refresh token for good."""
        return self._about(refresh_token).refused

    def failed(self, refresh_token: str, in_a_row: int = 0, wait: float | None = None) -> None:
        """Note a failure, or the given number of failures, and order a pause; `wait`: what the cloud asks for."""
        login = self._fingerprint(refresh_token)
        failures = in_a_row or self._about(refresh_token).failures + 1
        growing = min(FIRST_PAUSE * 2 ** min(failures - 1, 10), LONGEST_PAUSE)
        length = max(growing * (1 + JITTER * (2 * self._chance() - 1)), min(wait or 0.0, LONGEST_PAUSE))
        until = self._clock() + length
        self._note(Memory(login=login, failures=failures, until=until))

    def refuse(self, refresh_token: str) -> None:
        """Note that only a new login helps."""
        self._note(Memory(login=self._fingerprint(refresh_token), refused=True))

    def clear(self) -> bool:
        """Forget everything: there is a new login, or a refresh went well; tells whether there was something."""
        if self._remembered() == Memory():
            return False
        self._note(Memory())
        return True

    def _fingerprint(self, refresh_token: str) -> str:
        return hashlib.sha256(f"{self._client}\n{refresh_token}".encode()).hexdigest()

    def _about(self, refresh_token: str) -> Memory:
        memory = self._remembered()
        return memory if memory.login == self._fingerprint(refresh_token) else Memory()

    def _remembered(self) -> Memory:
        if self._memory is None:
            self._memory = self._read()
        return self._memory

    def _read(self) -> Memory:
        try:
            content = read_private(self._path)
            return Memory() if content is None else _decode(content)
        except (StorageError, ValueError) as problem:
            self._log.warning("login_guard_unreadable", file=str(self._path), why=str(problem))
            return Memory()

    def _note(self, memory: Memory) -> None:
        self._memory = memory
        try:
            ensure_private_directory(self._path.parent)
            write_private(self._path, json.dumps({"version": VERSION, **asdict(memory)}).encode())
        except StorageError as problem:
            if not self._complained:
                self._log.error("login_guard_not_saved", why=str(problem))
            self._complained = True
        else:
            self._complained = False


def _decode(content: bytes) -> Memory:
    document = parse_json(content)
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError("it is not of a version that is known here")
    login, failures, until = (document.get(name) for name in ("login", "failures", "until"))
    if isinstance(login, str) and isinstance(failures, int) and isinstance(until, int | float):
        return Memory(login=login, failures=max(0, failures), until=until, refused=document.get("refused") is True)
    raise ValueError("it does not say what failed")
