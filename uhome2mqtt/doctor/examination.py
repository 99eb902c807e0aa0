"""Everything that can be looked at, at the same time, each within its own time."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from uhome2mqtt.doctor import broker, cloud, machine, web
from uhome2mqtt.doctor.findings import Finding, failed, unchecked
from uhome2mqtt.progress import told
from uhome2mqtt.settings import Inspection, Settings
from uhome2mqtt.threads import Abandonable

PATIENCE = 12.0
"""Seconds for each look; a little more than its single steps may take."""
NEEDS_CONFIG = "needs a usable configuration first"
NETWORK = ("authorization", "cloud", "clock", "broker", "notifications", "web")

Look = Coroutine[Any, Any, list[Finding]]


async def examine(inspection: Inspection, environ: Mapping[str, str]) -> list[Finding]:
    """Look at everything that lies between this installation, the account and the broker."""
    # A name server that does not answer must not hold up the end.
    asyncio.get_running_loop().set_default_executor(Abandonable())
    here = [*machine.config(inspection), *machine.permissions(inspection, environ)]
    settings = inspection.settings
    if settings is None:
        return here + [unchecked(what, NEEDS_CONFIG) for what in ("state_dir", "token", *NETWORK)]
    here += [*machine.state_dir(settings), *machine.secrets(inspection), *machine.token(settings)]
    found = await told({name: _in_time(name, look) for name, look in _looks(settings).items()})
    return here + [finding for findings in found for finding in findings]


def _looks(settings: Settings) -> dict[str, Look]:
    known = settings.uhome.client_id and settings.uhome.client_secret
    return {
        "cloud": cloud.account(settings) if known else _nobody(),
        "clock": cloud.clock(settings),
        "broker": broker.broker(settings),
        "notifications": web.notifications(settings),
        "web": web.web(settings),
    }


async def _nobody() -> list[Finding]:
    """Say that the cloud cannot be asked by somebody whom it does not know."""
    return [
        unchecked(what, "needs uhome.client_id and uhome.client_secret first") for what in ("authorization", "cloud")
    ]


async def _in_time(name: str, look: Look) -> list[Finding]:
    try:
        async with asyncio.timeout(PATIENCE):
            return await look
    except TimeoutError:
        return [
            failed(name, f"no answer within {PATIENCE:.0f} s", "check the network, and whether the other side lives")
        ]
