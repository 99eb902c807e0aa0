"""The automations and blueprints that the project ships, in a real Home Assistant."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.account import BACK, FRONT, GARAGE
from tests.support.mosquitto import Mosquitto

from .hass import Hass, until
from .home import Home

pytestmark = pytest.mark.homeassistant

EXAMPLES = Path(__file__).parents[2] / "examples" / "home-assistant"
LOCK = "st.lock.lockState"
TELL = [{"action": "persistent_notification.create", "data": {"title": "told", "message": "{{ text }}"}}]
BLUEPRINTS = {
    "did_not_take": ("lock_command_did_not_take", {"results": ["event.back_door_result"], "tell": TELL}),
    "night": (
        "lock_up_at_night",
        {"locks": ["lock.front_door", "lock.back_door", "lock.garage"], "patience": 5, "tell": TELL},
    ),
}


@pytest.fixture(scope="module")
def hass(tmp_path_factory: pytest.TempPathFactory, mosquitto: Mosquitto) -> Iterator[Hass]:
    """Run a Home Assistant whose owner has copied the examples, and filled in the blueprints."""
    directory = tmp_path_factory.mktemp("hass")
    shutil.copytree(EXAMPLES, directory, dirs_exist_ok=True)
    of_blueprints = [
        {"id": name, "alias": name, "use_blueprint": {"path": f"uhome2mqtt/{blueprint}.yaml", "input": inputs}}
        for name, (blueprint, inputs) in BLUEPRINTS.items()
    ]
    (directory / "of-blueprints.yaml").write_text(json.dumps(of_blueprints))
    includes = {"automation": "automations.yaml", "automation filled": "of-blueprints.yaml"}
    running = Hass(directory, mosquitto.port, includes=includes)
    running.start()
    yield running
    running.stop()


async def told(home: Home, text: str) -> None:
    """Wait until a notification says something, and forget all of them."""

    async def holds() -> bool:
        notifications = await home.ha.ask("persistent_notification/get")
        return any(text in f"{each['title']}: {each['message']}" for each in notifications)

    await until(holds)
    await home.ha.ask("call_service", domain="persistent_notification", service="dismiss_all")


async def test_all_are_there(home: Home) -> None:
    """Every automation of the examples, and of every blueprint, is taken and turned on."""
    await home.up()
    automations = {
        entity_id: state for entity_id, state in (await home.ha.states()).items() if "automation." in entity_id
    }
    assert len(automations) == 4 + len(BLUEPRINTS)
    assert {state["state"] for state in automations.values()} == {"on"}


@pytest.mark.parametrize(("device_id", "level"), [(FRONT, "front_door"), (BACK, "back_door")])
async def test_a_command_that_did_not_take(home: Home, device_id: str, level: str) -> None:
    """A command that the cloud refuses is told, by the automation for one door and by the blueprint for the other."""
    await home.up()
    await home.stage.account.by_hand(device_id, online=False)
    await home.ha.act(f"lock.{level}", "lock.unlock")
    await told(home, "UNLOCK rejected")


async def test_a_jam(home: Home) -> None:
    """A bolt that is stuck is told."""
    await home.up()
    await home.stage.account.by_hand(FRONT, states={LOCK: "Jammed"})
    await told(home, "A lock is jammed: Front Door")


async def test_locking_up(home: Home) -> None:
    """At night the doors that are open are locked and no others, and one that does not lock is told."""
    await home.up()
    for device_id, state in ((FRONT, "Unlocked"), (BACK, "Locked"), (GARAGE, "Locked")):
        await home.stage.account.by_hand(device_id, states={LOCK: state})
    await home.ha.until_state("lock.front_door", "unlocked")
    await home.ha.act("automation.night", "automation.trigger")
    await home.ha.until_state("lock.front_door", "locked")
    assert home.stage.account.commands() == [(FRONT, "lock")]
    home.stage.account.cloud.quirks.change({"accepted_not_executed": 1.0})
    await home.stage.account.by_hand(BACK, states={LOCK: "Unlocked"})
    await home.ha.until_state("lock.back_door", "unlocked")
    await home.ha.act("automation.night", "automation.trigger")
    await told(home, "Not reported as locked: Back Door")
    assert home.stage.account.commands() == [(FRONT, "lock"), (BACK, "lock")]
