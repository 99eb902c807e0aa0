"""Who may use the console and the pages, and by which road: this machine, a token, a page of the bridge's own."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.account import Account, new_http
from tests.support.reverse import Reverse, reverse_proxy
from tests.web.site import asked_raw, served
from uhome2mqtt.web import Guard, Receiver, listen, notifications_app, serving
from uhome2mqtt.web.pages import ELSEWHERE, FOREIGN

TOKEN = "right"
HERE = "127.0.0.1"


class TestFromHere:
    """Without a token the console is for somebody at this machine, and for nobody else."""

    @pytest.mark.parametrize(
        "host", ["localhost", "localhost:8099", "LocalHost:1", "localhost.", "127.0.0.1:8099", "[::1]", "[::1]:8099"]
    )
    async def test_own_names(self, cloud_account: Account, tmp_path: Path, host: str) -> None:
        """Who asks for this machine by one of its names may use the console."""
        async with served(cloud_account, tmp_path) as site:
            page = await site.http.get("/", headers={"Host": host, "Upgrade-Insecure-Requests": "1"})
        assert (page.status_code, ELSEWHERE in page.text) == (200, False)

    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "localhost.evil.example:8099",
            "127.0.0.1.evil.example",
            "evil.example.",
            "localhost..",
            "0.0.0.0:8099",
            "[::]:8099",
            "[::ffff:127.0.0.1]",
            "2130706433",
            "192.168.1.5:8099",
            "localhost:8099:1",
            "localhost@evil.example",
            "evil.example@localhost",
            "localhost/evil.example",
            "localhost#evil.example",
            "[::1",
            ":8099",
            "localhost, evil.example",
        ],
    )
    async def test_other_names(self, cloud_account: Account, tmp_path: Path, host: str) -> None:
        """A name that a foreign site can make lead here, or that is none, opens no console."""
        async with served(cloud_account, tmp_path) as site:
            assert ELSEWHERE in (await site.http.get("/", headers={"Host": host})).text

    @pytest.mark.parametrize(
        "header",
        [
            ("Forwarded", "for=203.0.113.9"),
            ("X-Forwarded-For", "127.0.0.1"),
            ("x-forwarded-host", "localhost"),
            ("X-Forwarded-Proto", ""),
            ("X-Real-IP", "127.0.0.1"),
            ("Via", "1.1 Caddy"),
            ("CF-Ray", "8"),
            ("CF-Connecting-IP", "203.0.113.9"),
            ("CDN-Loop", "cloudflare"),
            ("True-Client-IP", "127.0.0.1"),
            ("Connection", "close"),
            ("Connection", "Upgrade, keep-alive"),
        ],
    )
    @pytest.mark.parametrize("trusted", [(), (HERE,)])
    async def test_signs_of_a_proxy(
        self, cloud_account: Account, tmp_path: Path, header: tuple[str, str], trusted: tuple[str, ...]
    ) -> None:
        """What a proxy or a tunnel has passed on opens no console, whether it is trusted or not."""
        async with served(cloud_account, tmp_path, trusted_proxies=trusted) as site:
            page = await site.http.get("/", headers=dict([("Host", "localhost:8099"), header]))
        assert (page.status_code, ELSEWHERE in page.text) == (200, True)

    @pytest.mark.parametrize(
        ("said", "status"),
        [
            ("GET / HTTP/1.0\nHost: localhost", "200"),
            ("GET / HTTP/1.0", "200"),
            ("GET / HTTP/1.1", "400"),
            ("GET / HTTP/1.1\nHost: localhost\nHost: localhost", "400"),
            ("GET / HTTP/1.1\nHost: localhost\nHost: evil.example", "400"),
            ("GET / HTTP/1.1\nHost:", "200"),
            ("GET http://localhost:8099/ HTTP/1.1\nHost: localhost", "404"),
            ("GET http://localhost:8099/ HTTP/1.1\nHost: evil.example", "404"),
            ("GET //localhost/ HTTP/1.1\nHost: localhost", "404"),
        ],
    )
    async def test_odd_requests(self, cloud_account: Account, tmp_path: Path, said: str, status: str) -> None:
        """What no browser sends to this machine opens no console: old HTTP, no host or two, addresses as paths."""
        async with served(cloud_account, tmp_path) as site:
            answer = await asked_raw(site.port, said)
        assert answer.split(" ")[1] == status
        assert status != "200" or ELSEWHERE in answer

    async def test_nginx(self, cloud_account: Account, tmp_path: Path) -> None:
        """A proxy that passes everything on as nginx does by itself shows no console, though it asks for this host."""
        async with (
            served(cloud_account, tmp_path) as site,
            reverse_proxy(Reverse(to=site.port, version="1.0", host=f"127.0.0.1:{site.port}")) as address,
            new_http(address) as http,
        ):
            assert ELSEWHERE in (await http.get(f"{address}/")).text
            assert ELSEWHERE not in (await site.http.get("/")).text


class TestToken:
    """With a token it is asked for on every road, this machine's own included."""

    @pytest.mark.parametrize("header", [("Host", "localhost"), ("X-Forwarded-For", HERE), ("X-Real-IP", HERE)])
    async def test_asked_for(self, cloud_account: Account, tmp_path: Path, header: tuple[str, str]) -> None:
        """Nobody goes without it, and with it everybody may use the console, by a proxy, too."""
        async with served(cloud_account, tmp_path, token=TOKEN, trusted_proxies=[HERE]) as site:
            assert (await site.http.get("/", headers=[header])).status_code == 401
            page = await site.http.get("/", headers=[header, ("Authorization", f"Bearer {TOKEN}")])
            assert (page.status_code, ELSEWHERE in page.text) == (200, False)

    async def test_no_token_is_no_token(self, cloud_account: Account, tmp_path: Path) -> None:
        """Where there is no token, none opens a session, not even an empty one."""
        async with served(cloud_account, tmp_path) as site:
            assert (await site.http.post("/session", data={"token": ""})).status_code == 403
        assert (Guard(None).asks, Guard(TOKEN).asks) == (False, True)

    async def test_two_bridges(self, cloud_account: Account, tmp_path: Path) -> None:
        """Two bridges on one host leave each other's cookies alone: cookies know no ports."""
        async with (
            served(cloud_account, tmp_path / "a", token=TOKEN, bridge="a") as one,
            served(cloud_account, tmp_path / "b", token=TOKEN, bridge="b") as other,
        ):
            for site in (one, other):
                assert (await site.http.post("/session", data={"token": TOKEN})).status_code == 303
            both = "; ".join(f"{name}={text}" for site in (one, other) for name, text in site.http.cookies.items())
            for site in (one, other):
                site.http.cookies.clear()
                assert (await site.http.get("/", headers={"Cookie": both})).status_code == 200

    @pytest.mark.parametrize(
        ("accept", "status", "location"), [("*/*", 204, None), ("text/html,application/xhtml+xml", 303, "../")]
    )
    async def test_signing_out(
        self, cloud_account: Account, tmp_path: Path, accept: str, status: int, location: str | None
    ) -> None:
        """Who signs out loses the cookie, and the session is gone for whoever has copied it."""
        async with served(cloud_account, tmp_path, token=TOKEN) as site:
            await site.http.post("/session", data={"token": TOKEN})
            copied = dict(site.http.cookies)
            answer = await site.http.post("/session/end", headers={"Accept": accept})
            assert (answer.status_code, answer.headers.get("Location")) == (status, location)
            assert "Max-Age=0" in answer.headers["Set-Cookie"]
            assert not site.http.cookies
            site.http.cookies.update(copied)
            assert (await site.http.get("/")).status_code == 401
            assert (await site.http.post("/session/end")).status_code == 204

    @pytest.mark.parametrize(("trusted", "secure"), [((HERE,), True), ((), False)])
    async def test_secure_cookie(
        self, cloud_account: Account, tmp_path: Path, trusted: tuple[str, ...], *, secure: bool
    ) -> None:
        """Behind a trusted proxy that speaks https the cookie is for https alone."""
        async with served(cloud_account, tmp_path, token=TOKEN, trusted_proxies=trusted) as site:
            given = await site.http.post("/session", data={"token": TOKEN}, headers={"X-Forwarded-Proto": "https"})
        assert ("Secure" in given.headers["Set-Cookie"]) == secure

    @pytest.mark.parametrize(
        ("address", "neighbour", "stranger"),
        [
            ("2001:db8:0:1::{}", "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:2::1"),
            ("fe80::{}%eth0", "fe80::99%eth1", "fe80:0:0:1::1"),
            ("::ffff:203.0.113.9", "203.0.113.9", "::ffff:203.0.113.10"),
            ("203.0.113.9", "203.0.113.9", "203.0.113.10"),
            ("unknown", "unknown", "203.0.113.10"),
        ],
    )
    async def test_neighbours(
        self, cloud_account: Account, tmp_path: Path, address: str, neighbour: str, stranger: str
    ) -> None:
        """A guesser has one IPv6 network, not its addresses without number, and one IPv4 address however written."""
        async with served(cloud_account, tmp_path, token=TOKEN, trusted_proxies=[HERE]) as site:

            async def guess(whose: str) -> int:
                headers = {"X-Forwarded-For": whose}
                return (await site.http.post("/session", data={"token": "wrong"}, headers=headers)).status_code

            assert {await guess(address.format(number)) for number in range(1, 11)} == {403}
            assert (await guess(neighbour), await guess(stranger)) == (429, 403)

    async def test_made_up_addresses(self, cloud_account: Account, tmp_path: Path) -> None:
        """Who is no trusted proxy is one address, whatever he says for whom he asks."""
        async with served(cloud_account, tmp_path, token=TOKEN, trusted_proxies=["203.0.113.1"]) as site:
            statuses = [
                (await site.http.post("/session", headers={"X-Forwarded-For": f"203.0.113.{number}"})).status_code
                for number in range(11)
            ]
        assert statuses == [403] * 10 + [429]


