"""The simulated cloud with somebody who knows how to log in."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from uhome2mqtt import oauth
from uhome2mqtt.simulator import Quirks, SimulatedCloud, demo_household, serve
from uhome2mqtt.tokens import Tokens

CLIENT_ID = "client-of-the-tests"
CLIENT_SECRET = "client-secret-that-nobody-may-see"

FRONT = "0C:7F:ED:10:00:01"
BACK = "0C:7F:ED:10:00:02"
GARAGE = "0C:7F:ED:10:00:03"
HALL = "7C:DF:A1:20:00:04"
DINING = "7C:DF:A1:20:00:05"
COFFEE = "84:F7:03:30:00:07"

# Building a TLS context takes longer than most tests; none of them speaks TLS over HTTP.
TLS = httpx.create_ssl_context()


def new_http(base_url: str = "", timeout: float = 10.0, kept: int = 20) -> httpx.AsyncClient:
    """Make an HTTP client that uses no proxy; `kept`: how many of its connections it uses again."""
    # The servers of the tests hang up after five seconds without a request: whoever asks just then is reset.
    limits = httpx.Limits(max_keepalive_connections=kept, keepalive_expiry=2.0)
    return httpx.AsyncClient(base_url=base_url, trust_env=False, verify=TLS, timeout=timeout, limits=limits)


@dataclass(slots=True, kw_only=True)
class Account:
    """A simulated cloud that is being served, and its control interface."""

    cloud: SimulatedCloud
    url: str
    http: httpx.AsyncClient

    def client(self, **changes: Any) -> oauth.Client:
        """Describe an installation that is registered with this cloud."""
        described = {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "redirect_uri": "http://localhost:8099/oauth/callback",
            "authorize_url": f"{self.url}/authorize",
            "token_url": f"{self.url}/token",
        }
        return oauth.Client(**{**described, **changes})

    def grant(self) -> oauth.Grant:
        """Log in without a login page."""
        minted = self.cloud.grants.mint(CLIENT_ID)
        return oauth.Grant(
            access_token=minted["access_token"], refresh_token=minted["refresh_token"], expires_at=4_000_000_000
        )

    def log_in(self, state_dir: Path) -> oauth.Grant:
        """Log in and keep the tokens where the program looks for them."""
        grant = self.grant()
        Tokens(state_dir, self.client(), self.http).store(grant)
        return grant

    async def control(self, method: str, path: str, body: Any = None) -> Any:
        """Use the control interface."""
        response = await self.http.request(method, f"/control/{path}", json=body)
        assert response.is_success, response.text
        return response.json() if response.content else None

    async def by_hand(self, device_id: str, **change: Any) -> None:
        """Let something happen to a device."""
        await self.control("POST", f"devices/{device_id}", change)

    async def fault(self, kind: str, **order: Any) -> None:
        """Order a fault."""
        await self.control("POST", "faults", {"kind": kind, **order})

    def requests(self, name: str) -> list[dict[str, Any]]:
        """Give the requests of a name (Discovery, Query, Command, token …) that have come so far."""
        return [entry for entry in self.cloud.requests.since() if entry["name"] == name]

    def commands(self) -> list[tuple[str, str]]:
        """Give all commands that have come so far, as device and name."""
        return [
            (device, command["name"])
            for entry in self.requests("Command")
            for device, command in zip(entry["devices"], entry["commands"], strict=True)
        ]

    async def allow(self, login_address: str, decision: str = "allow") -> str:
        """Open the login page, decide, and give the address that the browser is sent to."""
        page = await self.http.get(login_address)
        page.raise_for_status()
        form = {**dict(parse_qsl(urlsplit(login_address).query)), "decision": decision}
        answer = await self.http.post("/authorize", data=form)
        assert answer.status_code == httpx.codes.FOUND, answer.text
        return answer.headers["Location"]


@asynccontextmanager
async def account(port: int = 0, kept: int = 20, **quirks: Any) -> AsyncIterator[Account]:
    """Serve the demo household whose clients must know the tests' secret; `kept`: as for `new_http`."""
    known: dict[str, Any] = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, **quirks}
    cloud = SimulatedCloud(devices=demo_household(), quirks=Quirks.model_validate(known))
    async with serve(cloud, port=port) as running, new_http(running.url, kept=kept) as http:
        yield Account(cloud=cloud, url=running.url, http=http)
