"""A container of the image under test, run as strictly as the documentation says."""

from __future__ import annotations

import json
import resource
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

IMAGE = "uhome2mqtt-under-test"
STRICT = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", "128m")
# crun knows either kind of cgroups, not both at once: the second is hidden in a mount namespace of our own. (Its
# directory must never be removed: that would unmount it for the whole machine.)
WITHOUT_SECOND_CGROUPS = 'umount /sys/fs/cgroup/unified 2> /dev/null; exec podman --cgroup-manager cgroupfs "$@"'


def podman(*arguments: str, deadline: float = 120.0) -> subprocess.CompletedProcess[str]:
    """Run podman to its end."""
    command = ("unshare", "--mount", "--propagation", "private", "sh", "-c", WITHOUT_SECOND_CGROUPS, "sh", *arguments)
    return subprocess.run(command, capture_output=True, text=True, timeout=deadline, check=False)


def inspected(image: str = IMAGE) -> dict[str, Any]:
    """Give what the image says of itself."""
    found: list[dict[str, Any]] = json.loads(podman("image", "inspect", image).stdout)
    return found[0]


class Container:
    """One container on the host's network, with a volume for its state."""

    def __init__(self, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.name = f"uhome2mqtt-{uuid4().hex[:8]}"
        self._options = options
        self._environment = environment or {}

    def start(self) -> None:
        """Start the bridge in it."""
        _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
        limits = ("--ulimit", f"nofile={files}:{files}", "--ulimit", "nproc=1000:1000")
        variables = [f"--env={name}={value}" for name, value in self._environment.items()]
        arguments = ("run", "--detach", "--name", self.name, "--network", "host", *limits, *STRICT)
        started = podman(*arguments, *variables, *self._options, IMAGE)
        assert started.returncode == 0, started.stderr

    def run_in(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program beside the bridge."""
        return podman("exec", self.name, *command)

    def healthy(self) -> bool:
        """Run the image's own health check once."""
        return podman("healthcheck", "run", self.name).returncode == 0

    def state(self) -> dict[str, Any]:
        """Give what podman knows of the container's process."""
        found: list[dict[str, Any]] = json.loads(podman("container", "inspect", self.name).stdout)
        state: dict[str, Any] = found[0]["State"]
        return state

    def send(self, signal: str) -> None:
        """Send a signal to process 1, which is the bridge."""
        assert podman("kill", "--signal", signal, self.name).returncode == 0

    def logged(self) -> str:
        """Give all that the bridge has written."""
        logs = podman("logs", self.name)
        return logs.stdout + logs.stderr

    def remove(self) -> None:
        """End and forget it, with its volume."""
        podman("rm", "--force", "--volumes", "--time", "5", self.name)


def placed(directory: Path, name: str, text: str) -> Path:
    """Write a file that the user of the container can read."""
    file = directory / name
    file.write_text(text)
    file.chmod(0o644)
    return file
