"""The web server of the bridge that runs on this machine: where it is, and what it says."""

from __future__ import annotations

import http.client
import json
import ssl
from ipaddress import ip_address
from urllib.parse import quote

from uhome2mqtt.settings import Settings

HEADERS = {"Host": "localhost"}
"""By this name a bridge without a token may always be asked."""
LOOPBACK = {4: "127.0.0.1", 6: "::1"}
LARGEST = 4 * 1024 * 1024


def host_of(settings: Settings) -> str:
    """Give the address that leads to the web server from this machine."""
    return _reachable(settings.web.host)


def _reachable(listening: str) -> str:
    host = listening.strip("[]")
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if address.is_unspecified:
        return LOOPBACK[address.version]
    return host


def address(settings: Settings) -> str:
    """Give its URL without a path."""
    return _url(settings, settings.web.host, settings.web.port)


def notifications_address(settings: Settings) -> str | None:
    """Give the URL of the listener that takes notifications alone; None where there is none."""
    notifications = settings.notifications
    if notifications.listener is None:
        return None
    return _url(settings, *notifications.listener) + quote(notifications.path or "/")


def _url(settings: Settings, listening: str, port: int) -> str:
    host = _reachable(listening)
    scheme = "https" if settings.web.cert_file else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def get(settings: Settings, path: str, seconds: float) -> tuple[int, str]:
    """Give status and body of what it answers; raises OSError where it does not, or speaks no HTTP."""
    connection = _connection(settings, seconds)
    try:
        connection.request("GET", path, headers=HEADERS)
        answer = connection.getresponse()
        return answer.status, answer.read(LARGEST).decode(errors="replace")
    except http.client.HTTPException as problem:
        raise OSError(f"it speaks no HTTP ({type(problem).__name__})") from None
    finally:
        connection.close()


def _connection(settings: Settings, seconds: float) -> http.client.HTTPConnection:
    host, port = host_of(settings), settings.web.port
    if not settings.web.cert_file:
        return http.client.HTTPConnection(host, port, timeout=seconds)
    return http.client.HTTPSConnection(host, port, timeout=seconds, context=unverified())


def unverified() -> ssl.SSLContext:
    """Accept any certificate: that of a bridge on this machine is its own, and bears another name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def reasons(body: str) -> list[str]:
    """Read what a bridge that is not ready waits for."""
    try:
        document = json.loads(body)
    except ValueError:
        return []
    found = document.get("reasons") if isinstance(document, dict) else None
    return [str(reason) for reason in found] if isinstance(found, list) else []
