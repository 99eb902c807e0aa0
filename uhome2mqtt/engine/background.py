"""What is asked of the cloud in the background, or for somebody who wants to see it now."""

from __future__ import annotations

from uhome2mqtt.engine.house import ACCOUNT, LIST, POLL, House
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.events import IdentifyAccount, ListDevices
from uhome2mqtt.model import Source


def poll(house: House, turn: Turn) -> None:
    """Query all devices, unless such a query is under way."""
    if house.queries.poll is None and not house.must_wait(turn, Timer(POLL)):
        house.query(turn, house.registry.nodes.values(), Source.QUERY, poll=True)


def list_devices(house: House, turn: Turn) -> None:
    """Ask for the device list, unless it is under way."""
    if not house.listing and not house.must_wait(turn, Timer(LIST)):
        house.listing = True
        turn.emit(ListDevices())


def identify_account(house: House, turn: Turn) -> None:
    """Ask whose account it is, unless that is known."""
    if house.info["account"] is None and not house.must_wait(turn, Timer(ACCOUNT)):
        turn.emit(IdentifyAccount())
