"""Presses and words that nobody meant: what the console does when the house changes under the hand of a person."""

from __future__ import annotations

import re
import signal
import time
from contextlib import AsyncExitStack
from typing import Any

import pytest
from playwright.async_api import Locator, Page, Route, expect

from tests.browser.console import LOCK, Console
from tests.support.account import BACK, DINING, FRONT, GARAGE, new_http
from tests.support.patience import eventually
from tests.support.stage import Stage

pytestmark = pytest.mark.browser

A_NIGHT = 8 * 3600.0
MINUTES = 120_000
PULLED = """(slider) => {
    slider.value = 7;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
}"""
"""Moves a slider that is never let go."""


async def ask(console: Console, name: str, /, **members: Any) -> None:
    """Send the bridge a request from elsewhere."""
    async with new_http(console.address, timeout=90) as http:
        answer = await http.post(f"api/requests/{name}", json=members)
    assert answer.is_success, answer.text


async def swap(console: Console) -> None:
    """Give the topic of the front door to the back door."""
    await ask(console, "device/rename", device=FRONT, topic="main_entrance")
    await ask(console, "device/rename", device=BACK, topic="front_door")


def connection(page: Page, state: str) -> Locator:
    """Find the page if its connection is in a state."""
    return page.locator(f"body[data-connection={state}]")


async def test_unlock_while_topics_change_hands(console: Console) -> None:
    """A question about a door whose topic goes to another door is taken back, says so, and unlocks none of them."""
    await console.unlock("Front Door").click()
    await expect(console.dialog).to_have_accessible_name("Unlock Front Door?")
    await swap(console)
    await expect(console.dialog).to_have_count(0)
    await expect(console.card("Front Door")).to_contain_text("Unlock: not sent, the device was renamed meanwhile")
    await expect(console.page.locator("#announcer")).to_contain_text("Front Door, Unlock: not sent")
    await console.confirm_unlock("Front Door")
    await expect(console.card("Front Door")).to_contain_text("Unlock: confirmed")
    assert console.account.commands() == [(FRONT, "unlock")]


