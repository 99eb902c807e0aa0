"""Where the cloud's notifications arrive."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from http import HTTPStatus
from typing import Literal

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from uhome2mqtt import logs, uhome
from uhome2mqtt.model import Notification, parse_json

LARGEST = 64 * 1024
"""Bytes of a notification; those that were seen have two thousand."""
SAID_EVERY = 60.0
"""Seconds between two log lines about refusals for the same reason."""

Outcome = Literal["accepted", "unauthorized", "too_large", "not_json", "overloaded"]
REFUSALS: dict[Outcome, tuple[HTTPStatus, str, dict[str, str]]] = {
    "unauthorized": (HTTPStatus.UNAUTHORIZED, "the access token is missing or wrong", {"WWW-Authenticate": "Bearer"}),
    "too_large": (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body has more than {LARGEST} bytes", {}),
    "not_json": (HTTPStatus.BAD_REQUEST, "the body is not JSON", {}),
    "overloaded": (HTTPStatus.SERVICE_UNAVAILABLE, "too much is waiting already", {"Retry-After": "1"}),
}
"""How each is answered: nothing of the request is in it."""


class _RefusedError(Exception):
    """A notification that is not taken."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class Receiver:
    """Takes notifications that carry an accepted secret; `deliver` returns False if too much waits already.

    `path`: as a web server sees it, with nothing in it that is still escaped.
    """

    def __init__(
        self,
        path: str,
        accepts: Callable[[str], bool],
        deliver: Callable[[Notification], bool],
        clock: Callable[[], float] = time.monotonic,
        names: uhome.LightNames = uhome.GUESSED,
    ) -> None:
        self.counts: Counter[str] = Counter()
        self._path = path
        self._accepts = accepts
        self._deliver = deliver
        self._clock = clock
        self._names = names
        self._unsaid: Counter[str] = Counter()
        self._said: dict[str, float] = {}
        self._log = logs.get_logger()

    @property
    def route(self) -> Route:
        """Say where notifications arrive."""
        return Route(self._path, self._receive, methods=["POST"])

    async def _receive(self, request: Request) -> Response:
        client = request.client.host if request.client else None
        try:
            told = await self._taken(request)
        except _RefusedError as refusal:
            return self._refuse(refusal.outcome, client)
        except ClientDisconnect:
            # Nobody is there any longer to hear it.
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        self.counts["accepted"] += 1
        kinds = {"reports": len(told.reports), "changed": len(told.changed), "deleted": len(told.deleted)}
        self._log.debug("notification_received", client=client, **kinds, unreadable=told.unreadable)
        return JSONResponse({"success": True})

    async def _taken(self, request: Request) -> Notification:
        if not self._is_authorized(request):
            raise _RefusedError("unauthorized")
        try:
            parsed = parse_json(await _body(request))
        except ValueError:
            raise _RefusedError("not_json") from None
        told = uhome.decode_notification(parsed, self._names)
        if not self._deliver(told):
            raise _RefusedError("overloaded")
        return told

    def _is_authorized(self, request: Request) -> bool:
        given = request.query_params.getlist("access_token")
        for header in request.headers.getlist("Authorization"):
            scheme, _, credentials = header.strip().partition(" ")
            if scheme.casefold() == "bearer":
                given.append(credentials.strip())
        # Not `any` over a generator: which of them was right is nobody's business.
        return True in [self._accepts(each) for each in given]

    def _refuse(self, outcome: Outcome, client: str | None) -> Response:
        self.counts[outcome] += 1
        self._unsaid[outcome] += 1
        now = self._clock()
        if now - self._said.get(outcome, -SAID_EVERY) >= SAID_EVERY:
            self._said[outcome] = now
            self._log.warning("notification_refused", outcome=outcome, client=client, count=self._unsaid.pop(outcome))
        status, text, headers = REFUSALS[outcome]
        return JSONResponse({"error": text}, status, headers)


async def _body(request: Request) -> bytes:
    """Read as much as a notification may have: what is announced to be larger is not even begun."""
    if int(request.headers.get("Content-Length", "0")) > LARGEST:
        raise _RefusedError("too_large")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > LARGEST:
            raise _RefusedError("too_large")
    return bytes(body)
