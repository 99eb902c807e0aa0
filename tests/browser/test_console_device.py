"""The page of one device, and of the bridge."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.browser.console import LOCK, Console, until
from tests.support.account import FRONT
from tests.support.stage import Stage

pytestmark = pytest.mark.browser

CODE = "31415926"
"""The code of Guest-02 in the simulated household."""


async def test_history(console: Console) -> None:
    """A device's page draws its reports and outcomes, and gives the same as a table, live."""
    page = console.page
    await console.device("Front Door")
    await console.confirm_unlock("Front Door")
    await expect(page.get_by_text(re.compile("Unlock: confirmed")).first).to_be_visible()
    await expect(page.get_by_role("img", name=re.compile("^Timeline of"))).to_be_visible()
    await page.get_by_text(re.compile("^As a table")).click()
    rows = page.get_by_role("region", name="The last hours").get_by_role("row")
    await expect(rows.filter(has_text="confirmed")).not_to_have_count(0)
    await expect(rows.filter(has_text=re.compile("Report .*Lock: Unlocked"))).not_to_have_count(0)
    await console.account.by_hand(FRONT, states={LOCK: "Locked"})
    await expect(rows.filter(has_text=re.compile("Report by query.*Lock: Locked"))).not_to_have_count(0)


async def test_raw_report(console: Console) -> None:
    """What the cloud said last is there to be read as it came."""
    await console.device("Garage")
    await expect(
        console.page.get_by_text(re.compile(r'"st\.lock\.lockState": "Locked"', re.IGNORECASE))
    ).to_be_visible()


async def test_copy(console: Console) -> None:
    """A topic is on the clipboard after one click."""
    page, base = console.page, console.stage.ear.base
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await console.device("Garage")
    await page.get_by_role("button", name=f"Copy {base}/garage/lock/set", exact=True).click()
    await until(page, f"navigator.clipboard.readText().then((text) => text === '{base}/garage/lock/set')")
    await page.get_by_role("button", name="Copy Watch it").click()
    await until(page, "navigator.clipboard.readText().then((text) => text.includes('mosquitto_sub'))")


async def test_query_now(console: Console) -> None:
    """A device is asked when somebody wants it, and the page says when it has answered."""
    await console.device("Front Door")
    before = len(console.account.requests("Query"))
    await console.page.get_by_role("button", name="Query now").click()
    await expect(console.page.get_by_text("Asked: what the device said is shown.").first).to_be_visible()
    assert len(console.account.requests("Query")) > before


async def test_rename(console: Console) -> None:
    """A new name and topic level are on the page and on MQTT, and nothing is left under the old topics."""
    page = console.page
    await console.device("Hall Light")
    await page.get_by_label("Shown name").fill("Corridor")
    await page.get_by_label("Topic level").fill("corridor")
    await page.get_by_role("button", name="Rename").click()
    await expect(page.get_by_role("heading", name="Corridor", exact=True, level=1)).to_be_visible()
    await page.wait_for_url("**/#/devices/corridor")
    await console.stage.ear.until("corridor/switch", "OFF".__eq__)
    retained = await console.stage.held()
    assert not [topic for topic in retained if topic.startswith("hall_light/")]
    assert "Corridor" in {each["name"] for each in json.loads(retained["bridge/devices"])}
    await page.get_by_label("Topic level").fill("garage")
    await page.get_by_role("button", name="Rename").click()
    await expect(page.get_by_text(re.compile("garage.*(taken|already|other)")).first).to_be_visible()


async def test_lock_users(stage: Stage, page: Page) -> None:
    """Users are listed without their codes; a code is fetched when somebody asks, and is gone from the page again."""
    stage.secrets.add(CODE)
    async with Console.running(stage, page, lock_users={"enabled": True}) as console:
        await console.device("Front Door")
        await page.get_by_role("button", name="Show the users").click()
        await expect(page.get_by_role("row").filter(has_text="Guest-02")).to_be_visible()
        assert CODE not in await page.content()
        show = page.get_by_role("button", name="Show code of Guest-02")
        await show.click()
        await expect(page.get_by_text(CODE, exact=True)).to_be_visible()
        await page.get_by_role("button", name="Hide code of Guest-02").click()
        await expect(page.get_by_text(CODE)).to_have_count(0)
        await show.click()
        await expect(page.get_by_text(CODE, exact=True)).to_be_visible()
        await expect(page.get_by_text(CODE)).to_have_count(0, timeout=60_000)
        assert CODE not in await page.content()


async def test_lock_user_added_and_deleted(stage: Stage, page: Page) -> None:
    """A user is added with a code, and deleted only after a question that names the user."""
    stage.secrets.add("582193")
    async with Console.running(stage, page, lock_users={"enabled": True}) as console:
        await console.device("Front Door")
        await page.get_by_role("button", name="Show the users").click()
        await page.get_by_role("button", name="Add a user").click()
        form = page.get_by_role("region", name="Lock users")
        await form.get_by_label("Name", exact=True).fill("Cleaner")
        await form.get_by_label("Code", exact=True).fill("582193")
        await form.get_by_role("button", name="Add", exact=True).click()
        row = page.get_by_role("row").filter(has_text="Cleaner")
        await expect(row).to_be_visible(timeout=90_000)
        await row.get_by_role("button", name="Delete Cleaner").click()
        await expect(console.dialog).to_have_accessible_name("Delete Cleaner?")
        await console.dialog.get_by_role("button", name="Delete").click()
        await expect(row).to_have_count(0, timeout=90_000)


async def test_lock_users_not_enabled(console: Console) -> None:
    """Where lock users are not enabled, nothing of them is offered."""
    await console.device("Front Door")
    await expect(console.page.get_by_role("heading", name="Topics")).to_be_visible()
    await expect(console.page.get_by_role("heading", name="Lock users")).to_have_count(0)


async def test_unknown_device(console: Console) -> None:
    """A link to a device that is not there says so, and leads back to the house."""
    await console.page.goto(f"{console.address}#/devices/attic")
    await expect(console.page.get_by_role("heading", name="No such device")).to_be_visible()
    await console.page.get_by_role("main").get_by_role("link", name="House").click()
    await expect(console.card("Front Door")).to_be_visible()


async def test_diagnostics(console: Console, tmp_path: Path) -> None:
    """The diagnostics come as a zip file with everything but secrets."""
    await console.bridge_page()
    async with console.page.expect_download(timeout=120_000) as downloading:
        await console.page.get_by_role("button", name="Download diagnostics").click()
    download = await downloading.value
    assert download.suggested_filename == "uhome2mqtt-diagnostics.zip"
    kept = tmp_path / "download.zip"
    await download.save_as(kept)
    with zipfile.ZipFile(kept) as bundle:
        texts = [bundle.read(name).decode() for name in bundle.namelist()]
    assert texts
    assert not [secret for secret in console.stage.secrets for text in texts if secret in text]


async def test_refresh(console: Console) -> None:
    """All devices are asked at once from the bridge's page, which says how many."""
    await console.bridge_page()
    await console.page.get_by_role("button", name="Query all devices").click()
    await expect(console.page.get_by_text("Asked for 7 devices.").first).to_be_visible()
