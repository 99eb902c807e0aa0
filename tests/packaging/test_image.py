"""The image, built and run for real."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.packaging.podman import Container, inspected, placed, podman
from tests.support.account import CLIENT_SECRET
from tests.support.patience import eventually, free_port
from tests.support.stage import Stage

pytestmark = pytest.mark.image
SECRETS = "/run/secrets"


def as_variables(document: Mapping[str, Any], prefix: str = "UHOME2MQTT") -> dict[str, str]:
    """Say a configuration in environment variables."""
    found: dict[str, str] = {}
    for name, value in document.items():
        joint = "_" if prefix == "UHOME2MQTT" else "__"
        variable = f"{prefix}{joint}{name.upper()}"
        found |= as_variables(value, variable) if isinstance(value, Mapping) else {variable: str(value)}
    return found


def without_places(stage: Stage) -> dict[str, Any]:
    """Give a configuration without a secret and without a state directory: the container has places for both."""
    document = stage.document(web={"port": free_port()})
    del document["state_dir"]
    del document["uhome"]["client_secret"]
    return document


@pytest.fixture
async def container(stage: Stage, tmp_path: Path) -> AsyncIterator[Container]:
    """Run a bridge that is configured by its environment, with its secret in a file."""
    secret = placed(tmp_path, "secret", CLIENT_SECRET)
    volume = f"--volume={secret}:{SECRETS}/uhome.client_secret:ro"
    running = Container(volume, environment=as_variables(without_places(stage)))
    running.start()
    yield running
    running.remove()


async def logged_in(stage: Stage, container: Container) -> None:
    """Put a login where the container keeps its own."""
    await stage.log_in()
    tokens = (stage.state_dir / "tokens.json").read_text()
    write = "import sys; from pathlib import Path; Path('/data/tokens.json').write_text(sys.argv[1])"
    written = container.run_in("/opt/uhome2mqtt/bin/python", "-c", write, tokens)
    assert written.returncode == 0, written.stderr


def test_described() -> None:
    """The image says what it is, who runs it, and how its health is asked for; nothing in it needs a shell."""
    image = inspected()
    config = image["Config"]
    assert config["User"] == "10001:10001"
    assert config["Entrypoint"] == ["uhome2mqtt"]
    assert config["Cmd"] == ["run"]
    assert image["Healthcheck"]["Test"] == ["CMD", "uhome2mqtt", "health"]
    assert list(config["Volumes"]) == ["/data"]
    labels = {name.removeprefix("org.opencontainers.image."): value for name, value in config["Labels"].items()}
    assert labels["licenses"] == "MIT"
    assert (labels["version"], labels["revision"]) == ("1.2.3-test", "0123456789abcdef")


async def test_lived(container: Container, stage: Stage) -> None:
    """Read-only and without a capability it becomes healthy once broker and devices are there, as user 10001."""
    await eventually(lambda: "authorization_required" in container.logged())
    assert not container.healthy()
    await logged_in(stage, container)
    await stage.complete()
    await eventually(container.healthy)
    who = container.run_in(
        "/opt/uhome2mqtt/bin/python", "-c", "import os; print(os.getuid(), os.getgid(), os.getpid())"
    )
    assert who.stdout.split()[:2] == ["10001", "10001"]
    caps = container.run_in("cat", "/proc/1/status").stdout
    assert "CapEff:\t0000000000000000" in caps
    assert "NoNewPrivs:\t1" in caps
    assert container.run_in("touch", "/opt/uhome2mqtt/x").returncode != 0
    assert CLIENT_SECRET not in container.logged()


async def test_stopped(container: Container, stage: Stage) -> None:
    """As process 1 it ends by itself on SIGTERM, with status 0, and says `offline` before."""
    await stage.ear.until("bridge/state", "online")
    since = stage.ear.now
    container.send("TERM")
    await stage.ear.until("bridge/state", "offline", since)
    await eventually(lambda: container.state()["Status"] == "exited")
    assert container.state()["ExitCode"] == 0


async def test_reloaded(container: Container, stage: Stage) -> None:
    """SIGHUP does not end it."""
    await stage.ear.until("bridge/state", "online")
    container.send("HUP")
    await eventually(lambda: "reload" in container.logged())
    assert container.state()["Status"] == "running"


async def test_configured_by_file(stage: Stage, tmp_path: Path) -> None:
    """A configuration file is found in /etc/uhome2mqtt, without being named."""
    config = placed(tmp_path, "config.yaml", json.dumps(without_places(stage)))
    secret = placed(tmp_path, "secret", CLIENT_SECRET)
    running = Container(
        f"--volume={config}:/etc/uhome2mqtt/config.yaml:ro", f"--volume={secret}:{SECRETS}/uhome.client_secret:ro"
    )
    try:
        running.start()
        await stage.ear.until("bridge/state", "online")
    finally:
        running.remove()


def test_not_configured() -> None:
    """Without a configuration it says all that is missing and ends with status 78."""
    running = Container()
    try:
        running.start()
        assert podman("wait", running.name).stdout.strip() == "78"
        assert "uhome.client_id" in running.logged()
    finally:
        running.remove()
