"""What Home Assistant takes in discovery, as of 2026.11, for the platforms that the bridge uses.

Facts, read from its documentation and its schemas; the tests hold them against a real Home Assistant. The top level of
a device payload, `device` and `origin` are strict there: one key too many, and the whole device is refused. Of an
entity unknown keys are dropped without a word, which is as much of a mistake.
"""

from __future__ import annotations

from dataclasses import dataclass

TOP_LEVEL = frozenset({
    "device", "origin", "components", "availability", "availability_mode", "availability_topic",
    "availability_template", "payload_available", "payload_not_available", "command_topic", "state_topic", "qos",
    "encoding",
})  # fmt: skip
DEVICE = frozenset({
    "identifiers", "connections", "manufacturer", "model", "model_id", "name", "hw_version", "sw_version",
    "serial_number", "suggested_area", "configuration_url", "via_device",
})  # fmt: skip
ORIGIN = frozenset({"name", "sw_version", "support_url"})
AVAILABILITY = frozenset({"topic", "payload_available", "payload_not_available", "value_template"})
AVAILABILITY_MODES = frozenset({"all", "any", "latest"})
CATEGORIES = frozenset({"config", "diagnostic"})

_COMMON = frozenset({
    "availability", "availability_mode", "availability_template", "availability_topic", "payload_available",
    "payload_not_available", "entity_picture", "enabled_by_default", "visible_by_default", "entity_category", "icon",
    "json_attributes_topic", "json_attributes_template", "default_entity_id", "message_expiry_interval", "unique_id",
    "name", "qos", "encoding", "group",
})  # fmt: skip
_READ = _COMMON | {"state_topic", "value_template"}
_SET = _COMMON | {"command_topic", "command_template", "optimistic", "retain", "state_topic", "value_template"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """The keys of a platform's entities; `settable`: commands can be sent to them."""

    keys: frozenset[str]
    required: frozenset[str]
    device_classes: frozenset[str] = frozenset()

    @property
    def settable(self) -> bool:
        return "command_topic" in self.required


PLATFORMS = {
    "lock": Platform(
        keys=_SET | {
            "code_format", "payload_lock", "payload_unlock", "payload_open", "payload_reset", "state_locked",
            "state_locking", "state_unlocked", "state_unlocking", "state_open", "state_opening", "state_jammed",
        },
        required=frozenset({"command_topic"}),
    ),
    "light": Platform(
        keys=_COMMON | {
            "command_topic", "optimistic", "retain", "state_topic", "schema", "brightness", "brightness_scale",
            "supported_color_modes", "color_temp_kelvin", "min_kelvin", "max_kelvin", "min_mireds", "max_mireds",
            "effect", "effect_list", "flash", "transition", "flash_time_short", "flash_time_long", "white_scale",
        },
        required=frozenset({"command_topic"}),
    ),
    "switch": Platform(
        keys=_SET | {"payload_on", "payload_off", "state_on", "state_off", "device_class"},
        required=frozenset({"command_topic"}),
        device_classes=frozenset({"outlet", "switch"}),
    ),
    "select": Platform(keys=_SET | {"options"}, required=frozenset({"command_topic", "options"})),
    "button": Platform(
        keys=_COMMON | {"command_topic", "command_template", "retain", "payload_press", "device_class"},
        required=frozenset({"command_topic"}),
        device_classes=frozenset({"identify", "restart", "update"}),
    ),
    "sensor": Platform(
        keys=_READ | {
            "device_class", "state_class", "unit_of_measurement", "options", "suggested_display_precision",
            "expire_after", "force_update", "last_reset_value_template",
        },
        required=frozenset({"state_topic"}),
        device_classes=frozenset({"battery", "duration", "enum", "timestamp"}),
    ),
    "binary_sensor": Platform(
        keys=_READ | {"device_class", "payload_on", "payload_off", "off_delay", "expire_after", "force_update"},
        required=frozenset({"state_topic"}),
        device_classes=frozenset({"battery", "connectivity", "door", "lock", "problem"}),
    ),
    "event": Platform(
        keys=_READ | {"event_types", "device_class"},
        required=frozenset({"state_topic", "event_types"}),
        device_classes=frozenset({"button", "doorbell", "motion"}),
    ),
}  # fmt: skip
"""Device classes are those that make sense here, not all that there are."""

STATE_CLASSES = frozenset({"measurement", "measurement_angle", "total", "total_increasing"})

NOT_NUMERIC = frozenset({"enum", "timestamp"})
"""Device classes of sensors whose states are no numbers: they have neither a state class nor a unit."""
UNITS = {"battery": frozenset({"%"}), "duration": frozenset({"d", "h", "min", "s", "ms", "μs"})}
"""Units that a device class asks for."""

COLOR_MODES = frozenset({"onoff", "brightness", "color_temp", "hs", "xy", "rgb", "rgbw", "rgbww", "white"})
ALONE = frozenset({"onoff", "brightness"})
"""Color modes that go with no other."""

TOPICS = frozenset({"state_topic", "command_topic", "availability_topic", "json_attributes_topic"})
SWITCHES = frozenset({
    "enabled_by_default", "visible_by_default", "optimistic", "retain", "force_update", "flash", "transition",
    "brightness", "effect",
})  # fmt: skip
"""What is true or false."""
LISTS = frozenset({"options", "event_types", "supported_color_modes", "effect_list"})
"""What is a list of different texts."""
TEXTS = frozenset(
    key
    for platform in PLATFORMS.values()
    for key in platform.keys - TOPICS
    if key.startswith(("payload_", "state_")) or key.endswith("_template") or key == "unit_of_measurement"
) - {"state_class"}
