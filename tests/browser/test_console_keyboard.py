"""The console with the keyboard alone."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.console import Console
from tests.support.account import FRONT

pytestmark = pytest.mark.browser


async def tab_to(page: Page, wanted: Locator, key: str = "Tab") -> None:
    """Press Tab until something has the focus, and no longer than once around the page."""
    for _ in range(80):
        if await wanted.evaluate("(element) => element === document.activeElement"):
            return
        await page.keyboard.press(key)
    raise AssertionError(f"the focus does not come to {wanted}")


async def test_search(console: Console) -> None:
    """A slash leads to the search, which narrows the house as one types; Tab leads on to the card that is left."""
    page = console.page
    await page.keyboard.press("/")
    search = page.get_by_role("searchbox", name="Search devices")
    await expect(search).to_be_focused()
    await page.keyboard.type("garage")
    await expect(search).to_have_value("garage")
    await expect(page.get_by_role("article")).to_have_count(1)
    await expect(page.get_by_text("1 of 7 devices")).to_be_visible()
    link = page.get_by_role("link", name="Garage", exact=True)
    await tab_to(page, link)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Garage", exact=True, level=1)).to_be_focused()


async def test_dialog(console: Console) -> None:
    """The question before an unlock keeps the focus inside, begins where nothing happens, and gives the focus back."""
    page, unlock = console.page, console.unlock("Front Door")
    await tab_to(page, unlock)
    await page.keyboard.press("Enter")
    cancel = console.dialog.get_by_role("button", name="Cancel")
    await expect(cancel).to_be_focused()
    for key in ("Tab", "Tab", "Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab", "Shift+Tab"):
        await page.keyboard.press(key)
        # Between two rounds the browser's own buttons have their turn: then nothing on the page has the focus.
        assert await page.evaluate(
            "document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    await page.keyboard.press("Escape")
    await expect(unlock).to_be_focused()
    await page.keyboard.press("Enter")
    await tab_to(page, console.dialog.get_by_role("button", name="Unlock"))
    await page.keyboard.press("Enter")
    await expect(console.card("Front Door")).to_contain_text("Unlock: confirmed")
    assert console.account.commands() == [(FRONT, "unlock")]


async def test_pages(console: Console) -> None:
    """Each page that is opened by a link begins at its heading, and the browser's way back works."""
    page = console.page
    bridge = page.get_by_role("link", name="Bridge", exact=True)
    await tab_to(page, bridge)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Bridge", exact=True)).to_be_focused()
    await expect(page).to_have_title(re.compile("^Bridge"))
    await page.go_back()
    await expect(page.get_by_role("heading", name="House", exact=True)).to_be_focused()


async def test_skip(console: Console) -> None:
    """The first Tab of a page offers to skip to its content."""
    await console.page.keyboard.press("Tab")
    skip = console.page.get_by_role("link", name="Skip to the content")
    await expect(skip).to_be_focused()
    await console.page.keyboard.press("Enter")
    await expect(console.page.get_by_role("main")).to_be_focused()
