"""Take the pictures of Home Assistant that the documentation shows: scripts/screenshots-homeassistant runs this."""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from pathlib import Path

from playwright.async_api import Page

from tests.support.account import FRONT
from tests.support.chromium import chromium
from tests.support.mosquitto import Mosquitto

from .hass import Hass, token
from .home import Home, moved_in, node

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
NOTHING = '<svg xmlns="http://www.w3.org/2000/svg"/>'


async def main() -> None:
    """Set the scene, and take the pictures."""
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        directory = Path(scratch)
        (directory / "hass").mkdir()
        with Mosquitto(directory) as broker:
            hass = Hass(directory / "hass", broker.port)
            hass.start()
            try:
                async with moved_in(directory, broker, hass) as home:
                    home.stage.ear.base = "uhome2mqtt"
                    await home.stage.log_in()
                    await home.stage.bridge(**home.settings({})).start()
                    await home.known()
                    await home.ha.act("lock.front_door", "lock.unlock")
                    await home.ha.until_state("lock.front_door", "unlocked")
                    await photograph(home)
            finally:
                hass.stop()


async def photograph(home: Home) -> None:
    """Go from page to page."""
    devices = await home.ha.devices()
    async with chromium({"width": 1100, "height": 800}) as context:
        tokens = {
            "access_token": token(),
            "token_type": "Bearer",
            "expires_in": 4_000_000,
            "hassUrl": home.hass.url,
            "clientId": f"{home.hass.url}/",
            "expires": 4_000_000_000_000,
            "refresh_token": "",
        }
        await context.add_init_script(f"localStorage.hassTokens = JSON.stringify({json.dumps(tokens)})")
        # The logos of integrations come from the network, which there is none of: nothing is better than broken ones.
        await context.route(
            re.compile("/brands/"), lambda route: route.fulfill(body=NOTHING, content_type="image/svg+xml")
        )
        page = await context.new_page()
        page.set_default_timeout(60_000)
        lock, bridge = devices[node(FRONT)]["id"], devices["uhome2mqtt_bridge"]["id"]
        await picture(page, f"{home.hass.url}/config/devices/device/{lock}", "Command result", "lock")
        await picture(page, f"{home.hass.url}/config/devices/device/{bridge}", "Requests in 24 h", "bridge")
        await picture(page, f"{home.hass.url}/config/devices/dashboard", "Bedside Lamp", "devices")


async def picture(page: Page, address: str, text: str, name: str) -> None:
    """Open a page, wait until it shows something, and keep what is seen."""
    await page.goto(address)
    await page.get_by_text(text).first.wait_for()
    await page.wait_for_load_state("networkidle")
    await page.evaluate("document.fonts.ready")
    await page.screenshot(path=PICTURES / f"homeassistant-{name}.png", animations="disabled")


if __name__ == "__main__":
    asyncio.run(main())
