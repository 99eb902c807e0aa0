"""What a real browser says of the pages that requests come from, and what the bridge makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, Request, expect

from tests.support.patience import free_port
from tests.support.stage import Stage

pytestmark = pytest.mark.browser

TOKEN = "token-of-the-pages"
FOREIGN = "http://foreign.example/"
FORM = (
    '<!doctype html><form method="post" action="{action}" {more}><input name="token" value="{token}">'
    "<button>Win a prize</button></form>"
)


@asynccontextmanager
async def bridge(stage: Stage, host: str) -> AsyncIterator[str]:
    """Run a bridge with a token and give the address of its page under a name."""
    port = free_port()
    running = stage.bridge(web={"port": port, "host": "0.0.0.0", "token": TOKEN})
    await running.start()
    await running.until_logged("web_listening")
    yield f"http://{host}:{port}/"
    assert await running.stop() == 0


@pytest.mark.parametrize("host", ["bridge.lan", "localhost"])
async def test_own_form(stage: Stage, page: Page, host: str) -> None:
    """The bridge's own form is taken, over plain HTTP, too, where browsers send no Sec-Fetch-Site."""
    posted: list[Request] = []
    page.on("request", lambda request: posted.append(request) if request.method == "POST" else None)
    async with bridge(stage, host) as address:
        await page.goto(address)
        await page.get_by_label("Token of the web pages").fill(TOKEN)
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("status")).to_contain_text("Nobody has logged in yet")
        headers = await posted[0].all_headers()
        assert headers["origin"] == address.removesuffix("/")
        assert ("sec-fetch-site" in headers) == (host == "localhost")
        await page.get_by_text("The browser shows an error").click()
        await page.get_by_label("Address that the browser was sent to").fill("http://localhost/?state=x&code=y")
        await page.get_by_role("button", name="Finish the login").click()
        await expect(page.get_by_role("status")).to_contain_text("The login did not work")


@pytest.mark.parametrize("host", ["bridge.lan", "localhost"])
@pytest.mark.parametrize("more", ["", 'enctype="text/plain"', 'rel="noreferrer"'])
async def test_foreign_form(stage: Stage, page: Page, host: str, more: str) -> None:
    """A form of another site that posts to the bridge is refused, though it has the right token."""
    async with bridge(stage, host) as address:
        content = FORM.format(action=f"{address}session", more=more, token=TOKEN)
        await page.route(FOREIGN, lambda route: route.fulfill(content_type="text/html", body=content))
        await page.goto(FOREIGN)
        await page.get_by_role("button", name="Win a prize").click()
        await expect(page.get_by_role("status")).to_contain_text("This was not taken")
        assert await page.context.cookies() == []


@pytest.mark.parametrize("host", ["bridge.lan", "localhost"])
async def test_foreign_script(stage: Stage, page: Page, host: str) -> None:
    """A script of another site learns nothing and gets nothing done, whether it asks first or does not."""
    statuses: list[int] = []
    page.on("response", lambda response: statuses.append(response.status) if "session" in response.url else None)
    async with bridge(stage, host) as address:
        await page.route(FOREIGN, lambda route: route.fulfill(content_type="text/html", body="<!doctype html>"))
        await page.goto(FOREIGN)
        sent = "(url, more) => fetch(url, {method: 'POST', body: 'token=x', ...more}).then(r => r.type, e => 'refused')"
        asked = f"([url, more]) => ({sent})(url, more)"
        assert await page.evaluate(asked, [f"{address}session", {}]) == "refused"
        # Newer browsers do not let public sites ask this network at all.
        assert await page.evaluate(asked, [f"{address}session", {"mode": "no-cors"}]) in {"opaque", "refused"}
        json = {"headers": {"Content-Type": "application/json"}}
        assert await page.evaluate(asked, [f"{address}session", json]) == "refused"
        assert not {*statuses} - {403, 405}
