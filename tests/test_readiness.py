"""Whether a bridge is ready, as `health` says it."""

from __future__ import annotations

import json
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import answering
from tests.support.installation import certified, write
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually, free_port
from tests.support.process import run
from tests.support.stage import Stage
from uhome2mqtt import local_web
from uhome2mqtt.readiness import judged
from uhome2mqtt.settings import Settings

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


async def test_ready(stage: Stage) -> None:
    """A bridge with broker and device list is ready, in words and as JSON; once it has ended it is not."""
    bridge = await stage.up(web={"port": free_port()})
    await eventually(lambda: bridge.logged("web_listening"))
    options = ("-c", str(bridge.config))
    assert await run("health", *options) == (0, "ready\n", "")
    code, out, _ = await run("health", "--json", *options)
    assert (code, json.loads(out)) == (0, {"ready": True, "reasons": [], "asked": "web"})
    await bridge.stop()
    code, out, _ = await run("health", *options)
    assert code == 1
    assert out.startswith("not ready: no bridge answers at http://127.0.0.1:")


async def test_waiting(stage: Stage) -> None:
    """A bridge that nobody has logged in says what it waits for."""
    bridge = stage.bridge(web={"port": free_port()}, mqtt={"url": f"mqtt://127.0.0.1:{free_port()}"})
    await bridge.start()
    await bridge.until_logged("web_listening")
    code, out, _ = await run("health", "-c", str(bridge.config))
    assert code == 1
    assert out.startswith("not ready: the broker is not connected; the first device list has not come")


async def test_https(stage: Stage) -> None:
    """A bridge that serves HTTPS on all addresses, with a token and a certificate of its own, is asked all the same."""
    cert, key = certified(stage.directory)
    token = "the-token-of-the-web-page"
    stage.secrets.add(token)
    web = {"host": "0.0.0.0", "port": free_port(), "token": token}
    bridge = await stage.up(web={**web, "cert_file": str(cert), "key_file": str(key)})
    await eventually(lambda: bridge.logged("web_listening"))
    assert await run("health", "-c", str(bridge.config)) == (0, "ready\n", "")


async def test_through_the_broker(stage: Stage) -> None:
    """A bridge without a web server is judged by what it has retained, and no longer once it has gone."""
    bridge = await stage.up(web={"enabled": False})
    options = ("-c", str(bridge.config))
    await stage.ear.until("bridge/health", lambda text: json.loads(text)["cloud"] == "online")
    code, out, _ = await run("health", "--json", *options)
    assert (code, json.loads(out)) == (0, {"ready": True, "reasons": [], "asked": "broker"})
    await bridge.stop()
    assert await run("health", *options) == (1, "not ready: the bridge is offline\n", "")


@pytest.mark.parametrize(
    ("state", "health", "said"),
    [
        (b"", b"", "the bridge is not known to the broker"),
        (b"offline", b"", "the bridge is offline"),
        (b"online", b"", "the bridge has not told of its health for too long"),
        (b"online", b"[]", "the bridge has not told of its health for too long"),
        (b"online", b'{"at":"2026-01-01T11:57:00Z","cloud":"online"}', "the bridge has not told"),
        (b"online", b'{"at":"2026-01-01T11:59:00","cloud":"online"}', "the bridge has not told"),
        (b"online", b'{"at":"2026-01-01T11:59:00Z","cloud":"unauthorized"}', "the cloud is unauthorized"),
        (b"online", b'{"at":"2026-01-01T11:59:00Z","cloud":"degraded"}', ""),
    ],
)
def test_judged(state: bytes, health: bytes, said: str) -> None:
    """By the broker a bridge is ready that is online, has told of its health lately and reaches the cloud."""
    reasons = judged(state, health, NOW)
    assert bool(reasons) == bool(said)
    assert all(reason.startswith(said) for reason in reasons)


async def test_no_broker(tmp_path: Path) -> None:
    """Where neither web server nor broker can be asked that is said, and so are files that cannot be used."""
    code, out, _ = await run("health", "-c", str(write(tmp_path)))
    assert code == 1
    assert "cannot be asked" in out
    unusable = {"url": "mqtts://localhost", "ca_file": str(tmp_path / "none.pem")}
    code, out, _ = await run("health", "-c", str(write(tmp_path, mqtt=unusable)))
    assert (code, "mqtt.ca_file" in out) == (1, True)


async def test_unusable_configuration(tmp_path: Path) -> None:
    """A configuration that cannot be used is a reason, too."""
    file = tmp_path / "config.yaml"
    file.write_text('{"polling": {"interval": 1}}')
    code, out, err = await run("health", "--json", "-c", str(file))
    assert (code, err) == (1, "")
    said = json.loads(out)
    assert said["ready"] is False
    assert "polling.interval" in said["reasons"][0]


@pytest.mark.parametrize("web", [True, False])
async def test_silence(tmp_path: Path, *, web: bool) -> None:
    """Whoever accepts a connection and says nothing does not keep the command waiting."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        changes: dict[str, Any] = {"web": {"port": port}} if web else {"mqtt": {"url": f"mqtt://127.0.0.1:{port}"}}
        code, out, _ = await run("health", "-c", str(write(tmp_path, **changes)))
    assert code == 1
    asked = f"http://127.0.0.1:{port}" if web else f"no answer in time from the broker at 127.0.0.1:{port} (mqtt.url)"
    assert out.startswith("not ready: no ")
    assert asked in out


@pytest.mark.parametrize("body", ["", "[]", '{"reasons": []}'])
async def test_another_program(tmp_path: Path, body: str) -> None:
    """Another program on the port is taken for none of ours."""
    async with answering("404 Not Found", body=body) as other:
        code, out, _ = await run("health", "-c", str(write(tmp_path, web={"port": other.port})))
    assert code == 1
    assert out == f"not ready: http://127.0.0.1:{other.port} answers 404: is it another program?\n"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8099"),
        ("0.0.0.0", "http://127.0.0.1:8099"),
        ("::", "http://[::1]:8099"),
        ("[::1]", "http://[::1]:8099"),
        ("localhost", "http://localhost:8099"),
        ("192.0.2.7", "http://192.0.2.7:8099"),
    ],
)
def test_address(host: str, url: str) -> None:
    """All addresses are reached by the loopback one."""
    web = {"host": host, "token": "the-token-of-the-web-page"}
    assert local_web.address(Settings.model_validate({"web": web})) == url


async def test_no_http(tmp_path: Path) -> None:
    """A program on the port that speaks no HTTP is taken for none of ours."""
    async with answering("200 OK", first="SSH-2.0-") as other:
        code, out, _ = await run("health", "-c", str(write(tmp_path, web={"port": other.port})))
    assert code == 1
    assert out == f"not ready: no bridge answers at http://127.0.0.1:{other.port} (it speaks no HTTP (BadStatusLine))\n"


async def test_mosquitto_without_a_bridge(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A broker that has never heard of the bridge says so."""
    file = write(tmp_path, mqtt={"url": mosquitto.url, "base_topic": f"nobody-{tmp_path.name}"})
    assert await run("health", "-c", str(file)) == (1, "not ready: the bridge is not known to the broker\n", "")
