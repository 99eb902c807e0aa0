from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from .support import Client, message

if TYPE_CHECKING:
    from .support import Json

CALLBACK = "http://127.0.0.1:9/callback"
ASK = {
    "response_type": "code",
    "client_id": "me",
    "client_secret": "mine",
    "scope": "openapi",
    "redirect_uri": CALLBACK,
    "state": "st/at?e",
}


async def decide(client: Client, decision: str = "allow", **fields: str) -> httpx.QueryParams:
    """Press a button on the login page and give what the callback is called with."""
    response = await client.http.post("/authorize", data=ASK | fields | {"decision": decision})
    assert response.status_code == 302
    url = httpx.URL(response.headers["location"])
    assert str(url).startswith(fields.get("redirect_uri", CALLBACK))
    return url.params


async def exchange(client: Client, **fields: str) -> httpx.Response:
    """Post to the token endpoint."""
    known = {"client_id": "me", "client_secret": "mine"}
    return await client.http.post("/token", data=known | fields)


async def log_in(client: Client) -> Json:
    """Go through the whole login and give the flat tokens."""
    code = (await decide(client))["code"]
    tokens: Json = (await exchange(client, grant_type="authorization_code", code=code)).json()
    return tokens


async def refresh(client: Client, token: str) -> Json:
    """Refresh and give the reply."""
    reply: Json = (await exchange(client, grant_type="refresh_token", refresh_token=token)).json()
    return reply


async def works(client: Client, access_token: str) -> bool:
    """Tell whether an access token is alive."""
    response = await client.post(message("Uhome.User/Get", {}), Authorization=f"Bearer {access_token}")
    return "user" in response.json()["payload"]


async def test_the_page(client: Client) -> None:
    """The login page says that it is a simulation, lists the devices and carries the request on, but no secret."""
    page = await client.http.get("/authorize", params=ASK | {"client_id": "<b>me</b>"})
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    for text in ("simulation", "Front Door", "Bedside Lamp", "Allow", "Deny", "&lt;b&gt;me", "st/at?e"):
        assert text in page.text
    assert "mine" not in page.text
    assert "http-equiv" not in page.text


async def test_the_page_of_an_empty_house(client: Client) -> None:
    """Somebody without devices is told so."""
    client.cloud.house.devices.clear()
    assert "no devices at all" in (await client.http.get("/authorize", params=ASK)).text


@pytest.mark.parametrize(
    ("registered", "change", "text"),
    [
        ([], {"client_id": "other"}, "Invalid client id"),
        ([], {"client_id": ""}, "No client id supplied"),
        ([], {"redirect_uri": "nonsense"}, "Invalid redirect uri"),
        ([], {"redirect_uri": "http://[/"}, "Invalid redirect uri"),
        ([], {"redirect_uri": "http://a/\x00"}, "Invalid redirect uri"),
        (["http://a/"], {"redirect_uri": "http://b/"}, "Invalid redirect uri"),
        ([], {"redirect_uri": ""}, "No redirect URI was supplied or stored"),
        (
            ["http://a/", "http://b/"],
            {"redirect_uri": ""},
            "A redirect URI must be supplied when multiple redirect URIs are registered",
        ),
        ([], {"response_type": "token"}, "Invalid or missing response type"),
    ],
)
async def test_whom_the_page_turns_away(
    client: Client, registered: list[str], change: dict[str, str], text: str
) -> None:
    """Errors stand on the page in the words that people reported, before and after the decision."""
    client.quirks(client_id="me", redirect_uris=registered)
    shown = await client.http.get("/authorize", params=ASK | change)
    decided = await client.http.post("/authorize", data=ASK | change | {"decision": "allow"})
    assert (shown.status_code, decided.status_code) == (400, 400)
    assert text in shown.text
    assert text in decided.text


async def test_the_only_registered_uri(client: Client) -> None:
    """The redirect URI may be left out when one is registered."""
    client.quirks(redirect_uris=[CALLBACK])
    response = await client.http.post("/authorize", data={**ASK, "redirect_uri": "", "decision": "allow"})
    assert response.headers["location"].startswith(CALLBACK)


