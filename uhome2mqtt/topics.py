"""Every topic of the bridge, written and read."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from uhome2mqtt.model import Attribute, Json, Pin, together

MAX_SLUG = 64
RESERVED = "bridge"
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_PLAIN = re.compile(r"[a-z0-9_-]+")
_MADE = re.compile(r"[0-9a-f]{12}|(?:.*_)?[0-9a-f]{10}")
"""What `node_id` itself makes of ids that are not plain."""


def slug(text: str) -> str:
    """Reduce a name to `[a-z0-9_-]+`, or to the empty string where no letter or digit is usable."""
    ascii_only = unicodedata.normalize("NFKD", text).casefold().encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9-]+", "_", ascii_only).strip("_-")[:MAX_SLUG].rstrip("_-")


def node_id(device_id: str) -> str:
    """Make a device id fit for identifiers, never two alike for different ids.

    A MAC address becomes its twelve digits, in whichever letter case. Ids are documented as opaque and may differ
    in letter case or punctuation alone, so anything that does not survive as it is gets a hash behind it.
    """
    if _MAC.fullmatch(device_id.casefold()):
        return device_id.casefold().replace(":", "")
    plain = _PLAIN.fullmatch(device_id) and not _MADE.fullmatch(device_id) and len(device_id) <= MAX_SLUG
    if plain and device_id != RESERVED:
        return device_id
    digest = hashlib.sha256(device_id.encode()).hexdigest()[:10]
    return f"{slug(device_id)[:32]}_{digest}".lstrip("_")


def unique_slug(name: str, device_id: str, taken: Collection[str]) -> str:
    """Choose the topic level of a new device: its name's slug, or its id's; `_2`, `_3` … where taken."""
    wanted = slug(name) or node_id(device_id)
    candidate, number = wanted, 1
    while candidate in taken or candidate == RESERVED:
        number += 1
        candidate = f"{wanted}_{number}"
    return candidate


def is_level(text: Json) -> bool:
    """Tell whether this can be a device's topic level."""
    return isinstance(text, str) and _PLAIN.fullmatch(text) is not None and text != RESERVED


