"""What `check` finds at brokers, at the web server and at the public address."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.answers import answering
from tests.support.ear import held
from tests.support.installation import ALICE, at_broker, certified, found, of, with_users
from tests.support.mosquitto import Mosquitto, refusing
from tests.support.patience import eventually, free_port
from tests.support.process import run
from tests.support.relay import Cut, refuse_5, relay
from tests.support.stage import Stage, merged
from uhome2mqtt.doctor import Blame, Verdict
from uhome2mqtt.doctor import broker as broker_module
from uhome2mqtt.doctor import web as web_module
from uhome2mqtt.web import Receiver, listen, notifications_app, serving

# The broker


async def test_nothing_listens(tmp_path: Path) -> None:
    """A closed port is told from a name that cannot be resolved."""
    assert "cannot be reached: " in of(await at_broker(tmp_path, free_port()), "broker").text
    findings = await found(tmp_path, mqtt={"url": "mqtt://broker.invalid"})
    assert "broker.invalid cannot be resolved" in of(findings, "broker").text


async def test_wrong_password(tmp_path: Path) -> None:
    """A wrong password is named as such, with either version of MQTT."""
    with Mosquitto(tmp_path, *with_users(tmp_path, "topic readwrite #")) as broker:
        for protocol in ("auto", "3.1.1"):
            findings = await at_broker(tmp_path, broker, username="alice", password="wrong", protocol=protocol)
            assert of(findings, "broker").blame is Blame.UNREACHABLE
            where = f"127.0.0.1:{broker.port}"
            assert of(findings, "broker").text.startswith(f"{where}: the broker does not let this user in: see mqtt.")
            assert of(findings, "broker").mend == ""
        assert of(await at_broker(tmp_path, broker, **ALICE), "broker_access").verdict is Verdict.OK


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_silent_refusal(tmp_path: Path, protocol: str) -> None:
    """What the broker drops without a word is noticed, with the rule that is missing; reading the status is enough."""
    rules = ("topic readwrite home/#", "topic read home-ha/status")
    with Mosquitto(tmp_path, *with_users(tmp_path, *rules)) as broker:
        findings = await at_broker(tmp_path, broker, **ALICE, protocol=protocol)
    failed, noted = (one for one in findings if one.what == "broker_access")
    assert failed.text.startswith("discovery: ")
    assert failed.mend.endswith("topic readwrite home-ha/#")
    assert (failed.verdict, noted.verdict) == (Verdict.FAILED, Verdict.NOTE)
    assert noted.text.startswith("Home Assistant's status: ")
    assert of(findings, "broker_retain").verdict is Verdict.OK


async def test_refused_subscription(tmp_path: Path) -> None:
    """A subscription that is refused is named with its topic."""
    with Mosquitto(tmp_path, *refusing(tmp_path, "home/+/+/set")) as broker:
        finding = of(await at_broker(tmp_path, broker), "broker_access")
    assert finding.text == "commands: this user may not subscribe to home/+/+/set"


async def test_read_only_user(tmp_path: Path) -> None:
    """A user who may only read is found before a bridge is started with him, the lost retained message included."""
    with Mosquitto(tmp_path, *with_users(tmp_path, "topic read #")) as broker:
        findings = await at_broker(tmp_path, broker, **ALICE)
    assert [one.text.split(":")[0] for one in findings if one.what == "broker_access" and one.blame] == [
        "states",
        "commands",
        "discovery",
    ]
    assert of(findings, "broker_retain").verdict is Verdict.FAILED


async def test_without_discovery(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Where Home Assistant is told nothing, the rules for it are not needed; nothing of the test stays behind."""
    base = tmp_path.name
    findings = await found(
        tmp_path, mqtt={"url": mosquitto.url, "base_topic": base}, homeassistant={"discovery": "off"}
    )
    assert of(findings, "broker_access").text == "test messages come back: states, commands"
    assert of(findings, "bridge").text == f"none is online on the base topic {base}"
    assert await held(mosquitto, base) == {}


