"""The console's paths: its page and files, its API, and the events that keep it current."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from uhome2mqtt import console
from uhome2mqtt.console import (
    Desk,
    LeftToOtherError,
    MovedError,
    NoAnswerError,
    StoppingError,
    TooManyReadersError,
    UnknownError,
)
from uhome2mqtt.errors import DiagnosticsError
from uhome2mqtt.model import Json, parse_json
from uhome2mqtt.web import pages
from uhome2mqtt.web.guard import Guard

STATIC = Path(console.__file__).parent / "static"
LARGEST_BODY = 16 * 1024
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
PAGE_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
}


STATUSES: dict[type[Exception], HTTPStatus] = {
    UnknownError: HTTPStatus.NOT_FOUND,
    MovedError: HTTPStatus.CONFLICT,
    LeftToOtherError: HTTPStatus.CONFLICT,
    NoAnswerError: HTTPStatus.GATEWAY_TIMEOUT,
    StoppingError: HTTPStatus.SERVICE_UNAVAILABLE,
    DiagnosticsError: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""How what cannot be done is answered."""


class _RefusedError(Exception):
    """A request that is not taken."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        super().__init__(why)
        self.status = status


class _Files(StaticFiles):
    """Files that a browser asks for anew, so that an update of the bridge is seen; most are answered `not modified`."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers.update({**PAGE_HEADERS, "Cache-Control": "no-cache"})
        return response


Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleSite:
    """What the console's paths need; `diagnostics` gives the bundle, None: there is none to be had here."""

    desk: Desk
    guard: Guard
    diagnostics: Callable[[], Awaitable[bytes]] | None = None

    def page(self) -> Response:
        """Give the page; what it shows it fetches itself."""
        return FileResponse(STATIC / "index.html", headers=PAGE_HEADERS)

    @property
    def routes(self) -> list[BaseRoute]:
        """Give all paths but that of the page."""
        return [
            self._route("/api/house", self._house),
            self._route("/api/events", self._events),
            self._route("/api/time", self._time),
            self._route("/api/diagnostics", self._bundle),
            self._route("/api/devices/{level}", self._device),
            self._route("/api/devices/{level}/set", self._set, "POST"),
            self._route("/api/devices/{level}/get", self._get, "POST"),
            self._route("/api/requests/{name:path}", self._request, "POST"),
            Mount("/console", _Files(directory=STATIC)),
        ]

    def _route(self, path: str, endpoint: Endpoint, method: str = "GET") -> Route:
        async def guarded(request: Request) -> Response:
            try:
                self._check(request)
                return await endpoint(request)
            except _RefusedError as refusal:
                return _error(refusal.status, str(refusal))
            except tuple(STATUSES) as problem:
                return _error(STATUSES[type(problem)], str(problem))

        route = Route(path, guarded, methods=[method], max_body_size=LARGEST_BODY)
        # Nobody who only asks what there is shall hold events open, or have diagnostics made.
        route.methods = {method}
        return route

    def _check(self, request: Request) -> None:
        """Refuse what comes from a foreign page, and from who may not use the console."""
        if not self.guard.admits_origin(request):
            raise _RefusedError(HTTPStatus.FORBIDDEN, pages.FOREIGN)
        if self.guard.admits_console(request):
            return
        if self.guard.asks:
            raise _RefusedError(HTTPStatus.UNAUTHORIZED, "web.token is needed: log in on the first page, or send it")
        raise _RefusedError(HTTPStatus.FORBIDDEN, pages.closed(shared=self.guard.shared))

    async def _house(self, _request: Request) -> Response:
        return Response(await self.desk.feed.house(), headers=HEADERS, media_type="application/json")

    async def _time(self, _request: Request) -> Response:
        return JSONResponse({"time": self.desk.time()}, headers=HEADERS)

    async def _events(self, request: Request) -> Response:
        events = self.desk.feed.read(lambda: self.guard.admits_console(request))
        try:
            first = await anext(events)
        except TooManyReadersError:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "too many pages look at the bridge: close some of them")
        except StopAsyncIteration:
            return _error(HTTPStatus.SERVICE_UNAVAILABLE, "the bridge stops")
        # nginx would keep events back.
        headers = {**HEADERS, "X-Accel-Buffering": "no"}
        return StreamingResponse(_from(first, events), headers=headers, media_type="text/event-stream")

    async def _device(self, request: Request) -> Response:
        return JSONResponse(self.desk.whole(self.desk.find(*_which(request))), headers=HEADERS)

    async def _set(self, request: Request) -> Response:
        members, (level, meant) = await _members(request), _which(request)
        return JSONResponse({"transaction": self.desk.command(level, members, meant)}, HTTPStatus.ACCEPTED, HEADERS)

    async def _get(self, request: Request) -> Response:
        await _members(request)
        return _answer(await self.desk.get(*_which(request)))

    async def _request(self, request: Request) -> Response:
        return _answer(await self.desk.ask(request.path_params["name"], await _members(request)))

    async def _bundle(self, _request: Request) -> Response:
        if self.diagnostics is None:
            raise _RefusedError(HTTPStatus.NOT_FOUND, "this bridge has no configuration file to make a bundle from")
        bundle = await self.desk.unless_stopping(self.diagnostics())
        headers = {**HEADERS, "Content-Disposition": 'attachment; filename="uhome2mqtt-diagnostics.zip"'}
        return Response(bundle, headers=headers, media_type="application/zip")


async def _from(first: str, events: AsyncIterator[str]) -> AsyncIterator[str]:
    yield first
    async for event in events:
        yield event


async def _members(request: Request) -> dict[str, Json]:
    """Read a body; no foreign page can send JSON without being asked first whether it may."""
    if request.headers.get("Content-Type", "").partition(";")[0].strip().casefold() != "application/json":
        raise _RefusedError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "send JSON: Content-Type: application/json")
    try:
        members = parse_json(await request.body())
    except ValueError as problem:
        raise _RefusedError(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {problem}") from None
    if not isinstance(members, dict):
        raise _RefusedError(HTTPStatus.BAD_REQUEST, "the body is JSON, but not an object")
    return members


def _which(request: Request) -> tuple[str, str | None]:
    """Read which device is meant: its topic level, and its id where the asker knows that as well."""
    return request.path_params["level"], request.query_params.get("id")


def _answer(answer: dict[str, Json]) -> Response:
    good = answer.get("status") == "ok"
    return JSONResponse(answer, HTTPStatus.OK if good else HTTPStatus.UNPROCESSABLE_ENTITY, HEADERS)


def _error(status: HTTPStatus, why: str) -> Response:
    return JSONResponse({"error": why}, status, HEADERS)
