"""What the bridge itself finds out about a device."""

from __future__ import annotations

from uhome2mqtt.catalogue.attributes import CONNECTIVITY, HEALTH, LAST_REPORTED, STALE
from uhome2mqtt.catalogue.description import EntityDescription, word

BRIDGE_KEYS = (
    EntityDescription(
        key="connectivity",
        requires=frozenset({HEALTH}),
        render=word(CONNECTIVITY, {"online": "online", "offline": "offline"}),
        values=("online", "offline"),
        platform="binary_sensor",
        name="Connectivity",
        options=lambda _device, _known: {
            "device_class": "connectivity",
            "payload_on": "online",
            "payload_off": "offline",
            "entity_category": "diagnostic",
        },
    ),
    EntityDescription(
        key="stale",
        requires=frozenset(),
        render=lambda values: values.get(STALE),
        values=("ON", "OFF"),
        platform="binary_sensor",
        name="State out of date",
        options=lambda _device, _known: {"device_class": "problem", "entity_category": "diagnostic"},
    ),
    EntityDescription(
        key="last_reported",
        requires=frozenset(),
        render=lambda values: values.get(LAST_REPORTED),
        platform="sensor",
        name="Last reported",
        options=lambda _device, _known: {
            "device_class": "timestamp",
            "entity_category": "diagnostic",
            "enabled_by_default": False,
        },
    ),
)
