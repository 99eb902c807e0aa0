"""From no login to a bridged household, and back after the grant is gone, without a restart."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from tests.support.account import new_http
from tests.support.patience import eventually, free_port
from tests.support.process import Bridge, Program
from tests.support.stage import Stage

pytestmark = pytest.mark.e2e


class Browser:
    """A browser without a screen, at the bridge's own pages."""

    def __init__(self, stage: Stage, bridge: Bridge, port: int, http: httpx.AsyncClient) -> None:
        self.stage = stage
        self.bridge = bridge
        self.port = port
        self.http = http

    async def page(self, path: str = "/") -> str:
        return (await self.http.get(path)).text

    async def log_in(self) -> str:
        """Log in by the page's button and give the page that it ends on."""
        start = await self.http.get("/oauth/start")
        assert start.status_code == httpx.codes.FOUND, start.text
        returned = await self.stage.account.allow(start.headers["Location"])
        return (await self.http.get(returned)).text


@asynccontextmanager
async def opened(stage: Stage, **web: Any) -> AsyncIterator[Browser]:
    """Start a bridge without a login and open its first page."""
    port = free_port()
    bridge = stage.bridge(uhome={"redirect_uri": f"http://localhost:{port}/oauth/callback"}, web={"port": port, **web})
    await bridge.start()
    await bridge.until_logged("web_listening")
    async with new_http(f"http://localhost:{port}") as http:
        yield Browser(stage, bridge, port, http)
    assert await bridge.stop() == 0


async def test_from_nothing(stage: Stage) -> None:
    """A bridge without a login says what to do on MQTT and on its page, and bridges as soon as somebody did it."""
    async with opened(stage) as browser:
        event = await stage.ear.until_event("bridge/event", "authorization_required")
        assert event["hint"] == f"open http://localhost:{browser.port}/ in a browser, or run: uhome2mqtt login"
        assert (await stage.held())["bridge/cloud"] == "unauthorized"
        assert "Nobody has logged in yet" in await browser.page()
        assert (await browser.http.get("/readyz")).status_code == 503
        since = stage.ear.now
        assert "Connected to U home" in await browser.log_in()
        await stage.complete(since)
        await stage.ear.until_event("bridge/event", "authorization_restored", since)
        assert "The cloud answers" in (await browser.http.get("/connect")).text
        assert "console/app.js" in await browser.page()
        assert (await browser.http.get("/readyz")).json() == {"status": "ready", "reasons": []}
        assert 'uhome2mqtt_cloud_requests_total{kind="list",outcome="ok"} 1.0' in await browser.page("/metrics")


async def test_revoked(stage: Stage) -> None:
    """A grant that is revoked is told of with what to do; a new login in the browser heals it at once."""
    async with opened(stage) as browser:
        await browser.log_in()
        await stage.complete()
        since = stage.ear.now
        await stage.account.control("POST", "revoke")
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        result = await stage.ear.until_event("front_door/result", "failed", since)
        assert "login" in result["message"]
        await stage.ear.until("bridge/cloud", "unauthorized", since)
        assert "The cloud no longer accepts the login" in await browser.page()
        since = stage.ear.now
        await browser.log_in()
        await stage.ear.until("bridge/cloud", "online", since, deadline=3)
        await stage.ear.say("front_door/lock/set", "UNLOCK")
        await stage.ear.until_event("front_door/result", "confirmed", since)


async def test_login_while_the_bridge_runs(stage: Stage) -> None:
    """`uhome2mqtt login` beside a bridge that has the callback's port works as if there was none."""
    async with opened(stage) as browser:
        command = Program("login", "-c", str(browser.bridge.config))
        stage.programs.append(command)
        await command.start()
        await eventually(lambda: any("/authorize?" in line for line in command.out))
        address = next(line.strip() for line in command.out if "/authorize?" in line)
        assert (await browser.http.get(await stage.account.allow(address))).status_code == httpx.codes.OK
        assert await command.ended() == 0
        assert "Connected" in command.out[-1]
        await stage.complete()


async def test_pasted_login_beside_the_bridge(stage: Stage) -> None:
    """`uhome2mqtt login --paste`, as in a container, is picked up by the bridge that runs."""
    async with opened(stage) as browser:
        await stage.ear.until("bridge/cloud", "unauthorized")
        command = Program("login", "--paste", "-c", str(browser.bridge.config))
        stage.programs.append(command)
        await command.start()
        await eventually(lambda: any("/authorize?" in line for line in command.out))
        address = next(line.strip() for line in command.out if "/authorize?" in line)
        command.type(await stage.account.allow(address) + "\n")
        assert await command.ended(15) == 0
        await stage.complete()


async def test_token(stage: Stage) -> None:
    """A bridge that other machines reach asks for its token before anything, and never shows it."""
    stage.secrets.add("token-of-the-pages")
    async with opened(stage, host="0.0.0.0", token="token-of-the-pages") as browser:
        assert "web.token" in await browser.page()
        assert (await browser.http.get("/oauth/start")).status_code == httpx.codes.SEE_OTHER
        await browser.http.post("/session", data={"token": "token-of-the-pages"})
        await browser.log_in()
        await stage.complete()
        assert json.loads((await stage.held())["bridge/info"])["settings"]["web"]["token"] == "**********"


async def test_switched_off(stage: Stage) -> None:
    """Without the web server nothing listens, and the hint is the command's."""
    port = free_port()
    bridge = stage.bridge(web={"enabled": False, "port": port})
    await bridge.start()
    event = await stage.ear.until_event("bridge/event", "authorization_required")
    assert event["hint"] == "run: uhome2mqtt login"
    assert bridge.logged("web_listening") == []
    assert await bridge.stop() == 0
