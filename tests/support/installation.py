"""Installations to be looked at."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from uhome2mqtt.doctor import Finding, examine
from uhome2mqtt.settings import inspect

from .account import CLIENT_ID, CLIENT_SECRET
from .mosquitto import Mosquitto
from .patience import free_port
from .stage import merged

PASSWORD = "the-password-of-the-bridge"


def document(directory: Path, **changes: Any) -> dict[str, Any]:
    """Give a configuration of which nothing but the changes can be reached."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    usual = {
        "uhome": {
            "client_id": CLIENT_ID,
            "client_secret": CLIENT_SECRET,
            "token_url": f"{nowhere}/token",
            "api_url": f"{nowhere}/action",
            "timeout": 5,
        },
        "mqtt": {"url": f"mqtt://127.0.0.1:{free_port()}", "base_topic": "home"},
        "homeassistant": {"discovery_prefix": "home-ha", "status_topic": "home-ha/status"},
        "web": {"port": 0},
        "state_dir": str(directory / "state"),
    }
    return merged(usual, changes)


def write(directory: Path, **changes: Any) -> Path:
    """Write such a configuration for its owner alone."""
    file = directory / "config.yaml"
    file.write_text(json.dumps(document(directory, **changes)))
    file.chmod(0o600)
    return file


async def found(directory: Path, environ: dict[str, str] | None = None, **changes: Any) -> list[Finding]:
    """Look at an installation."""
    environ = environ or {}
    file = write(directory, **changes)
    return await examine(inspect(file, environ, secrets_directory=directory / "none"), environ)


def of(findings: list[Finding], what: str) -> Finding:
    """Give the first finding about something."""
    return next(finding for finding in findings if finding.what == what)


async def at_broker(directory: Path, broker: Mosquitto | int, **mqtt: Any) -> list[Finding]:
    """Look at an installation that has a broker alone."""
    port = broker if isinstance(broker, int) else broker.port
    return await found(directory, mqtt={"url": f"mqtt://127.0.0.1:{port}", **mqtt})


def with_users(directory: Path, *rules: str) -> tuple[str, ...]:
    """Give the settings of a broker that knows one user, with access rules."""
    passwords = directory / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(passwords), "alice", PASSWORD], check=True, capture_output=True)
    (directory / "rules").write_text("\n".join(("user alice", *rules)) + "\n")
    for file in (passwords, directory / "rules"):
        file.chmod(0o600)
    return "allow_anonymous false", f"password_file {passwords}", f"acl_file {directory / 'rules'}"


@contextmanager
def out_of_reach(directory: Path) -> Iterator[None]:
    """Be a user who may not enter a directory; root becomes another one, since he may everything."""
    user, mode = os.geteuid(), directory.stat().st_mode
    directory.chmod(0)
    if user == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(user)
        directory.chmod(mode)


ALICE = {"username": "alice", "password": PASSWORD}


def certified(directory: Path) -> tuple[Path, Path]:
    """Make a certificate for localhost and give it with its key."""
    cert, key = directory / "own.pem", directory / "own.key"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(cert)]
    subprocess.run([*command.split(), *names], check=True, capture_output=True)
    return cert, key
