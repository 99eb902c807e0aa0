"""The web pages: a login in the browser, and how the bridge is doing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from tests.support.account import CLIENT_SECRET, Account
from tests.web.site import served
from uhome2mqtt import __version__
from uhome2mqtt.logins import MOST, Logins
from uhome2mqtt.model import PushStatus
from uhome2mqtt.web import Condition, callback_app, listen, pages, serving
from uhome2mqtt.web.app import LARGEST_FORM

NOBODY = Condition(
    trouble="nobody has logged in yet",
    cloud="unauthorized",
    waiting=("the first device list has not come; the cloud is unauthorized",),
)


@pytest.mark.parametrize("parameter", ["code", "authorization_code", "both"])
async def test_login(cloud_account: Account, tmp_path: Path, parameter: str) -> None:
    """A browser that opens the start is led to the cloud, comes back, and the bridge has its login."""
    cloud_account.cloud.quirks.change({"callback_parameter": parameter})
    async with served(cloud_account, tmp_path) as site:
        page = await site.http.get(await site.returned())
        assert page.status_code == 200
        assert "Connected to U home" in page.text
        assert cloud_account.cloud.grants.admits(await site.tokens.access_token())
        assert site.ended == [None]


async def test_start(cloud_account: Account, tmp_path: Path) -> None:
    """The start names client, redirect URI, scope and a state of its own, and never the secret."""
    async with served(cloud_account, tmp_path) as site:
        first, second = [await site.login_address() for _ in range(2)]
    query = parse_qs(urlsplit(first).query)
    assert query["redirect_uri"] == ["http://localhost:8099/oauth/callback"]
    assert query["scope"] == ["openapi"]
    assert query["state"] != parse_qs(urlsplit(second).query)["state"]
    assert CLIENT_SECRET not in first


async def test_single_use(cloud_account: Account, tmp_path: Path) -> None:
    """A callback that comes twice is refused the second time, with a way to start again."""
    async with served(cloud_account, tmp_path) as site:
        returned = await site.returned()
        pages = await asyncio.gather(*(site.http.get(returned) for _ in range(2)))
        assert sorted(page.status_code for page in pages) == [200, 400]
        [refused] = [page for page in pages if page.status_code == 400]
        assert 'href="../"' in refused.text


async def test_looked_at(cloud_account: Account, tmp_path: Path) -> None:
    """A link checker that only looks at the callback does not use the login up."""
    async with served(cloud_account, tmp_path) as site:
        returned = await site.returned()
        assert (await site.http.head(returned)).status_code == 200
        assert (await site.http.get(returned)).status_code == 200


@pytest.mark.parametrize("query", ["", "?code=x", "?code=x&state=made-up", "?state=&code=x", "?error=access_denied"])
async def test_foreign_callback(cloud_account: Account, tmp_path: Path, query: str) -> None:
    """A callback of no login that was begun here is refused, and no token is asked for."""
    async with served(cloud_account, tmp_path) as site:
        await site.login_address()
        page = await site.http.get(f"/oauth/callback{query}")
        assert page.status_code == 400
        assert "start again" in page.text
    assert cloud_account.requests("token") == []


async def test_denied(cloud_account: Account, tmp_path: Path) -> None:
    """Who denies the access is told so, and that nothing has changed."""
    async with served(cloud_account, tmp_path) as site:
        page = await site.http.get(await site.returned("deny"))
        assert page.status_code == 400
        assert "access_denied" in page.text


async def test_markup_in_a_reason(cloud_account: Account, tmp_path: Path) -> None:
    """What a callback says is shown as text, whatever is in it."""
    async with served(cloud_account, tmp_path) as site:
        state = parse_qs(urlsplit(await site.login_address()).query)["state"][0]
        query = {"error": "<script>alert(1)</script>", "state": state}
        page = await site.http.get("/oauth/callback", params=query)
        assert "<script>" not in page.text
        assert "&lt;script&gt;" in page.text


async def test_cloud_in_trouble(cloud_account: Account, tmp_path: Path) -> None:
    """A cloud that fails while the code is traded is named, and is not taken for a refusal."""
    async with served(cloud_account, tmp_path) as site:
        returned = await site.returned()
        await cloud_account.fault("gateway_500", operation="token")
        page = await site.http.get(returned)
        assert page.status_code == 502
        assert "HTTP_500" in page.text or "Internal server error" in page.text


async def test_not_kept(cloud_account: Account, tmp_path: Path) -> None:
    """A login that cannot be written down works, and its page says that a restart would lose it."""
    blocked = tmp_path / "state"
    blocked.write_text("in the way")
    async with served(cloud_account, blocked) as site:
        page = await site.http.get(await site.returned())
        assert page.status_code == 507
        assert str(blocked) in page.text
        assert cloud_account.cloud.grants.admits(await site.tokens.access_token())


async def test_paste(cloud_account: Account, tmp_path: Path) -> None:
    """A browser on another machine, which cannot come back, is helped by pasting where it was sent."""
    async with served(cloud_account, tmp_path) as site:
        address = f"http://localhost:8099{await site.returned()}"
        page = await site.http.post("/oauth/callback", data={"address": f" {address} "})
        assert page.status_code == 200
        assert cloud_account.cloud.grants.admits(await site.tokens.access_token())


@pytest.mark.parametrize("form", [{}, {"address": ""}, {"address": "just-the-code"}, {"address": "http://[x"}])
async def test_bad_paste(cloud_account: Account, tmp_path: Path, form: dict[str, str]) -> None:
    """What is pasted and is no such address is refused with what is wanted."""
    async with served(cloud_account, tmp_path) as site:
        page = await site.http.post("/oauth/callback", data=form)
        assert page.status_code == 400
        assert "address" in page.text


@pytest.mark.parametrize("path", ["/oauth/callback", "/session"])
async def test_large_form(cloud_account: Account, tmp_path: Path, path: str) -> None:
    """A form larger than any that is meant is not read."""
    async with served(cloud_account, tmp_path) as site:
        page = await site.http.post(path, data={"address": "x" * LARGEST_FORM})
        assert page.status_code == 413


@pytest.mark.parametrize(
    ("redirect_uri", "path", "link"),
    [
        ("https://home.example/bridge/oauth/callback", "/bridge/oauth/callback", "../../"),
        ("http://localhost:8099/back", "/back", "./"),
    ],
)
async def test_redirect_uri(cloud_account: Account, tmp_path: Path, redirect_uri: str, path: str, link: str) -> None:
    """The callback is served where the redirect URI leads, and below a proxy's prefix where the proxy cuts that off."""
    async with served(cloud_account, tmp_path, redirect_uri=redirect_uri) as site:
        query = httpx.URL(await cloud_account.allow(await site.login_address())).query.decode()
        page = await site.http.get(f"{path}?{query}")
        assert page.status_code == 200
        assert f'href="{link}"' in page.text
        assert (await site.http.get("/oauth/callback")).status_code == 400


