"""The shipped flow of the locks in a real Node-RED."""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Dialog, Locator, Page, expect

from tests.support.account import BACK, FRONT, GARAGE
from tests.support.chromium import chromium
from tests.support.ear import ear
from tests.support.mosquitto import Mosquitto
from tests.support.nodered import PATIENCE, ROOT, NodeRed, set_up
from tests.support.patience import eventually
from tests.support.process import Bridge
from tests.support.stage import Stage, staged

pytestmark = [pytest.mark.nodered, pytest.mark.asyncio(loop_scope="module")]

FLOW = json.loads((ROOT / "examples" / "node-red" / "locks.json").read_text())
PICTURE = ROOT / "docs" / "pictures" / "node-red.png"
REWRITE = "REWRITE_PICTURES" in os.environ
"""Set it to take the picture of the documentation anew; scripts/screenshot-nodered does."""

LOCK_STATE = "st.lock.lockState"
STUCK = "JAMMED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A bridge, and Node-RED with a browser that looks at its dashboard."""

    stage: Stage
    bridge: Bridge
    nodered: NodeRed
    page: Page

    def cell(self, device: str, column: str) -> Locator:
        """Find a cell of the dashboard's table."""
        return self.page.locator(f"tr[data-device={device}] .uhome-{column}")

    async def shows(self, device: str, column: str, text: str | re.Pattern[str]) -> None:
        """Wait until a cell of the dashboard shows something."""
        await expect(self.cell(device, column)).to_contain_text(text, timeout=PATIENCE * 1000)

    async def press(self, device: str, button: str) -> None:
        """Press a button of the dashboard's table."""
        await self.cell(device, "buttons").get_by_role("button", name=button, exact=True).click()

    async def alerted(self, *texts: str) -> None:
        """Wait until an alert has all these words."""
        try:
            await eventually(lambda: any(all(t in a for t in texts) for a in self.nodered.alerts()), PATIENCE)
        except TimeoutError:
            raise AssertionError(self.nodered.log[-20:]) from None


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def home(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Home]:
    """Run everything; what Node-RED complains of in the meantime makes the tests fail."""
    with Mosquitto(tmp_path_factory.mktemp("mosquitto")) as broker:
        async with staged(tmp_path_factory.mktemp("stage"), broker) as stage:
            nodes = set_up(FLOW, broker.port, BASE_TOPIC=stage.ear.base)
            nodered = NodeRed(tmp_path_factory.mktemp("nodered"), nodes)
            bridge = await stage.up()
            try:
                await nodered.start()
                async with chromium({"width": 1000, "height": 420}) as browser:
                    page = await browser.new_page()
                    page.on("dialog", Dialog.accept)
                    await page.goto(f"{nodered.url}/dashboard/locks", timeout=PATIENCE * 1000)
                    yield Home(stage=stage, bridge=bridge, nodered=nodered, page=page)
            finally:
                nodered.stop()
            assert nodered.complaints() == []


async def test_dashboard(home: Home) -> None:
    """The dashboard lists every lock and nothing else, each with what the bridge tells of it."""
    await home.shows("garage", "state", "LOCKED")
    rows = home.page.locator("tr[data-device]")
    assert await rows.locator(".uhome-name").all_inner_texts() == ["Back Door", "Front Door", "Garage"]
    await home.shows("garage", "door", "closed")
    await home.shows("garage", "battery", "80 %")
    await home.shows("front_door", "door", "-")
    assert await home.page.locator(".uhome-stale, .uhome-trouble").count() == 0


async def test_live(home: Home) -> None:
    """What somebody does at a door is seen on the dashboard without a touch."""
    await home.stage.account.by_hand(GARAGE, states={LOCK_STATE: "Unlocked"})
    await home.shows("garage", "state", "UNLOCKED")
    await home.stage.account.by_hand(GARAGE, states={LOCK_STATE: "Locked"})
    await expect(home.cell("garage", "state").get_by_text("LOCKED", exact=True)).to_be_visible(timeout=60_000)


