"""Check URLs and read a broker's address out of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883, "ws": 80, "wss": 443}
WEBSOCKET_PATH = "/mqtt"
"""Where brokers serve MQTT over websockets unless told otherwise."""
PLACEHOLDER = "{secret}"
"""Stands in the query of `notifications.public_url` for the secret that is registered."""

_FRAGMENT = re.compile(r"#.*", re.DOTALL)
_AFTER_HOST = re.compile(r"[/\\?].*", re.DOTALL)
_NO_PORT = re.compile(r"^([^:/?#\[]*:)(?![0-9]+(?:[/?#]|\Z)).*", re.DOTALL)
"""A colon without a port: what follows may be a password whose rest, from a # on, YAML took for a comment."""
_BRACES = re.compile(r"[{}]")
_UNPRINTABLE = re.compile(r"[\s\x00-\x1f\x7f]")
LONGEST_ADDRESS = 50
LOCALHOST = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttEndpoint:
    """Where and how to reach the broker; `path` is None unless the transport is websockets."""

    transport: Literal["tcp", "websockets"]
    tls: bool
    host: str
    port: int
    path: str | None


def parse_endpoint(url: str) -> MqttEndpoint:
    """Read `mqtt.url`; raise ValueError with the reason why it cannot be used."""
    parts = _split(url, tuple(DEFAULT_PORTS), "they belong in mqtt.username and mqtt.password")
    if parts.query:
        raise ValueError("it has a query")
    websockets = parts.scheme in {"ws", "wss"}
    if not websockets and parts.path not in {"", "/"}:
        raise ValueError("only ws:// and wss:// have a path")
    return MqttEndpoint(
        transport="websockets" if websockets else "tcp",
        tls=parts.scheme in {"mqtts", "wss"},
        host=parts.hostname or "",
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        path=(parts.path or WEBSOCKET_PATH) if websockets else None,
    )


def check_broker_url(url: str) -> str:
    """Return the URL if it can be `mqtt.url`."""
    parse_endpoint(url)
    return url


def check_http_url(url: str) -> str:
    """Return the URL if it is a http or https URL without credentials and fragment."""
    _split(url, ("http", "https"), "they do not belong there")
    return url


def check_push_url(url: str) -> str:
    """Return the URL if it is one for http whose only braces are those of the placeholder in its query."""
    parts = _split(url, ("http", "https"), "they do not belong there")
    address, _, query = url.partition("?")
    if PLACEHOLDER in address or PLACEHOLDER in unquote(parts.path):
        raise ValueError(f"{PLACEHOLDER} stands elsewhere than in its query")
    if _BRACES.search(f"{address}{unquote(parts.path)}{query.replace(PLACEHOLDER, '')}"):
        raise ValueError(f"it contains other braces than those of {PLACEHOLDER} in its query")
    return url


def path_of(url: str) -> str:
    """Give the path of a URL as a web server sees it."""
    return unquote(urlsplit(url).path) or "/"


def check_network(text: str) -> str:
    """Return the address or network of addresses in its usual spelling."""
    try:
        return str(ip_network(text)) if "/" in text else str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text[:LONGEST_ADDRESS]!r} is {_wrong_network(text)}") from None


def _wrong_network(text: str) -> str:
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        return "neither an IP address nor a network"
    return f"no network, {meant} would be one"


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches a server that listens on this host."""
    if host.casefold() == "localhost":
        return True
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        return False
    return address.is_loopback


def same_listener(one: str, other: str) -> bool:
    """Tell whether two hosts cannot be listened on with one port: equal ones, and all addresses with any."""
    hosts = {host.casefold().strip("[]") for host in (one, other)}
    return len(hosts) == 1 or hosts <= LOCALHOST or any(map(_is_everywhere, hosts))


def _is_everywhere(host: str) -> bool:
    try:
        return ip_address(host).is_unspecified
    except ValueError:
        return False


def without_credentials(text: str) -> str:
    """Mask what may be a user name, a password or a token in a value that is to be shown.

    Where there is a query, of an address only scheme and host are shown: a webhook's path is a password as well.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "", text
    credentials, at, address = rest.rpartition("@")
    if "?" in credentials:
        # It may be the query that has the @ in it.
        address = "***"
    if separator:
        address = _NO_PORT.sub(r"\1***", address)
    if "?" in (address if separator else address.rstrip("?")):
        address = _AFTER_HOST.sub("/***", address)
    elif separator:
        address = _FRAGMENT.sub("#***", address)
    return f"{scheme}{separator}{'***@' if at else ''}{address}"


def _split(url: str, schemes: tuple[str, ...], where_credentials_belong: str) -> SplitResult:
    if _UNPRINTABLE.search(url):
        raise ValueError("it contains white space or control characters")
    if "@" in url:
        raise ValueError(f"it contains credentials: {where_credentials_belong}")
    parts = _parts(url)
    if parts.scheme not in schemes or "://" not in url:
        raise ValueError(f"it does not start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    if not parts.hostname:
        raise ValueError("it names no host")
    if "#" in url:
        raise ValueError("it has a fragment")
    return parts


def _parts(url: str) -> SplitResult:
    # The standard library's own messages quote the URL, which may hold a password.
    try:
        parts = urlsplit(url)
        usable = parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("its host or port cannot be read")
    return parts
