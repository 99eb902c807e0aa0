"""A page in a real Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, expect

from tests.browser.console import Console
from tests.support.chromium import chromium
from tests.support.stage import Stage

OWN = frozenset({"127.0.0.1", "localhost", "bridge.lan"})
"""Names of the bridge and of the simulated cloud."""
FOREIGN = frozenset({"foreign.example", "rebound.example"})
"""Names of pages that tests play themselves."""


@pytest.fixture
def complaints() -> list[str]:
    """Collect what the browser says on its console, on all pages; what a test expects it takes out."""
    return []


@pytest.fixture
async def page(complaints: list[str]) -> AsyncIterator[Page]:
    """Open an empty page; what the browser complains of, and what is loaded from elsewhere, makes the test fail."""
    asked: list[str] = []
    async with chromium() as browser:
        browser.set_default_timeout(30_000)
        browser.on("console", lambda message: complaints.append(message.text))
        browser.on("weberror", lambda error: complaints.append(f"Error: {error.error}"))
        browser.on("request", lambda request: asked.append(request.url))
        yield await browser.new_page()
    assert [text for text in complaints if "Content Security Policy" in text or "Error" in text] == []
    assert {urlsplit(url).hostname for url in asked if url.startswith("http")} <= OWN | FOREIGN


@pytest.fixture
async def console(stage: Stage, page: Page) -> AsyncIterator[Console]:
    """Open the console of a bridge that knows the whole household."""
    async with Console.running(stage, page) as running:
        await expect(running.card("Front Door")).to_be_visible()
        yield running