async def test_buttons(home: Home) -> None:
    """The buttons of a row turn that lock, once for each press, and the row tells the outcome."""
    before = len(home.stage.account.commands())
    await home.press("front_door", "Unlock")
    await home.shows("front_door", "result", "UNLOCK confirmed")
    await home.shows("front_door", "state", "UNLOCKED")
    await home.press("front_door", "Lock")
    await home.shows("front_door", "result", re.compile(r"^\s*LOCK confirmed"))
    assert home.stage.account.commands()[before:] == [(FRONT, "unlock"), (FRONT, "lock")]


async def test_picture(home: Home, tmp_path: Path) -> None:
    """The picture of the documentation is one of this dashboard, and small."""
    await home.shows("front_door", "state", "LOCKED")
    taken = PICTURE if REWRITE else tmp_path / "node-red.png"
    taken.parent.mkdir(exist_ok=True)
    await home.page.screenshot(path=taken)
    for picture in (taken, PICTURE):
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 150_000


async def test_command(home: Home) -> None:
    """A command that another flow gives comes back confirmed once the lock has reported, and was sent once."""
    before = len(home.stage.account.commands())
    outcome = await home.nodered.command("back_door", "UNLOCK")
    assert (outcome["event_type"], outcome["payload"], outcome["key"]) == ("confirmed", "UNLOCK", "lock")
    assert home.stage.account.commands()[before:] == [(BACK, "unlock")]
    passage = await home.nodered.command("back_door", "passage", key="mode")
    assert (passage["event_type"], passage["key"]) == ("confirmed", "mode")
    await home.nodered.command("back_door", "normal", key="mode")
    sent = [json.loads(text) for text in home.stage.ear.payloads("back_door/lock/set")]
    assert [order.keys() for order in sent] == [{"value", "transaction", "sent_at"}]


async def test_lock_up(home: Home, tmp_path: Path) -> None:
    """The example for the evening, given a time as a user would, locks the lock that is open and no other."""
    await home.stage.account.by_hand(GARAGE, states={LOCK_STATE: "Unlocked"})
    await home.shows("garage", "state", "UNLOCKED")
    before = len(home.stage.account.commands())
    nodes = set_up(FLOW, home.stage.broker.port, BASE_TOPIC=home.stage.ear.base)
    [evening] = [node for node in nodes if node["type"] == "inject"]
    evening["repeat"] = "3"
    nodered = NodeRed(tmp_path, nodes)
    try:
        await nodered.start()
        await expect(home.cell("garage", "state").get_by_text("LOCKED", exact=True)).to_be_visible(timeout=60_000)
    finally:
        nodered.stop()
    assert {*home.stage.account.commands()[before:]} == {(GARAGE, "lock")}
    assert nodered.complaints() == []


async def test_refused(home: Home) -> None:
    """What the bridge refuses comes back with its reason, and what is no device is refused at once."""
    assert (await home.nodered.command("garage", "OPEN"))["reason"] == "INVALID_PAYLOAD"
    assert (await home.nodered.command("no/where", "LOCK"))["reason"] == "UNKNOWN_DEVICE"
    assert (await home.nodered.command("nowhere", "LOCK"))["reason"] == "UNKNOWN_DEVICE"


async def test_rejected(home: Home) -> None:
    """A command that the cloud refuses raises the alert."""
    await home.stage.account.by_hand(GARAGE, online=False)
    outcome = await home.nodered.command("garage", "LOCK")
    assert (outcome["event_type"], outcome["reason"]) == ("rejected", "DEVICE_OFFLINE")
    await home.alerted("Garage", "LOCK rejected")
    await home.stage.account.by_hand(GARAGE, online=True)


async def test_unconfirmed(home: Home) -> None:
    """A command that was accepted and is never executed ends as unconfirmed and raises the alert."""
    await home.stage.account.control("PATCH", "quirks", {"accepted_not_executed": 1.0})
    outcome = await home.nodered.command("front_door", "UNLOCK")
    await home.stage.account.control("PATCH", "quirks", {"accepted_not_executed": 0.0})
    assert (outcome["event_type"], outcome["reason"]) == ("unconfirmed", "NOT_REPORTED")
    await home.alerted("Front Door", "UNLOCK unconfirmed", "the last report says 'Locked'")
    await home.shows("front_door", "result", "UNLOCK unconfirmed")
    await expect(home.page.get_by_text("Front Door: UNLOCK unconfirmed")).to_be_visible(timeout=PATIENCE * 1000)


