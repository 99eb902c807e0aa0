"""Commands from the console, and what becomes of them."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.console import Console, until
from tests.support.account import COFFEE, DINING, FRONT
from tests.support.patience import eventually
from tests.support.stage import Stage

pytestmark = pytest.mark.browser

TWICE = """(name) => {
    document.querySelector(`button[aria-label="${name}"]`).click();
    document.querySelector('dialog [type=submit]').click();
}"""
"""Presses a button, and at once what confirms in the question that it opens."""
HEARD = """() => {
    window.heard = [];
    const polite = [...document.querySelectorAll('[aria-live=polite]')];
    const note = () => polite.forEach((each) => each.textContent && window.heard.push(each.textContent));
    const all = {childList: true, subtree: true, characterData: true};
    polite.forEach((each) => new MutationObserver(note).observe(each, all));
    return polite.length;
}"""
"""Notes what a screen reader is told politely."""
SEEN = """(name) => {
    window.seen = [];
    const named = (each) => each.querySelector('h3').textContent === name;
    const card = [...document.querySelectorAll('article')].find(named);
    const note = () => window.seen.at(-1) === card.innerText || window.seen.push(card.innerText);
    new MutationObserver(note).observe(card, {childList: true, subtree: true, characterData: true});
    note();
}"""
"""Notes each text that a card shows, one after the other."""


async def test_lock_at_once(console: Console) -> None:
    """To lock a door one click is enough."""
    await console.account.by_hand(FRONT, states={"st.lock.lockState": "Unlocked"})
    await expect(console.card("Front Door").get_by_text("Unlocked", exact=True)).to_be_visible()
    await console.lock("Front Door").click()
    await expect(console.dialog).to_have_count(0)
    await expect(console.card("Front Door")).to_contain_text("Lock: confirmed")
    assert console.account.commands() == [(FRONT, "lock")]


async def test_unlock_unconfirmed_sends_nothing(console: Console) -> None:
    """To unlock one is asked first, by the name of the door; who says no by any way has sent nothing."""
    for leave in ("Escape", "Cancel", "outside"):
        await console.unlock("Garage").click()
        await expect(console.dialog).to_have_accessible_name(re.compile("Garage"))
        if leave == "Escape":
            await console.page.keyboard.press("Escape")
        elif leave == "Cancel":
            await console.dialog.get_by_role("button", name="Cancel").click()
        else:
            await console.page.mouse.click(2, 2)
        await expect(console.dialog).to_have_count(0)
    # What is commanded afterwards comes, and nothing has come before it.
    await console.page.get_by_role("button", name="On Coffee Machine").click()
    await expect(console.card("Coffee Machine")).to_contain_text("confirmed")
    assert console.account.commands() == [(COFFEE, "on")]


async def test_double_click(console: Console) -> None:
    """The second click of a double-click, which may fall on what confirms, confirms nothing."""
    await console.page.evaluate(TWICE, "Unlock Front Door")
    await expect(console.dialog).to_have_accessible_name("Unlock Front Door?")
    assert console.account.commands() == []
    await console.dialog.get_by_role("button", name="Unlock").click()
    await expect(console.card("Front Door")).to_contain_text("Unlock: confirmed")
    assert console.account.commands() == [(FRONT, "unlock")]


async def test_unlock(console: Console) -> None:
    """An unlock that is meant is sent once; each step of its outcome is shown as it comes and announced politely."""
    assert await console.page.evaluate(HEARD)
    await console.page.evaluate(SEEN, "Front Door")
    await console.confirm_unlock("Front Door")
    await expect(console.card("Front Door")).to_contain_text("Unlock: confirmed")
    await expect(console.card("Front Door").get_by_text("Unlocked", exact=True)).to_be_visible()
    assert console.account.commands() == [(FRONT, "unlock")]
    seen = "\n".join(await console.page.evaluate("window.seen"))
    assert seen.index("accepted by the cloud") < seen.index("confirmed")
    await until(console.page, "window.heard.some((text) => text.includes('confirmed'))")
    heard = "\n".join(await console.page.evaluate("window.heard"))
    assert "Front Door" in heard


async def test_never_optimistic(console: Console) -> None:
    """Between acceptance and the lock's own report the page says that it is unlocking, never that it is unlocked."""
    await console.account.control("PATCH", "quirks", {"bolt_seconds": 5})
    await console.page.evaluate(SEEN, "Front Door")
    await console.confirm_unlock("Front Door")
    card = console.card("Front Door")
    await expect(card).to_contain_text("accepted by the cloud")
    await expect(card.get_by_text(re.compile("^Unlocking"))).to_be_visible()
    await expect(card).to_contain_text("Unlock: confirmed")
    states = [text.splitlines() for text in await console.page.evaluate("window.seen")]
    first = next((number for number, lines in enumerate(states) if "Unlocked" in lines), None)
    assert first is not None, states  # the state that confirms comes before the word of it
    accepted = next(number for number, lines in enumerate(states) if any("accepted" in line for line in lines))
    assert any(line.startswith("Unlocking") for lines in states[accepted:first] for line in lines)


