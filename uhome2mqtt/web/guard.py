"""Who may use the web pages: everybody where only this machine can reach them, else who knows the token."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response

COOKIE = "uhome2mqtt_session"
SESSION = 12 * 3600.0
"""Seconds after which the token is asked for again."""
SESSIONS = 64
ATTEMPTS = 10
"""Wrong tokens that an address may give in a minute."""
MINUTE = 60.0
ADDRESSES = 256
"""How many addresses that gave wrong tokens are remembered."""


class Guard:
    """Admits requests that carry the token, or the cookie of a session that began with it; without a token, all."""

    def __init__(self, token: str | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token
        self._clock = clock
        self._sessions: dict[str, float] = {}
        self._failures: dict[str, deque[float]] = {}

    def admits(self, request: Request) -> bool:
        """Tell whether a request may see and do things."""
        if self._token is None or self._clock() < self._sessions.get(request.cookies.get(COOKIE, ""), 0.0):
            return True
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.casefold() == "bearer" and not self.wait(request) and self._is_token(given.strip(), request)

    def wait(self, request: Request) -> float:
        """Give the seconds until this request's address may try a token again; 0: now."""
        failures = self._failures.get(_address(request), deque())
        return max(0.0, failures[0] + MINUTE - self._clock()) if len(failures) == ATTEMPTS else 0.0

    def open_session(self, given: str, request: Request, response: Response) -> bool:
        """Put a session's cookie into the response where the right token is given."""
        if not self._is_token(given, request):
            return False
        session = secrets.token_urlsafe(24)
        self._sessions[session] = self._clock() + SESSION
        _shorten(self._sessions, SESSIONS)
        secure = request.url.scheme == "https"
        response.set_cookie(COOKIE, session, max_age=int(SESSION), httponly=True, samesite="strict", secure=secure)
        return True

    def _is_token(self, given: str, request: Request) -> bool:
        right = secrets.compare_digest(given.encode(), (self._token or "").encode())
        if not right:
            failures = self._failures.pop(_address(request), deque(maxlen=ATTEMPTS))
            self._failures[_address(request)] = failures
            failures.append(self._clock())
            _shorten(self._failures, ADDRESSES)
        return right


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _shorten(remembered: dict[str, float] | dict[str, deque[float]], most: int) -> None:
    while len(remembered) > most:
        del remembered[next(iter(remembered))]
