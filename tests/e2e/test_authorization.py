"""Logging in, losing the login, and getting it back, without a restart."""

from __future__ import annotations

import json

import pytest

from tests.support.account import CLIENT_ID, CLIENT_SECRET
from tests.support.stage import Stage

pytestmark = pytest.mark.e2e


async def test_access_token_revoked(stage: Stage) -> None:
    """An access token that the cloud no longer accepts is replaced without anybody noticing."""
    stage.account.cloud.quirks.change({"logout_kills_refresh": False})
    await stage.up()
    token = json.loads((stage.state_dir / "tokens.json").read_text())["access_token"]
    stage.secrets.add(token)
    stage.account.cloud.grants.log_out(token)
    since = stage.ear.now
    await stage.ear.say("front_door/lock/set", "UNLOCK")
    await stage.ear.until_event("front_door/result", "confirmed", since)
    assert json.loads((stage.state_dir / "tokens.json").read_text())["access_token"] != token
    assert stage.ear.payloads("bridge/cloud", since) == []
    assert len(stage.account.requests("token")) == 1


async def test_secrets(stage: Stage) -> None:
    """Client secret, tokens and the broker's password are in no log line and no topic, whatever goes wrong."""
    password = "password-of-the-broker"
    stage.secrets |= {password, CLIENT_SECRET}
    bridge = await stage.up(mqtt={"username": "bridge", "password": password}, uhome={"auth_method": "body"})
    since = stage.ear.now
    for kind in ("not_json", "reset", "truncated", "gateway_500", "error_envelope"):
        await stage.account.fault(kind, count=1, operation="Query", message=stage.account.grant().access_token)
    for device in ("front_door", "back_door", "garage", "hall_light", "dining_room"):
        await stage.ear.say(f"{device}/get", "")
    await stage.ear.until("bridge/cloud", "degraded", since)
    await stage.account.control("POST", "revoke")
    await stage.ear.say("front_door/lock/set", CLIENT_SECRET)
    await stage.ear.say("back_door/lock/set", "UNLOCK")
    await stage.ear.until("bridge/cloud", "unauthorized", since, deadline=20)
    info = json.loads((await stage.held())["bridge/info"])
    assert info["settings"]["uhome"]["client_id"] == CLIENT_ID
    assert password not in json.dumps(info)
    assert await bridge.stop() == 0
    # What a person publishes is that person's to keep secret: the bridge repeats it in its refusal, not in its log.
    stage.ear.heard = [heard for heard in stage.ear.heard if CLIENT_SECRET not in heard.payload]
    assert stage.leaks() == []
