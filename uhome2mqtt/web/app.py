"""What the web server answers: pages of the login, health, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from uhome2mqtt import __version__, oauth
from uhome2mqtt.errors import CloudError, StorageError
from uhome2mqtt.logins import Logins
from uhome2mqtt.model import FailureKind
from uhome2mqtt.web import pages
from uhome2mqtt.web.console import ConsoleSite
from uhome2mqtt.web.guard import Guard
from uhome2mqtt.web.receiver import Receiver

NAME = "uhome2mqtt"
"""How `/healthz` says who answers: a login that finds its port taken asks for it."""
CALLBACK = "/oauth/callback"
LARGEST_FORM = 16 * 1024
HEADERS = {
    "Cache-Control": "no-store",
    # Not no-referrer: with that, browsers send forms without a word of the page that they stand on (Origin: null).
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": f"default-src 'none'; style-src {pages.STYLE_SOURCE}; img-src data:; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """How the bridge is doing; `trouble`: why a person has to log in, None where the login is good.

    `waiting`: what the bridge waits for before it is ready. `push`: how far notifications can be relied on, one of the
    words in `pages.NOTIFICATIONS`.
    """

    trouble: str | None
    cloud: str
    waiting: tuple[str, ...]
    push: str = "disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What the pages show and do; `hosts`: by which names they may be asked for, None: by any.

    `metrics`: for what a scraper accepts, the metrics and their media type. `receiver`: where notifications arrive,
    None: nowhere. `console`: what the first page is once somebody has logged in, None: there is none.
    """

    logins: Logins
    redirect_uri: str
    condition: Callable[[], Condition]
    metrics: Callable[[str], tuple[bytes, str]]
    guard: Guard
    hosts: Iterable[str] | None = None
    receiver: Receiver | None = None
    console: ConsoleSite | None = None

    async def home(self, request: Request) -> Response:
        """Show how the account is connected; it is the callback, too, where the redirect URI has no path."""
        if "state" in request.query_params:
            return await _finished(self.logins, "./", request)
        if not self.guard.admits(request):
            return _page(pages.token_form(), HTTPStatus.UNAUTHORIZED)
        if self.console is not None and self._shows_house(request):
            return self.console.page()
        return await self.connect(request)

    def _shows_house(self, request: Request) -> bool:
        return self.condition().trouble is None and self.guard.admits_console(request)

    async def connect(self, request: Request) -> Response:
        """Show how the account is connected, and how to connect it."""
        if not self.guard.admits(request):
            return RedirectResponse("./", HTTPStatus.SEE_OTHER, HEADERS)
        now = self.condition()
        hint = "" if self.guard.admits_console(request) else pages.closed(shared=self.guard.shared)
        inside = self.console is not None and self._shows_house(request)
        return _page(pages.home(self.redirect_uri, now.trouble, now.cloud, now.push, hint, inside=inside))

    async def session(self, request: Request) -> Response:
        """Take the web token."""
        if not self.guard.admits_origin(request):
            return _foreign()
        if wait := self.guard.wait(request):
            text = f"Too many wrong tokens: wait {wait:.0f} s."
            return _page(pages.token_form(text), HTTPStatus.TOO_MANY_REQUESTS)
        response = RedirectResponse("./", HTTPStatus.SEE_OTHER, HEADERS)
        if self.guard.open_session((await _form(request)).get("token", ""), request, response):
            return response
        return _page(pages.token_form("This is not the token."), HTTPStatus.FORBIDDEN)

    async def session_end(self, request: Request) -> Response:
        """End the session that the web token began; a form is led back, a script knows where it is."""
        if not self.guard.admits_origin(request):
            return _foreign()
        by_form = "text/html" in request.headers.get("Accept", "")
        response = (
            RedirectResponse("../", HTTPStatus.SEE_OTHER, HEADERS)
            if by_form
            else Response(status_code=HTTPStatus.NO_CONTENT, headers=HEADERS)
        )
        self.guard.end_session(request, response)
        return response

    async def start(self, request: Request) -> Response:
        """Send the browser to the login, if it is a person who asks: pictures and frames of other sites begin none."""
        if request.headers.get("Sec-Fetch-Dest", "document") != "document":
            return Response(status_code=HTTPStatus.FORBIDDEN, headers=HEADERS)
        if request.method == "HEAD":
            return Response(headers=HEADERS)
        if not self.guard.admits(request):
            return RedirectResponse("../", HTTPStatus.SEE_OTHER, HEADERS)
        return RedirectResponse(self.logins.begin(), HTTPStatus.FOUND, HEADERS)

    async def status(self, request: Request) -> Response:
        """Tell how a login has ended; whoever knows its state has begun it."""
        stage, why = self.logins.stage(request.query_params.get("state", ""))
        return JSONResponse({"status": str(stage), "why": why}, headers=HEADERS)

    async def ready(self, _request: Request) -> Response:
        """Tell whether the bridge bridges, and what it waits for."""
        waiting = self.condition().waiting
        document = {"status": "waiting" if waiting else "ready", "reasons": waiting}
        return JSONResponse(document, HTTPStatus.SERVICE_UNAVAILABLE if waiting else HTTPStatus.OK)

    async def exposition(self, request: Request) -> Response:
        """Give the metrics, in the format that the scraper prefers."""
        content, media_type = self.metrics(request.headers.get("Accept", ""))
        return Response(content, media_type=media_type)