@pytest.mark.parametrize("redirect_uri", ["http://localhost:8099", "http://localhost:8099/"])
async def test_redirect_uri_without_path(cloud_account: Account, tmp_path: Path, redirect_uri: str) -> None:
    """Where the redirect URI has no path, the first page is the callback as well."""
    async with served(cloud_account, tmp_path, redirect_uri=redirect_uri) as site:
        query = httpx.URL(await cloud_account.allow(await site.login_address())).query.decode()
        page = await site.http.get(f"/?{query}")
        assert "The bridge has its login" in page.text
        assert (await site.http.get(f"/?{query}")).status_code == 400
        assert "Log in" in (await site.http.get("/")).text


@pytest.mark.parametrize("path", ["/healthz/", "/oauth/start/", "/session/", "/oauth/callback/"])
async def test_slash_at_the_end(cloud_account: Account, tmp_path: Path, path: str) -> None:
    """A path with a slash too many is not there: the server does not know by which address it was asked for."""
    async with served(cloud_account, tmp_path) as site:
        for method in ("GET", "POST"):
            assert (await site.http.request(method, path)).status_code == 404


async def test_foreign_site(cloud_account: Account, tmp_path: Path) -> None:
    """Pictures, frames and scripts of other sites begin no login, so that they cannot push out the one under way."""
    async with served(cloud_account, tmp_path) as site:
        returned = await site.returned()
        for kind in ("image", "iframe", "empty", "script"):
            answer = await site.http.get(
                "/oauth/start", headers={"Sec-Fetch-Dest": kind, "Sec-Fetch-Site": "cross-site"}
            )
            assert answer.status_code == 403
        for _ in range(MOST):
            assert (await site.http.head("/oauth/start")).status_code == 200
        assert (await site.http.get(returned)).status_code == 200
        link = await site.http.get(
            "/oauth/start", headers={"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"}
        )
        assert link.status_code == 302


