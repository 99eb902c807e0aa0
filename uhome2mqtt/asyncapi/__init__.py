"""All topics and payloads as an AsyncAPI document, from the tables that the bridge itself works with."""

from __future__ import annotations

from uhome2mqtt.asyncapi.document import document

__all__ = ["document"]
