"""The bridge's own web server: login, notifications, health, metrics."""

from __future__ import annotations

from uhome2mqtt.web.app import NAME, Condition, Site, callback_app, notifications_app, site_app
from uhome2mqtt.web.certificates import Certificate
from uhome2mqtt.web.console import ConsoleSite
from uhome2mqtt.web.guard import LOCAL_HOSTS, Guard
from uhome2mqtt.web.receiver import Receiver
from uhome2mqtt.web.server import WebServer, listen, not_listening, serving

__all__ = [
    "LOCAL_HOSTS",
    "NAME",
    "Certificate",
    "Condition",
    "ConsoleSite",
    "Guard",
    "Receiver",
    "Site",
    "WebServer",
    "callback_app",
    "listen",
    "not_listening",
    "notifications_app",
    "serving",
    "site_app",
]
