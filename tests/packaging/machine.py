"""A container with systemd as process 1: the host's network, a file system of its own that is thrown away."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.patience import wait_until

BOOT = """
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
cp -a "$2/." "$1/upper/"
mount -t overlay overlay -o "lowerdir=$3,upperdir=$1/upper,workdir=$1/work" "$1/root"
mkdir -p "$1/root/opt/uhome2mqtt" "$1/up" "$1/down"
mount -t overlay overlay -o "lowerdir=$4,upperdir=$1/up,workdir=$1/down" "$1/root/opt/uhome2mqtt"
exec systemd-nspawn --quiet --directory="$1/root" --boot --register=no --keep-unit --resolv-conf=off \\
    --link-journal=no --console=read-only --machine=uhome2mqtt-test
"""

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class Machine:
    """Debian with the bridge installed in /opt/uhome2mqtt."""

    def __init__(self, place: Path, directory: Path) -> None:
        self._place = place
        self._directory = directory
        self._files = directory / "files"
        self._console = directory / "console"
        self._nspawn: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def put(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file of the machine, before it boots or later."""
        if self._leader:
            writing = 'mkdir -p "$(dirname "$1")"; umask 077; cat > "$1.new"; chmod "$2" "$1.new"; mv "$1.new" "$1"'
            self.run("sh", "-ec", writing, "sh", path, f"{mode:o}", stdin=text)
            return
        file = self._files / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def boot(self) -> None:
        """Start it, wait until systemd answers, and install the wheel."""
        mounted = self._directory / "machine"
        mounted.mkdir()
        self._files.mkdir(exist_ok=True)
        layers = (self._place / "root", self._place / "program")
        command = ("unshare", "--mount", "--propagation", "private", "bash", "-euc", BOOT, "bash", mounted, self._files)
        with self._console.open("wb") as console:
            self._nspawn = subprocess.Popen(
                [*command, *layers], stdin=subprocess.DEVNULL, stdout=console, stderr=console
            )
        wait_until(self._booted, 120)
        wheel = next((self._place / "dist").glob("*.whl"))
        copied = f"/var/tmp/{wheel.name}"
        with wheel.open("rb") as content:
            subprocess.run([*self._inside(), "tee", copied], stdin=content, stdout=subprocess.DEVNULL, check=True)
        self.run("/opt/uhome2mqtt/bin/pip", "install", "--quiet", "--no-deps", "--no-index", copied)

    def _booted(self) -> bool:
        assert self._nspawn is not None
        assert self._nspawn.poll() is None, self._console.read_text(errors="replace")
        children = Path(f"/proc/{self._nspawn.pid}/task/{self._nspawn.pid}/children").read_text().split()
        if not children:
            return False
        self._leader = int(children[0])
        answer = self.run("systemctl", "is-system-running", check=False)
        return answer.stdout.strip() in {"running", "degraded"}

    def _inside(self) -> tuple[str, ...]:
        return ("nsenter", f"--target={self._leader}", "--mount", "--uts", "--ipc", "--pid")

    def run(
        self, *command: str, stdin: str = "", check: bool = True, deadline: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in it as root."""
        done = subprocess.run(
            [*self._inside(), *command], input=stdin, capture_output=True, text=True, timeout=deadline, check=False,
            env=ENVIRONMENT,
        )  # fmt: skip
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def open(self, *command: str) -> subprocess.Popen[str]:
        """Start a program in it as root, to talk with."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [*self._inside(), *command], stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, text=True, env=ENVIRONMENT
        )

    def unit(self, name: str) -> Mapping[str, str]:
        """Give the properties of a unit."""
        shown = self.run("systemctl", "show", name).stdout
        return dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)

    def journal(self, name: str) -> str:
        """Give what a unit has written, and what systemd says about it."""
        return self.run("journalctl", "--unit", name, "--no-pager", "--output", "cat").stdout

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the main process of a unit."""
        self.run("sh", "-c", 'kill "-$1" "$2"', "sh", str(number.value), self.unit(name)["MainPID"])

    def halt(self) -> None:
        """End it; everything in it is gone."""
        if self._nspawn is None:
            return
        if self._leader:
            # SIGRTMIN+4: power off.
            os.kill(self._leader, signal.SIGRTMIN + 4)
        try:
            self._nspawn.wait(60)
        except subprocess.TimeoutExpired:
            self._nspawn.kill()
            self._nspawn.wait(10)
