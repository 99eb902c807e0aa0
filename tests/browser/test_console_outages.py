"""What the console says when something is away, and that it stops saying it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.console import Console
from tests.support.mosquitto import Mosquitto
from tests.support.stage import staged

pytestmark = pytest.mark.browser

PATIENTLY = 120_000


def banner(page: Page, title: str | re.Pattern[str]) -> Locator:
    """Find what is said of something that is wrong."""
    return page.get_by_role("banner").or_(page.get_by_role("status")).filter(has_text=title).first


async def test_cloud_away(console: Console) -> None:
    """A cloud that does not answer is named with what to expect; the word is taken back when it answers again."""
    said = banner(console.page, "The U home cloud is out of reach")
    await console.account.fault("gateway_500")
    await expect(said).to_be_visible(timeout=PATIENTLY)
    await expect(said).to_contain_text("goes on trying by itself")
    await console.account.control("DELETE", "faults")
    await expect(said).to_have_count(0, timeout=PATIENTLY)


async def test_login_refused(console: Console) -> None:
    """A login that the cloud no longer takes is named, with the button that mends it, and the house stays in view."""
    await console.account.control("POST", "revoke", {})
    said = banner(console.page, re.compile("Somebody has to log in|refuses the login"))
    await expect(said).to_be_visible(timeout=PATIENTLY)
    await said.get_by_role("link", name="Log in to U home").click()
    await expect(console.page.get_by_role("link", name="Log in to U home")).to_be_visible()
    assert console.page.url == f"{console.address}connect"


async def test_broker_away(tmp_path: Path, page: Page) -> None:
    """A broker that is away is named with its address; the page goes on without it, and says when it is back."""
    with Mosquitto(tmp_path) as broker:
        async with staged(tmp_path, broker) as stage, Console.running(stage, page) as console:
            await expect(console.lock("Front Door")).to_be_enabled()
            broker.end()
            said = banner(page, "The MQTT broker is away")
            await expect(said).to_be_visible(timeout=PATIENTLY)
            await expect(said).to_contain_text(f"127.0.0.1:{broker.port}")
            await console.confirm_unlock("Front Door")
            await expect(console.card("Front Door")).to_contain_text("Unlock: confirmed")
            broker.start()
            await expect(said).to_have_count(0, timeout=PATIENTLY)


async def test_bridge_away(console: Console) -> None:
    """A page that is cut off from its bridge says so and since when, commands nothing, and comes back by itself."""
    await expect(console.lock("Front Door")).to_be_enabled()
    await console.unlock("Front Door").click()
    await expect(console.dialog).to_be_visible()
    assert await console.bridge.stop() == 0
    said = banner(console.page, re.compile(r"No connection to the bridge. What you see is from \d\d:\d\d:\d\d"))
    await expect(said).to_be_visible(timeout=PATIENTLY)
    await expect(console.dialog).to_have_count(0)
    for button in (console.lock("Front Door"), console.unlock("Front Door")):
        await expect(button).to_be_disabled()
    await expect(console.card("Front Door")).to_contain_text(re.compile(r"Old: from \d\d:\d\d"))
    await console.restart()
    await expect(said).to_have_count(0, timeout=PATIENTLY)
    await expect(console.lock("Front Door")).to_be_enabled(timeout=PATIENTLY)
    assert console.account.commands() == []


async def test_bridge_killed(console: Console) -> None:
    """A bridge that ends without a goodbye is missed as well."""
    await console.bridge.close()
    await expect(banner(console.page, "No connection to the bridge")).to_be_visible(timeout=PATIENTLY)
    await console.restart()
    await expect(console.lock("Front Door")).to_be_enabled(timeout=PATIENTLY)


async def test_push_unregistered(console: Console) -> None:
    """Where push is not set up, the console says so without calling it a fault."""
    await console.bridge_page()
    await expect(
        console.page.get_by_text("Not set up: changes are seen when the bridge asks the cloud.")
    ).to_be_visible()
    await expect(console.page.get_by_role("button", name="Register push again")).to_have_count(0)
