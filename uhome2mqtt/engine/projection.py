"""What should be retained on the broker, as a function of what the bridge knows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping

from uhome2mqtt.catalogue import EntityDescription, capabilities, descriptions_for, text_of
from uhome2mqtt.engine.config import EngineConfig
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.pending import Pending
from uhome2mqtt.events import Now
from uhome2mqtt.model import Json
from uhome2mqtt.packed import Packed, Payload, pack

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
"""`json.dumps` would make one for each document."""


def dump(value: Json) -> str:
    """Write JSON compactly, names in their own script."""
    return _ENCODER.encode(value)


def project_device(
    node: Node, pending: Iterable[Pending], config: EngineConfig, stale_after: float, now: Now
) -> dict[str, str]:
    """Give every retained topic of a device with its payload, but for what Home Assistant is told.

    A device that one list did not have is still there: it takes two until it is gone.
    """
    topics, level = config.topics, node.level
    projected: dict[str, str] = {}
    if node.enabled:
        document = document_of(node, pending, stale_after, now)
        for row in descriptions_for(node.known):
            value = document[row.key]
            projected[topics.key(level, row.key)] = dump(value) if row.value_type == "object" else text_of(value)
        if config.json_state:
            projected[topics.device(level)] = dump(document)
    projected[topics.availability(level)] = "online" if node.enabled else "offline"
    return projected


def project_bridge(
    devices: Packed | None,
    config: EngineConfig,
    cloud: str,
    info: Mapping[str, Json],
    health: Mapping[str, Json] | None,
) -> dict[str, Payload]:
    """Give the retained topics of the bridge itself, but for its state.

    `health`: None until it has been measured. `devices`: the list of devices, as JSON; None before there is one, so
    that what an earlier run told is left standing.
    """
    topics = config.topics
    projected: dict[str, Payload] = {
        topics.bridge_cloud: cloud,
        topics.bridge_info: dump({**config.about, **info}),
    }
    if config.asyncapi:
        projected[topics.bridge_asyncapi] = config.asyncapi
    if health is not None:
        projected[topics.bridge_health] = dump(dict(health))
    if devices is not None:
        projected[topics.bridge_devices] = devices
    return projected


def document_of(node: Node, pending: Iterable[Pending], stale_after: float, now: Now) -> dict[str, Json]:
    """Give the device as one object: every key, and what stands behind them."""
    findings = node.findings(now, stale_after)
    reported = {**node.values, **findings}
    claimable = {**node.claimable(now, stale_after), **findings}
    document: dict[str, Json] = {}
    last_known: dict[str, Json] = {}
    for row in descriptions_for(node.known):
        document[row.key] = row.render(claimable if row.forgettable else reported)
        if row.forgettable and (was := row.render(reported)) != document[row.key]:
            last_known[row.key] = was
    under_way = list(pending)
    for command in under_way:
        if command.transition is not None:
            document[command.key] = command.transition
    return document | {
        "source": None if node.source is None else str(node.source),
        "pending": {command.key: command.payload for command in under_way} or None,
        "last_known": last_known or None,
    }


def project_list(nodes: Iterable[Node], excluded: Mapping[str, frozenset[str]]) -> Packed:
    """Give the list of devices, as JSON; it is written one device after the other, since there may be very many."""

    def parts() -> Iterator[str]:
        yield "["
        for number, node in enumerate(nodes):
            yield f"{',' if number else ''}{dump(listed(node, excluded))}"
        yield "]"

    return pack(parts())


def listed(node: Node, excluded: Mapping[str, frozenset[str]]) -> dict[str, Json]:
    """Describe a device in `bridge/devices`."""
    device = node.device
    return {
        "id": device.id,
        "topic": node.level,
        "name": node.name,
        "alias": node.alias or None,
        "kind": node.kind,
        "manufacturer": device.manufacturer,
        "model": device.model,
        "firmware": device.firmware,
        "category": device.category,
        "handle_type": device.handle_type,
        "enabled": node.enabled,
        "missing": bool(node.missing_lists),
        "excluded": list[Json](sorted(excluded.get(device.id, ()))) or None,
        "capabilities": list[Json](capabilities(node.known)),
        "observed": list[Json](sorted(node.observed)),
        "keys": [_described(row) for row in descriptions_for(node.known)],
    }


def _described(row: EntityDescription) -> dict[str, Json]:
    described: dict[str, Json] = {"key": row.key, "type": row.value_type, "settable": list[Json](row.settable)}
    optional: dict[str, Json] = {
        "values": list[Json](row.values) or None,
        "min": row.minimum,
        "max": row.maximum,
        "unit": row.unit,
    }
    return described | {key: value for key, value in optional.items() if value is not None}