async def test_jammed(home: Home) -> None:
    """A bolt that sticks raises the alert, once."""
    await home.stage.account.by_hand(FRONT, jam="next")
    await home.stage.ear.say("front_door/lock/set", "UNLOCK")
    await home.alerted("Front Door", "the bolt is stuck")
    await home.shows("front_door", "state", STUCK)
    await home.stage.account.by_hand(FRONT, states={LOCK_STATE: "Locked"}, jam=False)
    await expect(home.cell("front_door", "state").get_by_text("LOCKED", exact=True)).to_be_visible(timeout=60_000)
    assert sum("the bolt is stuck" in alert for alert in home.nodered.alerts()) == 1
    # It ends the one that is still under way.
    assert (await home.nodered.command("front_door", "LOCK"))["event_type"] == "confirmed"


async def test_restarts(home: Home) -> None:
    """After restarts of Node-RED, of the broker and of the bridge all goes on, and nothing is sent again."""
    sent, alerts = home.stage.account.commands(), home.nodered.alerts()

    home.nodered.stop()
    await home.nodered.start()
    await home.shows("garage", "state", "LOCKED")

    connections = home.nodered.connections
    home.stage.broker.end()
    await expect(home.page.get_by_text("No connection to the MQTT broker")).to_be_visible(timeout=PATIENCE * 1000)
    await home.shows("garage", "state", "unknown")
    home.stage.broker.start()
    await eventually(lambda: home.nodered.connections > connections, PATIENCE)
    await home.shows("garage", "state", "LOCKED")

    await home.bridge.stop()
    await expect(home.page.get_by_text("The bridge is not running")).to_be_visible(timeout=PATIENCE * 1000)
    await home.shows("garage", "state", "unknown")
    await home.bridge.start()
    await home.shows("garage", "state", "LOCKED")
    await expect(home.page.locator(".uhome-trouble")).to_have_count(0, timeout=PATIENCE * 1000)

    assert home.stage.account.commands() == sent
    assert home.nodered.alerts() == alerts
    assert (await home.nodered.command("garage", "UNLOCK"))["event_type"] == "confirmed"
    assert home.stage.account.commands() == [*sent, (GARAGE, "unlock")]


async def test_no_answer(tmp_path: Path) -> None:
    """Without bridge or broker a command ends after the time that is set, raises the alert, and is not sent later."""
    with Mosquitto(tmp_path) as broker:
        async with ear(broker, "nobody") as listening:
            (tmp_path / "nodered").mkdir()
            nodered = NodeRed(tmp_path / "nodered", set_up(FLOW, broker.port, BASE_TOPIC="nobody", TIMEOUT="2"))
            try:
                await nodered.start()
                outcome = await nodered.command("front_door", "LOCK")
                assert (outcome["event_type"], outcome["reason"]) == ("no_answer", "NO_ANSWER")
                await eventually(lambda: any("LOCK no_answer" in alert for alert in nodered.alerts()), PATIENCE)

                broker.end()
                await eventually(lambda: any("Disconnected from broker" in line for line in nodered.log), PATIENCE)
                assert (await nodered.command("front_door", "UNLOCK"))["event_type"] == "no_answer"
                broker.start()
                await eventually(lambda: nodered.connections == 2 and listening.connected.is_set(), PATIENCE)
                assert (await nodered.command("back_door", "LOCK"))["event_type"] == "no_answer"
                await eventually(lambda: listening.payloads("back_door/lock/set"), PATIENCE)
            finally:
                nodered.stop()
            assert nodered.complaints() == []
            assert [heard.topic for heard in listening.heard] == [
                "nobody/front_door/lock/set",
                "nobody/back_door/lock/set",
            ]
            assert not any(heard.retained for heard in listening.heard)