def decode_pin(entry: Json) -> Pin | None:
    """Read a pin from an object with its members; None where the topic is no device's level."""
    if not isinstance(entry, dict) or not is_level(entry.get("topic")):
        return None
    name, alias, observed = entry.get("name"), entry.get("alias"), entry.get("observed")
    seen = observed if isinstance(observed, list) else []
    return Pin(
        topic=str(entry["topic"]),
        name=name if isinstance(name, str) else "",
        alias=alias if isinstance(alias, str) else "",
        observed=together(frozenset(Attribute(shown) for shown in seen if isinstance(shown, str))),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SetTopic:
    """`<base>/<device>/<key>/set`, or `<base>/<device>/set` where the key is None."""

    device: str
    key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GetTopic:
    """`<base>/<device>/get`."""

    device: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestTopic:
    """`<base>/bridge/request/<name>`; a name may have several levels."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """The topics below one base topic."""

    base: str
    discovery_prefix: str

    @property
    def bridge_state(self) -> str:
        return f"{self.base}/bridge/state"

    @property
    def bridge_cloud(self) -> str:
        return f"{self.base}/bridge/cloud"

    @property
    def bridge_info(self) -> str:
        return f"{self.base}/bridge/info"

    @property
    def bridge_devices(self) -> str:
        return f"{self.base}/bridge/devices"

    @property
    def bridge_health(self) -> str:
        return f"{self.base}/bridge/health"

    @property
    def bridge_asyncapi(self) -> str:
        return f"{self.base}/bridge/asyncapi"

    @property
    def bridge_presence(self) -> str:
        """Where bridges say that they are there, so that two on one base topic notice each other."""
        return f"{self.base}/bridge/presence"

    @property
    def bridge_event(self) -> str:
        return f"{self.base}/bridge/event"

    def bridge_response(self, name: str) -> str:
        return f"{self.base}/bridge/response/{name}".rstrip("/")

    def device(self, level: str) -> str:
        return f"{self.base}/{level}"

    def key(self, level: str, key: str) -> str:
        return f"{self.base}/{level}/{key}"

    def set(self, level: str, key: str) -> str:
        return f"{self.base}/{level}/{key}/set"

    def set_all(self, level: str) -> str:
        return f"{self.base}/{level}/set"

    def get(self, level: str) -> str:
        return f"{self.base}/{level}/get"

    def availability(self, level: str) -> str:
        return f"{self.base}/{level}/availability"

    def result(self, level: str) -> str:
        return f"{self.base}/{level}/result"

    def bridge_request(self, name: str) -> str:
        return f"{self.base}/bridge/request/{name}"

    def discovery(self, node: str) -> str:
        """Give the config topic of a device."""
        return f"{self.discovery_prefix}/device/{node}/config"

    def entity_discovery(self, platform: str, node: str, key: str) -> str:
        """Give the config topic of one entity; the base topic stands in it for a filter that finds ours alone."""
        return f"{self.discovery_prefix}/{platform}/{node_id(self.base)}/{node}-{key}/config"

    @property
    def command_filters(self) -> tuple[str, ...]:
        """Subscriptions for everything that asks a device, or the bridge itself, for something."""
        return (self.set("+", "+"), self.set_all("+"), self.get("+"), self.bridge_request("#"))

    @property
    def shared_topics(self) -> tuple[str, ...]:
        """What another bridge on the same base topic would publish on, too."""
        return (self.bridge_presence, self.bridge_state)

    @property
    def read_back_filters(self) -> tuple[str, ...]:
        """Subscriptions that find what the broker holds of an earlier run."""
        return (f"{self.base}/#", *self.discovery_filters)

    @property
    def discovery_filters(self) -> tuple[str, ...]:
        """Subscriptions to the config topics of devices, and to those of our entities."""
        return (f"{self.discovery_prefix}/device/+/config", f"{self.discovery_prefix}/+/{node_id(self.base)}/+/config")

    def parse_command(self, topic: str) -> SetTopic | GetTopic | RequestTopic | None:
        """Read a command topic; None for anything else."""
        match self._levels(topic):
            case ["bridge", "request", *name]:
                return RequestTopic(name="/".join(name))
            case [device, "set"] if device != RESERVED:
                return SetTopic(device=device, key=None)
            case [device, "get"] if device != RESERVED:
                return GetTopic(device=device)
            case [device, key, "set"] if device != RESERVED:
                return SetTopic(device=device, key=key)
            case _:
                return None

    def parse_result(self, topic: str) -> str | None:
        """Read a topic of outcomes as the topic level of its device."""
        match self._levels(topic):
            case [device, "result"] if device != RESERVED:
                return device
            case _:
                return None

    def parse_state(self, topic: str) -> tuple[str, str | None] | None:
        """Read a topic of a device's state as (topic level, key); the key is None for the document."""
        match self._levels(topic):
            case [device] if device != RESERVED:
                return device, None
            case [device, key] if device != RESERVED and key not in {"set", "get", "result"}:
                return device, key
            case _:
                return None

    def parse_discovery(self, topic: str) -> tuple[str, str | None] | None:
        """Read a config topic below the discovery prefix as (node, key); the key is None for that of a device.

        No key has a hyphen in it. Whether a node is ours is not seen here.
        """
        prefix = f"{self.discovery_prefix}/"
        match topic[len(prefix) :].split("/") if topic.startswith(prefix) else []:
            case ["device", node, "config"]:
                return node, None
            case [_, base, entity, "config"] if base == node_id(self.base):
                node, _, key = entity.rpartition("-")
                return (node, key) if node and key else None
            case _:
                return None

    def is_own(self, topic: str) -> bool:
        """Tell whether a topic is below this base topic, or a config topic below this prefix."""
        return topic.startswith(f"{self.base}/") or self.parse_discovery(topic) is not None

    def is_bridges_own(self, topic: str) -> bool:
        """Tell whether the bridge tells of itself on a topic; its answers to requests are not meant."""
        match self._levels(topic):
            case ["bridge", *rest]:
                return rest[:1] != ["response"]
            case _:
                return False

    def _levels(self, topic: str) -> list[str]:
        prefix = f"{self.base}/"
        return topic[len(prefix) :].split("/") if topic.startswith(prefix) else []
