"""Whatever may happen to a bridge, for hypothesis to choose from."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import strategies as st

from uhome2mqtt.catalogue.attributes import KNOWN, LOCK_STATE
from uhome2mqtt.engine.requests import ACTIONS
from uhome2mqtt.model import (
    Attribute,
    DeviceError,
    FailureKind,
    Json,
    LockUser,
    Report,
    UsersReply,
)

from .driver import BACK, BASE, FRONT, LAMP, PLUG, SECRET, TOPICS

HOME = (FRONT, BACK, LAMP, PLUG)
CODE = "73519264"
LEVELS = {"front": FRONT.id, "back": BACK.id, "lamp": LAMP.id, "plug": PLUG.id}

words: st.SearchStrategy[Json] = st.sampled_from(
    [
        "Locked",
        "unlocked",
        "LOCKED",
        "Jammed",
        "Online",
        "Offline",
        "on",
        "off",
        "open",
        "closed",
        0,
        1,
        2,
        5,
        50,
        "3",
        2000,
        "1,2,3",
    ]
)
leaves: st.SearchStrategy[Json] = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
)
scraps: st.SearchStrategy[Json] = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
values: st.SearchStrategy[Json] = words | words | scraps
attributes = st.sampled_from(sorted(KNOWN)) | st.just(LOCK_STATE) | st.just(Attribute("st.new.thing"))
states = st.dictionaries(attributes, values, max_size=4)
errors = st.none() | st.builds(DeviceError, code=st.sampled_from(["DEVICE_OFFLINE", "OTHER"]))
subjects = st.sampled_from([*LEVELS.values(), FRONT.id.lower(), "nobody"])
reports = st.builds(
    Report, device_id=st.sampled_from([*LEVELS.values(), "nobody"]), states=states, error=st.none() | errors
)
records = st.builds(
    replace,
    st.sampled_from(HOME),
    name=st.sampled_from(["Door", "門", "", "Lamp"]),
    handle_type=st.sampled_from(["utec-lock", "utec-dimmer", "utec-switch", "unheard-of"]),
) | st.sampled_from(HOME)
lists = st.lists(records, max_size=5, unique_by=lambda device: device.id)
orders: st.SearchStrategy[Json] = st.sampled_from(
    ["LOCK", "UNLOCK", "ON", "OFF", "TOGGLE", "passage", "normal", 7, 90, 2001, "1,2,3"]
)
lights = st.fixed_dictionaries(
    {"state": orders},
    optional={
        "brightness": st.integers(-1, 101),
        "color_temp": st.integers(1999, 2003),
        "color": st.sampled_from(["1,2,3", {"r": 1, "g": 2, "b": 3}]),
    },
)
members = st.fixed_dictionaries(
    {},
    optional={
        "value": orders | scraps,
        "lock": orders,
        "light": orders | lights,
        "state": orders,
        "brightness": orders,
        "transaction": st.sampled_from(["a", 1, 1e300]) | scraps,
        "sent_at": st.sampled_from(["2026-01-31T12:00:00Z", 0, 1e12]) | scraps,
    },
)
payloads = (
    orders.map(str).map(str.encode)
    | orders.map(str).map(str.encode)
    | members.map(json.dumps).map(str.encode)
    | scraps.map(json.dumps).map(str.encode)
    | st.binary(max_size=10)
)
topics = st.builds(
    "/".join,
    st.tuples(
        st.just(BASE),
        st.sampled_from([*LEVELS, *LEVELS, "new", "nobody", "bridge", ""]),
        st.sampled_from(
            [
                "lock/set",
                "lock/set",
                "light/set",
                "switch/set",
                "brightness/set",
                "color_temp/set",
                "rgb/set",
                "mode/set",
                "set",
                "get",
            ]
        )
        | st.text(max_size=5),
    ),
)
requests = st.sampled_from([*ACTIONS, "refresh", "discover", "device/rename", "unheard/of"])
asked = st.fixed_dictionaries(
    {},
    optional={
        "device": st.sampled_from([*LEVELS, *LEVELS.values(), "nobody"]) | scraps,
        "topic": st.sampled_from(["front", "new", "bridge", "A b"]) | scraps,
        "name": st.sampled_from(["Anna", "Front", ""]) | scraps,
        "id": st.sampled_from([5, 6, "5"]) | scraps,
        "type": st.sampled_from([0, "permanent", 2]),
        "password": st.just(CODE) | st.integers(0, 10**8).map(str),
        "transaction": st.sampled_from(["a", "b", 1]),
        "sent_at": st.sampled_from(["2026-01-31T12:00:00Z", 0]),
        "level": st.sampled_from(["debug", "loud"]),
        "token": st.sampled_from([SECRET, SECRET, "wrong", 7]),
        "body": scraps | st.sampled_from(["{", "[]"]),
    },
)
lock_users = st.builds(
    LockUser,
    id=st.integers(1, 8),
    name=st.sampled_from(["Anna", "Owner"]),
    sync_status=st.sampled_from([0, 1, "1", None]),
    extra=st.sampled_from([{}, {"password": int(CODE)}]),
)
users_replies = st.builds(
    UsersReply,
    error=st.none() | st.none() | st.builds(DeviceError, code=st.sampled_from(["BAD-REQUEST", "TIMEOUT"])),
    users=st.none() | st.lists(lock_users, max_size=3).map(tuple),
    user=st.none() | lock_users,
)
kinds = st.sampled_from(FailureKind)
waits = st.sampled_from([None, 0.0, 3.0, 60.0, 1e6])
left_topics = st.builds(
    "/".join, st.tuples(st.just(BASE), st.sampled_from([*LEVELS, "old"]), st.sampled_from(["lock", "light", "stale"]))
) | st.sampled_from([f"{BASE}/front", f"{BASE}/old", TOPICS.bridge_devices, TOPICS.discovery("uhome2mqtt_old")])
left = st.dictionaries(
    left_topics,
    st.sampled_from(["LOCKED", "UNLOCKED", "", "{", '{"last_known":null,"lock":"UNLOCKED"}'])
    | scraps.map(json.dumps)
    | st.just(json.dumps([{"id": "x", "topic": "front"}, {"id": "y", "topic": "old"}])),
    max_size=5,
)
