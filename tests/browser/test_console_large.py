"""The console of a house with five hundred devices."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.async_api import Page, expect

from tests.browser.console import Console, until
from tests.support.stage import Stage
from uhome2mqtt.simulator import demo_household

pytestmark = pytest.mark.browser

MANY = 500
PAINTED_WITHIN = 10_000
"""Milliseconds: far more than it takes, since the machines of tests are busy."""
CARDS = """(many) => {
    const note = () => {
        if (document.querySelectorAll('article').length < many || window.all) return;
        window.all = performance.now();
        requestAnimationFrame(() => setTimeout(() => { window.shown = performance.now(); }));
    };
    new MutationObserver(note).observe(document, {childList: true, subtree: true});
}"""
"""Notes when all cards are in the document, and when the browser has laid them out and painted them."""
PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
BUSY = """() => {
    window.tasks = [0];
    new PerformanceObserver((list) => window.tasks.push(...list.getEntries().map(({duration}) => duration)))
        .observe({type: 'longtask'});
}"""
"""Notes how long the page has been too busy to answer to anybody, in milliseconds each time."""


def large(stage: Stage) -> None:
    """Fill the account up with copies of the household's devices."""
    kinds = demo_household()
    for number in range(len(kinds), MANY):
        kind = kinds[number % len(kinds)]
        device = replace(kind, id=f"0C:7F:EE:00:{number >> 8:02X}:{number & 255:02X}", name=f"{kind.name} {number}")
        stage.account.cloud.put(device)


async def test_many(
    stage: Stage, page: Page, record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """The first paint of a large house comes soon, all of its cards are there, and a search narrows them."""
    large(stage)
    # So many messages at once are more than the broker keeps for a listener, and nobody is asked about them here.
    async with Console.running(stage, page, heard=False, polling={"interval": 60}) as console:
        await expect(page.get_by_role("article")).to_have_count(MANY, timeout=120_000)
        await expect(page.get_by_text("Not reported yet")).to_have_count(0, timeout=120_000)
        await page.add_init_script(f"({CARDS})({MANY})")
        await page.reload()
        await until(page, "window.shown")
        figures = {
            "first contentful paint": await page.evaluate(PAINTED),
            "all cards in the document": await page.evaluate("window.all"),
            "all cards painted": await page.evaluate("window.shown"),
        }
        await page.evaluate(BUSY)
        search = page.get_by_role("searchbox", name="Search devices")
        await search.press_sequentially("garage 499")
        await expect(page.get_by_text(f"1 of {MANY} devices")).to_be_visible()
        await expect(page.get_by_role("article")).to_have_count(1)
        await search.fill("")
        await expect(page.get_by_role("article")).to_have_count(MANY)
        figures["longest task while searching"] = await page.evaluate("Math.max(...window.tasks)")
        for what, milliseconds in figures.items():
            record_property(what, milliseconds)
        with capsys.disabled():
            sys.stdout.write("\n" + "; ".join(f"{what}: {number:.0f} ms" for what, number in figures.items()) + "\n")
        assert figures["first contentful paint"] < PAINTED_WITHIN
        await console.confirm_unlock("Front Door")
        await expect(console.card("Front Door")).to_contain_text("Unlock: confirmed")
