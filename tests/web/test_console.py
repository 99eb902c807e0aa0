"""The console's page, files, API and events, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.console.house import DeskHouse, parsed
from tests.engine.driver import BACK, FRONT
from tests.support.account import Account
from tests.support.patience import eventually
from tests.web.site import GOOD, Served, served
from uhome2mqtt.console import feed
from uhome2mqtt.errors import DiagnosticsError
from uhome2mqtt.events import StopRequested
from uhome2mqtt.web import ConsoleSite, Guard
from uhome2mqtt.web.pages import ELSEWHERE, SHARED

TOKEN = "token-of-the-pages"


def of(house: DeskHouse, bundle: Callable[[], Awaitable[bytes]] | None = None) -> Callable[[Guard], ConsoleSite]:
    """Give what makes the console of a house."""
    return lambda guard: ConsoleSite(desk=house.desk, guard=guard, diagnostics=bundle)


@pytest.fixture
async def house() -> DeskHouse:
    """Give a house with two doors."""
    found = DeskHouse.running(FRONT, BACK)
    found.report("front", lock="Locked")
    return found


@pytest.fixture
async def site(cloud_account: Account, tmp_path: Path, house: DeskHouse) -> AsyncIterator[Served]:
    """Serve the console of the house."""

    async def bundle() -> bytes:
        return b"PK"

    async with served(cloud_account, tmp_path, console=of(house, bundle)) as found:
        yield found


class Events:
    """The events of a response, one after the other."""

    def __init__(self, response: httpx.Response) -> None:
        self._lines = response.aiter_lines()

    async def next(self) -> tuple[str, Any]:
        """Wait for an event and give its name and what it tells."""
        lines = [await anext(self._lines) for _ in range(3)]
        return parsed("\n".join((*lines, "")))

    async def rest(self) -> list[tuple[str, Any]]:
        """Wait for the end and give what came until then."""
        lines = [line async for line in self._lines]
        return [parsed("\n".join((*lines[start : start + 3], ""))) for start in range(0, len(lines), 3)]


async def test_page(site: Served) -> None:
    """Where the login is good the first page is the console, with a policy that allows its own files alone."""
    page = await site.http.get("/")
    assert page.status_code == 200
    assert page.headers["Content-Type"].startswith("text/html")
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"} <= {
        each.strip() for each in policy.split(";")
    }
    assert (page.headers["X-Content-Type-Options"], page.headers["Cache-Control"]) == ("nosniff", "no-store")


async def test_login_first(site: Served) -> None:
    """Where somebody has to log in the first page says so, and is the one that does without a script."""
    site.condition = replace(GOOD, trouble="nobody has logged in yet", cloud="unauthorized")
    page = await site.http.get("/")
    assert "Log in to U home" in page.text
    assert "<script" not in page.text


async def test_connect(site: Served) -> None:
    """The page of the login can always be had, and leads to the console where that is the first page."""
    page = (await site.http.get("/connect")).text
    assert "Connected to U home" in page
    assert 'href="./"' in page
    site.condition = replace(GOOD, trouble="nobody has logged in yet", cloud="unauthorized")
    assert 'href="./"' not in (await site.http.get("/connect")).text


async def test_files(site: Served) -> None:
    """A file is fetched once, and asked for anew with its tag; what is not among them is not given."""
    page = await site.http.get("/console/index.html")
    assert page.headers["Cache-Control"] == "no-cache"
    again = await site.http.get("/console/index.html", headers={"If-None-Match": page.headers["ETag"]})
    assert again.status_code == 304
    for path in ("/console/", "/console/nothing.js", "/console/%2e%2e/desk.py", "/console/..%2fdesk.py"):
        assert (await site.http.get(path)).status_code == 404


async def test_house(site: Served, house: DeskHouse) -> None:
    """The house is given with its bridge and all devices."""
    found = (await site.http.get("/api/house")).json()
    assert [each["topic"] for each in found["devices"]] == ["front", "back"]
    assert found["devices"][0]["document"] == house.document("front")
    assert (found["bridge"]["cloud"], found["bridge"]["login"]) == ("online", None)


async def test_device(site: Served) -> None:
    """A device is given with its timeline; one that does not exist is not found, and what was asked is said."""
    assert (await site.http.get("/api/devices/front")).json()["report"]["source"] == "push"
    answer = await site.http.get("/api/devices/shed")
    assert (answer.status_code, answer.json()) == (404, {"error": "'shed' is not the topic level of a device"})


async def test_command(site: Served, house: DeskHouse) -> None:
    """A command is taken at once with its transaction; its outcome comes with the events."""
    async with site.http.stream("GET", "/api/events") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        events = Events(response)
        assert (await events.next())[0] == "house"
        taken = await site.http.post("/api/devices/front/set", json={"lock": "UNLOCK"})
        assert taken.status_code == 202
        assert house.commands() == ["Front unlock"]
        house.accept()
        heard = [await events.next() for _ in range(2)]
        [outcome] = [told for name, told in heard if name == "outcome"]
        assert outcome["transaction"] == taken.json()["transaction"]
        assert {"device": "front", "event_type": "accepted"}.items() <= outcome.items()


async def test_topic_of_another(site: Served, house: DeskHouse) -> None:
    """Who names the id of the device that is meant reaches no other one, whatever its topic is called by now."""
    meant = {"id": BACK.id}
    answers = [
        await site.http.get("/api/devices/front", params=meant),
        await site.http.post("/api/devices/front/get", params=meant, json={}),
        await site.http.post("/api/devices/front/set", params=meant, json={"lock": "UNLOCK"}),
    ]
    assert {answer.status_code for answer in answers} == {409}
    assert "another device now" in answers[-1].json()["error"]
    assert house.heard == []
    good = await site.http.post("/api/devices/front/set", params={"id": FRONT.id}, json={"lock": "UNLOCK"})
    assert (good.status_code, house.commands()) == (202, ["Front unlock"])


@pytest.mark.parametrize("name", ["%00", "%EF%BF%BF", "a%2f%00", "a/+/b", "%23", "no_such", "x" * 5000])
async def test_no_request(site: Served, house: DeskHouse, name: str) -> None:
    """What is no request is not found, and nothing of it comes near the broker."""
    answer = await site.http.post(f"/api/requests/{name}", json={})
    assert (answer.status_code, "is not a request" in answer.json()["error"]) == (404, True)
    assert house.heard == []


@pytest.mark.parametrize("level", ["bridge", "shed", "%00", "a%2fb", "+"])
async def test_get_of_nobody(site: Served, house: DeskHouse, level: str) -> None:
    """A device that does not exist is not asked."""
    assert (await site.http.post(f"/api/devices/{level}/get", json={})).status_code == 404
    assert house.heard == []


async def test_head(site: Served) -> None:
    """Who only asks what there is holds no events open and has no diagnostics made."""
    for path in ("/api/events", "/api/diagnostics", "/api/house"):
        assert (await site.http.head(path)).status_code == 405


async def test_time(site: Served, house: DeskHouse) -> None:
    """The bridge's clock can be asked for, to see whether the bridge is there."""
    assert (await site.http.get("/api/time")).json() == {"time": house.now.stamp}


