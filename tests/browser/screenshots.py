"""Take the pictures of the console that the documentation shows: scripts/screenshots runs this."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Literal

import httpx
from playwright.async_api import Browser, Page, expect

from tests.support.chromium import chromium
from tests.support.patience import eventually, free_port
from tests.support.process import Program

PICTURES = Path(__file__).parents[2] / "docs" / "pictures"
DESKTOP, PHONE = (1280, 985), (390, 844)
LARGEST = 250_000
"""Bytes of one picture."""
FRONT, BACK, GARAGE = "0C:7F:ED:10:00:01", "0C:7F:ED:10:00:02", "0C:7F:ED:10:00:03"
LIVED: tuple[tuple[str, dict[str, str | int]], ...] = (
    (FRONT, {"st.lock.lockState": "Unlocked"}),
    (GARAGE, {"st.doorSensor.sensorState": 1}),
    (FRONT, {"st.lock.lockState": "Locked"}),
    (GARAGE, {"st.doorSensor.sensorState": 0}),
    (FRONT, {"st.lock.lockState": "Unlocked"}),
    (FRONT, {"st.lock.lockState": "Locked"}),
)
"""What happens at the doors, one after the other."""
BETWEEN = 12.0
"""Seconds from one to the next: more than a poll interval, so that notifications prove themselves."""


async def main() -> None:
    """Set the scene, and take the pictures."""
    port = free_port()
    demo = Program("demo", "--web-port", str(port))
    await demo.start()
    try:
        await eventually(lambda: any("The simulated cloud is at" in line for line in demo.out))
        (cloud,) = re.findall(r"The simulated cloud is at (\S+)", "\n".join(demo.out))
        async with chromium() as context:
            assert context.browser is not None
            await photograph(context.browser, f"http://localhost:{port}/", cloud)
    finally:
        await demo.stop()


async def photograph(browser: Browser, console: str, cloud: str) -> None:
    """Let the household live for a while, then look at it."""
    page = await opened(browser, console, DESKTOP)
    for device, states in LIVED:
        await keypad(cloud, device, states)
        await asyncio.sleep(BETWEEN)
    await page.get_by_role("button", name="On Dining Room", exact=True).click()
    await page.get_by_label("Brightness of Dining Room").fill("60")
    await keypad(cloud, BACK, {"st.lock.lockState": "Locked"})
    await command(page, "Unlock Front Door", "Unlocked")
    await command(page, "Lock Front Door", "Locked")
    await command(page, "Unlock Back Door", "Unlocked")
    await picture(page, "desktop")
    await picture(await opened(browser, console, DESKTOP, "dark"), "dark")
    await picture(await opened(browser, console, PHONE), "phone")
    await picture(await opened(browser, f"{console}#/devices/front_door", (1280, 960)), "device")


async def opened(
    browser: Browser, address: str, size: tuple[int, int], scheme: Literal["light", "dark"] = "light"
) -> Page:
    """Open a page, and wait until it shows the house or the device."""
    width, height = size
    page = await browser.new_page(
        viewport={"width": width, "height": height}, color_scheme=scheme, device_scale_factor=1.5, locale="en-GB"
    )
    await page.goto(address)
    await expect(page.locator("[data-look=locked], [data-look=unlocked]").first).to_be_visible()
    return page


async def command(page: Page, button: str, state: str) -> None:
    """Press a button, confirm if that is asked for, and wait for the outcome."""
    device = button.split(" ", 1)[1]
    await page.get_by_role("button", name=button, exact=True).click()
    if button.startswith("Unlock"):
        await page.get_by_role("dialog").get_by_role("button", name="Unlock").click()
    card = page.get_by_role("article").filter(has=page.get_by_role("heading", name=device))
    await expect(card.get_by_text(state, exact=True)).to_be_visible()
    await expect(card.get_by_text("confirmed")).to_be_visible()


async def keypad(cloud: str, device: str, states: dict[str, str | int]) -> None:
    """Let somebody in the simulated household do something."""
    async with httpx.AsyncClient() as http:
        answer = await http.post(f"{cloud}/control/devices/{device}", json={"states": states})
        answer.raise_for_status()


async def picture(page: Page, name: str) -> None:
    """Keep what is seen."""
    await expect(page.locator(".timeline").or_(page.locator(".summary")).first).to_be_visible()
    await page.evaluate("document.fonts.ready")
    await page.mouse.move(0, 0)
    path = PICTURES / f"console-{name}.png"
    await page.screenshot(path=path, animations="disabled")
    assert path.stat().st_size <= LARGEST, f"{path.name} is too large"


if __name__ == "__main__":
    asyncio.run(main())
