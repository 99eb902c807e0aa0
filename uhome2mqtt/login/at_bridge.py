"""A login while a bridge runs: it has the callback's port, so it begins and ends the login."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult

import httpx

from uhome2mqtt.errors import SettingsError
from uhome2mqtt.login.terminal import lead, nobody_came, refused
from uhome2mqtt.logins import LIFETIME, Stage
from uhome2mqtt.web import NAME

ANSWERS_WITHIN = 2.0
LOOK_EVERY = 0.5


async def through_bridge(
    address: SplitResult, web_token: str | None, say: Callable[[str], None], *, browser: bool
) -> bool:
    """Let the bridge that listens there take the login, and wait for its end; False where it is no bridge of ours.

    Raises CloudError where the login was not granted, SettingsError where the bridge asks for another token.
    """
    headers = {"Authorization": f"Bearer {web_token}"} if web_token else {}
    where = f"{address.scheme}://{address.netloc}"
    # No proxy leads back to this machine.
    async with httpx.AsyncClient(base_url=where, trust_env=False, timeout=ANSWERS_WITHIN, headers=headers) as bridge:
        if (await _asked(bridge, "/healthz")).get("name") != NAME:
            return False
        begun = await bridge.get("/oauth/start")
        if begun.status_code != httpx.codes.FOUND:
            why = f"the bridge at {where} asks for another one: use login --paste, or log in at {where}/"
            raise SettingsError((f"web.token: {why}",))
        say("The bridge is running, and takes the login itself.")
        await lead(begun.headers["Location"], say, browser=browser)
        await _ended(bridge, httpx.URL(begun.headers["Location"]).params["state"])
    return True


async def _ended(bridge: httpx.AsyncClient, state: str) -> None:
    """Look until the login has ended."""
    try:
        async with asyncio.timeout(LIFETIME):
            while True:
                await asyncio.sleep(LOOK_EVERY)
                said = await _asked(bridge, "/oauth/status", state=state)
                match said.get("status"):
                    case Stage.GRANTED:
                        return
                    case Stage.FAILED:
                        raise refused("login_failed", str(said.get("why")))
                    case Stage.UNKNOWN:
                        raise refused("login_forgotten", "the bridge does not know of this login any more; start again")
    except TimeoutError:
        raise nobody_came() from None


async def _asked(bridge: httpx.AsyncClient, path: str, **query: str) -> dict[str, Any]:
    """Ask for a JSON object; empty where there is none, or nobody."""
    with suppress(httpx.HTTPError, ValueError):
        said = (await bridge.get(path, params=query)).json()
        return said if isinstance(said, dict) else {}
    return {}
