"""Who may use the web pages and the console, and by which road: a token, this machine, a page of the bridge's own."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})
"""Where the web server listens for this machine only, no page of a foreign site may reach it by a name of its own."""
COOKIE = "uhome2mqtt_session"
"""What the names of the cookies begin with."""
SESSION = 12 * 3600.0
"""Seconds after which the token is asked for again."""
SESSIONS = 64
ATTEMPTS = 10
"""Wrong tokens that an address may give in a minute."""
MINUTE = 60.0
ADDRESSES = 256
"""How many addresses that gave wrong tokens are remembered."""
HOST_BITS = 64
"""Bits of an IPv6 address that its owner chooses at will."""
DEFAULT_PORTS = {"http": 80, "https": 443}
OWN_SITES = frozenset({"same-origin", "none"})
"""What browsers say in `Sec-Fetch-Site` of a bridge's own page, and of a person who typed an address."""
RELAYED = (
    "forwarded",
    "x-forwarded",
    "x-real-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-original-",
    "x-envoy-",
    "true-client-ip",
    "via",
    "cf-",
    "cdn-",
)
"""How the headers begin that reverse proxies and tunnels add, and browsers of people who open the console do not."""
RELAYED_CONNECTIONS = frozenset({"close", "upgrade"})
"""What nginx says of its connections, where it is told to speak HTTP/1.1; browsers keep theirs."""


class Guard:
    """Admits requests that carry the token, or the cookie of a session that began with it; without a token, all.

    `names`: without a token, by which names its pages may be asked for. `bridge`: what tells this bridge from others
    on the same machine, whose cookies go to the same browser. `shared`: whether a proxy passes on to the same port what
    comes from elsewhere, and could be taken for somebody at this machine.
    """

    def __init__(
        self,
        token: str | None,
        clock: Callable[[], float] = time.monotonic,
        names: Iterable[str] = LOCAL_HOSTS,
        bridge: str = "",
        *,
        shared: bool = False,
    ) -> None:
        self.shared = shared
        self._token = token
        self._clock = clock
        self._names = frozenset(map(_plain, names))
        self._cookie = f"{COOKIE}_{hashlib.sha256(bridge.encode()).hexdigest()[:8]}"
        self._sessions: dict[str, float] = {}
        self._failures: dict[str, deque[float]] = {}

    @property
    def asks(self) -> bool:
        """Tell whether a token is asked for at all."""
        return self._token is not None

    def admits(self, request: Request) -> bool:
        """Tell whether a request may see the pages of the login, and log in."""
        if self._token is None or self._clock() < self._sessions.get(request.cookies.get(self._cookie, ""), 0.0):
            return True
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return scheme.casefold() == "bearer" and not self.wait(request) and self._is_token(given.strip(), request)

    def admits_console(self, request: Request) -> bool:
        """Tell whether a request may see and command the house: with the token, or without one from this machine."""
        return self.admits(request) and (self.asks or (not self.shared and _is_from_here(request)))

    def admits_origin(self, request: Request) -> bool:
        """Tell whether a request comes from a page of this bridge, or from no page at all.

        A foreign page can make a browser send requests, and cannot choose these headers. Programs send none of them.
        """
        sites, origins = request.headers.getlist("Sec-Fetch-Site"), request.headers.getlist("Origin")
        if not OWN_SITES.issuperset(sites):
            return False
        if not self.asks and not all(_host_of(origin.partition("://")[2]) in self._names for origin in origins):
            return False
        return bool(sites) or all(_is_asked(origin, request) for origin in origins)

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
        response.set_cookie(
            self._cookie, session, max_age=int(SESSION), httponly=True, samesite="strict", secure=secure
        )
        return True

    def end_session(self, request: Request, response: Response) -> None:
        """Forget the request's session, and have the browser forget its cookie."""
        self._sessions.pop(request.cookies.get(self._cookie, ""), None)
        secure = request.url.scheme == "https"
        response.delete_cookie(self._cookie, httponly=True, samesite="strict", secure=secure)

    def _is_token(self, given: str, request: Request) -> bool:
        # Without a token there is none that could be guessed: not even the empty one.
        right = secrets.compare_digest(given.encode(), (self._token or "").encode()) and self.asks
        if not right:
            failures = self._failures.pop(_address(request), deque(maxlen=ATTEMPTS))
            self._failures[_address(request)] = failures
            failures.append(self._clock())
            _shorten(self._failures, ADDRESSES)
        return right


def _is_from_here(request: Request) -> bool:
    """Tell whether it is somebody at this machine who asks a server that listens for this machine only.

    A reverse proxy that was set up for notifications is on this machine as well, and speaks for the whole Internet:
    whatever shows one is refused. nginx speaks HTTP/1.0 unless it is told otherwise.
    """
    hosts = request.headers.getlist("Host")
    if len(hosts) != 1 or _host_of(hosts[0]) not in LOCAL_HOSTS:
        return False
    if request.scope["http_version"] == "1.0" or any(name.startswith(RELAYED) for name in request.headers):
        return False
    said = {word.strip().casefold() for each in request.headers.getlist("Connection") for word in each.split(",")}
    return said.isdisjoint(RELAYED_CONNECTIONS)


def _is_asked(origin: str, request: Request) -> bool:
    """Tell whether an origin is the address that the browser has asked, as far as a proxy lets that be seen.

    No page can make a browser send an `X-Forwarded-Host` of its choice.
    """
    asked = request.headers.get("X-Forwarded-Host", "").split(",")[0].strip() or request.headers.get("Host", "")
    scheme, _, place = origin.partition("://")
    # Opaque origins (null) and those of other schemes are nobody's here.
    default = DEFAULT_PORTS.get(scheme)
    if default is None:
        return False
    found = _place(place, default)
    return found is not None and found == _place(asked, default)


def _place(text: str, default: int) -> tuple[str, int] | None:
    """Read host and port; None where there is no host, or anything else besides."""
    try:
        parts = urlsplit(f"//{text}")
        port = parts.port
    except ValueError:
        return None
    if not parts.hostname or parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        return None
    return _plain(parts.hostname), default if port is None else port


def _host_of(text: str) -> str:
    """Give the host of a host with or without its port; empty where there is none."""
    place = _place(text, 0)
    return "" if place is None else place[0]


def _plain(host: str) -> str:
    """Write a host as everybody does; with a dot at its end it is the same."""
    return host.casefold().removesuffix(".")


def _address(request: Request) -> str:
    """Say who asks: an IPv6 network is one neighbour, who has addresses without end."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    return str(address.ipv4_mapped or IPv6Address(int(address) >> HOST_BITS << HOST_BITS))


def _shorten(remembered: dict[str, float] | dict[str, deque[float]], most: int) -> None:
    while len(remembered) > most:
        del remembered[next(iter(remembered))]