def site_app(site: Site) -> Starlette:
    """Build the web application of a running bridge."""
    paths = {CALLBACK, urlsplit(site.redirect_uri).path} - {"", "/"}
    routes: list[BaseRoute] = [
        # The first, so that it may share the path of the first page.
        *([] if site.receiver is None else [site.receiver.route]),
        Route("/", site.home),
        Route("/connect", site.connect),
        *([] if site.console is None else site.console.routes),
        Route("/session", site.session, methods=["POST"], max_body_size=LARGEST_FORM),
        Route("/session/end", site.session_end, methods=["POST"], max_body_size=LARGEST_FORM),
        Route("/oauth/start", site.start),
        Route("/oauth/status", site.status),
        *(_callback_route(site.logins, path, _home_from(path), site.guard) for path in sorted(paths)),
        Route("/healthz", _healthy),
        Route("/readyz", site.ready),
        Route("/metrics", site.exposition),
    ]
    return _app(routes, [] if site.hosts is None else [_only_for(site.hosts)])


def _only_for(hosts: Iterable[str]) -> Middleware:
    names = [f"[{host}]" if ":" in host else host for host in hosts]
    return Middleware(TrustedHostMiddleware, names, www_redirect=False)


def notifications_app(receiver: Receiver) -> Starlette:
    """Build the web application that takes notifications and knows nothing else."""
    return _app([receiver.route])


def callback_app(logins: Logins, path: str) -> Starlette:
    """Build the web application that only waits for a browser to come back."""
    return _app([_callback_route(logins, path or "/", None)])


def _app(routes: Sequence[BaseRoute], middleware: Sequence[Middleware] = ()) -> Starlette:
    """Build an application that leads nobody elsewhere: behind a proxy it does not know the address that was asked."""
    app = Starlette(routes=routes, middleware=middleware)
    app.router.redirect_slashes = False
    return app


def _callback_route(logins: Logins, path: str, home_link: str | None, guard: Guard | None = None) -> Route:
    async def callback(request: Request) -> Response:
        if request.method == "POST" and guard is not None and not guard.admits_origin(request):
            return _foreign()
        return await _finished(logins, home_link, request)

    return Route(path, callback, methods=["GET", "POST"], max_body_size=LARGEST_FORM)


async def _finished(logins: Logins, home_link: str | None, request: Request) -> Response:
    """Take the browser's return: by itself, or as an address that a person has pasted."""
    if request.method == "HEAD":
        # Whoever only looks must not use the login up.
        return Response(headers=HEADERS)
    try:
        await logins.finish(await _returned(request))
    except StorageError as problem:
        return _page(pages.not_kept(str(problem), home_link), HTTPStatus.INSUFFICIENT_STORAGE)
    except CloudError as problem:
        refused = problem.failure.kind is FailureKind.AUTHORIZATION
        status = HTTPStatus.BAD_REQUEST if refused else HTTPStatus.BAD_GATEWAY
        return _page(pages.failed(str(problem), home_link), status)
    return _page(pages.done(home_link))


async def _returned(request: Request) -> Mapping[str, str]:
    if request.method == "POST":
        return oauth.query_of((await _form(request)).get("address", ""))
    return request.query_params


async def _form(request: Request) -> dict[str, str]:
    """Read a form; the routes see to it that it is not large."""
    return dict(parse_qsl((await request.body()).decode(errors="replace")))


async def _healthy(_request: Request) -> Response:
    """Tell that the process lives."""
    return JSONResponse({"status": "ok", "name": NAME, "version": __version__})


def _home_from(path: str) -> str:
    """Give the way home as a relative link: a reverse proxy may have put a prefix before all paths."""
    return "../" * (path.count("/") - 1) or "./"


def _foreign() -> Response:
    return _page(pages.foreign(), HTTPStatus.FORBIDDEN)


def _page(content: str, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return HTMLResponse(content, status, HEADERS)