async def test_home_without_login(cloud_account: Account, tmp_path: Path) -> None:
    """Without a login the first page says why, which redirect URI to enter, and has a button that logs in."""
    async with served(cloud_account, tmp_path) as site:
        site.condition = NOBODY
        page = (await site.http.get("/")).text
    assert "Nobody has logged in yet." in page
    assert "<code>http://localhost:8099/oauth/callback</code>" in page
    assert 'href="oauth/start"' in page


@pytest.mark.parametrize(
    ("cloud", "words"),
    [("online", "The cloud answers."), ("degraded", "Some requests"), ("offline", "out of reach")],
)
async def test_home_with_login(cloud_account: Account, tmp_path: Path, cloud: str, words: str) -> None:
    """With a login the first page says how the cloud is doing, and keeps the login at hand."""
    async with served(cloud_account, tmp_path) as site:
        site.condition = Condition(trouble=None, cloud=cloud, waiting=())
        page = (await site.http.get("/")).text
    assert "Connected to U home" in page
    assert words in page
    assert "Log in again" in page


async def test_home_rejected(cloud_account: Account, tmp_path: Path) -> None:
    """A login that looks good and that the cloud refuses is not shown as connected."""
    async with served(cloud_account, tmp_path) as site:
        site.condition = Condition(trouble=None, cloud="unauthorized", waiting=())
        page = (await site.http.get("/")).text
    assert "The cloud refuses the login." in page


@pytest.mark.parametrize("push", PushStatus)
async def test_home_tells_of_notifications(cloud_account: Account, tmp_path: Path, push: PushStatus) -> None:
    """The first page says in words how far notifications can be relied on, with and without a login."""
    async with served(cloud_account, tmp_path) as site:
        for condition in (site.condition, NOBODY):
            site.condition = replace(condition, push=push)
            page = (await site.http.get("/")).text
            assert f'<p class="small">Notifications: {pages.NOTIFICATIONS[push]}</p>' in page


async def test_headers(cloud_account: Account, tmp_path: Path) -> None:
    """No page is kept, framed, or tells other sites where the person came from; nothing foreign is loaded."""
    async with served(cloud_account, tmp_path) as site:
        for path in ("/", "/oauth/start", "/oauth/callback"):
            headers = (await site.http.get(path)).headers
            assert headers["Cache-Control"] == "no-store"
            assert headers["Referrer-Policy"] == "same-origin"
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
            assert "unsafe" not in headers["Content-Security-Policy"]


async def test_foreign_host(cloud_account: Account, tmp_path: Path) -> None:
    """A page of a foreign site cannot make its own name lead to the bridge."""
    async with served(cloud_account, tmp_path, hosts=["localhost", "127.0.0.1", "::1"]) as site:
        for host, status in {
            "evil.example": 400,
            "localhost.evil.example:8099": 400,
            "localhost:8099": 302,
            "127.0.0.1": 302,
            "[::1]:8099": 302,
        }.items():
            assert (await site.http.get("/oauth/start", headers={"Host": host})).status_code == status, host


async def test_health(cloud_account: Account, tmp_path: Path) -> None:
    """The bridge says that it lives, and who it is; a login on the same port asks for that."""
    async with served(cloud_account, tmp_path, token="secret") as site:
        said = (await site.http.get("/healthz")).json()
    assert said == {"status": "ok", "name": "uhome2mqtt", "version": __version__}


async def test_ready(cloud_account: Account, tmp_path: Path) -> None:
    """The bridge is ready with broker and first device list, and else says what it waits for."""
    async with served(cloud_account, tmp_path, token="secret") as site:
        ready = await site.http.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"status": "ready", "reasons": []})
        site.condition = Condition(
            trouble=None,
            cloud="offline",
            waiting=("the broker is not connected", "the first device list has not come; the cloud is offline"),
        )
        waiting = await site.http.get("/readyz")
        assert waiting.status_code == 503
        assert [reason.split(";")[0] for reason in waiting.json()["reasons"]] == [
            "the broker is not connected",
            "the first device list has not come",
        ]


async def test_metrics(cloud_account: Account, tmp_path: Path) -> None:
    """Prometheus gets its text."""
    async with served(cloud_account, tmp_path) as site:
        response = await site.http.get("/metrics")
    assert response.text == "up 1\n"
    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")


@pytest.mark.parametrize(("method", "path", "status"), [("POST", "/oauth/start", 405), ("GET", "/nothing", 404)])
async def test_elsewhere(cloud_account: Account, tmp_path: Path, method: str, path: str, status: int) -> None:
    """What is not there is not there."""
    async with served(cloud_account, tmp_path) as site:
        assert (await site.http.request(method, path)).status_code == status