ORIGINS: list[tuple[str, dict[str, str], bool]] = [
    ("bridge.lan:8099", {}, True),
    ("bridge.lan:8099", {"Sec-Fetch-Site": "same-origin"}, True),
    ("bridge.lan:8099", {"Sec-Fetch-Site": "none"}, True),
    ("bridge.lan:8099", {"Sec-Fetch-Site": "same-site"}, False),
    ("bridge.lan:8099", {"Sec-Fetch-Site": "cross-site"}, False),
    ("bridge.lan:8099", {"Sec-Fetch-Site": "cross-site", "Origin": "http://bridge.lan:8099"}, False),
    ("bridge.lan:8099", {"Sec-Fetch-Site": ""}, False),
    ("bridge.lan:8099", {"Origin": "http://bridge.lan:8099"}, True),
    ("bridge.lan:8099", {"Origin": "http://BRIDGE.lan.:8099"}, True),
    ("bridge.lan:8099", {"Origin": "http://bridge.lan"}, False),
    ("bridge.lan:8099", {"Origin": "http://bridge.lan:8098"}, False),
    ("bridge.lan:8099", {"Origin": "http://evil.example"}, False),
    ("bridge.lan:8099", {"Origin": "http://bridge.lan:8099.evil.example"}, False),
    ("bridge.lan:8099", {"Origin": "http://evil.example@bridge.lan:8099"}, False),
    ("bridge.lan:8099", {"Origin": "http://bridge.lan:8099/"}, False),
    ("bridge.lan:8099", {"Origin": "http://evil.example http://bridge.lan:8099"}, False),
    ("bridge.lan:8099", {"Origin": "file://bridge.lan:8099"}, False),
    ("bridge.lan:8099", {"Origin": "http://[bridge.lan:8099"}, False),
    ("bridge.lan:8099", {"Origin": "null"}, False),
    ("bridge.lan:8099", {"Origin": ""}, False),
    ("bridge.lan", {"Origin": "http://bridge.lan:80"}, True),
    ("bridge.lan:80", {"Origin": "http://bridge.lan"}, True),
    ("bridge.lan", {"Origin": "https://bridge.lan"}, True),
    ("bridge.lan:443", {"Origin": "https://bridge.lan"}, True),
    ("bridge.lan:80", {"Origin": "https://bridge.lan"}, False),
    ("bridge.lan", {"Origin": "https://bridge.lan:8443"}, False),
    ("192.168.1.5:8099", {"Origin": "http://192.168.1.5:8099"}, True),
    ("[fd00::5]:8099", {"Origin": "http://[fd00::5]:8099"}, True),
    ("[fd00::5]:8099", {"Origin": "http://[fd00::6]:8099"}, False),
    ("127.0.0.1:8099", {"Origin": "https://home.example"}, False),
    ("127.0.0.1:8099", {"Origin": "https://home.example", "X-Forwarded-Host": "home.example"}, True),
    ("127.0.0.1:8099", {"Origin": "https://home.example", "X-Forwarded-Host": "home.example, inner"}, True),
    ("127.0.0.1:8099", {"Origin": "https://home.example", "X-Forwarded-Host": "inner, home.example"}, False),
    ("127.0.0.1:8099", {"Origin": "https://home.example", "Sec-Fetch-Site": "same-origin"}, True),
]


