"""The bridge as a device: how it is doing, and what it can be asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from uhome2mqtt import __version__
from uhome2mqtt.homeassistant.configs import ORIGIN_NAME, Described
from uhome2mqtt.model import CloudStatus, Json, PushStatus
from uhome2mqtt.topics import Topics, node_id


def bridge_node(topics: Topics) -> str:
    """Name the bridge's own node; the base topic is all that tells two bridges apart."""
    return f"{node_id(topics.base)}_bridge"


def describe_bridge(topics: Topics, qos: int, *, push: bool) -> Described:
    """Describe the bridge itself; what has to do with notifications only where they are set up."""
    node = bridge_node(topics)
    entities = [*_always(topics), *(_of_push(topics) if push else ())]
    return Described(
        node=node,
        device={
            "identifiers": [node],
            "name": "U home bridge",
            "manufacturer": ORIGIN_NAME,
            "model": "MQTT bridge",
            "sw_version": __version__,
        },
        availability=(topics.bridge_state,),
        qos=qos,
        components={
            key: {
                "platform": platform,
                "unique_id": f"{node}_{key}",
                "default_entity_id": f"{platform}.{node}_{key}",
                **options,
            }
            for key, platform, options in entities
        },
    )


def _always(topics: Topics) -> Iterator[tuple[str, str, dict[str, Json]]]:
    yield (
        "cloud",
        "sensor",
        _diagnostic("Cloud", topics.bridge_cloud, "mdi:cloud-outline") | _one_of(map(str, CloudStatus)),
    )
    push = _diagnostic("Notifications", topics.bridge_info, "mdi:bell-ring-outline", "push")
    yield "push", "sensor", push | _one_of(map(str, PushStatus))
    requests = _diagnostic("Requests in 24 h", topics.bridge_health, "mdi:counter", "requests.last_24h")
    yield "requests", "sensor", requests | {"state_class": "measurement", "unit_of_measurement": "requests"}
    success = _diagnostic("Last success", topics.bridge_health, "mdi:cloud-check-outline", "requests.last_success")
    yield "last_success", "sensor", success | {"device_class": "timestamp"}
    yield "authorization", "binary_sensor", _problem("Login", topics, "mdi:account-key-outline", "authorization")
    yield "refresh", "button", _button(topics, "refresh", "Refresh states", "mdi:refresh")
    yield "discover", "button", _button(topics, "discover", "Look for devices", "mdi:magnify")


def _of_push(topics: Topics) -> Iterator[tuple[str, str, dict[str, Json]]]:
    problem = _problem("Notification delivery", topics, "mdi:bell-alert-outline", "push")
    yield "push_problem", "binary_sensor", problem
    yield "register", "button", _button(topics, "notifications/register", "Register notifications", "mdi:bell-plus")


def _diagnostic(name: str, topic: str, icon: str, member: str | None = None) -> dict[str, Json]:
    """Describe something that is read from a topic, or from a member of the object there."""
    read: dict[str, Json] = {"name": name, "state_topic": topic}
    if member is not None:
        read["value_template"] = f"{{{{ value_json.{member} }}}}"
    return read | {"entity_category": "diagnostic", "icon": icon}


def _problem(name: str, topics: Topics, icon: str, problem: str) -> dict[str, Json]:
    return _diagnostic(name, topics.bridge_health, icon, f"problems.{problem}") | {"device_class": "problem"}


def _one_of(options: Iterable[str]) -> dict[str, Json]:
    return {"device_class": "enum", "options": list[Json](options)}


def _button(topics: Topics, request: str, name: str, icon: str) -> dict[str, Json]:
    command: dict[str, Json] = {"command_topic": topics.bridge_request(request), "payload_press": "{}"}
    return {"name": name, **command, "entity_category": "config", "icon": icon}
