"""The way to the account: login, devices, and the cloud's clock."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime

import httpx

from uhome2mqtt.cloud import Cloud, http_client
from uhome2mqtt.compose import open_cloud, open_tokens
from uhome2mqtt.doctor.findings import Blame, Finding, failed, ok, unchecked
from uhome2mqtt.errors import LOGIN_NEEDED, AccessError, CloudError
from uhome2mqtt.local_web import unverified
from uhome2mqtt.model import Failure, FailureKind
from uhome2mqtt.settings import Settings
from uhome2mqtt.token_store import ensure_readable

MEND = {
    FailureKind.AUTHORIZATION: "run: uhome2mqtt login",
    FailureKind.UNREACHABLE: "check the network, the name server and the proxy (HTTPS_PROXY), and uhome.api_url",
    FailureKind.UNCERTAIN: "the cloud is in trouble: wait, the bridge goes on by itself",
    FailureKind.RATE_LIMITED: "too many requests: wait, and raise polling.interval",
    FailureKind.REJECTED: "check uhome.api_url, and the account's OpenAPI page in the Xthings Home app",
}
WITHIN = 8.0
"""Seconds for an answer at most: a cloud that hangs is to be found out before the doctor's patience ends."""
LARGEST_DIFFERENCE = 60.0
"""Seconds between two clocks: with more, certificates and the ends of tokens are misjudged, and fresh commands too."""
SET_CLOCK = "set this machine's clock, e.g. timedatectl set-ntp true"


async def account(settings: Settings) -> list[Finding]:
    """Ask the cloud whose account it is, and for its devices."""
    try:
        ensure_readable(settings.state_dir)
    except AccessError:
        return [unchecked(what, "needs tokens that this user can read first") for what in ("authorization", "cloud")]
    async with http_client(_within(settings)) as http:
        tokens = open_tokens(settings, http)
        cloud = open_cloud(settings, http, tokens)
        cloud.wait(_within(settings))
        try:
            return [finding async for finding in _account(cloud)]
        finally:
            # A renewal that is under way may bring the only tokens that are still good.
            await tokens.settled()


def _within(settings: Settings) -> float:
    return min(settings.uhome.timeout, WITHIN)


async def _account(cloud: Cloud) -> AsyncIterator[Finding]:
    """Ask both; one failure is enough."""
    try:
        await cloud.account()
        yield ok("authorization", "the cloud accepts the login")
        devices = await cloud.list_devices()
    except CloudError as problem:
        for finding in _refused(problem.failure):
            yield finding
        return
    hint = "" if devices else "select devices in the Xthings Home app: My Account, OpenAPI"
    yield ok("cloud", f"answers; devices: {len(devices)}", hint)


def _refused(failure: Failure) -> list[Finding]:
    """Say which of the two is to blame: a login that is missing or dead says nothing against the cloud."""
    text = f"{failure.code}: {failure.message}"
    # The message of a missing login says itself what to run.
    mend = "" if MEND[failure.kind] in text else MEND[failure.kind]
    if "CERTIFICATE_VERIFY_FAILED" in text:
        mend = f"look at the line of the clock; if that is right, somebody stands between: {mend}"
    if failure.kind is not FailureKind.AUTHORIZATION:
        return [failed("cloud", text, mend)]
    asked = failure.code != LOGIN_NEEDED
    reached = ok("cloud", "answers") if asked else unchecked("cloud", "needs a login first")
    return [failed("authorization", text, mend, Blame.AUTHORIZATION), reached]


async def clock(settings: Settings) -> list[Finding]:
    """Hold this machine's clock against the cloud's, which every answer shows; no login is needed for that."""
    try:
        # The certificate is not looked at: with a wrong clock it would not seem good, and nothing is told or believed.
        async with httpx.AsyncClient(timeout=_within(settings), verify=unverified()) as http:
            answer = await http.head(settings.uhome.api_url)
        there = parsedate_to_datetime(answer.headers["Date"]).timestamp()
    except httpx.HTTPError as problem:
        return [unchecked("clock", f"the cloud does not answer ({type(problem).__name__})")]
    except (KeyError, ValueError):
        return [unchecked("clock", "the cloud does not say what time it is")]
    ahead = time.time() - there
    if abs(ahead) <= LARGEST_DIFFERENCE:
        return [ok("clock", "this machine's clock is right")]
    text = f"this machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} the cloud's"
    return [failed("clock", text, SET_CLOCK, Blame.MACHINE)]
