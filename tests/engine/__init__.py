"""Tests of the engine: lists of what happens and when, and what is done about it.

No event loop, no sleep, no mock: `driver` moves the clock and records what the engine asks for.
"""