async def test_command_to_nobody(site: Served, house: DeskHouse) -> None:
    """A command to a device that does not exist is not found."""
    assert (await site.http.post("/api/devices/shed/set", json={"lock": "LOCK"})).status_code == 404
    assert house.heard == []


async def test_request(site: Served, house: DeskHouse) -> None:
    """A request is answered with the bridge's answer, an error with another status."""
    good = await site.http.post("/api/requests/device/rename", json={"device": "front", "name": "Main"})
    assert (good.status_code, good.json()["status"]) == (200, "ok")
    bad = await site.http.post("/api/requests/device/rename", json={"device": "shed", "name": "Main"})
    assert (bad.status_code, bad.json()["error"].partition(":")[0]) == (422, "UNKNOWN_DEVICE")
    assert house.responses("device/rename") == [good.json(), bad.json()]


async def test_get(site: Served, house: DeskHouse) -> None:
    """A device can be asked now; the answer waits for the cloud's."""
    asking = asyncio.create_task(site.http.post("/api/devices/front/get", json={}))
    await eventually(lambda: house.open)
    house.answer("front", lock="Unlocked")
    assert (await asking).json()["status"] == "ok"


async def test_no_answer(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that nobody answers in time ends, and says so."""
    monkeypatch.setattr("uhome2mqtt.console.desk.ANSWER_WITHIN", 0.05)
    answer = await site.http.post("/api/devices/front/get", json={})
    assert (answer.status_code, "no answer" in answer.json()["error"]) == (504, True)


async def test_standing_by(site: Served, house: DeskHouse) -> None:
    """A bridge that leaves the work to another takes no command."""
    house.other = ("another bridge is at work",)
    answer = await site.http.post("/api/devices/front/set", json={"lock": "UNLOCK"})
    assert (answer.status_code, answer.json()) == (409, {"error": "another bridge is at work"})


@pytest.mark.parametrize(
    ("content", "media_type", "status", "why"),
    [
        (b'{"lock": "UNLOCK"}', "text/plain", 415, "send JSON"),
        (b'{"lock": "UNLOCK"}', "application/x-www-form-urlencoded", 415, "send JSON"),
        (b'{"lock": ', "application/json", 400, "not JSON"),
        (b'["lock"]', "application/json; charset=utf-8", 400, "not an object"),
    ],
)
async def test_bodies(site: Served, house: DeskHouse, content: bytes, media_type: str, status: int, why: str) -> None:
    """A body that is no JSON object, or is not said to be JSON, is refused: a foreign page could send that."""
    headers = {"Content-Type": media_type}
    answer = await site.http.post("/api/devices/front/set", content=content, headers=headers)
    assert (answer.status_code, why in answer.json()["error"]) == (status, True)
    assert house.heard == []


async def test_large_body(site: Served, house: DeskHouse) -> None:
    """A body that is larger than any command is refused."""
    answer = await site.http.post("/api/devices/front/set", json={"lock": "x" * 20_000})
    assert answer.status_code == 413
    assert house.heard == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"},
    ],
)
@pytest.mark.parametrize("path", ["/api/house", "/api/events", "/api/devices/front/set", "/api/requests/refresh"])
async def test_foreign_page(site: Served, house: DeskHouse, path: str, headers: dict[str, str]) -> None:
    """The page of another site can neither see nor command anything."""
    posts = path.endswith(("set", "refresh"))
    answer = await site.http.request("POST" if posts else "GET", path, json={"lock": "UNLOCK"}, headers=headers)
    assert answer.status_code == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert house.heard == []


async def test_rebinding(site: Served, house: DeskHouse) -> None:
    """A name that a foreign site has pointed to this machine opens nothing."""
    headers = {"Host": "evil.example"}
    assert (await site.http.get("/api/house", headers=headers)).status_code == 403
    answer = await site.http.post("/api/devices/front/set", json={"lock": "UNLOCK"}, headers=headers)
    assert (answer.status_code, house.heard) == (403, [])
    assert ELSEWHERE in (await site.http.get("/", headers=headers)).text


async def test_shared_port(cloud_account: Account, tmp_path: Path, house: DeskHouse) -> None:
    """Where a proxy brings notifications to the same port, and there is no token, nobody gets the console."""

    def shared(guard: Guard) -> ConsoleSite:
        guard.shared = True
        return ConsoleSite(desk=house.desk, guard=guard)

    async with served(cloud_account, tmp_path, console=shared) as site:
        assert SHARED in (await site.http.get("/")).text
        answer = await site.http.post("/api/devices/front/set", json={"lock": "UNLOCK"})
        assert (answer.status_code, answer.json(), house.heard) == (403, {"error": SHARED}, [])


async def test_token(cloud_account: Account, tmp_path: Path, house: DeskHouse) -> None:
    """Where a token is asked for nothing is shown and nothing is done without it."""
    async with served(cloud_account, tmp_path, console=of(house), token=TOKEN) as site:
        assert (await site.http.get("/")).status_code == 401
        assert (await site.http.get("/connect")).status_code == 303
        for path in ("/api/house", "/api/events", "/api/devices/front", "/api/diagnostics"):
            assert (await site.http.get(path)).status_code == 401
        assert (await site.http.post("/api/devices/front/set", json={"lock": "UNLOCK"})).status_code == 401
        assert house.heard == []
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert (await site.http.get("/api/house", headers=bearer)).status_code == 200
        await site.http.post("/session", data={"token": TOKEN})
        assert (await site.http.get("/api/house")).status_code == 200
        taken = await site.http.post("/api/devices/front/set", json={"lock": "UNLOCK"})
        assert (taken.status_code, house.commands()) == (202, ["Front unlock"])


async def test_session_ends(
    cloud_account: Account, tmp_path: Path, house: DeskHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the session end the events that it has opened."""
    monkeypatch.setattr(feed, "ALIVE_EVERY", 0.02)
    async with served(cloud_account, tmp_path, console=of(house), token=TOKEN) as site:
        await site.http.post("/session", data={"token": TOKEN})
        async with site.http.stream("GET", "/api/events") as response:
            events = Events(response)
            assert (await events.next())[0] == "house"
            site.clock.now += 24 * 3600
            assert {name for name, _ in await events.rest()} <= {"time"}


async def test_too_many_pages(site: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """More pages than may look at the bridge at the same time are told so."""
    monkeypatch.setattr(feed, "READERS", 1)
    async with site.http.stream("GET", "/api/events") as first:
        await Events(first).next()
        answer = await site.http.get("/api/events")
    assert (answer.status_code, "too many" in answer.json()["error"]) == (503, True)


async def test_end_of_what_waits(site: Served, house: DeskHouse) -> None:
    """As the bridge stops, whoever waits for an answer gets one, or hears of the end."""
    asking = asyncio.create_task(site.http.post("/api/devices/front/get", json={}))
    await eventually(lambda: house.open)
    house.take(StopRequested())
    answer = await asking
    assert answer.status_code in {422, 503}
    assert "the bridge stops" in answer.json()["error"]


async def test_end(site: Served, house: DeskHouse) -> None:
    """As the bridge stops, pages that look are let go at once, and none is taken."""
    async with site.http.stream("GET", "/api/events") as response:
        events = Events(response)
        await events.next()
        house.desk.feed.close()
        with pytest.raises(StopAsyncIteration):
            await events.next()
    answer = await site.http.get("/api/events")
    assert (answer.status_code, answer.json()) == (503, {"error": "the bridge stops"})


async def test_diagnostics(site: Served) -> None:
    """The bundle of diagnostics is a file to be kept."""
    answer = await site.http.get("/api/diagnostics")
    assert (answer.content, answer.headers["Content-Type"]) == (b"PK", "application/zip")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="uhome2mqtt-diagnostics.zip"'


async def test_no_diagnostics(cloud_account: Account, tmp_path: Path, house: DeskHouse) -> None:
    """Where there is no bundle, or none could be made, that is said."""

    async def failing() -> bytes:
        raise DiagnosticsError("no bundle: the disk is full")

    async with served(cloud_account, tmp_path, console=of(house)) as site:
        assert (await site.http.get("/api/diagnostics")).status_code == 404
    async with served(cloud_account, tmp_path, console=of(house, failing)) as site:
        answer = await site.http.get("/api/diagnostics")
        assert (answer.status_code, answer.json()) == (503, {"error": "no bundle: the disk is full"})
