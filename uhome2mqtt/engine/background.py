"""What is asked of the cloud in the background, or for somebody who wants to see it now."""

from __future__ import annotations

from uhome2mqtt.effects import IdentifyAccount, ListDevices
from uhome2mqtt.engine.cloud_state import LONGEST_PAUSE
from uhome2mqtt.engine.house import ACCOUNT, LIST, POLL, House
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.model import Source


def poll(house: House, turn: Turn) -> None:
    """Query all devices, unless such a query is under way; while the cloud is away, some of them as a probe."""
    if house.presence.works and house.queries.poll is None and not house.must_wait(turn, Timer(POLL)):
        house.query(turn, house.registry.nodes.values(), Source.QUERY, poll=True)


def list_again(house: House, turn: Turn) -> None:
    """Ask for the device list when its time has come, unless a poll probes whether the cloud is there at all."""
    if poll_probes(house):
        house.list_failed = True
        house.timers.set(Timer(LIST), turn.now.monotonic + LONGEST_PAUSE)
    else:
        list_devices(house, turn)


def list_devices(house: House, turn: Turn) -> None:
    """Ask for the device list, unless it is under way."""
    if not house.listing and not house.must_wait(turn, Timer(LIST)):
        house.listing = True
        house.hints.listing(turn.now.monotonic)
        turn.emit(ListDevices())


def heed_hints(house: House) -> None:
    """Ask for the device list before its time, where something was told of devices that are not known, or gone."""
    if house.hints.wanted is not None:
        house.timers.hasten(Timer(LIST), house.hints.wanted)


def identify_account(house: House, turn: Turn) -> None:
    """Ask whose account it is, unless that is known."""
    if house.info["account"] is not None or house.must_wait(turn, Timer(ACCOUNT)):
        return
    if poll_probes(house):
        house.timers.set(Timer(ACCOUNT), turn.now.monotonic + LONGEST_PAUSE)
    else:
        turn.emit(IdentifyAccount())


def poll_probes(house: House) -> bool:
    """Tell whether the cloud is away and a poll will find out when it is back: one request at a time does for that."""
    return house.cloud.away and (house.queries.poll is not None or Timer(POLL) in house.timers)
