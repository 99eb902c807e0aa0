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
PROXY = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
NAT = "if this network does not reach itself by its public address, try from outside, e.g. from a phone"


async def web(settings: Settings) -> list[Finding]:
    """Say whether the certificate can be used, and the port is free, or a bridge has it already."""
    if not settings.web.enabled:
        return [unchecked("web", "web.enabled is false")]
    try:
        web_certificate(settings)
    except SettingsError as problem:
        return [failed("web", str(problem), "give the right files", Blame.UNUSABLE)]
    if not settings.web.port:
        return [ok("web", "takes any free port (web.port is 0)")]
    where = f"{settings.web.host}:{settings.web.port}"
    if (version := await _bridge(settings)) is not None:
        return [ok("web", f"a bridge answers at {where}, version {version}")]
    try:
        for each in await listen(settings.web.host, settings.web.port):
            each.close()
    except OSError as problem:
        why, mend = not_listening(problem)
        if mend.endswith("web.port"):
            mend += " (and uhome.redirect_uri, also in the app)"
        return [failed("web", f"cannot listen on {where}: {why}", mend, Blame.MACHINE)]
    return [ok("web", f"{where} is free: no bridge runs here")]


async def _bridge(settings: Settings) -> str | None:
    """Give the version of the bridge that answers on this machine; None where none does."""
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=WITHIN / 2, verify=local_web.unverified()) as http:
            found: Any = (await http.get(f"{local_web.address(settings)}/healthz", headers=local_web.HEADERS)).json()
    except (httpx.HTTPError, ValueError):
        return None
    return str(found.get("version")) if isinstance(found, dict) and found.get("name") == NAME else None


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
    return [_judged(shown, answer, webhook="?" in url)]


def _no_answer(shown: str, problem: httpx.HTTPError) -> Finding:
    what, why = "notifications", str(problem) or type(problem).__name__
    if "CERTIFICATE_VERIFY_FAILED" in why or "SSL" in why:
        mend = "the cloud needs a certificate that everybody trusts, with its whole chain: see docs/notifications.md"
        return failed(what, f"{shown} has no usable certificate: {why}", mend)
    if isinstance(problem, httpx.TimeoutException):
        return warning(what, f"{shown} does not answer: no reply within {WITHIN:.0f} s", NAT)
    mend = f"check the name, the port forwarding and the proxy; {NAT}"
    return warning(what, f"{shown} cannot be reached: {why}", mend)


def _judged(shown: str, answer: httpx.Response, *, webhook: bool) -> Finding:
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
        mend = "let the proxy pass the path on unchanged to web.port, and have the bridge run with this public_url"
        return failed(what, f"{text}: nobody takes notifications on this path", mend)
    if answer.is_success:
        return failed(what, f"{text}: it is no bridge that answers", "check the path of notifications.public_url")
    return failed(what, text, "something before the bridge refuses: let POST through without a login of its own")
