"""A port of its own for notifications, so that it can be published without the pages."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.account import FRONT, new_http
from tests.support.installation import certified
from tests.support.patience import free_port
from tests.support.push import LOCK, PATH, receiving
from tests.support.stage import Stage
from uhome2mqtt.local_web import unverified

pytestmark = pytest.mark.e2e


async def test_apart(stage: Stage) -> None:
    """What the cloud pushes arrives by the one port, and the pages are on the other; neither knows the other's."""
    pages, push = free_port(), free_port()
    url = f"http://127.0.0.1:{push}{PATH}"
    house = await receiving(stage, {"web": {"port": pages}, "notifications": {"public_url": url, "port": push}})
    since = stage.ear.now
    await stage.account.by_hand(FRONT, states={LOCK: "Unlocked"}, cause="keypad")
    await stage.ear.until("front_door/lock", "UNLOCKED", since)
    assert await house.answers(0) == [200]
    async with new_http() as http:
        for path in ("/", "/healthz", "/metrics", "/oauth/start", "/session"):
            assert (await http.get(f"http://127.0.0.1:{push}{path}")).status_code == 404
        assert (await http.get(url)).status_code == 405
        assert (await http.post(f"http://127.0.0.1:{pages}{PATH}", json={})).status_code == 404
        assert (await http.get(f"http://127.0.0.1:{pages}/")).status_code == 200
        by_name = {"Host": "locks.example.org"}
        assert (await http.get(f"http://127.0.0.1:{pages}/", headers=by_name)).status_code == 400
        metrics = (await http.get(f"http://127.0.0.1:{pages}/metrics")).text
    assert 'uhome2mqtt_notification_posts_total{outcome="accepted"} 1' in metrics
    listening = {line["section"]: line["port"] for line in house.bridge.logged("web_listening")}
    assert listening == {"web": pages, "notifications": push}


async def test_without_pages(stage: Stage, tmp_path: Path) -> None:
    """A bridge without pages takes notifications all the same, with a certificate of its own."""
    push, (cert, key) = free_port(), certified(tmp_path)
    bridge = await stage.up(
        web={"enabled": False, "cert_file": str(cert), "key_file": str(key)},
        notifications={"public_url": f"https://localhost:{push}{PATH}", "port": push},
    )
    await bridge.until_logged("web_listening")
    async with httpx.AsyncClient(trust_env=False, verify=unverified()) as http:
        assert (await http.post(f"https://127.0.0.1:{push}{PATH}", json={})).status_code == 401
        assert (await http.get(f"https://127.0.0.1:{push}/")).status_code == 404
