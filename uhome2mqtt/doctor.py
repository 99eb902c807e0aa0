"""What is wrong between this installation and the cloud, and how to mend it."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from uhome2mqtt.cloud import Cloud, http_client
from uhome2mqtt.compose import open_cloud, open_tokens
from uhome2mqtt.errors import LOGIN_NEEDED, CloudError
from uhome2mqtt.model import Failure, FailureKind, Json
from uhome2mqtt.settings import Settings

MEND = {
    FailureKind.AUTHORIZATION: "run: uhome2mqtt login",
    FailureKind.UNREACHABLE: "check the network, the name server and the proxy (HTTPS_PROXY), and uhome.api_url",
    FailureKind.UNCERTAIN: "the cloud is in trouble: wait, the bridge goes on by itself",
    FailureKind.RATE_LIMITED: "too many requests: wait, and raise polling.interval",
    FailureKind.REJECTED: "check uhome.api_url, and the account's OpenAPI page in the Xthings Home app",
}


class Verdict(StrEnum):
    """How a look ended; what was not looked at is neither good nor bad."""

    OK = "ok"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's; `mend`: what to do, empty where nothing is; `kind`: why a request failed."""

    what: str
    verdict: Verdict
    text: str
    mend: str = ""
    kind: FailureKind | None = None

    @property
    def line(self) -> str:
        """The finding as people read it."""
        mend = f"; {self.mend}" if self.mend else ""
        return f"{self.what:<14} {self.verdict:<12} {self.text}{mend}"

    @property
    def document(self) -> dict[str, Json]:
        """The finding as programs read it."""
        return {"what": self.what, "verdict": str(self.verdict), "text": self.text, "mend": self.mend or None}


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything that lies between this installation and the account."""
    findings = [_ok("config", f"usable; state directory {settings.state_dir}"), _state_dir(settings.state_dir)]
    async with http_client(settings.uhome.timeout) as http:
        findings += [finding async for finding in _account(open_cloud(settings, http, open_tokens(settings, http)))]
    findings.append(Finding(what="broker", verdict=Verdict.NOT_CHECKED, text="this version does not look at it"))
    return findings


def written(findings: list[Finding], *, as_json: bool) -> str:
    """Write the findings, one line each or as JSON."""
    if as_json:
        return json.dumps([finding.document for finding in findings], indent=2, ensure_ascii=False)
    return "\n".join(finding.line for finding in findings)


async def _account(cloud: Cloud) -> AsyncIterator[Finding]:
    """Ask the cloud whose account it is, and for its devices; one failure is enough."""
    try:
        await cloud.account()
        yield _ok("authorization", "the cloud accepts the login")
        devices = await cloud.list_devices()
    except CloudError as problem:
        for finding in _refused(problem.failure):
            yield finding
        return
    hint = "" if devices else "select devices in the Xthings Home app: My Account, OpenAPI"
    yield Finding(what="cloud", verdict=Verdict.OK, text=f"answers; devices: {len(devices)}", mend=hint)


def _refused(failure: Failure) -> list[Finding]:
    """Say which of the two is to blame: a login that is missing or dead says nothing against the cloud."""
    text = f"{failure.code}: {failure.message}"
    if failure.kind is not FailureKind.AUTHORIZATION:
        return [_failed("cloud", text, failure.kind)]
    asked = failure.code != LOGIN_NEEDED
    reached = (
        _ok("cloud", "answers")
        if asked
        else Finding(what="cloud", verdict=Verdict.NOT_CHECKED, text="needs a login first")
    )
    return [_failed("authorization", text, failure.kind), reached]


def _state_dir(path: Path) -> Finding:
    try:
        existing = next(level for level in (path, *path.parents) if level.exists())
        if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
            return _ok("state_dir", f"{path} can be written")
    except OSError:
        # A directory above it cannot even be entered.
        existing = path
    mend = "give it to the user that runs the bridge, or choose another state_dir"
    return Finding(what="state_dir", verdict=Verdict.FAILED, text=f"{existing} cannot be written", mend=mend)


def _ok(what: str, text: str) -> Finding:
    return Finding(what=what, verdict=Verdict.OK, text=text)


def _failed(what: str, text: str, kind: FailureKind) -> Finding:
    # The message of a missing login says itself what to run.
    mend = "" if MEND[kind] in text else MEND[kind]
    return Finding(what=what, verdict=Verdict.FAILED, text=text, mend=mend, kind=kind)