class TestOrigin:
    """Pages of other sites can make a browser send requests: none of them does anything."""

    @pytest.mark.parametrize(("host", "headers", "taken"), ORIGINS)
    async def test_forms(
        self, cloud_account: Account, tmp_path: Path, host: str, headers: dict[str, str], *, taken: bool
    ) -> None:
        """Every form that is posted is one of the bridge's own, as the browser says, or of a program."""
        async with served(cloud_account, tmp_path, token=TOKEN) as site:
            for path, form, good in (
                ("/session", {"token": TOKEN}, 303),
                ("/session/end", {}, 204),
                ("/oauth/callback", {"address": "http://localhost/?state=made-up"}, 400),
            ):
                answer = await site.http.post(path, data=form, headers={"Host": host, **headers})
                assert answer.status_code == (good if taken else 403), path
                assert (FOREIGN in answer.text) != taken
                assert ("Set-Cookie" in answer.headers) == (taken and path != "/oauth/callback")

    @pytest.mark.parametrize(
        ("host", "headers", "taken"),
        [
            ("localhost:8099", {"Origin": "http://localhost:8099"}, True),
            ("[::1]:8099", {"Origin": "http://[::1]:8099"}, True),
            ("home.example", {"Origin": "https://home.example"}, True),
            ("localhost:8099", {"Origin": "http://localhost:8098"}, False),
            ("localhost:8099", {"Origin": "http://127.0.0.1:8099"}, False),
            ("localhost:8099", {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"}, False),
            ("localhost:8099", {"Origin": "https://evil.example", "Sec-Fetch-Site": "same-origin"}, False),
            ("localhost:8099", {"Origin": "null", "Sec-Fetch-Site": "same-origin"}, False),
        ],
    )
    async def test_without_token(
        self, cloud_account: Account, tmp_path: Path, host: str, headers: dict[str, str], *, taken: bool
    ) -> None:
        """Without a token the page that sends something has one of the names that the bridge has itself."""
        async with served(cloud_account, tmp_path, hosts=["localhost", "127.0.0.1", "::1", "home.example"]) as site:
            answer = await site.http.post("/oauth/callback", headers={"Host": host, **headers})
        assert (answer.status_code, FOREIGN in answer.text) == ((400, False) if taken else (403, True))

    async def test_rebinding(self, cloud_account: Account, tmp_path: Path) -> None:
        """A foreign site whose name leads here, so that its pages are of the same origin, gets nowhere."""
        origin = {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}
        async with served(cloud_account, tmp_path) as site:
            assert (await site.http.post("/oauth/callback", headers=origin)).status_code == 403
            assert ELSEWHERE in (await site.http.get("/", headers=origin)).text

    @pytest.mark.parametrize("path", ["/", "/session", "/session/end", "/oauth/callback", "/oauth/start"])
    async def test_nothing_is_shared(self, cloud_account: Account, tmp_path: Path, path: str) -> None:
        """No answer allows another site's scripts anything, a browser's question before that included."""
        asking = {
            "Origin": "http://evil.example",
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "content-type",
        }
        async with served(cloud_account, tmp_path) as site:
            for method in ("OPTIONS", "GET", "POST"):
                answer = await site.http.request(method, path, headers=asking)
                assert not [name for name in answer.headers if name.startswith("access-control")]
                assert method != "OPTIONS" or answer.status_code == 405

    async def test_behind_a_prefix(self, cloud_account: Account, tmp_path: Path) -> None:
        """Behind a proxy that puts a prefix before all paths, a token is given and taken back with relative links."""
        async with served(cloud_account, tmp_path, token=TOKEN, trusted_proxies=[HERE]) as site:
            proxy = Reverse(to=site.port, prefix="/locks", added={"X-Forwarded-For": "203.0.113.9"})
            async with reverse_proxy(proxy) as address, httpx.AsyncClient(follow_redirects=True) as browser:
                own = {"Origin": address.removesuffix("/locks"), "Accept": "text/html"}
                assert (await browser.get(f"{address}/")).status_code == 401
                page = await browser.post(f"{address}/session", data={"token": TOKEN}, headers=own)
                assert (page.status_code, str(page.url)) == (200, f"{address}/")
                page = await browser.post(f"{address}/session/end", headers=own)
                assert (page.status_code, str(page.url)) == (401, f"{address}/")


async def test_port_for_notifications() -> None:
    """A port of its own takes notifications by any name, and has nothing else."""
    receiver = Receiver("/n", lambda given: given == "s", lambda _told: True)
    sockets = await listen(HERE, 0)
    address = f"http://{HERE}:{sockets[0].getsockname()[1]}"
    async with serving(notifications_app(receiver), sockets), new_http(address) as http:
        for path in ("/", "/n/", "/session", "/oauth/start", "/oauth/callback", "/healthz", "/metrics", "/api/house"):
            for method in ("GET", "POST", "OPTIONS"):
                assert (await http.request(method, path)).status_code == 404, path
        assert (await http.get("/n")).status_code == 405
        assert (await http.post("/n", json={})).status_code == 401
        told = await http.post("/n?access_token=s", json={}, headers={"Host": "locks.example.org"})
        assert told.status_code == 200
