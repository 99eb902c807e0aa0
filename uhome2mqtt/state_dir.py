"""What the bridge keeps across restarts beside its tokens: topic levels, and its own client id."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from uhome2mqtt import logs
from uhome2mqtt.errors import StorageError
from uhome2mqtt.homeassistant import decode_announced, encode_announced
from uhome2mqtt.model import Announced, Json, Pin, parse_json
from uhome2mqtt.storage import ensure_private_directory, read_private, write_private
from uhome2mqtt.topics import decode_pin

VERSION = 1


class StateDir:
    """The files of one installation; what cannot be read is said once and counts as absent."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._log = logs.get_logger()

    def pins(self) -> dict[str, Pin]:
        """Read the devices' pins."""
        devices = self._document("devices.json").get("devices")
        entries = devices.items() if isinstance(devices, dict) else ()
        return {device_id: pin for device_id, entry in entries if (pin := decode_pin(entry)) is not None}

    def save_pins(self, pins: Mapping[str, Pin]) -> None:
        """Keep the devices' pins; raises StorageError."""
        devices: Json = {
            device_id: {
                "topic": pin.topic,
                "name": pin.name,
                "alias": pin.alias,
                "observed": list[Json](sorted(pin.observed)),
            }
            for device_id, pin in pins.items()
        }
        self._write("devices.json", {"version": VERSION, "devices": devices})

    def announced(self) -> Announced:
        """Read what Home Assistant was told; what is not readable of it counts as unknown."""
        return decode_announced(self._document("discovery.json"))

    def save_announced(self, announced: Announced) -> None:
        """Keep what Home Assistant was told; raises StorageError."""
        self._write("discovery.json", {**encode_announced(announced), "version": VERSION})

    def client_id(self) -> str:
        """Give the MQTT client id of this installation, made up at its first start."""
        kept = self._document("instance.json").get("client_id")
        if isinstance(kept, str) and kept:
            return kept
        made = f"uhome2mqtt-{secrets.token_hex(4)}"
        try:
            self._write("instance.json", {"version": VERSION, "client_id": made})
        except StorageError as problem:
            self._log.error("client_id_not_saved", why=str(problem))
        return made

    def requests(self) -> dict[str, Json]:
        """Read what the requests to the cloud came to; empty where nothing was kept."""
        return self._document("requests.json")

    def save_requests(self, counts: Mapping[str, Json]) -> None:
        """Keep what the requests to the cloud came to; raises StorageError."""
        self._write("requests.json", {**counts, "version": VERSION})

    def _write(self, name: str, document: dict[str, Json]) -> None:
        ensure_private_directory(self.path)
        write_private(self.path / name, json.dumps(document, indent=1, ensure_ascii=False).encode())

    def _document(self, name: str) -> dict[str, Json]:
        try:
            content = read_private(self.path / name)
            document = {} if content is None else parse_json(content)
        except (StorageError, ValueError) as problem:
            self._log.error("state_unreadable", file=str(self.path / name), why=str(problem))
            return {}
        return document if isinstance(document, dict) and document.get("version") == VERSION else {}