@pytest.mark.parametrize(
    ("quirk", "names"),
    [
        ("code", {"code", "state"}),
        ("authorization_code", {"authorization_code", "state"}),
        ("both", {"code", "authorization_code", "state"}),
    ],
)
async def test_callback_parameter(client: Client, quirk: str, names: set[str]) -> None:
    """The code comes back under the name that the quirk says, with the state unchanged."""
    client.quirks(callback_parameter=quirk)
    params = await decide(client)
    assert set(params) == names
    assert params["state"] == "st/at?e"


async def test_callback_keeps_the_query(client: Client) -> None:
    """A redirect URI with a query keeps it."""
    assert (await decide(client, redirect_uri=f"{CALLBACK}?a=1"))["a"] == "1"


async def test_deny(client: Client) -> None:
    """Deny sends the browser back with access_denied and the state, if there was one."""
    assert dict(await decide(client, "deny")) == {"error": "access_denied", "state": "st/at?e"}
    without = {key: value for key, value in ASK.items() if key != "state"}
    response = await client.http.post("/authorize", data=without)
    assert response.headers["location"] == f"{CALLBACK}?error=access_denied"


async def test_login(client: Client) -> None:
    """A code is exchanged for tokens that work, with the life time seen on the live service."""
    tokens = await log_in(client)
    assert set(tokens) == {"access_token", "refresh_token", "token_type", "expires_in", "scope"}
    assert tokens["expires_in"] == 601200
    assert await works(client, tokens["access_token"])


async def test_login_by_get(client: Client) -> None:
    """GET with a query works as well, unless the service refuses it."""
    fields = {"grant_type": "authorization_code", "client_id": "me", "code": (await decide(client))["code"]}
    assert "access_token" in (await client.http.get("/token", params=fields)).json()
    client.quirks(token_get=False)
    assert (await client.http.get("/token", params=fields)).status_code == 405


async def test_query_of_a_post_does_not_count(client: Client) -> None:
    """POST with the parameters in the query fails, as it did for the client that tried."""
    fields = {"grant_type": "authorization_code", "client_id": "me", "code": (await decide(client))["code"]}
    assert "error" in (await client.http.post("/token", params=fields)).json()


async def test_codes_work_once(client: Client) -> None:
    """A code cannot be redeemed twice, not even at the same time."""
    code = (await decide(client))["code"]
    replies = await asyncio.gather(*(exchange(client, grant_type="authorization_code", code=code) for _ in range(5)))
    assert sorted("access_token" in reply.json() for reply in replies) == [False] * 4 + [True]


async def test_codes_are_bound(client: Client) -> None:
    """A code is good for its client and its redirect URI only."""
    code = (await decide(client))["code"]
    other = await exchange(client, grant_type="authorization_code", code=code, client_id="other")
    assert other.json()["error"] == "invalid_grant"
    code = (await decide(client))["code"]
    elsewhere = await exchange(client, grant_type="authorization_code", code=code, redirect_uri="http://b/")
    assert elsewhere.json()["error"] == "redirect_uri_mismatch"
    code = (await decide(client))["code"]
    right = await exchange(client, grant_type="authorization_code", code=code, redirect_uri=CALLBACK)
    assert "access_token" in right.json()


async def test_codes_expire(client: Client) -> None:
    """A code that has waited too long is refused."""
    client.quirks(code_lifetime=0)
    code = (await decide(client))["code"]
    reply = (await exchange(client, grant_type="authorization_code", code=code)).json()
    assert reply == {"error": "invalid_grant", "error_description": "The authorization code has expired"}


@pytest.mark.parametrize(
    ("grant", "quirk"), [("code", "flat"), ("code", "wrapped"), ("refresh", "flat"), ("refresh", "wrapped")]
)
async def test_reply_shapes(client: Client, grant: str, quirk: str) -> None:
    """Each grant's reply is flat or wrapped, independently of the other's."""
    client.quirks(token_reply_code="flat", token_reply_refresh="flat")
    client.quirks(**{f"token_reply_{grant}": quirk})
    reply = await log_in(client)
    if grant == "refresh":
        reply = await refresh(client, reply["refresh_token"])
    assert reply.get("code") == (200 if quirk == "wrapped" else None)
    assert "access_token" in (reply["data"] if quirk == "wrapped" else reply)


