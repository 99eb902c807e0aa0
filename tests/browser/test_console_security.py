"""Who gets at the console with a browser, and who does not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Page, expect

from tests.browser.console import TOKEN, Console
from tests.support.account import FRONT, new_http
from tests.support.stage import Stage

pytestmark = pytest.mark.browser

OPEN = {"host": "0.0.0.0", "token": TOKEN}
POSTS = ("api/devices/front_door/set", "api/requests/refresh", "api/requests/device/rename", "session/end")

ATTEMPT = """async ([bridge, posts]) => {
    const TYPES = [["no-cors", "text/plain"], ["no-cors", "application/x-www-form-urlencoded"],
        ["cors", "text/plain"], ["cors", "application/json"]];
    const said = [];
    const body = JSON.stringify({lock: "UNLOCK", sent_at: Date.now() / 1000, device: "front_door", topic: "stolen"});
    const tried = async (what) => { try { said.push((await what()) ?? ""); } catch { said.push(""); } };
    for (const path of posts)
        for (const credentials of ["include", "omit"])
            for (const [mode, type] of TYPES) {
                const options = {method: "POST", mode, credentials, headers: {"Content-Type": type}, body};
                await tried(async () => (await fetch(bridge + path, options)).text());
            }
    navigator.sendBeacon(bridge + posts[0], new Blob([body], {type: "text/plain"}));
    for (const path of ["api/house", "api/devices/front_door", ""]) {
        await tried(async () => (await fetch(bridge + path, {credentials: "include"})).text());
        await tried(async () => (await fetch(bridge + path, {mode: "no-cors", credentials: "include"})).text());
    }
    const heard = (source) => new Promise((done) => {
        for (const name of ["house", "changes", "message"]) source.addEventListener(name, (event) => done(event.data));
        source.addEventListener("error", () => done(""));
        setTimeout(() => done(""), 3000);
    });
    said.push(await heard(new EventSource(bridge + "api/events", {withCredentials: true})));
    const globals = new Set(Object.getOwnPropertyNames(window));
    await new Promise((done) => {
        const script = document.createElement("script");
        Object.assign(script, {src: bridge + "api/house", onload: done, onerror: done});
        document.body.append(script);
    });
    said.push(Object.getOwnPropertyNames(window).filter((name) => !globals.has(name)).join(""));
    return said;
}"""
"""All that a page of another site can try with a script; gives what it got to read."""
FRAMED = """(bridge) => new Promise((done) => {
    const frame = document.createElement("iframe");
    frame.src = bridge;
    frame.onload = () => done(true);
    document.body.append(frame);
})"""
FORM = """([bridge, type]) => {
    const form = document.createElement("form");
    Object.assign(form, {action: bridge + "api/devices/front_door/set", method: "post", enctype: type});
    const field = document.createElement("input");
    Object.assign(field, {name: '{"lock":"UNLOCK","x":"', value: '"}'});
    form.append(field);
    document.body.append(form);
    form.submit();
}"""


@asynccontextmanager
async def foreign_site(host: str) -> AsyncIterator[str]:
    """Serve an empty page of another origin on this machine and give its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        page = b"<!doctype html><title>Prizes</title><body>"
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(page)
        )
        writer.write(page)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield f"http://{host}:{server.sockets[0].getsockname()[1]}/"


async def status(console: Console, cookies: Mapping[str, str]) -> int:
    """Ask for the house with the cookies of a browser, and give the status of the answer."""
    sent = "; ".join(f"{name}={value}" for name, value in cookies.items())
    async with new_http(f"http://127.0.0.1:{console.port}") as http:
        return (await http.get("/api/house", headers={"Cookie": sent} if sent else {})).status_code


async def give_token(page: Page, token: str) -> None:
    """Fill in the form that asks for the token."""
    await page.get_by_label("Token of the web pages").fill(token)
    await page.get_by_role("button", name="Continue").click()


