"""What a look came to, as people and programs read it."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from uhome2mqtt.model import Json


class Verdict(StrEnum):
    """How a look ended; what was not looked at is neither good nor bad, and a note is news."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    FAILED = "failed"
    NOT_CHECKED = "not checked"


class Blame(StrEnum):
    """What keeps something that is needed from working; the first that occurs decides on the exit code."""

    UNUSABLE = "unusable configuration"
    AUTHORIZATION = "authorization"
    UNREACHABLE = "unreachable"
    MACHINE = "machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the doctor's; `mend`: what to do, empty where nothing is; `blame`: None unless it failed."""

    what: str
    verdict: Verdict
    text: str
    mend: str = ""
    blame: Blame | None = None

    @property
    def line(self) -> str:
        """The finding as people read it."""
        mend = f"; {self.mend}" if self.mend else ""
        return f"{self.what:<14} {self.verdict:<12} {self.text}{mend}"

    @property
    def document(self) -> dict[str, Json]:
        """The finding as programs read it."""
        return {
            "what": self.what,
            "verdict": str(self.verdict),
            "text": self.text,
            "mend": self.mend or None,
            "blame": None if self.blame is None else str(self.blame),
        }


def ok(what: str, text: str, mend: str = "") -> Finding:
    """Say that something works."""
    return Finding(what=what, verdict=Verdict.OK, text=text, mend=mend)


def remark(what: str, text: str, mend: str = "") -> Finding:
    """Say something that is worth knowing."""
    return Finding(what=what, verdict=Verdict.NOTE, text=text, mend=mend)


def warning(what: str, text: str, mend: str) -> Finding:
    """Say what should be mended, though everything works."""
    return Finding(what=what, verdict=Verdict.WARNING, text=text, mend=mend)


def failed(what: str, text: str, mend: str, blame: Blame = Blame.UNREACHABLE) -> Finding:
    """Say that something that is needed does not work."""
    return Finding(what=what, verdict=Verdict.FAILED, text=text, mend=mend, blame=blame)


def unchecked(what: str, text: str) -> Finding:
    """Say why something was not looked at."""
    return Finding(what=what, verdict=Verdict.NOT_CHECKED, text=text)


def blamed(findings: Collection[Finding]) -> Blame | None:
    """Give what is to blame first of all; None where everything that is needed works."""
    found = {finding.blame for finding in findings}
    return next((blame for blame in Blame if blame in found), None)


def written(findings: Collection[Finding], *, as_json: bool) -> str:
    """Write the findings, one line each or as JSON."""
    if as_json:
        return json.dumps([finding.document for finding in findings], indent=2, ensure_ascii=False)
    return "\n".join(finding.line for finding in findings)