@pytest.mark.parametrize(
    ("quirk", "status", "body"),
    [
        ("ok_error", 200, {"error": "invalid_grant", "error_description": "Invalid refresh token"}),
        ("wrapped", 200, {"code": 401, "message": "invalid_grant"}),
        ("http_400", 400, {"error": "invalid_grant", "error_description": "Invalid refresh token"}),
    ],
)
async def test_refusals(client: Client, quirk: str, status: int, body: Json) -> None:
    """A refusal has the shape that the quirk says."""
    client.quirks(token_errors=quirk)
    response = await exchange(client, grant_type="refresh_token", refresh_token="wrong")
    assert (response.status_code, response.json()) == (status, body)


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({}, "unsupported_grant_type"),
        ({"client_id": ""}, "invalid_client"),
        ({"client_id": "other"}, "invalid_client"),
        ({"client_secret": "guess"}, "invalid_client"),
    ],
)
async def test_who_gets_no_token(client: Client, fields: dict[str, str], error: str) -> None:
    """Unknown grant types, clients and secrets are refused."""
    client.quirks(client_id="me", client_secret="mine")
    assert (await exchange(client, **fields)).json()["error"] == error


async def test_rotation(client: Client) -> None:
    """A refresh gives a new refresh token and ends the old one; the access token before lives on."""
    first = await log_in(client)
    second = (await refresh(client, first["refresh_token"]))["data"]
    assert second["refresh_token"] != first["refresh_token"]
    assert (await refresh(client, first["refresh_token"]))["error"] == "invalid_grant"
    assert await works(client, first["access_token"])
    assert await works(client, second["access_token"])


async def test_no_rotation(client: Client) -> None:
    """Without rotation the refresh token stays the same and keeps working."""
    client.quirks(refresh_rotation=False)
    first = await log_in(client)
    for _ in range(2):
        reply = await refresh(client, first["refresh_token"])
        assert reply["data"]["refresh_token"] == first["refresh_token"]


async def test_refresh_is_bound_to_the_client(client: Client) -> None:
    """Another client cannot use a refresh token."""
    tokens = await log_in(client)
    reply = await exchange(client, grant_type="refresh_token", refresh_token=tokens["refresh_token"], client_id="other")
    assert reply.json()["error"] == "invalid_grant"


async def test_life_times(client: Client) -> None:
    """Access and refresh tokens end when their time is over."""
    client.quirks(refresh_lifetime=0, expires_in=1)
    tokens = await log_in(client)
    assert tokens["expires_in"] == 1
    assert (await refresh(client, tokens["refresh_token"]))["error_description"] == "Refresh token has expired"
    await asyncio.sleep(1.05)
    assert not await works(client, tokens["access_token"])


@pytest.mark.parametrize("kills", [False, True])
async def test_second_login(client: Client, *, kills: bool) -> None:
    """A second login leaves the first alone, or ends it."""
    client.quirks(second_login_kills_first=kills)
    first = await log_in(client)
    await log_in(client)
    assert await works(client, first["access_token"]) is not kills


@pytest.mark.parametrize("kills", [False, True])
async def test_logout(client: Client, *, kills: bool) -> None:
    """Logging out ends the access token and, by quirk, the refresh token; other logins stay."""
    client.quirks(logout_kills_refresh=kills)
    tokens = await log_in(client)
    response = await client.post(message("Uhome.User/Logout", {}), Authorization=f"Bearer {tokens['access_token']}")
    assert response.json()["payload"] == []
    assert not await works(client, tokens["access_token"])
    assert ("error" in await refresh(client, tokens["refresh_token"])) is kills
    assert await works(client, client.token)


async def test_a_race_of_refreshes(client: Client) -> None:
    """Of several refreshes with one rotating token exactly one wins."""
    tokens = await log_in(client)
    replies = await asyncio.gather(*(refresh(client, tokens["refresh_token"]) for _ in range(8)))
    assert sorted("data" in reply for reply in replies) == [False] * 7 + [True]
