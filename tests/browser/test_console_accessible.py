"""What axe-core finds on the console's pages: nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import Page, ViewportSize, expect

from tests.browser.console import TOKEN, Console, without_login
from tests.support.account import BACK, DINING, FRONT
from tests.support.stage import Stage

pytestmark = pytest.mark.browser

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SIZES: tuple[ViewportSize, ...] = ({"width": 1280, "height": 900}, {"width": 390, "height": 844})
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
JUDGED = """async (values) => {
    document.getAnimations().filter((each) => each instanceof CSSTransition).forEach((each) => each.finish());
    const {violations} = await axe.run(document, {runOnly: {type: 'tag', values}});
    return violations.flatMap(({id, nodes}) => nodes.map((node) => `${id}: ${node.html}: ${node.failureSummary}`));
}"""
"""Gives what breaks the rules; colours are judged as they stay."""
FITS = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


def axe() -> str:
    """Read axe-core."""
    return Path(os.environ["AXE"]).read_text(encoding="utf-8")


async def violations(page: Page) -> list[str]:
    """Let axe-core look at a page as it is, light and dark, on a desk and on a phone; give what it finds, and where.

    That something sticks out to the side counts as well.
    """
    await page.evaluate(axe())
    found: list[str] = []
    for size in SIZES:
        await page.set_viewport_size(size)
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            look = f"{scheme}, {size['width']} px"
            found += [f"{look}: {text}" for text in await page.evaluate(JUDGED, RULES)]
        if not await page.evaluate(FITS):
            found.append(f"{size['width']} px: it sticks out to the side")
    await page.set_viewport_size(SIZES[0])
    return found


async def test_house(console: Console) -> None:
    """The house, with what is unlocked, on, and out of reach, is readable for everybody."""
    await console.account.by_hand(FRONT, states={"st.lock.lockState": "Unlocked"})
    await console.account.by_hand(DINING, states={"st.switch.switch": "on"})
    await console.account.by_hand(BACK, online=False)
    await expect(console.card("Back Door")).to_contain_text("Out of reach", timeout=60_000)
    await expect(console.card("Front Door").get_by_text("Unlocked", exact=True)).to_be_visible()
    assert await violations(console.page) == []
    await console.page.get_by_role("searchbox", name="Search devices").fill("no such thing")
    await expect(console.page.get_by_text("No device matches.")).to_be_visible()
    assert await violations(console.page) == []


async def test_device(stage: Stage, page: Page) -> None:
    """The page of a device with its history, its table, and the users of the lock is readable for everybody."""
    async with Console.running(stage, page, lock_users={"enabled": True}) as console:
        await console.device("Front Door")
        await console.confirm_unlock("Front Door")
        await expect(page.get_by_text("Unlock: confirmed").first).to_be_visible()
        await page.get_by_text("As a table").click()
        await page.get_by_role("button", name="Show the users").click()
        await page.get_by_role("button", name="Show code of Guest-02").click()
        await expect(page.get_by_role("button", name="Hide code of Guest-02")).to_be_visible()
        await page.get_by_role("button", name="Add a user").click()
        assert await violations(page) == []


async def test_light(console: Console) -> None:
    """The page of a light, with its slider, is readable for everybody."""
    await console.device("Dining Room")
    await expect(console.page.get_by_role("img", name="Timeline of")).to_be_visible()
    assert await violations(console.page) == []


async def test_bridge(console: Console) -> None:
    """The page of the bridge is readable for everybody."""
    await console.bridge_page()
    await expect(console.page.get_by_role("heading", name="What the cloud costs")).to_be_visible()
    assert await violations(console.page) == []


async def test_dialog(console: Console) -> None:
    """The question before an unlock is readable for everybody."""
    await console.unlock("Front Door").click()
    await expect(console.dialog).to_be_visible()
    assert await violations(console.page) == []
    await console.page.keyboard.press("Escape")


async def test_outage(console: Console) -> None:
    """A house whose cloud, and then whose bridge is away is readable for everybody."""
    await console.account.fault("gateway_500")
    await expect(console.page.get_by_text("The U home cloud is out of reach")).to_be_visible(timeout=120_000)
    assert await violations(console.page) == []
    await console.bridge.stop()
    await expect(console.page.get_by_text("No connection to the bridge")).to_be_visible(timeout=60_000)
    assert await violations(console.page) == []


async def test_connect(stage: Stage, page: Page) -> None:
    """The pages of the login are readable for everybody."""
    async with without_login(stage) as address:
        await page.goto(address)
        await page.get_by_text("The browser shows an error").click()
        assert await violations(page) == []
        await page.get_by_role("link", name="Log in to U home").click()
        await page.get_by_role("button", name="Allow").click()
        await expect(page.get_by_role("status")).to_contain_text("Connected to U home")
        assert await violations(page) == []
        await page.goto(f"{address}connect")
        assert await violations(page) == []


async def test_token_form(stage: Stage, page: Page) -> None:
    """The form that asks for the token is readable for everybody, after a wrong one, too."""
    async with Console.running(stage, page, host="bridge.lan", web={"host": "0.0.0.0", "token": TOKEN}):
        assert await violations(page) == []
        await page.get_by_label("Token of the web pages").fill("wrong")
        await page.get_by_role("button", name="Continue").click()
        await expect(page.get_by_role("status")).to_contain_text("This is not the token")
        assert await violations(page) == []