async def test_old_broker(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A broker that refuses MQTT 5 is asked in 3.1.1, and the protocol in use is told."""
    async with relay(mosquitto.port, refuse_5(b"\x20\x03\x00\x84\x00")) as line:
        finding = of(await at_broker(tmp_path, line.port, base_topic=tmp_path.name), "broker")
    assert finding.text.endswith("lets this user in, MQTT 3.1.1")


async def test_no_broker_at_all(tmp_path: Path) -> None:
    """Somebody who listens and speaks no MQTT is told from nobody."""
    async with answering("400 Bad Request") as other:
        finding = of(await at_broker(tmp_path, other.port, protocol="3.1.1"), "broker")
    assert "speaks no MQTT" in finding.text


async def test_hangs_up_later(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A broker that hangs up at the first subscription is a finding, not a crash."""

    def hook(_number: int, chunk: bytes) -> bytes | Cut:
        return Cut() if chunk[0] & 0xF0 == 0x80 else chunk

    async with relay(mosquitto.port, hook) as line:
        findings = await at_broker(tmp_path, line.port, base_topic=tmp_path.name)
    assert "hung up" in of(findings, "broker_access").text


async def test_tls(tmp_path: Path) -> None:
    """A certificate that nobody trusts is told from a name that is not in it, and from a port without TLS."""
    cert, key = certified(tmp_path)
    with Mosquitto(tmp_path, "allow_anonymous true", f"certfile {cert}", f"keyfile {key}") as broker:
        trusted = {"url": f"mqtts://localhost:{broker.port}", "ca_file": str(cert)}
        assert of(await found(tmp_path, mqtt=trusted), "broker").verdict is Verdict.OK
        untrusted = of(await found(tmp_path, mqtt={"url": trusted["url"]}), "broker")
        assert "is not accepted: self-signed certificate" in untrusted.text
        assert "mqtt.ca_file" in untrusted.mend
        misnamed = {**trusted, "url": f"mqtts://127.0.0.1:{broker.port}"}
        finding = of(await found(tmp_path, mqtt=misnamed), "broker")
        assert ("IP address mismatch" in finding.text, ".;" in finding.line) == (True, False)


async def test_no_tls(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A port without TLS, and a file of certificates that is none, are named."""
    plain = {"url": f"mqtts://127.0.0.1:{mosquitto.port}", "verify": False}
    finding = of(await found(tmp_path, mqtt=plain), "broker")
    assert "does not agree on TLS" in finding.text
    missing = {**plain, "ca_file": str(tmp_path / "none.pem")}
    finding = of(await found(tmp_path, mqtt=missing), "broker")
    assert (finding.blame, "mqtt.ca_file" in finding.text) == (Blame.UNUSABLE, True)


async def test_tls_without_saying_so(tmp_path: Path) -> None:
    """Where a broker says nothing, the likely cause is asked for: a port for TLS, or a client's certificate."""
    cert, key = certified(tmp_path)
    both = ("allow_anonymous true", f"certfile {cert}", f"keyfile {key}")
    with Mosquitto(tmp_path, *both, f"cafile {cert}", "require_certificate true") as broker:
        plain = of(await at_broker(tmp_path, broker), "broker")
        secured = {"url": f"mqtts://localhost:{broker.port}", "ca_file": str(cert)}
        anonymous = of(await found(tmp_path, mqtt=secured), "broker")
    assert plain.mend.startswith("is this a port for TLS (mqtts://)? ")
    assert anonymous.mend.startswith("does the broker want a client certificate (mqtt.cert_file, mqtt.key_file)? ")


async def test_not_retaining(tmp_path: Path) -> None:
    """A broker that retains nothing is found."""
    with Mosquitto(tmp_path, "allow_anonymous true", "retain_available false") as broker:
        findings = await at_broker(tmp_path, broker, protocol="3.1.1")
    assert of(findings, "broker_access").verdict is Verdict.OK
    assert "does not take a retained message" in of(findings, "broker_retain").text


# The web server, from here and from outside


async def test_port_taken(tmp_path: Path) -> None:
    """A port that another program has is named."""
    async with answering("200 OK", body="[]") as other:
        finding = of(await found(tmp_path, web={"port": other.port}), "web")
    assert (finding.verdict, finding.blame) == (Verdict.FAILED, Blame.MACHINE)
    assert finding.text == f"cannot listen on 127.0.0.1:{other.port}: Address already in use"
    port = free_port()
    assert "is free" in of(await found(tmp_path, web={"port": port}), "web").text
    assert of(await found(tmp_path, web={"enabled": False}), "web").verdict is Verdict.NOT_CHECKED


async def test_absent_address(tmp_path: Path) -> None:
    """An address that this machine does not have, or whose name nobody knows, is blamed on web.host, not the port."""
    for host, why in (("192.0.2.1", "Cannot assign requested address"), ("nowhere.invalid", "")):
        web = {"port": free_port(), "host": host, "token": "the-token-of-the-web-page"}
        finding = of(await found(tmp_path, web=web), "web")
        assert why in finding.text
        assert finding.mend.endswith("choose another web.host")


async def test_web_certificate(tmp_path: Path) -> None:
    """A certificate with which no bridge starts is found, with the exit code that the bridge would end with."""
    web = {"cert_file": str(tmp_path / "none.pem"), "port": free_port()}
    finding = of(await found(tmp_path, web=web), "web")
    assert (finding.verdict, finding.blame) == (Verdict.FAILED, Blame.UNUSABLE)
    assert finding.text.startswith("web.cert_file, web.key_file: ")


@pytest.mark.parametrize(
    ("status", "verdict", "word"),
    [
        ("401 Unauthorized", Verdict.OK, "as it should"),
        ("404 Not Found", Verdict.FAILED, "path"),
        ("301 Moved", Verdict.FAILED, "redirect"),
        ("502 Bad Gateway", Verdict.FAILED, "no bridge behind"),
        ("403 Forbidden", Verdict.FAILED, "refuses"),
        ("200 OK", Verdict.FAILED, "no bridge that answers"),
    ],
)
async def test_public_url(tmp_path: Path, status: str, verdict: Verdict, word: str) -> None:
    """Each answer of the public address is explained; the bridge's own is 401."""
    async with answering(status, "Location: https://elsewhere.example") as public:
        push = {"public_url": f"{public.url}/push", "allow_http": True}
        finding = of(await found(tmp_path, notifications=push), "notifications")
    assert (finding.verdict, word in finding.line) == (verdict, True)
    assert public.requests[0].startswith(b"POST /push ")
    assert b"authorization" not in public.requests[0].lower()


async def test_webhook(tmp_path: Path) -> None:
    """Somebody who takes notifications for the bridge answers 200, and the address with its key is not shown."""
    async with answering("200 OK") as public:
        push = {"public_url": f"{public.url}/hook-key?s={{secret}}", "allow_http": True}
        finding = of(await found(tmp_path, notifications=push), "notifications")
    assert finding.verdict is Verdict.OK
    assert "hook-key" not in finding.line
    assert public.requests[0].startswith(b"POST /hook-key?s=check ")


async def test_public_url_out_of_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that does not answer from here is no failure: many a network does not reach itself by it."""
    push = {"public_url": f"http://127.0.0.1:{free_port()}/push", "allow_http": True}
    finding = of(await found(tmp_path, notifications=push), "notifications")
    assert (finding.verdict, "from outside" in finding.mend) == (Verdict.WARNING, True)
    monkeypatch.setattr(web_module, "WITHIN", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        push["public_url"] = f"http://127.0.0.1:{silent.getsockname()[1]}/push"
        finding = of(await found(tmp_path, notifications=push), "notifications")
    assert (finding.verdict, "no reply" in finding.text) == (Verdict.WARNING, True)


async def test_public_certificate(tmp_path: Path) -> None:
    """An address whose certificate nobody trusts is one that the cloud does not use."""
    cert, key = certified(tmp_path)
    with Mosquitto(tmp_path, "allow_anonymous true", f"certfile {cert}", f"keyfile {key}") as served:
        push = {"public_url": f"https://localhost:{served.port}/push"}
        finding = of(await found(tmp_path, notifications=push), "notifications")
    assert (finding.verdict, "certificate" in finding.text) == (Verdict.FAILED, True)


@pytest.mark.parametrize(
    ("changes", "warned"),
    [
        ({}, True),
        ({"notifications": {"public_url": "https://locks.invalid/hook?s=1"}}, True),
        ({"notifications": {"public_url": "https://locks.invalid/hook?s={secret}"}}, False),
        ({"notifications": {"public_url": "https://127.0.0.1/n"}}, False),
        ({"notifications": {"port": 0}}, False),
        ({"web": {"token": "t"}}, False),
        ({"web": {"enabled": False}}, False),
    ],
)
async def test_exposure(tmp_path: Path, changes: dict[str, Any], *, warned: bool) -> None:
    """Who publishes the port of a console without a token is told why that is closed, and how to open it."""
    if "port" in changes.get("notifications", {}):
        changes = {"notifications": {"port": free_port()}}
    usual = {"notifications": {"public_url": "https://locks.invalid/n"}}
    exposed = [each for each in await found(tmp_path, **merged(usual, changes)) if each.what == "exposure"]
    assert [each.verdict for each in exposed] == ([Verdict.WARNING] if warned else [])
    for each in exposed:
        assert all(word in each.mend for word in ("web.token", "notifications.port"))


async def test_port_of_notifications(tmp_path: Path) -> None:
    """A port for notifications is looked at: it is free, a bridge listens there, or somebody else does."""
    port = free_port()
    push = {"public_url": "https://locks.invalid/n", "port": port}
    assert of(await found(tmp_path, notifications=push), "push_port").text.endswith("is free: no bridge runs here")
    receiver = Receiver("/n", lambda _given: False, lambda _told: True)
    async with serving(notifications_app(receiver), await listen("127.0.0.1", port)):
        finding = of(await found(tmp_path, notifications=push), "push_port")
        assert (finding.verdict, "takes notifications" in finding.text) == (Verdict.OK, True)
    async with answering("404 Not Found") as other:
        push["port"] = int(other.url.rpartition(":")[2])
        finding = of(await found(tmp_path, notifications=push), "push_port")
        assert (finding.verdict, finding.blame) == (Verdict.FAILED, Blame.MACHINE)
        assert finding.mend.endswith("notifications.port")


async def test_path_behind_a_port_of_its_own(tmp_path: Path) -> None:
    """Where the path is not found the advice names the port that notifications come in by."""
    async with answering("404 Not Found") as public:
        push = {"public_url": f"{public.url}/push", "allow_http": True, "port": free_port()}
        assert "unchanged to notifications.port" in of(await found(tmp_path, notifications=push), "notifications").mend


async def test_push_of_a_bridge(stage: Stage) -> None:
    """A running bridge answers at its own address as it should."""
    port = free_port()
    push = {"public_url": f"http://127.0.0.1:{port}/push", "allow_http": True}
    bridge = await stage.up(web={"port": port}, notifications=push)
    await eventually(lambda: bridge.logged("web_listening"))
    _, out, _ = await run("check", "--json", "-c", str(bridge.config))
    said = {finding["what"]: finding["verdict"] for finding in json.loads(out)}
    assert said["notifications"] == "ok"


async def test_name_server_that_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that says nothing is told from one that does not know the name."""
    monkeypatch.setattr(broker_module, "ANSWER_WITHIN", 0.0)
    assert "name server does not answer" in of(await at_broker(tmp_path, free_port()), "broker").text
