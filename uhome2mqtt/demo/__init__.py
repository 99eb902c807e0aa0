"""Everything on one machine: simulated cloud, embedded broker and the real bridge."""

from uhome2mqtt.demo.household import run_demo, run_simulator

__all__ = ["run_demo", "run_simulator"]
