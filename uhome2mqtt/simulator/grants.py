"""Authorization codes, access tokens and refresh tokens: who may still come in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from uhome2mqtt.simulator.clock import Clock
    from uhome2mqtt.simulator.dice import Dice
    from uhome2mqtt.simulator.quirks import Quirks


class GrantError(Exception):
    """The token endpoint refuses, with an OAuth error code and a sentence."""

    def __init__(self, code: str, description: str) -> None:
        self.code = code
        self.description = description
        super().__init__(f"{code}: {description}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """An authorization code that waits to be redeemed."""

    client_id: str
    redirect_uri: str
    expires_at: float


@dataclass(slots=True, kw_only=True, eq=False)
class Login:
    """What one acceptance of the login page led to."""

    client_id: str
    access: dict[str, float] = field(default_factory=dict, repr=False)
    refresh: dict[str, float | None] = field(default_factory=dict, repr=False)


class Grants:
    """Every code and every login of the account."""

    def __init__(self, *, quirks: Quirks, clock: Clock, dice: Dice) -> None:
        self._quirks = quirks
        self._clock = clock
        self._dice = dice
        self._codes: dict[str, Code] = {}
        self._logins: list[Login] = []

    def issue_code(self, client_id: str, redirect_uri: str) -> str:
        """Make a code for the callback."""
        code = self._dice.token()
        expires_at = self._clock.now() + self._quirks.code_lifetime
        self._codes[code] = Code(client_id=client_id, redirect_uri=redirect_uri, expires_at=expires_at)
        return code

    def redeem(self, code: str, *, client_id: str, redirect_uri: str | None) -> dict[str, Any]:
        """Turn a code into tokens; a code works once, for its client, its redirect URI and its minute."""
        known = self._codes.pop(code, None)
        if known is None or known.client_id != client_id:
            raise GrantError("invalid_grant", "Authorization code doesn't exist or is invalid for the client")
        if known.expires_at <= self._clock.now():
            raise GrantError("invalid_grant", "The authorization code has expired")
        if redirect_uri is not None and redirect_uri != known.redirect_uri:
            raise GrantError("redirect_uri_mismatch", "The redirect URI is missing or do not match")
        return self.mint(client_id)

    def mint(self, client_id: str) -> dict[str, Any]:
        """Log a client in and give the flat token reply."""
        if self._quirks.second_login_kills_first:
            self._logins = [login for login in self._logins if login.client_id != client_id]
        login = Login(client_id=client_id)
        self._logins.append(login)
        return self._tokens(login, self._new_refresh(login))

    def refresh(self, token: str, *, client_id: str) -> dict[str, Any]:
        """Give a new access token and, where tokens rotate, a new refresh token in place of the old one."""
        login = next((login for login in self._logins if token in login.refresh), None)
        if login is None or login.client_id != client_id:
            raise GrantError("invalid_grant", "Invalid refresh token")
        expires_at = login.refresh[token]
        if expires_at is not None and expires_at <= self._clock.now():
            raise GrantError("invalid_grant", "Refresh token has expired")
        if not self._quirks.refresh_rotation:
            return self._tokens(login, token)
        del login.refresh[token]
        return self._tokens(login, self._new_refresh(login))

    def admits(self, access_token: str) -> bool:
        """Tell whether an access token is alive."""
        now = self._clock.now()
        return any(login.access.get(access_token, now) > now for login in self._logins)

    def log_out(self, access_token: str) -> None:
        """End the login that an access token belongs to."""
        for login in self._logins:
            if access_token in login.access:
                login.access.clear()
                if self._quirks.logout_kills_refresh:
                    login.refresh.clear()

    def revoke_all(self) -> int:
        """End every login and every code; give the number of logins."""
        count = len(self._logins)
        self._logins.clear()
        self._codes.clear()
        return count

    def _new_refresh(self, login: Login) -> str:
        token = self._dice.token()
        lifetime = self._quirks.refresh_lifetime
        login.refresh[token] = None if lifetime is None else self._clock.now() + lifetime
        return token

    def _tokens(self, login: Login, refresh_token: str) -> dict[str, Any]:
        access_token = self._dice.token()
        login.access[access_token] = self._clock.now() + self._quirks.expires_in
        return {
            "access_token": access_token,
            "expires_in": self._quirks.expires_in,
            "token_type": "Bearer",
            "scope": "openapi",
            "refresh_token": refresh_token,
        }