async def test_token(stage: Stage, page: Page) -> None:
    """A wrong token opens nothing, the right one the console; its cookie is kept from scripts and other sites."""
    async with Console.running(stage, page, host="bridge.lan", web=OPEN) as console:
        assert await status(console, {}) == 401
        await give_token(page, "wrong")
        await expect(page.get_by_role("status")).to_contain_text("This is not the token")
        assert await page.context.cookies() == []
        await give_token(page, TOKEN)
        await console.confirm_unlock("Front Door")
        await expect(console.card("Front Door")).to_contain_text("Unlock: confirmed")
        (cookie,) = await page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert await page.evaluate("document.cookie") == ""
        assert TOKEN not in await page.content()
        assert await status(console, {cookie["name"]: cookie["value"]}) == 200


async def test_sign_out(stage: Stage, page: Page) -> None:
    """Who signs out is out on all pages, those that are open already too."""
    async with Console.running(stage, page, host="bridge.lan", web=OPEN) as console:
        await give_token(page, TOKEN)
        await expect(console.card("Front Door")).to_be_visible()
        other = await page.context.new_page()
        await other.goto(console.address)
        await expect(other.get_by_role("link", name="Front Door", exact=True)).to_be_visible()
        (cookie,) = await page.context.cookies()
        await console.bridge_page()
        await page.get_by_role("button", name="Sign out").click()
        for each in (page, other):
            await expect(each.get_by_label("Token of the web pages")).to_be_visible(timeout=90_000)
        assert await status(console, {cookie["name"]: cookie["value"]}) == 401


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_other_sites(console: Console, complaints: list[str], host: str) -> None:
    """A page of another site on this machine has nothing done and gets nothing to read, whatever it tries."""
    page = await console.page.context.new_page()
    async with foreign_site(host) as site:
        await page.goto(site)
        said = await page.evaluate(ATTEMPT, [console.address, list(POSTS)])
        assert {*said} == {""}
        assert await page.evaluate(FRAMED, console.address)
        frame = page.frames[-1]
        assert await frame.get_by_text("Front Door").count() == 0
        assert any("frame" in text for text in complaints)
        complaints.clear()
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            await page.goto(site)
            async with page.expect_navigation():
                await page.evaluate(FORM, [console.address, kind])
            assert set(json.loads(await page.locator("body").inner_text())) == {"error"}
    await console.lock("Front Door").click()
    await expect(console.card("Front Door")).to_contain_text("Lock: confirmed")
    assert console.account.commands() == [(FRONT, "lock")]
    await expect(console.page.get_by_role("link", name="Front Door", exact=True)).to_have_attribute(
        "href", "#/devices/front_door"
    )


async def test_other_sites_with_session(stage: Stage, page: Page, complaints: list[str]) -> None:
    """The session of a browser is of no use to a page of another site that the same browser shows."""
    async with Console.running(stage, page, host="localhost", web=OPEN) as console, foreign_site("127.0.0.1") as site:
        await give_token(page, TOKEN)
        await expect(console.card("Front Door")).to_be_visible()
        other = await page.context.new_page()
        await other.goto(site)
        assert {*await other.evaluate(ATTEMPT, [console.address, list(POSTS)])} == {""}
        assert await other.evaluate(FRAMED, console.address)
        complaints.clear()
        await page.reload()
        await expect(console.card("Front Door")).to_be_visible()
        assert stage.account.commands() == []


async def test_rebinding(console: Console) -> None:
    """By a foreign name that leads to this machine there is no console, no house to read and nothing to command."""
    page = await console.page.context.new_page()
    address = f"http://rebound.example:{console.port}/"
    shown = await page.goto(address)
    assert shown is not None
    assert not shown.ok
    assert await page.get_by_text("Front Door").count() == 0
    asked = """async ([path, options]) => (await fetch(path, options)).status"""
    command = {"method": "POST", "headers": {"Content-Type": "application/json"}, "body": '{"lock": "UNLOCK"}'}
    for path, options in (("api/house", {}), ("api/events", {}), ("api/devices/front_door/set", command)):
        assert await page.evaluate(asked, [address + path, options]) in {400, 401, 403}
    assert console.account.commands() == []
