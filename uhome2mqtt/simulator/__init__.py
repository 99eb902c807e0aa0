"""A simulated U home cloud over real HTTP, with every quirk of the live one on a switch."""

from uhome2mqtt.simulator.clock import Clock, LoopClock, ManualClock
from uhome2mqtt.simulator.cloud import SimulatedCloud
from uhome2mqtt.simulator.device import SimDevice
from uhome2mqtt.simulator.faults import Fault
from uhome2mqtt.simulator.household import color_bulb, demo_household
from uhome2mqtt.simulator.orders import DeviceChange
from uhome2mqtt.simulator.quirks import Quirks, UnknownQuirkError
from uhome2mqtt.simulator.scenario import play
from uhome2mqtt.simulator.server import Running, serve, simulate

__all__ = [
    "Clock",
    "DeviceChange",
    "Fault",
    "LoopClock",
    "ManualClock",
    "Quirks",
    "Running",
    "SimDevice",
    "SimulatedCloud",
    "UnknownQuirkError",
    "color_bulb",
    "demo_household",
    "play",
    "serve",
    "simulate",
]
