from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from uhome2mqtt.simulator import ManualClock, SimulatedCloud
from uhome2mqtt.simulator.lock_users import write
from uhome2mqtt.simulator.physics import Command

from .support import FRONT, HALL, Client, eventually

if TYPE_CHECKING:
    from .support import Json

OWNER, GUEST = 4026531840, 8031091
SCHEDULE = {
    "daterange": ["2026-01-01 00:00", "2026-12-31 23:59"],
    "weeks": [0, 1, 2, 3, 4, 5, 6],
    "timerange": ["00:00", "23:59"],
    "limit": 0,
}
DEFERRED = {"states": [{"capability": "st.deferredResponse", "name": "seconds", "value": 5}]}


async def users(client: Client) -> dict[str, Json]:
    """Give the listed users by name."""
    reply = await client.command(FRONT, "st.lockUser.list")
    return {user["name"]: user for user in reply["devices"][0]["users"]}


async def test_list_and_get(client: Client) -> None:
    """A list answers at once without codes; a single user comes with the code in clear."""
    listed = await users(client)
    assert listed["Owner"] == {"id": OWNER, "name": "Owner", "type": 1, "status": 1, "sync_status": 1}
    reply = await client.command(FRONT, "st.lockUser.get", id=OWNER)
    assert reply == {"devices": [{"id": FRONT, "user": listed["Owner"] | {"password": 94587}}]}


async def test_add(client: Client) -> None:
    """A new user is acknowledged without an id, listed a little later, and on the lock later still."""
    client.quirks(user_list_delay=0.05, user_sync_delay=0.1)
    reply = await client.command(FRONT, "st.lockUser.add", name="Ann", type=3, password=123456)
    assert reply == {"devices": [{"id": FRONT} | DEFERRED]}
    assert "Ann" not in await users(client)

    async def listed() -> bool:
        return "Ann" in await users(client)

    async def synced() -> bool:
        return bool((await users(client))["Ann"]["sync_status"] == 1)

    await eventually(listed)
    assert (await users(client))["Ann"]["sync_status"] == 0
    await eventually(synced)


async def test_update_and_delete(client: Client) -> None:
    """An update may name only what changes; a deleted user is gone."""
    client.quirks(user_list_delay=0.02)
    await client.command(FRONT, "st.lockUser.update", id=GUEST, name="Guest-03")

    async def renamed() -> bool:
        return "Guest-03" in await users(client)

    await eventually(renamed)
    got = await client.command(FRONT, "st.lockUser.get", id=GUEST)
    assert got["devices"][0]["user"]["password"] == 31415926
    await client.command(FRONT, "st.lockUser.delete", id=GUEST)

    async def gone() -> bool:
        return list(await users(client)) == ["Owner"]

    await eventually(gone)


@pytest.mark.parametrize(
    ("quirk", "left_out", "accepted"),
    [
        ("all_four", None, True),
        ("all_four", "limit", False),
        ("all_four", "weeks", False),
        ("limit_optional", "limit", True),
        ("limit_optional", "daterange", False),
        ("optional", "weeks", True),
    ],
)
async def test_schedule_of_temporary_users(client: Client, *, quirk: str, left_out: str | None, accepted: bool) -> None:
    """A temporary user needs the parts of a schedule that the quirk says."""
    client.quirks(incomplete_schedule=quirk)
    schedule = {key: value for key, value in SCHEDULE.items() if key != left_out}
    reply = await client.command(FRONT, "st.lockUser.add", name="Tim", type=2, password=2468, **schedule)
    assert ("devices" in reply) is accepted
    assert accepted or reply["error"]["code"] == "BAD-REQUEST"


@pytest.mark.parametrize(
    "wrong",
    [
        {"daterange": "2026-01-01 00:00"},
        {"daterange": ["2026-01-01 00:00"]},
        {"daterange": ["2026-12-31 23:59", "2026-01-01 00:00"]},
        {"daterange": ["2026-01-01", "2026-12-31"]},
        {"weeks": []},
        {"weeks": [7]},
        {"weeks": 1},
        {"timerange": ["0:00", "23:59"]},
        {"timerange": ["00:00", "24:00"]},
        {"timerange": [0, 86399]},
        {"limit": -1},
        {"limit": True},
        {"limit": "0"},
    ],
)
async def test_schedules_have_a_form(client: Client, wrong: dict[str, Any]) -> None:
    """A temporary user's schedule is refused in another form than the documented one; other users have none."""
    user = {"name": "Tim", "password": 2468} | SCHEDULE | wrong
    assert (await client.command(FRONT, "st.lockUser.add", type=2, **user))["error"]["code"] == "BAD-REQUEST"
    assert "devices" in await client.command(FRONT, "st.lockUser.add", type=0, **user)


async def test_schedule_is_kept(client: Client) -> None:
    """The schedule of a temporary user comes back with get, and not with list."""
    client.quirks(user_list_delay=0)
    await client.command(FRONT, "st.lockUser.add", name="Tim", type=2, password=2468, **SCHEDULE)
    await asyncio.sleep(0.05)
    tim = (await users(client))["Tim"]
    assert not set(SCHEDULE) & set(tim)
    got = await client.command(FRONT, "st.lockUser.get", id=tim["id"])
    assert got["devices"][0]["user"] == tim | {"password": 2468} | SCHEDULE


