"""The units, run by a real systemd."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.machine import Machine
from tests.support.account import CLIENT_SECRET
from tests.support.patience import eventually, free_port
from tests.support.process import STOPS_WITHIN
from tests.support.stage import Stage

pytestmark = pytest.mark.systemd
UNITS = Path(__file__).parents[2] / "systemd"
PROGRAM = "/opt/uhome2mqtt/bin/uhome2mqtt"
FIRST_DYNAMIC, LAST_DYNAMIC = 61184, 65519
"""User numbers that systemd gives to DynamicUser=, see its UIDs, GIDs page."""


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Boot a machine with the units installed."""
    assert "SYSTEMD_TEST_PLACE" in os.environ, "no Debian to boot: scripts/test-systemd makes it and runs this"
    running = Machine(Path(os.environ["SYSTEMD_TEST_PLACE"]), tmp_path_factory.mktemp("machine"))
    for unit in UNITS.iterdir():
        running.put(f"/etc/systemd/system/{unit.name}", unit.read_text())
    try:
        running.boot()
        yield running
    finally:
        running.halt()


@dataclass(slots=True, kw_only=True)
class Service:
    """One unit of the machine with what belongs to it."""

    machine: Machine
    stage: Stage
    unit: str = "uhome2mqtt.service"
    user: str = "uhome2mqtt"
    config: str = "/etc/uhome2mqtt/config.yaml"
    secrets: str = "/etc/uhome2mqtt/secrets"
    port: int = field(default_factory=free_port)

    def configure(self, **changes: Any) -> None:
        """Write the configuration for everybody to read, and the secret for root alone."""
        document = self.stage.document(web={"port": self.port}, **changes)
        del document["state_dir"]
        del document["uhome"]["client_secret"]
        self.machine.put(self.config, json.dumps(document))
        self.machine.run("install", "--directory", "--mode=0700", self.secrets)
        self.machine.put(f"{self.secrets}/uhome__client_secret", CLIENT_SECRET + "\n", 0o600)

    def change(self, *lines: str) -> None:
        """Change the unit as `systemctl edit` does."""
        text = "\n".join(["[Service]", *lines, ""])
        self.machine.put(f"/run/systemd/system/{self.unit}.d/test.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    def start(self) -> None:
        """Start it without waiting until it is ready."""
        self.machine.run("systemctl", "start", "--no-block", self.unit)

    def is_in(self, state: str) -> bool:
        return self.property("ActiveState") == state

    def property(self, name: str) -> str:
        return self.machine.unit(self.unit)[name]

    async def up(self) -> None:
        """Log in, start, and wait until it is ready."""
        await self.log_in()
        self.start()
        await eventually(lambda: self.is_in("active"), 60)

    async def log_in(self) -> None:
        """Log in as docs/install.md says."""
        page = (UNITS.parent / "docs" / "install.md").read_text()
        line = page[page.index("systemd-run --pty") :].split("\n```")[0]
        for documented, own in (
            ("/etc/uhome2mqtt/config.yaml", self.config),
            ("/etc/uhome2mqtt/secrets", self.secrets),
            ("User=uhome2mqtt", f"User={self.user}"),
            ("StateDirectory=uhome2mqtt", f"StateDirectory={self.user}"),
            ("--pty", "--pipe"),
        ):
            line = line.replace(documented, own)
        program = self.machine.open(*shlex.split(line.replace("\\\n", " ")))
        assert program.stdin is not None
        assert program.stdout is not None
        # In threads: the cloud that the program asks meanwhile is served by this process.
        address = ""
        while "/authorize?" not in address:
            address = await asyncio.to_thread(program.stdout.readline)
            assert address, "the program ended without an address"
        pasted = await self.stage.account.allow(address.strip()) + "\n"
        said, _ = await asyncio.to_thread(program.communicate, pasted, 60)
        assert program.returncode == 0, said

    def remove(self) -> None:
        """Stop it, and forget its state."""
        self.machine.run("systemctl", "stop", self.unit)
        self.machine.run("systemctl", "reset-failed", self.unit, check=False)
        self.machine.run("sh", "-c", 'rm -rf /run/systemd/system/*.d/test.conf "/var/lib/private/$1"', "sh", self.user)
        self.machine.run("systemctl", "daemon-reload")


@pytest.fixture
async def service(machine: Machine, stage: Stage) -> AsyncIterator[Service]:
    """Configure the one bridge of a machine."""
    made = Service(machine=machine, stage=stage)
    made.configure()
    yield made
    made.remove()


@pytest.mark.parametrize("name", ["uhome2mqtt.service", "uhome2mqtt@.service"])
def test_verified(name: str, tmp_path: Path) -> None:
    """Process 1 has nothing to say about the units, and holds them for well shut in."""
    text = (UNITS / name).read_text().replace(f"ExecStart={PROGRAM}", "ExecStart=/bin/true")
    (tmp_path / name).write_text(text)
    unit = tmp_path / name.replace("@.", "@beach_house.")
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=True)
    assert verified.stdout + verified.stderr == ""
    limit = ("--offline=true", "--threshold=15")
    rated = subprocess.run(["systemd-analyze", "security", *limit, unit], capture_output=True, text=True, check=False)
    assert rated.returncode == 0, rated.stdout


