"""What the console shows of the house, as it happens."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.console import HOUSEHOLD, LOCK, Console, without_login
from tests.support.account import BACK, FRONT, GARAGE
from tests.support.stage import Stage

pytestmark = pytest.mark.browser

NOT_RELOADED = "window.opened"
"""What a page has that has not been loaded anew since the test put it there."""


async def test_first_login(stage: Stage, page: Page) -> None:
    """From nothing, one button leads through U home's login to the house with all its devices."""
    async with without_login(stage) as address:
        await page.goto(address)
        await expect(page.get_by_text(f"{address}oauth/callback", exact=True)).to_be_visible()
        log_in = page.get_by_role("link", name="Log in to U home")
        assert await page.get_by_role("link").or_(page.get_by_role("button")).count() == 1
        await log_in.click()
        await page.get_by_role("button", name="Allow").click()
        await page.get_by_role("link", name="See how the bridge is doing").click()
        assert page.url == address
        for name in HOUSEHOLD:
            await expect(page.get_by_role("link", name=name, exact=True)).to_be_visible()
        await expect(page.get_by_role("article")).to_have_count(len(HOUSEHOLD))
        await page.reload()
        await expect(page.get_by_role("article")).to_have_count(len(HOUSEHOLD))


async def test_keypad_polled(console: Console) -> None:
    """Who unlocks at the keypad is seen on the card without a reload, and it says that a query told of it."""
    await console.page.evaluate(f"{NOT_RELOADED} = true")
    card = console.card("Front Door")
    await expect(card.get_by_text("Locked", exact=True)).to_be_visible()
    await console.account.by_hand(FRONT, states={LOCK: "Unlocked"}, cause="keypad")
    await expect(card.get_by_text("Unlocked", exact=True)).to_be_visible()
    await expect(card).to_contain_text("by query")
    await expect(console.page.get_by_text("Front Door is unlocked")).to_be_visible()
    assert await console.page.evaluate(NOT_RELOADED)


async def test_keypad_pushed(stage: Stage, page: Page) -> None:
    """What the cloud tells by itself is on the card at once, which says that it came by push."""
    async with Console.running(stage, page, pushed=True) as console:
        await console.bridge.until_logged("push_registered")
        await page.evaluate(f"{NOT_RELOADED} = true")
        card = console.card("Garage")
        await expect(card.get_by_text("Locked", exact=True)).to_be_visible()
        await stage.account.by_hand(GARAGE, states={LOCK: "Unlocked"}, cause="keypad")
        await expect(card.get_by_text("Unlocked", exact=True)).to_be_visible()
        await expect(card).to_contain_text("by push")
        await console.bridge_page()
        await expect(page.get_by_role("definition").filter(has_text=re.compile(r"^[1-9]\d*$")).first).to_be_visible()
        assert await page.evaluate(NOT_RELOADED)


async def test_device_added_and_removed(console: Console) -> None:
    """A device that the account gets has a card once the list is read, and one that it loses has none any longer."""
    record = {"name": "Shed", "states": {LOCK: "Locked", "st.batteryLevel.level": 3}}
    await console.account.control("PUT", "devices/0C:7F:ED:10:00:09", record)
    await console.bridge_page()
    await console.page.get_by_role("button", name="Read the device list").click()
    await expect(console.page.get_by_text(re.compile("new: .*shed", re.IGNORECASE))).to_be_visible()
    await console.page.get_by_role("link", name="House", exact=True).click()
    await expect(console.card("Shed")).to_contain_text("Locked")
    await expect(console.page.get_by_role("article")).to_have_count(len(HOUSEHOLD) + 1)


async def test_stale(stage: Stage, page: Page) -> None:
    """States that nobody has confirmed for too long are unknown; the last known one is named as that, and no more."""
    async with Console.running(stage, page, polling={"interval": 10, "stale_after": 12}) as console:
        card = console.card("Back Door")
        await expect(card.get_by_text("Locked", exact=True)).to_be_visible()
        await stage.account.fault("gateway_500")
        await expect(card.get_by_text("Unknown", exact=True)).to_be_visible(timeout=60_000)
        await expect(card.get_by_text("Locked", exact=True)).to_have_count(0)
        await expect(card).to_contain_text("Last known: Locked")
        await stage.account.control("DELETE", "faults")
        await expect(card.get_by_text("Locked", exact=True)).to_be_visible(timeout=90_000)


async def test_offline_device(console: Console) -> None:
    """A lock that the cloud cannot reach is said to be out of reach on its own card, and the others are not."""
    await console.account.by_hand(BACK, online=False)
    await expect(console.card("Back Door")).to_contain_text("Out of reach", timeout=60_000)
    await expect(console.card("Front Door")).not_to_contain_text("Out of reach")
    await console.account.by_hand(BACK, online=True)
    await expect(console.card("Back Door")).not_to_contain_text("Out of reach", timeout=60_000)