async def test_rejected(console: Console) -> None:
    """A command that the cloud refuses shows the cloud's code, and the lock as it was."""
    await console.account.fault("error_envelope", operation="Command", code="DEVICE_OFFLINE", message="no contact")
    await console.confirm_unlock("Front Door")
    await expect(console.card("Front Door")).to_contain_text("DEVICE_OFFLINE")
    await expect(console.card("Front Door")).to_contain_text("rejected by the cloud")
    await expect(console.card("Front Door").get_by_text("Locked", exact=True)).to_be_visible()


async def test_unconfirmed(console: Console) -> None:
    """A command that was accepted and never happened ends as unconfirmed, with the reason, and the lock as it was."""
    await console.account.control("PATCH", "quirks", {"accepted_not_executed": 1.0})
    await console.confirm_unlock("Front Door")
    card = console.card("Front Door")
    await expect(card).to_contain_text(re.compile("unconfirmed, .+"), timeout=150_000)
    await expect(card.get_by_text("Locked", exact=True)).to_be_visible()
    assert console.account.commands() == [(FRONT, "unlock")]


async def test_refused_by_configuration(stage: Stage, page: Page) -> None:
    """What the configuration does not allow is refused by the bridge, which says so on the card, and is not sent."""
    async with Console.running(stage, page, commands={"allow": {"lock": ["LOCK"]}}) as console:
        await console.confirm_unlock("Front Door")
        await expect(console.card("Front Door")).to_contain_text("refused by the bridge")
        assert stage.account.commands() == []


async def test_dimmer(console: Console) -> None:
    """A slider sends where it is let go, with the keyboard, too, and shows as fact only what the light has reported."""
    slider = console.page.get_by_role("slider", name="Brightness of Dining Room")
    card = console.card("Dining Room")
    await expect(card.get_by_role("status")).to_have_text("100 %")
    await slider.focus()
    await console.page.keyboard.press("Home")
    for _ in range(3):
        await console.page.keyboard.press("PageUp")
    await expect(card.get_by_role("status")).to_contain_text(re.compile(r"^[1-9]\d %$"))
    await eventually(lambda: DINING in {device for device, _ in console.account.commands()})


async def test_two_pages(console: Console) -> None:
    """What is commanded on one page is seen on another."""
    other = await console.page.context.new_page()
    await other.goto(console.address)
    await expect(other.get_by_role("link", name="Front Door", exact=True)).to_be_visible()
    await console.confirm_unlock("Front Door")
    await expect(other.get_by_text(re.compile("Unlock: confirmed"))).to_be_visible()
    await expect(other.get_by_text("Front Door is unlocked")).to_be_visible()