async def test_command_after_topics_changed_hands_unseen(console: Console) -> None:
    """A command names the device itself: one that comes after the topic has got another owner is refused."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    await console.page.route("**/api/devices/front_door/set**", hold)
    await console.confirm_unlock("Front Door")
    await eventually(lambda: bool(held))
    await swap(console)
    await held[0].continue_()
    await expect(console.card("Front Door")).to_contain_text(re.compile("Unlock: .*front_door"))
    assert console.account.commands() == []


async def test_device_page_goes_with_its_device(console: Console) -> None:
    """The page of a device follows it to its new topic, and is never that of the next owner of the old one."""
    await console.device("Front Door")
    await swap(console)
    await expect(console.page).to_have_url(f"{console.address}#/devices/main_entrance")
    heading = console.page.get_by_role("heading", level=1)
    await expect(heading).to_have_text("Front Door")
    await console.page.goto(f"{console.address}#/devices/front_door")
    await expect(heading).to_have_text("Back Door")


async def test_slept(console: Console) -> None:
    """A machine that has slept for a night shows nothing as true until the bridge has spoken again."""
    page = console.page
    await page.clock.install()
    await page.reload()
    await expect(connection(page, "live")).to_be_visible()
    await console.unlock("Front Door").click()
    await expect(console.dialog).to_be_visible()
    console.bridge.send(signal.SIGSTOP)
    try:
        await page.clock.set_system_time(time.time() + A_NIGHT)
        await expect(connection(page, "lost")).to_be_visible()
        await expect(console.dialog).to_have_count(0)
        await expect(console.lock("Front Door")).to_be_disabled()
        await expect(console.card("Front Door")).to_contain_text(re.compile(r"Old: from \d\d:\d\d"))
    finally:
        console.bridge.send(signal.SIGCONT)
    await expect(connection(page, "live")).to_be_visible(timeout=MINUTES)
    await expect(console.lock("Front Door")).to_be_enabled()


async def test_code_for_one_user_is_not_offered_for_another(stage: Stage, page: Page) -> None:
    """What was typed for one user of a lock is not in the form of the next; nor is a name typed for another device."""
    stage.secrets.add("471147")
    async with Console.running(stage, page, lock_users={"enabled": True}) as console:
        await ask(console, "lock_users/add", device=FRONT, name="Other", type="permanent", password="864286")
        await console.device("Front Door")
        await page.get_by_role("button", name="Show the users").click()
        form = page.get_by_role("region", name="Lock users")
        await form.get_by_role("button", name="Change Guest-02").click()
        await form.get_by_label("Code", exact=True).fill("471147")
        await form.get_by_label("Name", exact=True).fill("Typed for the guest")
        await form.get_by_role("button", name="Change Other").click()
        await expect(form.get_by_role("heading", name="Change Other")).to_be_visible()
        await expect(form.get_by_label("Code", exact=True)).to_have_value("")
        await expect(form.get_by_label("Name", exact=True)).to_have_value("Other")
        await page.get_by_label("Topic level").fill("typed_for_the_front")
        await page.evaluate("location.hash = '#/devices/back_door'")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Back Door")
        await expect(page.get_by_label("Topic level")).to_have_value("back_door")


async def test_slider_that_was_not_let_go(console: Console) -> None:
    """A slider claims no wish that nobody has sent once the house has spoken again."""
    card = console.card("Dining Room")
    slider = console.page.get_by_role("slider", name="Brightness of Dining Room")
    await slider.evaluate(PULLED)
    await expect(card.get_by_role("status")).to_contain_text("→ 7 %")
    await console.account.by_hand(DINING, states={"st.switchLevel.level": 42})
    await expect(card.get_by_role("status")).to_have_text("42 %")
    await expect(slider).to_have_value("42")
    assert console.account.commands() == []


async def test_list_stays_under_the_pointer(console: Console) -> None:
    """A lock that no longer wants attention stays in the list while the pointer is on it, and leaves afterwards."""
    page = console.page
    for device in (FRONT, BACK, GARAGE):
        await console.account.by_hand(device, states={LOCK: "Unlocked"})
    await expect(console.card("Garage").get_by_text("Unlocked", exact=True)).to_be_visible()
    await expect(console.card("Front Door").get_by_text("Unlocked", exact=True)).to_be_visible()
    await page.get_by_role("button", name=re.compile("^Attention")).click()
    await expect(console.card("Back Door")).to_be_visible()
    names = await page.get_by_role("article").get_by_role("heading").all_inner_texts()
    await console.lock("Back Door").click()
    await expect(console.card("Back Door").get_by_text("Locked", exact=True)).to_be_visible()
    assert await page.get_by_role("article").get_by_role("heading").all_inner_texts() == names
    await page.get_by_role("heading", name="House").click()
    await expect(console.card("Back Door")).to_have_count(0)
    await expect(console.card("Front Door")).to_be_visible()
    assert console.account.commands() == [(BACK, "lock")]


async def test_not_sent(console: Console) -> None:
    """That a command could not be sent stays while others command the device, and is gone after a minute."""
    page, card = console.page, console.card("Front Door")
    other = await page.context.new_page()
    await other.goto(console.address)
    await expect(other.get_by_role("article").first).to_be_visible()
    await page.bring_to_front()
    await page.route("**/api/devices/front_door/set**", lambda route: route.abort())
    await console.lock("Front Door").click()
    await expect(card).to_contain_text("could not be reached")
    await page.unroute_all()
    await other.bring_to_front()
    await other.get_by_role("button", name="Unlock Front Door", exact=True).click()
    await other.get_by_role("dialog").get_by_role("button", name="Unlock").click()
    await expect(other.get_by_role("article").get_by_text("Unlock: confirmed")).to_be_visible()
    await page.bring_to_front()
    await expect(card.get_by_text("Unlocked", exact=True)).to_be_visible()
    await expect(card).to_contain_text("could not be reached")
    await expect(card).not_to_contain_text("could not be reached", timeout=MINUTES)
    await expect(card).to_contain_text("Unlock: confirmed")


async def test_too_many_pages(console: Console) -> None:
    """A page that the bridge has no room for says so in the bridge's words, and comes in when there is room."""
    async with AsyncExitStack() as readers:
        http = await readers.enter_async_context(new_http(console.address, timeout=30))
        while (await readers.enter_async_context(http.stream("GET", "api/events"))).is_success:
            pass
        other = await console.page.context.new_page()
        await other.goto(console.address)
        await expect(other.get_by_text("too many pages look at the bridge")).to_be_visible(timeout=MINUTES)
    await expect(other.get_by_role("article").first).to_be_visible(timeout=MINUTES)
    await expect(other.get_by_text("too many pages look at the bridge")).to_have_count(0)


async def test_name_that_turns_the_text_around(console: Console) -> None:
    """A name with characters that turn the text around is shown as it is written, apart from what stands beside it."""
    await ask(console, "device/rename", device=GARAGE, name="\u202erooD tnorF")
    heading = console.page.get_by_role("heading", name="rooD tnorF", exact=True)
    await expect(heading).to_be_visible()
    assert await heading.locator("bdi").inner_text() == "rooD tnorF"
    await console.unlock("rooD tnorF").click()
    await expect(console.dialog).to_have_accessible_name("Unlock rooD tnorF?")
    assert await console.dialog.locator("bdi").inner_text() == "rooD tnorF"
    assert "\u202e" not in await console.page.get_by_role("main").inner_text()