@pytest.mark.parametrize(
    ("device_id", "name", "arguments"),
    [
        (HALL, "list", {}),
        (FRONT, "rename", {}),
        (FRONT, "get", {}),
        (FRONT, "get", {"id": 5}),
        (FRONT, "delete", {"id": "8031091"}),
        (FRONT, "update", {"id": 5, "name": "X"}),
        (FRONT, "update", {"id": GUEST, "type": 9}),
        (FRONT, "update", {"id": GUEST, "type": 2}),
        (FRONT, "add", {}),
        (FRONT, "add", {"name": "", "type": 0, "password": 1234}),
        (FRONT, "add", {"name": "X", "type": "0", "password": 1234}),
        (FRONT, "add", {"name": "X", "type": True, "password": 1234}),
        (FRONT, "add", {"name": "X", "type": 0, "password": 123}),
        (FRONT, "add", {"name": "X", "type": 0, "password": 123456789}),
        (FRONT, "add", {"name": "X", "type": 0, "password": "1234"}),
        (FRONT, "add", {"user": {"name": "X", "type": 0, "password": 1234}}),
    ],
)
async def test_refused(client: Client, device_id: str, name: str, arguments: dict[str, Any]) -> None:
    """Users that no lock could take, unknown ids and devices without users are BAD-REQUEST."""
    reply = await client.command(device_id, f"st.lockUser.{name}", **arguments)
    assert reply["error"]["code"] == "BAD-REQUEST"


async def test_users_absent(client: Client) -> None:
    """The list may come without its users."""
    client.quirks(lock_users_absent=True)
    assert await client.command(FRONT, "st.lockUser.list") == {"devices": [{"id": FRONT}]}


async def test_offline(client: Client) -> None:
    """An offline lock does not answer about its users."""
    await client.by_hand(FRONT, online=False)
    reply = await client.command(FRONT, "st.lockUser.list")
    assert reply["devices"][0]["error"]["code"] == "DEVICE_OFFLINE"


@pytest.mark.parametrize(
    ("quirk", "listed", "got"),
    [("absent", {}, {}), ("cached", {"users": ["Owner", "Guest-02"]}, {"user": "Guest-02"})],
)
async def test_offline_without_an_error(
    client: Client, quirk: str, listed: dict[str, list[str]], got: dict[str, str]
) -> None:
    """An offline lock may also answer without its users, or with those that the cloud knows; it takes none."""
    client.quirks(offline_lock_users=quirk)
    await client.by_hand(FRONT, online=False)
    (entry,) = (await client.command(FRONT, "st.lockUser.list"))["devices"]
    assert {key: [user["name"] for user in users] for key, users in entry.items() if key != "id"} == listed
    (entry,) = (await client.command(FRONT, "st.lockUser.get", id=GUEST))["devices"]
    assert {key: user["name"] for key, user in entry.items() if key != "id"} == got
    (entry,) = (await client.command(FRONT, "st.lockUser.delete", id=GUEST))["devices"]
    assert entry["error"]["code"] == "DEVICE_OFFLINE"


async def test_types_that_read_otherwise(client: Client) -> None:
    """Types may read as the opposite of what was written; temporary users stay what they are."""
    client.quirks(user_list_delay=0, lock_user_types="opposite")
    await client.command(FRONT, "st.lockUser.add", name="Ann", type=3, password=123456)
    await client.command(FRONT, "st.lockUser.add", name="Tim", type=2, password=2468, **SCHEDULE)
    await asyncio.sleep(0.05)
    listed = await users(client)
    assert {name: user["type"] for name, user in listed.items()} == {"Owner": 1, "Guest-02": 3, "Ann": 1, "Tim": 2}
    got = await client.command(FRONT, "st.lockUser.get", id=listed["Ann"]["id"])
    assert got["devices"][0]["user"] == listed["Ann"] | {"password": 123456}


@pytest.mark.parametrize(("quirk", "taken"), [("accepted", True), ("refused", False), ("dropped", False)])
async def test_codes_of_others(client: Client, *, quirk: str, taken: bool) -> None:
    """A code that somebody else has may be taken, refused, or acknowledged and forgotten."""
    client.quirks(user_list_delay=0, duplicate_code=quirk)
    added = await client.command(FRONT, "st.lockUser.add", name="Ann", type=0, password=31415926)
    changed = await client.command(FRONT, "st.lockUser.update", id=OWNER, name="Me", password=31415926)
    for reply in (added, changed):
        assert ("error" in reply) is (quirk == "refused")
    await asyncio.sleep(0.05)
    assert ({"Ann", "Me"} <= set(await users(client))) is taken


@pytest.mark.parametrize("quirk", ["refused", "dropped"])
async def test_codes_of_ones_own(client: Client, quirk: str) -> None:
    """Nobody's own code is that of another, and a deletion needs none."""
    client.quirks(user_list_delay=0, duplicate_code=quirk)
    await client.command(FRONT, "st.lockUser.update", id=GUEST, name="Me", password=31415926)
    await client.command(FRONT, "st.lockUser.delete", id=OWNER)
    await asyncio.sleep(0.05)
    assert list(await users(client)) == ["Me"]


async def test_accepted_and_not_executed(client: Client) -> None:
    """As with any other command, an acknowledgement may be all that comes of it."""
    client.quirks(user_list_delay=0, accepted_not_executed=1)
    reply = await client.command(FRONT, "st.lockUser.delete", id=GUEST)
    assert reply == {"devices": [{"id": FRONT} | DEFERRED]}
    await asyncio.sleep(0.05)
    assert "Guest-02" in await users(client)


def test_a_user_deleted_twice() -> None:
    """Two deletions of one user that were both accepted end with the user gone."""
    clock = ManualClock()
    cloud = SimulatedCloud(clock=clock)
    lock = cloud.house.devices[FRONT]
    command = Command(capability="st.lockUser", name="delete", arguments={"id": GUEST})
    for _ in range(2):
        write(cloud.house, lock, command, quirks=cloud.quirks, dice=cloud.dice)
    clock.advance(10)
    assert [user.name for user in lock.users] == ["Owner"]
