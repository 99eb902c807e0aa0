"""A real mosquitto, started from a configuration of its own and ended by its process id."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

from .patience import free_port, listening, wait_until


def refusing(directory: Path, pattern: str) -> tuple[str, ...]:
    """Give the settings of a broker that lets anybody in and refuses one subscription."""
    program = shutil.which("mosquitto")
    assert program is not None
    plugin = next(Path(program).parent.parent.glob("lib*/**/mosquitto_dynamic_security.so"))
    rules = directory / "rules.json"
    refused = {"acltype": "subscribePattern", "topic": pattern, "allow": False}
    allowed = dict.fromkeys(("publishClientSend", "publishClientReceive", "subscribe", "unsubscribe"), True)
    rules.write_text(
        json.dumps(
            {
                "defaultACLAccess": allowed,
                "anonymousGroup": "everybody",
                "groups": [{"groupname": "everybody", "roles": [{"rolename": "limited"}]}],
                "roles": [{"rolename": "limited", "acls": [refused]}],
                "clients": [],
            }
        )
    )
    return "allow_anonymous true", f"plugin {plugin}", f"plugin_opt_config_file {rules}"


ANYBODY = ("allow_anonymous true",)


class Mosquitto:
    """A broker on a loopback port that keeps nothing on disk; the port stays the same over restarts."""

    def __init__(self, directory: Path, *settings: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self.directory = directory
        self.log = directory / f"mosquitto-{self.port}.log"
        self._config = directory / f"mosquitto-{self.port}.conf"
        lines = (
            f"listener {self.port} 127.0.0.1",
            "user root",
            "set_tcp_nodelay true",
            "log_type all",
            *(settings or ANYBODY),
        )
        self._config.write_text("\n".join(lines) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start and wait until it listens."""
        with self.log.open("ab") as log:
            command = ["mosquitto", "-c", str(self._config)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._process = process
        wait_until(lambda: listening(self.port) or process.poll() is not None)
        assert process.poll() is None, self.log.read_text()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process and wait until it is gone; SIGKILL is the power cut."""
        if self._process is not None:
            self.send(how)
            self.send(signal.SIGCONT)  # one that a test has stopped ends, too
            self._process.wait(10)
            self._process = None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, e.g. SIGSTOP for a broker that hangs."""
        assert self._process is not None
        self._process.send_signal(number)

    def logged(self) -> str:
        return self.log.read_text()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
