"""From a configuration file to a running bridge, over every kind of connection to the broker."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Logged
from tests.support.account import CLIENT_ID, CLIENT_SECRET, FRONT
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually, free_port
from tests.support.stage import Stage, in_process, load_settings
from uhome2mqtt import broker_client
from uhome2mqtt.bridge import STOP_WITHIN, patience, run_bridge
from uhome2mqtt.compose import engine_config, oauth_client, secrets_of
from uhome2mqtt.engine import Override
from uhome2mqtt.errors import SettingsError
from uhome2mqtt.refresh_worker import LONGEST_WORK

LEAVES_SOCKETS = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
"""The client library leaves the socket of a failed handshake to the garbage collector."""


class Authority:
    """A certificate authority of our own, with a broker that only speaks TLS."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()
        self.ca = self.make("ca", "/CN=Tests", "-x509", "-addext", "basicConstraints=critical,CA:TRUE")

    def make(self, name: str, subject: str, *options: str) -> Path:
        """Make a key and a certificate or a request for one."""
        certificate = self.directory / f"{name}.pem"
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(self.key(name)))
        self._openssl("req", *key, "-days", "2", "-subj", subject, *options, "-out", str(certificate))
        return certificate

    def sign(self, name: str) -> Path:
        """Make a certificate for `localhost` that this authority has signed."""
        request = self.make(f"{name}-request", f"/CN={name}")
        self.key(f"{name}-request").rename(self.key(name))
        names = self.directory / "names"
        names.write_text("subjectAltName=DNS:localhost\n")
        certificate = self.directory / f"{name}.pem"
        signer = ("-CA", str(self.ca), "-CAkey", str(self.key("ca")), "-CAcreateserial", "-extfile", str(names))
        self._openssl("x509", "-req", "-in", str(request), *signer, "-days", "2", "-out", str(certificate))
        return certificate

    def key(self, name: str) -> Path:
        return self.directory / f"{name}.key"

    def broker(self, *more: str) -> Mosquitto:
        """Prepare a broker for TLS."""
        certificate = self.sign("broker")
        files = (f"cafile {self.ca}", f"certfile {certificate}", f"keyfile {self.key('broker')}")
        plain = f"listener {free_port()} 127.0.0.1"
        tls = (f"listener {self.port} 127.0.0.1", *files, *more)
        return Mosquitto(self.directory, "allow_anonymous true", *tls, plain)

    def _openssl(self, *arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make one authority for all."""
    return Authority(tmp_path_factory.mktemp("authority"))


def mqtts(authority: Authority, **more: Any) -> dict[str, Any]:
    """Give the settings for that broker."""
    return {"url": f"mqtts://localhost:{authority.port}", **more}


@pytest.mark.parametrize("checked", [True, False])
async def test_tls(stage: Stage, authority: Authority, logged: Logged, *, checked: bool) -> None:
    """A broker whose certificate is of an own authority is trusted where that is named, or where nobody checks."""
    trust = {"ca_file": str(authority.ca)} if checked else {"verify": False}
    with authority.broker():
        async with in_process(stage, mqtt=mqtts(authority, **trust)):
            await eventually(lambda: logged("broker_connected"))
    assert not logged("broker_unreachable")


@LEAVES_SOCKETS
async def test_untrusted(stage: Stage, authority: Authority, logged: Logged) -> None:
    """A broker whose certificate nobody vouches for is not spoken to, and the log says why."""
    with authority.broker():
        async with in_process(stage, mqtt=mqtts(authority)):
            [line, *_] = await eventually(lambda: logged("broker_unreachable"))
            assert "CERTIFICATE_VERIFY_FAILED" in line["why"]
    assert not logged("broker_connected")


@LEAVES_SOCKETS
async def test_mutual_tls(stage: Stage, authority: Authority, logged: Logged, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that asks for a certificate lets us in with ours, and not without it."""
    monkeypatch.setattr(broker_client, "ANSWER_WITHIN", 1.0)
    ours, key = authority.sign("bridge"), str(authority.key("bridge"))
    trust = {"ca_file": str(authority.ca)}
    with authority.broker("require_certificate true"):
        async with in_process(stage, mqtt=mqtts(authority, **trust)):
            await eventually(lambda: logged("broker_unreachable"))
        assert not logged("broker_connected")
        async with in_process(stage, mqtt=mqtts(authority, **trust, cert_file=str(ours), key_file=key)):
            await eventually(lambda: logged("broker_connected"))


async def test_bad_key(stage: Stage, authority: Authority) -> None:
    """A key that does not belong to its certificate is a configuration that cannot be used."""
    ours = authority.sign("mismatch")
    changes = mqtts(authority, cert_file=str(ours), key_file=str(authority.key("ca")))
    with pytest.raises(SettingsError, match=r"mqtt\.cert_file"):
        await run_bridge(load_settings(stage, mqtt=changes), asyncio.Event())


async def test_without_client(stage: Stage) -> None:
    """Without the client's id and secret there is no bridge."""
    with pytest.raises(SettingsError, match=r"uhome\.client_id"):
        await run_bridge(load_settings(stage, uhome={"client_id": None}), asyncio.Event())


async def test_overrides(stage: Stage) -> None:
    """What the configuration says of a device counts: its topic, its name, and whether it is there at all."""
    await stage.log_in()
    front = {"topic": "main", "name": "Main Entrance"}
    devices = {FRONT: front, "0C:7F:ED:10:00:02": {"enabled": False}}
    async with in_process(stage, devices=devices, homeassistant={"discovery": "off"}, mqtt={"json_state": False}):
        await stage.ear.until("main/lock", "LOCKED")
        await stage.ear.until("coffee_machine/switch", "OFF")
    retained = await stage.held()
    assert not [topic for topic in retained if topic.startswith(("front_door", "ha/"))]
    assert "back_door/lock" not in retained
    assert "main" not in retained


async def test_client_id(stage: Stage, mosquitto: Mosquitto) -> None:
    """The client id is the configured one, else one that this installation keeps."""
    async with in_process(stage, mqtt={"client_id": f"named-{stage.ear.base}"}):
        await eventually(lambda: f"named-{stage.ear.base}" in mosquitto.logged())
    async with in_process(stage):
        await eventually((stage.state_dir / "instance.json").exists)


def test_engine_config(stage: Stage) -> None:
    """The engine is told what the settings say, without any secret."""
    settings = load_settings(
        stage,
        mqtt={"password": "the-password", "username": "me"},
        commands={"allow": {"lock": ["LOCK"], "switch": "all"}, "max_age": 7},
        devices={FRONT: {"name": "Main"}},
        polling={"interval": 60},
    )
    config = engine_config(settings)
    assert config.allow == {"lock": ("LOCK",), "switch": None}
    assert config.max_age == 7
    assert (config.poll_interval, config.stale_after) == (60, None)
    assert config.overrides == {FRONT: Override(name="Main")}
    assert sorted(secrets_of(settings)) == sorted([CLIENT_SECRET, "the-password"])
    assert not any(secret in str(config.about) for secret in secrets_of(settings))
    assert engine_config(load_settings(stage)).allow == {}


def test_oauth_client(stage: Stage) -> None:
    """The login is the vendor's unless it is configured otherwise."""
    client = oauth_client(load_settings(stage, uhome={"authorize_with_secret": True}))
    assert (client.client_id, client.client_secret) == (CLIENT_ID, CLIENT_SECRET)
    assert client.secret_in_url
    assert client.scope == "openapi"


def test_a_renewal_at_the_end() -> None:
    """The end waits seconds for a renewal of the login, which its worker ends; in a container, until it has ended."""
    assert patience(pid=2, stopping=1.0) == pytest.approx(STOP_WITHIN - 1.0)
    assert patience(pid=1, stopping=1.0) == LONGEST_WORK
