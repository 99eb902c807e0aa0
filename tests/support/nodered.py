"""A real Node-RED on a flow that was imported as a user would, with a tab of our own beside it."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .account import new_http
from .patience import eventually, free_port

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".deps" / "nodered"
PATIENCE = 90.0
"""Seconds for a start, or for an outcome."""

Node = dict[str, Any]

SETTINGS: Mapping[str, Any] = {
    "uiHost": "127.0.0.1",
    "flowFile": "flows.json",
    "credentialSecret": "secret-of-the-tests",
    "httpAdminRoot": False,
    "telemetry": {"enabled": False, "updateNotification": False},
    "logging": {"console": {"level": "info"}},
}

OF_SETTINGS = ("Projects disabled", "Encrypted credentials not found")
"""Warnings that are about the settings of a Node-RED that nobody edits."""

OUR_TAB: tuple[Node, ...] = (
    {"id": "test-tab", "type": "tab", "label": "tests"},
    {
        "id": "test-in",
        "type": "http in",
        "z": "test-tab",
        "url": "/command",
        "method": "post",
        "wires": [["test-take"]],
    },
    {
        "id": "test-take",
        "type": "function",
        "z": "test-tab",
        "func": "return Object.assign(msg, msg.payload);",
        "outputs": 1,
        "wires": [["test-call"]],
    },
    {
        "id": "test-call",
        "type": "link call",
        "z": "test-tab",
        "linkType": "dynamic",
        "links": [],
        "timeout": "150",
        "wires": [["test-out"]],
    },
    {"id": "test-out", "type": "http response", "z": "test-tab", "wires": []},
)
"""Gives a command to the flow as other flows do, by the name of its `link in`; the answer is the outcome."""


def set_up(flow: Iterable[Node], broker_port: int, **environment: str) -> list[Node]:
    """Set what a user sets: the broker in its configuration node, and variables in the tab's environment."""
    nodes: list[Node] = json.loads(json.dumps([*flow]))
    for node in nodes:
        if node["type"] == "mqtt-broker":
            node |= {"broker": "127.0.0.1", "port": str(broker_port)}
        for variable in node.get("env", ()):
            variable["value"] = environment.get(variable["name"], variable["value"])
    return nodes


class NodeRed:
    """One Node-RED, on the same port over restarts."""

    def __init__(self, directory: Path, nodes: Iterable[Node]) -> None:
        self.port = free_port()
        self.directory = directory
        self._log = directory / "node-red.log"
        self._process: subprocess.Popen[bytes] | None = None
        settings = {**SETTINGS, "uiPort": self.port, "userDir": str(directory)}
        (directory / "settings.js").write_text(f"module.exports = {json.dumps(settings)}")
        (directory / "flows.json").write_text(json.dumps([*nodes, *OUR_TAB]))
        # Where the palette manager of a user's Node-RED puts what it installs.
        (directory / "node_modules").symlink_to(INSTALLED / "node_modules")
        (directory / "package.json").write_text((INSTALLED / "package.json").read_text())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> list[str]:
        return self._log.read_text().splitlines() if self._log.exists() else []

    def complaints(self) -> list[str]:
        """Give the lines of the log that are errors or warnings."""
        said = [line for line in self.log if "[error]" in line or "[warn]" in line]
        return [line for line in said if not any(words in line for words in OF_SETTINGS)]

    def alerts(self) -> list[str]:
        """Give the texts of all alerts so far; the flow's debug node writes them to the log."""
        lines = self.log
        heads = [index for index, line in enumerate(lines) if "[debug:alert]" in line]
        return [lines[index].partition("[debug:alert]")[2].strip() or lines[index + 1].strip() for index in heads]

    async def start(self) -> None:
        """Start it and wait until it is connected to the broker."""
        connections = self.connections
        process = self._launch()
        await eventually(lambda: self.connections > connections or process.poll() is not None, PATIENCE)
        assert process.poll() is None, self.log

    def _launch(self) -> subprocess.Popen[bytes]:
        program = INSTALLED / "node_modules" / "node-red" / "red.js"
        assert program.exists(), "no Node-RED: scripts/test-nodered installs it"
        with self._log.open("ab") as log:
            command = ["node", str(program), "-s", str(self.directory / "settings.js")]
            process = subprocess.Popen(command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self._process = process
        return process

    @property
    def connections(self) -> int:
        """Count the connections to the broker so far."""
        return sum("Connected to broker" in line for line in self.log)

    def stop(self) -> None:
        """End the process and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(10)
            self._process = None

    async def command(self, device: str, payload: str, **members: str) -> dict[str, Any]:
        """Give a command to the flow and wait for what it gives back."""
        order = {"device": device, "payload": payload, "target": "uhome2mqtt command", **members}
        async with new_http(self.url, PATIENCE) as http:
            answer = await http.post("/command", json=order)
        answer.raise_for_status()
        outcome: dict[str, Any] = answer.json()
        return outcome
