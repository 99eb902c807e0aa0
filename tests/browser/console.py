"""The console of a running bridge, as a person looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import Locator, Page, expect

from tests.support.account import Account
from tests.support.patience import free_port
from tests.support.process import Bridge
from tests.support.push import reachable
from tests.support.stage import Stage, merged
from uhome2mqtt.simulator import demo_household

TOKEN = "token-of-the-pages"
HOUSEHOLD = tuple(device.name for device in demo_household())
LOCK, MODE = "st.lock.lockState", "st.lock.lockMode"


@asynccontextmanager
async def without_login(stage: Stage, redirect_port: int | None = None, **web: Any) -> AsyncIterator[str]:
    """Run a bridge without a login and give the address of its page."""
    port = free_port()
    uri = f"http://localhost:{redirect_port or port}/oauth/callback"
    running = stage.bridge(uhome={"redirect_uri": uri}, web={"port": port, **web})
    await running.start()
    await running.until_logged("web_listening")
    yield f"http://localhost:{port}/"
    assert await running.stop() == 0


@dataclass(slots=True, kw_only=True)
class Console:
    """A bridge, and a page that is on its console."""

    stage: Stage
    page: Page
    bridge: Bridge
    port: int
    address: str
    changes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        stage: Stage,
        page: Page,
        *,
        host: str = "localhost",
        pushed: bool = False,
        heard: bool = True,
        **changes: Any,
    ) -> AsyncIterator[Console]:
        """Log in, start a bridge and open its console; it has to end well.

        `host`: the name to open it by. `pushed`: the cloud tells of changes, and is hardly asked. `heard`: all devices
        of the household are on the broker before it is opened.
        """
        port = free_port()
        roads = {**reachable(port), "polling": {"interval": 600}} if pushed else {"web": {"port": port}}
        wanted = merged(roads, changes)
        await stage.log_in()
        bridge = stage.bridge(**wanted)
        await bridge.start()
        await bridge.until_logged("web_listening")
        if heard:
            await stage.complete(deadline=120)
        address = f"http://{host}:{port}/"
        found = cls(stage=stage, page=page, bridge=bridge, port=port, address=address, changes=wanted)
        await page.goto(address)
        yield found
        if found.bridge.running:
            assert await found.bridge.stop() == 0

    @property
    def account(self) -> Account:
        return self.stage.account

    def card(self, name: str) -> Locator:
        """Find the card of a device."""
        heading = self.page.get_by_role("heading", name=name, exact=True)
        return self.page.get_by_role("article").filter(has=heading)

    def lock(self, name: str) -> Locator:
        """Find the button that locks a door."""
        return self.page.get_by_role("button", name=f"Lock {name}", exact=True)

    def unlock(self, name: str) -> Locator:
        """Find the button that unlocks a door."""
        return self.page.get_by_role("button", name=f"Unlock {name}", exact=True)

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog")

    async def confirm_unlock(self, name: str) -> None:
        """Unlock a door, and say that it is meant."""
        await self.unlock(name).click()
        await self.dialog.get_by_role("button", name="Unlock").click()

    async def device(self, name: str) -> None:
        """Open the page of a device from the house."""
        await self.page.get_by_role("link", name=name, exact=True).click()
        await expect(self.page.get_by_role("heading", name=name, exact=True, level=1)).to_be_visible()

    async def bridge_page(self) -> None:
        """Open the page of the bridge."""
        await self.page.get_by_role("link", name="Bridge", exact=True).click()
        await expect(self.page.get_by_role("heading", name="Bridge", exact=True)).to_be_visible()

    async def restart(self) -> None:
        """Start the bridge again, on the same port."""
        self.bridge = self.stage.bridge(**self.changes)
        await self.bridge.start()


async def until(page: Page, expression: str, deadline: float = 60.0) -> None:
    """Wait until an expression holds on a page, whose policy would not let the browser wait for it."""
    async with asyncio.timeout(deadline):
        while True:
            if await page.evaluate(expression):
                return
            await asyncio.sleep(0.05)
