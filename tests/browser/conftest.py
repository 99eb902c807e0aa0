"""A page in a real Chromium."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page

from tests.support.chromium import chromium


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """Open an empty page; what the browser complains of on it makes the test fail."""
    complaints: list[str] = []
    async with chromium() as browser:
        opened = await browser.new_page()
        opened.set_default_timeout(30_000)
        opened.on("console", lambda message: complaints.append(message.text))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        yield opened
    assert [text for text in complaints if "Content Security Policy" in text or "Error" in text] == []
