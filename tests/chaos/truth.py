"""What should be retained on the broker, worked out from the simulated cloud and from the documents alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from uhome2mqtt.simulator import SimDevice

LOCKS = {"Locked": "LOCKED", "Unlocked": "UNLOCKED", "Jammed": "JAMMED"}
MODES = {0: "normal", 1: "passage", 2: "locked"}
LOW = 2

ANY = object()
"""A payload that depends on the moment."""

BRIDGE = {
    "bridge/state": "online",
    "bridge/cloud": "online",
    "bridge/info": ANY,
    "bridge/health": ANY,
    "bridge/devices": ANY,
    "bridge/asyncapi": ANY,
}
ABOUT = ("source", "pending", "last_known")
"""Members of a device's document that are no keys."""


def level(device: SimDevice) -> str:
    """Give the topic level of a device of the demo household."""
    return device.name.lower().replace(" ", "_")


def keys(device: SimDevice) -> dict[str, Any]:
    """Give what each key of a device has to be, as a JSON value."""
    states = {name: value for name, value in device.visible.items() if name not in device.hidden}
    return {"connectivity": "online", "stale": "OFF", "last_reported": ANY, **told(states)}


def told(states: Mapping[str, Any]) -> dict[str, Any]:
    """Give what the keys of a device say when it reports these states."""
    found: dict[str, Any] = {}
    if "st.lock.lockState" in states:
        found["lock"] = LOCKS[str(states["st.lock.lockState"])]
        charge = int(str(states["st.batteryLevel.level"]))
        found |= {"battery": charge * 20, "battery_level": charge, "battery_low": "ON" if charge <= LOW else "OFF"}
    if "st.lock.lockMode" in states:
        found["mode"] = MODES[int(str(states["st.lock.lockMode"]))]
    if "st.doorSensor.sensorState" in states:
        found["door"] = str(states["st.doorSensor.sensorState"]).lower()
    if "st.switchLevel.level" in states:
        turned, dimmed = str(states["st.switch.switch"]).upper(), states["st.switchLevel.level"]
        found["light"] = {"state": turned, "brightness": dimmed, "color_mode": "brightness"}
        found["brightness"] = dimmed
    elif "st.switch.switch" in states:
        found["switch"] = str(states["st.switch.switch"]).upper()
    return found


def differences(devices: list[SimDevice], held: Mapping[str, str], base: str) -> list[str]:
    """Say what is retained that should not be, and what is not that should; `held`: everything on the broker."""
    wanted = {f"{base}/{topic}": payload for topic, payload in BRIDGE.items()}
    documents = {}
    for device in devices:
        own = f"{base}/{level(device)}"
        wanted |= {f"{own}/{key}": value for key, value in keys(device).items()}
        wanted |= {f"{own}/availability": "online", own: ANY}
        wanted[f"{base}/ha/device/uhome2mqtt_{device.id.replace(':', '').lower()}/config"] = ANY
        documents[own] = keys(device)
    wanted[f"{base}/ha/device/{base}_bridge/config"] = ANY
    return [*_compared(wanted, held), *_documents(documents, held)]


def _compared(wanted: Mapping[str, Any], held: Mapping[str, str]) -> Iterator[str]:
    for topic in sorted(wanted.keys() | held.keys()):
        if topic not in wanted:
            yield f"{topic} is retained and should not be: {held[topic][:100]}"
        elif topic not in held:
            yield f"{topic} is not retained"
        elif not _alike(wanted[topic], held[topic]):
            yield f"{topic} is {held[topic][:100]}, and the cloud says {wanted[topic]}"


def _alike(wanted: Any, payload: str) -> bool:
    if wanted is ANY:
        return True
    return bool(json.loads(payload) == wanted if isinstance(wanted, dict) else payload == str(wanted))


def _documents(documents: Mapping[str, Mapping[str, Any]], held: Mapping[str, str]) -> Iterator[str]:
    """Hold each device's JSON document against its single keys."""
    for own, values in documents.items():
        document = json.loads(held.get(own, "{}"))
        if document.keys() != {*values, *ABOUT}:
            yield f"{own} has the members {sorted(document)}"
            continue
        for key in values:
            single, whole = held.get(f"{own}/{key}"), document[key]
            if single is not None and not _alike(whole, single):
                yield f"{own} says {key} {whole}, and its own topic {single}"
        if document["pending"] is not None or document["last_known"] is not None:
            yield f"{own} has pending {document['pending']}, last_known {document['last_known']}"
