"""The three ways to log in, as a person goes them."""

from __future__ import annotations

import pytest
from playwright.async_api import Page, expect

from tests.browser.console import without_login
from tests.support.patience import eventually, free_port
from tests.support.process import Program
from tests.support.stage import Stage

pytestmark = pytest.mark.browser


async def test_page(stage: Stage, page: Page) -> None:
    """The page's button leads through U-tec's login and on to the console; the login has a page of its own then."""
    async with without_login(stage) as address:
        await page.goto(address)
        await expect(page.get_by_role("status")).to_contain_text("Nobody has logged in yet")
        await expect(page.get_by_text("/oauth/callback")).to_be_visible()
        await page.get_by_role("link", name="Log in to U home").click()
        await page.get_by_role("button", name="Allow").click()
        await expect(page.get_by_role("status")).to_contain_text("Connected to U home")
        await stage.complete()
        await page.get_by_role("link", name="See how the bridge is doing").click()
        await expect(page.get_by_role("link", name="Front Door", exact=True)).to_be_visible()
        assert page.url == address
        await page.goto(f"{address}connect")
        await expect(page.get_by_role("status")).to_contain_text("The cloud answers")
        await page.get_by_text("Log in again, or with another account").click()
        await expect(page.get_by_role("link", name="Log in to U home")).to_be_visible()
        await page.get_by_role("link", name="Go to the house").click()
        await page.wait_for_url(address)


async def test_denied_first(stage: Stage, page: Page) -> None:
    """Who denies the access by mistake is led back to where it starts."""
    async with without_login(stage) as address:
        await page.goto(f"{address}oauth/start")
        await page.get_by_role("button", name="Deny").click()
        await expect(page.get_by_role("status")).to_contain_text("The login did not work")
        await page.get_by_role("link", name="Start again").click()
        await page.get_by_role("link", name="Log in to U home").click()
        await page.get_by_role("button", name="Allow").click()
        await expect(page.get_by_role("status")).to_contain_text("Connected to U home")


async def test_command_line(stage: Stage, page: Page) -> None:
    """`uhome2mqtt login` takes the browser back itself, and ends."""
    uri = f"http://localhost:{free_port()}/oauth/callback"
    command = await command_line(stage, uri)
    await page.goto(offered(command))
    await page.get_by_role("button", name="Allow").click()
    await expect(page.get_by_role("status")).to_contain_text("Connected to U home")
    await expect(page.get_by_text("go back to the terminal")).to_be_visible()
    assert await command.ended() == 0
    assert (stage.state_dir / "tokens.json").exists()


async def test_paste(stage: Stage, page: Page) -> None:
    """`uhome2mqtt login --paste` takes the address of the page that could not be loaded."""
    command = await command_line(stage, f"http://localhost:{free_port()}/oauth/callback", "--paste")
    await page.goto(offered(command))
    command.type(await allowed_in_vain(page) + "\n")
    assert await command.ended() == 0
    assert (stage.state_dir / "tokens.json").exists()


async def command_line(stage: Stage, redirect_uri: str, *options: str) -> Program:
    """Start a login in a terminal and wait until it says what to open."""
    config = stage.bridge(uhome={"redirect_uri": redirect_uri}).config
    command = Program("login", *options, "-c", str(config))
    stage.programs.append(command)
    await command.start()
    await eventually(lambda: any("/authorize?" in line for line in command.out))
    return command


def offered(command: Program) -> str:
    """Give the address that a login in a terminal asks to open."""
    return next(line.strip() for line in command.out if "/authorize?" in line)


async def allowed_in_vain(page: Page) -> str:
    """Allow the access in a browser that cannot come back, and give the address that it shows."""
    async with page.expect_event("requestfailed") as failing:
        await page.get_by_role("button", name="Allow").click()
    return (await failing.value).url


async def test_browser_elsewhere(stage: Stage, page: Page) -> None:
    """A browser that cannot reach the redirect URI shows an error; its address, pasted on the page, does it."""
    # Nobody listens there: the browser itself says so, as it would on another machine.
    async with without_login(stage, redirect_port=free_port()) as address:
        await page.goto(f"{address}oauth/start")
        shown = await allowed_in_vain(page)
        another = await page.context.new_page()
        await another.goto(address)
        await another.get_by_text("The browser shows an error").click()
        await another.get_by_label("Address that the browser was sent to").fill(shown)
        await another.get_by_role("button", name="Finish the login").click()
        await expect(another.get_by_role("status")).to_contain_text("Connected to U home")
        await stage.complete()


async def test_token(stage: Stage, page: Page) -> None:
    """Where the page asks for a token, a wrong one is refused and the right one is asked for once."""
    async with without_login(stage, host="0.0.0.0", token="token-of-the-pages") as address:
        await page.goto(address)
        for given, seen in (("wrong", "This is not the token"), ("token-of-the-pages", "Not connected to U home")):
            await page.get_by_label("Token of the web pages").fill(given)
            await page.get_by_role("button", name="Continue").click()
            await expect(page.get_by_role("status")).to_contain_text(seen)
        await page.reload()
        await page.get_by_role("link", name="Log in to U home").click()
        await page.get_by_role("button", name="Allow").click()
        await page.get_by_role("link", name="See how the bridge is doing").click()
        await expect(page.get_by_role("link", name="Front Door", exact=True)).to_be_visible()
