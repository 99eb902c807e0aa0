"""Everything on one machine: simulated cloud, embedded broker and the real bridge."""

from uhome2mqtt.demo.household import parse_quirks, run_demo, run_simulator

__all__ = ["parse_quirks", "run_demo", "run_simulator"]