async def test_ready(service: Service) -> None:
    """It is active once broker and devices are there, says before what it waits for, and is not ended for waiting."""
    service.change("TimeoutStartSec=5")
    service.start()
    await eventually(lambda: "authorization_required" in service.machine.journal(service.unit))
    patience = time.monotonic() + 12
    await eventually(lambda: time.monotonic() > patience)
    assert service.property("ActiveState") == "activating"
    assert service.property("StatusText")
    waiting = service.property("StatusText")
    await service.log_in()
    await eventually(lambda: service.is_in("active"))
    assert service.property("StatusText") != waiting
    assert service.property("NRestarts") == "0"
    await service.stage.complete()
    assert CLIENT_SECRET not in service.machine.journal(service.unit)


async def test_shut_in(service: Service) -> None:
    """It runs as a user that exists only meanwhile, keeps its tokens to itself and no secret in its environment."""
    await service.up()
    pid = service.property("MainPID")
    uid = int(service.machine.run("stat", "--format=%u", f"/proc/{pid}").stdout)
    assert FIRST_DYNAMIC <= uid <= LAST_DYNAMIC
    kept = service.machine.run("stat", "--format=%u %a", "/var/lib/uhome2mqtt/tokens.json").stdout.split()
    assert kept == [str(uid), "600"]
    assert CLIENT_SECRET not in service.machine.run("cat", f"/proc/{pid}/environ", f"/proc/{pid}/cmdline").stdout
    listed = service.machine.run("stat", "--format=%u %a", service.secrets).stdout.split()
    assert listed == ["0", "700"]


async def test_health(service: Service) -> None:
    """`uhome2mqtt health` tells whether it is ready."""
    asked = (PROGRAM, "health", "-c", service.config)
    environment = ("env", "UHOME2MQTT_UHOME__CLIENT_SECRET=x")
    assert service.machine.run(*environment, *asked, check=False).returncode != 0
    await service.up()
    health = service.machine.run(*environment, *asked, check=False)
    assert health.returncode == 0, health.stderr


async def test_stopped(service: Service) -> None:
    """It stops in time and says `offline` before."""
    await service.up()
    await service.stage.ear.until("bridge/state", "online")
    since = service.stage.ear.now
    service.machine.run("systemctl", "stop", service.unit)
    await service.stage.ear.until("bridge/state", "offline", since)
    assert service.property("Result") == "success"
    assert service.property("ExecMainStatus") == "0"
    began, ended = (
        int(service.property(name)) for name in ("ActiveExitTimestampMonotonic", "InactiveEnterTimestampMonotonic")
    )
    assert (ended - began) / 1e6 < STOPS_WITHIN


async def test_reloaded(service: Service) -> None:
    """`systemctl reload` returns once it has read the configuration anew; it goes on running."""
    await service.up()
    pid = service.property("MainPID")
    service.configure(log={"level": "info"})
    service.machine.run("systemctl", "reload", service.unit)
    await eventually(lambda: service.is_in("active"))
    assert "reload" in service.machine.journal(service.unit)
    assert service.property("MainPID") == pid


async def test_hanging(service: Service) -> None:
    """A bridge that hangs is killed by the watchdog, and comes back."""
    service.change("WatchdogSec=5", "RestartSec=1")
    await service.up()
    pid = service.property("MainPID")
    service.machine.signal(service.unit, signal.SIGSTOP)
    await eventually(lambda: service.property("NRestarts") == "1", 60)
    await eventually(lambda: service.is_in("active"), 60)
    assert service.property("MainPID") != pid
    assert "atchdog" in service.machine.journal(service.unit)


async def test_killed(service: Service) -> None:
    """A bridge that is killed comes back, logged in as before."""
    service.change("RestartSec=1")
    await service.up()
    service.machine.signal(service.unit, signal.SIGKILL)
    await eventually(lambda: service.property("NRestarts") == "1" and service.is_in("active"), 60)


async def test_unusable(service: Service) -> None:
    """It is not started again and again with a configuration that is unusable; the journal says what is wrong."""
    service.change("RestartSec=1")
    service.configure(mqtt={"qos": 7})
    service.start()
    await eventually(lambda: service.is_in("failed"))
    assert service.property("ExecMainStatus") == "78"
    assert service.property("NRestarts") == "0"
    assert "mqtt.qos" in service.machine.journal(service.unit)


async def test_several(service: Service, stage: Stage) -> None:
    """A second account has a unit, a configuration, secrets, a user and a state of its own."""
    second = Service(
        machine=service.machine, stage=stage, unit="uhome2mqtt@beach_house.service", user="uhome2mqtt-beach_house",
        config="/etc/uhome2mqtt/beach_house.yaml", secrets="/etc/uhome2mqtt/beach_house.secrets",
    )  # fmt: skip
    try:
        second.configure(mqtt={"base_topic": f"{stage.ear.base}/beach"})
        await service.up()
        await second.up()
        for each in (service, second):
            assert each.is_in("active")
            assert service.machine.run("test", "-s", f"/var/lib/{each.user}/tokens.json").returncode == 0
        await stage.ear.until("beach/bridge/state", "online")
        users = [
            service.machine.run("stat", "--format=%u", f"/proc/{each.property('MainPID')}").stdout
            for each in (service, second)
        ]
        assert users[0] != users[1]
    finally:
        second.remove()
