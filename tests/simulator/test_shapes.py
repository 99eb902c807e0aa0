from __future__ import annotations

import json
from typing import Any

import pytest

from uhome2mqtt.simulator.shapes import body
from uhome2mqtt.simulator.vocabulary import PushShape

HEALTH = {"capability": "st.healthCheck", "name": "status", "value": "Online"}
LOCK = {"capability": "st.lock", "name": "lockState", "value": "Unlocked"}
ENTRY = {"id": "AA:BB", "states": [HEALTH, LOCK]}
BASE = {"namespace": "Uhome.Notification", "name": "DeviceState", "messageId": "m"}
HEADER = BASE | {"playloadVersion": "1"}


def envelope(*entries: Any) -> Any:
    """Build the usual frame."""
    return {"header": HEADER, "payload": {"devices": list(entries)}}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("envelope", envelope(ENTRY)),
        ("bare_list", [ENTRY]),
        ("payload_list", {"header": HEADER, "payload": [ENTRY]}),
        ("devices_only", {"devices": [ENTRY]}),
        ("id_only", envelope({"id": "AA:BB"})),
        (
            "states_mapping",
            envelope(
                {
                    "id": "AA:BB",
                    "states": {"st.healthCheck": {"status": "Online"}, "st.lock": {"lockState": "Unlocked"}},
                }
            ),
        ),
        ("states_single", envelope({"id": "AA:BB", "states": LOCK})),
        (
            "payload_version",
            {"header": BASE | {"payloadVersion": "1"}, "payload": {"devices": [ENTRY]}},
        ),
        ("top_level_version", {"header": BASE, "payload": {"devices": [ENTRY]}, "playloadVersion": "1"}),
        ("unknown_id", envelope(ENTRY | {"id": "00:00:5E:00:53:FF"})),
        ("partial", envelope({"id": "AA:BB", "states": [LOCK]})),
        ("entry_not_object", envelope("AA:BB")),
        ("id_missing", envelope({"states": [HEALTH, LOCK]})),
        ("scalar", "ok"),
        ("null", None),
    ],
)
def test_shapes(shape: str, expected: object) -> None:
    """Each shape is the one that was seen, documented or feared."""
    content = body(PushShape(shape), "DeviceState", [ENTRY], message_id="m", changed=frozenset({"st.lock.lockState"}))
    assert json.loads(content) == expected


def test_lower_case() -> None:
    """The lower-case shape folds the message's name and everything in the states."""
    told = json.loads(body(PushShape.LOWER_CASE, "DeviceState", [ENTRY], message_id="m"))
    assert told["header"]["name"] == "devicestate"
    assert told["payload"]["devices"][0]["states"][1] == {
        "capability": "st.lock",
        "name": "lockstate",
        "value": "unlocked",
    }


def test_not_json() -> None:
    """The documents' braces around states are no JSON."""
    content = body(PushShape.STATES_NOT_JSON, "DeviceState", [ENTRY], message_id="m")
    assert b'"states": {{' in content
    with pytest.raises(json.JSONDecodeError):
        json.loads(content)


def test_numbers_stay_numbers() -> None:
    """Folding case does not touch numbers."""
    level = {"capability": "st.batteryLevel", "name": "level", "value": 5}
    told = json.loads(body(PushShape.LOWER_CASE, "DeviceState", [{"id": "A", "states": [level]}], message_id="m"))
    assert told["payload"]["devices"][0]["states"][0]["value"] == 5


def test_partial_without_a_cause() -> None:
    """A partial shape of nothing in particular shows the first state."""
    told = json.loads(body(PushShape.PARTIAL, "DeviceState", [ENTRY], message_id="m"))
    assert told["payload"]["devices"][0]["states"] == [HEALTH]


@pytest.mark.parametrize("shape", [shape for shape in PushShape if shape is not PushShape.RANDOM])
def test_records_fit_every_shape(shape: PushShape) -> None:
    """DeviceSync and DeviceDelete, which have no states, can take every shape too."""
    for name, entry in (("DeviceSync", {"id": "A", "name": "N"}), ("DeviceDelete", {"id": "A"})):
        assert body(shape, name, [entry], message_id="m")