async def test_callback_only(cloud_account: Account) -> None:
    """A login from the command line serves its callback and nothing else."""
    logins = Logins(cloud_account.http, cloud_account.client(), lambda _grant: None)
    sockets = await listen("127.0.0.1", 0)
    base = f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    async with serving(callback_app(logins, ""), sockets):
        query = urlsplit(await cloud_account.allow(logins.begin())).query
        page = await cloud_account.http.get(f"{base}/?{query}")
        assert page.status_code == 200
        assert "terminal" in page.text
        again = await cloud_account.http.get(f"{base}/?{query}")
        assert "terminal" in again.text
        for path in ("/oauth/start", "/healthz", "/metrics"):
            assert (await cloud_account.http.get(base + path)).status_code == 404


class TestToken:
    """Where other machines reach the pages, a token is asked for."""

    async def test_without(self, cloud_account: Account, tmp_path: Path) -> None:
        """Who does not know the token sees a form for it, learns nothing, and begins no login."""
        async with served(cloud_account, tmp_path, token="right") as site:
            page = await site.http.get("/")
            assert page.status_code == 401
            assert "web.token" in page.text
            assert "oauth" not in page.text
            start = await site.http.get("/oauth/start")
            assert (start.status_code, start.headers["Location"]) == (303, "../")

    async def test_right(self, cloud_account: Account, tmp_path: Path) -> None:
        """Who gives it once has a session: no script reads its cookie, no foreign site sends it."""
        async with served(cloud_account, tmp_path, token="right") as site:
            given = await site.http.post("/session", data={"token": "right"})
            assert (given.status_code, given.headers["Location"]) == (303, "./")
            cookie = given.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=strict" in cookie
            assert "Secure" not in cookie
            assert "right" not in cookie
            assert "oauth/start" in (await site.http.get("/")).text
            assert (await site.http.get(await site.returned())).status_code == 200

    @pytest.mark.parametrize("form", [{"token": "wrong"}, {"token": ""}, {}, {"token": "ríght"}])
    async def test_wrong(self, cloud_account: Account, tmp_path: Path, form: dict[str, str]) -> None:
        """A wrong token opens nothing."""
        async with served(cloud_account, tmp_path, token="right") as site:
            given = await site.http.post("/session", data=form)
            assert given.status_code == 403
            assert "Set-Cookie" not in given.headers

    async def test_bearer(self, cloud_account: Account, tmp_path: Path) -> None:
        """Programs send the token with each request."""
        async with served(cloud_account, tmp_path, token="right") as site:
            for header, status in {
                "Bearer right": 200,
                "bearer  right": 200,
                "Bearer wrong": 401,
                "right": 401,
            }.items():
                assert (await site.http.get("/", headers={"Authorization": header})).status_code == status

    async def test_session_ends(self, cloud_account: Account, tmp_path: Path) -> None:
        """A session ends after half a day, and the oldest of very many at once."""
        async with served(cloud_account, tmp_path, token="right") as site:
            await site.http.post("/session", data={"token": "right"})
            site.clock.now += 12 * 3600 - 1
            assert (await site.http.get("/")).status_code == 200
            first = dict(site.http.cookies)
            for _ in range(64):
                site.http.cookies.clear()
                await site.http.post("/session", data={"token": "right"})
            assert (await site.http.get("/")).status_code == 200
            site.http.cookies.clear()
            site.http.cookies.update(first)
            assert (await site.http.get("/")).status_code == 401
            await site.http.post("/session", data={"token": "right"})
            site.clock.now += 12 * 3600
            assert (await site.http.get("/")).status_code == 401

    async def test_guessing(self, cloud_account: Account, tmp_path: Path) -> None:
        """Who gives ten wrong tokens waits out the minute, also with the right one; sessions go on."""
        async with served(cloud_account, tmp_path, token="right") as site:
            await site.http.post("/session", data={"token": "right"})
            session = dict(site.http.cookies)
            site.http.cookies.clear()
            for number in range(10):
                assert (await site.http.post("/session", data={"token": f"{number}"})).status_code == 403
            late = await site.http.post("/session", data={"token": "right"})
            assert late.status_code == 429
            assert "60 s" in late.text
            assert (await site.http.get("/", headers={"Authorization": "Bearer right"})).status_code == 401
            site.http.cookies.update(session)
            assert (await site.http.get("/")).status_code == 200
            site.http.cookies.clear()
            site.clock.now += 60
            assert (await site.http.post("/session", data={"token": "right"})).status_code == 303
