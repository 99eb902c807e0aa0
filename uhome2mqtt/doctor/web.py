"""The bridge's own web server, from here and from outside."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import httpx

from uhome2mqtt import local_web
from uhome2mqtt.compose import web_certificate
from uhome2mqtt.doctor.findings import Blame, Finding, failed, ok, unchecked, warning
from uhome2mqtt.errors import SettingsError
from uhome2mqtt.settings import Settings
from uhome2mqtt.settings.urls import without_credentials
from uhome2mqtt.web import NAME, listen, not_listening

WITHIN = 8.0
LISTENER, EXPOSURE = "push_port", "exposure"
PROXY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
NAT = "if this network does not reach itself by its public address, try from outside, e.g. from a phone"


async def web(settings: Settings) -> list[Finding]:
    """Say whether the certificate can be used, and the ports are free, or a bridge has them already."""
    try:
        web_certificate(settings)
    except SettingsError as problem:
        return [failed("web", str(problem), "give the right files", Blame.UNUSABLE)]
    return [await _pages(settings), *await _listener(settings), *_exposure(settings)]


async def _pages(settings: Settings) -> Finding:
    if not settings.web.enabled:
        return unchecked("web", "web.enabled is false")
    if not settings.web.port:
        return ok("web", "takes any free port (web.port is 0)")
    where = f"{settings.web.host}:{settings.web.port}"
    if (version := await _bridge(settings)) is not None:
        return ok("web", f"a bridge answers at {where}, version {version}")
    return await _free("web", settings.web.host, settings.web.port)


async def _listener(settings: Settings) -> list[Finding]:
    """Look at the port that takes notifications alone, if there is one."""
    url, listener = local_web.notifications_address(settings), settings.notifications.listener
    if url is None or listener is None:
        return []
    if await _takes_notifications(url):
        return [ok(LISTENER, f"a bridge takes notifications at {listener[0]}:{listener[1]}")]
    return [await _free("notifications", *listener, what=LISTENER)]


async def _free(section: str, host: str, port: int, what: str = "web") -> Finding:
    try:
        for each in await listen(host, port):
            each.close()
    except OSError as problem:
        why, mend = not_listening(problem, section)
        if mend.endswith("web.port"):
            mend += " (and uhome.redirect_uri, also in the app)"
        return failed(what, f"cannot listen on {host}:{port}: {why}", mend, Blame.MACHINE)
    return ok(what, f"{host}:{port} is free: no bridge runs here")


def _exposure(settings: Settings) -> list[Finding]:
    """Tell that the console stays closed where a proxy that passes too much would show it to everybody."""
    web = settings.web
    if not settings.notifications.by_the_pages or not web.enabled or web.token is not None:
        return []
    text = "notifications come in by the port of the pages, and there is no token: the console stays closed"
    mend = "to use it, set web.token, or give notifications a port of their own (notifications.port)"
    return [warning(EXPOSURE, text, mend)]


async def _bridge(settings: Settings) -> str | None:
    """Give the version of the bridge that answers on this machine; None where none does."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=WITHIN / 2, verify=local_web.unverified()) as http:
            found: Any = (await http.get(f"{local_web.address(settings)}/healthz", headers=local_web.HEADERS)).json()
    except (httpx.HTTPError, ValueError):
        return None
    return str(found.get("version")) if isinstance(found, dict) and found.get("name") == NAME else None


async def _takes_notifications(url: str) -> bool:
    """Tell whether somebody there wants the secret of notifications."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=WITHIN / 2, verify=local_web.unverified()) as http:
            answer = await http.post(url, json={})
    except httpx.HTTPError:
        return False
    return answer.status_code == HTTPStatus.UNAUTHORIZED and answer.headers.get("WWW-Authenticate") == "Bearer"


async def notifications(settings: Settings) -> list[Finding]:
    """Knock at the public address without a secret: a running bridge answers 401."""
    what, url = "notifications", settings.notifications.public_url
    if url is None:
        return [unchecked(what, "notifications.public_url is not set: the bridge polls alone")]
    shown = without_credentials(url)
    try:
        async with httpx.AsyncClient(timeout=WITHIN) as http:
            answer = await http.post(settings.notifications.address("check"), json={})
    except httpx.HTTPError as problem:
        return [_no_answer(shown, problem)]
    port = "web.port" if settings.notifications.listener is None else "notifications.port"
    return [_judged(shown, answer, port, webhook="?" in url)]


def _no_answer(shown: str, problem: httpx.HTTPError) -> Finding:
    what, why = "notifications", str(problem) or type(problem).__name__
    if "CERTIFICATE_VERIFY_FAILED" in why or "SSL" in why:
        mend = "the cloud needs a certificate that everybody trusts, with its whole chain: see docs/notifications.md"
        return failed(what, f"{shown} has no usable certificate: {why}", mend)
    if isinstance(problem, httpx.TimeoutException):
        return warning(what, f"{shown} does not answer: no reply within {WITHIN:.0f} s", NAT)
    mend = f"check the name, the port forwarding and the proxy; {NAT}"
    return warning(what, f"{shown} cannot be reached: {why}", mend)


def _judged(shown: str, answer: httpx.Response, port: str, *, webhook: bool) -> Finding:
    """Say what an answer means; who takes notifications for the bridge, as a webhook, answers 200."""
    what, status = "notifications", answer.status_code
    text = f"{shown} answers {status}"
    if status == HTTPStatus.UNAUTHORIZED or (webhook and answer.is_success):
        return ok(what, f"{text}, as it should to somebody without the secret")
    if answer.is_redirect:
        return failed(what, f"{text}, a redirect", "set notifications.public_url to where it leads")
    if status in PROXY:
        return failed(
            what, f"{text}: the proxy has no bridge behind it", "start the bridge, or mend the proxy's target"
        )
    if status == HTTPStatus.NOT_FOUND:
        mend = f"let the proxy pass the path on unchanged to {port}, and have the bridge run with this public_url"
        return failed(what, f"{text}: nobody takes notifications on this path", mend)
    if answer.is_success:
        return failed(what, f"{text}: it is no bridge that answers", "check the path of notifications.public_url")
    return failed(what, text, "something before the bridge refuses: let POST through without a login of its own")
