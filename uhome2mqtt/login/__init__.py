"""Logging in from the command line."""

from uhome2mqtt.login.command import login

__all__ = ["login"]
