"""Replies about lock users, in the documented form and in every other that must not mislead."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from uhome2mqtt.lock_users import LIST, get, on_lock, rendered
from uhome2mqtt.model import DeviceError, Json, LockUser, UsersReply
from uhome2mqtt.simulator import Quirks, demo_household
from uhome2mqtt.simulator.lock_users import answer
from uhome2mqtt.simulator.physics import Command as SimCommand
from uhome2mqtt.uhome import decode_users_reply

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast a machine is decides about no test."""

LOCK = "64:E8:33:8E:20:D1"
OWNER_RECORD: dict[str, Json] = {"id": 4026531840, "name": "Owner", "type": 1, "status": 1, "sync_status": 1}
GUEST_RECORD: dict[str, Json] = {"id": 8031091, "name": "Guest-02", "type": 0, "status": 1, "sync_status": 1}
OWNER = LockUser(id=4026531840, name="Owner", type=1, status=1, sync_status=1)
GUEST = LockUser(id=8031091, name="Guest-02", type=0, status=1, sync_status=1)
OFFLINE = DeviceError(code="DEVICE_OFFLINE", message="Device is offline")
OFFLINE_RECORD: dict[str, Json] = {"id": LOCK, "error": {"code": "DEVICE_OFFLINE", "message": "Device is offline"}}
ACCEPTED: Json = {"capability": "st.deferredResponse", "name": "seconds", "value": 5}
NOTHING = UsersReply()


def of_lock(**members: Json) -> dict[str, Json]:
    """Write a reply about one lock."""
    return {"devices": [{"id": LOCK, **members}]}


def listed(*records: Json) -> dict[str, Json]:
    """Write a list of users."""
    return of_lock(users=[*records])


@pytest.mark.parametrize(
    ("payload", "reply"),
    [
        # as documented
        (listed(OWNER_RECORD, GUEST_RECORD), UsersReply(users=(OWNER, GUEST))),
        (
            of_lock(user=OWNER_RECORD | {"password": 94587}),
            UsersReply(user=replace(OWNER, extra={"password": 94587})),
        ),
        (of_lock(states=[ACCEPTED]), NOTHING),
        ({"devices": [OFFLINE_RECORD]}, UsersReply(error=OFFLINE)),
        # no list, and an empty one
        ({}, NOTHING),
        ({"devices": []}, NOTHING),
        ({"devices": None}, NOTHING),
        ({"devices": ["a", 5]}, NOTHING),
        (of_lock(), NOTHING),
        (of_lock(users=None, user=None), NOTHING),
        (of_lock(users={}, user=[]), NOTHING),
        (of_lock(users="none", user="nobody"), NOTHING),
        (listed(), UsersReply(users=())),
        # whose it is
        ({"devices": {"id": LOCK, "users": [GUEST_RECORD]}}, UsersReply(users=(GUEST,))),
        ({"devices": [{"id": LOCK.lower(), "users": [GUEST_RECORD]}]}, UsersReply(users=(GUEST,))),
        ({"devices": [{"users": [GUEST_RECORD]}]}, UsersReply(users=(GUEST,))),
        ({"devices": [OFFLINE_RECORD | {"id": "other"}]}, UsersReply(error=OFFLINE)),
        (
            {"devices": [{"id": "other", "users": [OWNER_RECORD]}, {"id": LOCK, "users": [GUEST_RECORD]}]},
            UsersReply(users=(GUEST,)),
        ),
        ({"devices": [{"id": "a", "users": [OWNER_RECORD]}, {"id": "b", "users": [GUEST_RECORD]}]}, NOTHING),
        # letter case, and ids that are none
        (
            {"Devices": [{"Id": LOCK, "Users": [{"ID": "4026531840", "Name": "Owner", "Sync_Status": "1"}]}]},
            UsersReply(users=(LockUser(id=4026531840, name="Owner", sync_status="1"),)),
        ),
        (
            of_lock(User={"Id": 5, "Password": "2468", "DateRange": [], "keyCode": 1}),
            UsersReply(user=LockUser(id=5, name="", extra={"password": "2468", "daterange": [], "keycode": 1})),
        ),
        (
            listed(GUEST_RECORD, "x", None, {}, {"id": "abc"}, {"id": True}, {"id": 1.5}, {"id": [5]}, {"id": -5}),
            UsersReply(users=(GUEST,)),
        ),
        (of_lock(user={"id": "abc", "name": "Owner"}), NOTHING),
        (of_lock(user=GUEST_RECORD | {"name": None}), UsersReply(user=replace(GUEST, name=""))),
        # an error beside a list is an error still
        (of_lock(users=[], error="BUSY"), UsersReply(users=(), error=DeviceError(code="BUSY"))),
    ],
)
def test_replies_are_read_in_every_form(payload: dict[str, Json], reply: UsersReply) -> None:
    """What a reply does not hold is None, and above all no empty list of users."""
    assert decode_users_reply(payload, LOCK) == reply


def test_the_simulated_cloud_is_read() -> None:
    """What the simulated cloud tells of its users is read to the last member."""
    lock = demo_household()[0]
    users = decode_users_reply(of_lock(**_answer(LIST.name)), LOCK).users or ()
    assert [rendered(user, codes=True) for user in users] == [user.listed() for user in lock.users]
    assert all(on_lock(user) for user in users)
    for true in lock.users:
        user = decode_users_reply(of_lock(**_answer("get", **get(true.id).arguments)), LOCK).user
        assert user is not None
        assert rendered(user, codes=True) == true.shown()
        assert rendered(user, codes=False) == true.listed() | {"password": "***"}


def _answer(name: str, **arguments: Json) -> dict[str, Json]:
    command = SimCommand(capability="st.lockUser", name=name, arguments=arguments)
    return answer(demo_household()[0], command, Quirks())


WORDS = st.sampled_from(["devices", "id", "users", "user", "User", "name", "password", "error", "code", LOCK, "5"])
JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=6),
    max_leaves=30,
)


@PATIENT
@given(payload=st.dictionaries(WORDS, JSON) | st.builds(of_lock, users=JSON, user=JSON, error=JSON))
def test_any_payload_is_read(payload: dict[str, Json]) -> None:
    """Whatever a reply holds, it is read; no code is rendered of it unless codes are, and no repr holds one."""
    reply = decode_users_reply(payload, LOCK)
    users = [*(reply.users or ()), *([reply.user] if reply.user else [])]
    for user in users:
        assert rendered(user, codes=False).get("password") in {None, "***"}
        assert "password" not in repr(LockUser(id=user.id, name="", extra=user.extra))
