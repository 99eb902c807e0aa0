"""A real Chromium without a screen."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import BrowserContext, ViewportSize, async_playwright, expect

QUIET = (
    "--no-sandbox",  # containers and CI run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # To browsers localhost is as good as https; bridge.lan is the local network, the other name somebody else's.
    "--host-resolver-rules=MAP bridge.lan 127.0.0.1, MAP rebound.example 127.0.0.1",
)

expect.set_options(timeout=30_000)


@asynccontextmanager
async def chromium(viewport: ViewportSize | None = None) -> AsyncIterator[BrowserContext]:
    """Run a browser as long as the context lasts, and give what pages are opened in."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert program, "no Chromium: scripts/test-browser installs it"
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=list(QUIET))
        try:
            yield await browser.new_context(viewport=viewport)
        finally:
            await browser.close()
