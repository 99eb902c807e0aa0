"""The page about commands, taken apart, and a shell in which its examples are run as they stand."""

from __future__ import annotations

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path

from tests.support.stage import Stage
from uhome2mqtt.topics import Topics

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "commands.md"
TEXT = PAGE.read_text()
TOPICS = Topics(base="uhome2mqtt", discovery_prefix="homeassistant")
"""The topics of the page."""

CLIENTS = ("mosquitto_pub", "mosquitto_sub", "mosquitto_rr")
PATIENCE = 30.0
"""Seconds."""


def blocks(language: str, text: str = TEXT) -> list[str]:
    """Give the code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """Give what stands below a heading, up to the next one."""
    [found] = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    return str(found)


def first_column(table: str) -> list[str]:
    """Give every word in code type of the first column of the tables in a text."""
    cells = re.findall(r"^\| ([^|]*) \|", table, re.MULTILINE)
    return [word for cell in cells for word in re.findall(r"`([^`]+)`", cell)]


def scripts() -> list[str]:
    """Give the shell examples that are whole files."""
    return [block for block in blocks("sh") if block.startswith("#!")]


def command_lines() -> list[str]:
    """Give the shell examples that stand for themselves, one command each."""
    single = (block for block in blocks("sh") if not block.startswith("#!"))
    return [line.strip() for block in single for line in re.split(r"\n(?=mosquitto_)", block)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shell:
    """Runs examples against a stage; that the broker is elsewhere is said as the page says it, in `~/.config`."""

    stage: Stage
    directory: Path

    @property
    def config(self) -> Path:
        return self.directory / "config"

    def prepare(self) -> None:
        """Write the options that all calls have in common."""
        self.config.mkdir(parents=True)
        for program in CLIENTS:
            (self.config / program).write_text(f"-h 127.0.0.1\n-p {self.stage.broker.port}\n")

    def here(self, text: str) -> str:
        """Move the topics of an example below the base topic of the stage."""
        return text.replace("uhome2mqtt/", f"{self.stage.ear.base}/").replace("reply/", f"{self.stage.ear.base}/reply/")

    def file(self, name: str, text: str) -> str:
        """Keep an example as a file."""
        path = self.directory / name
        path.write_text(text)
        return str(path)

    async def run(self, *command: str) -> tuple[int, str, str]:
        """Run a program to its end: exit code, standard output, standard error."""
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "XDG_CONFIG_HOME": str(self.config)},
        )  # fmt: skip
        try:
            async with asyncio.timeout(PATIENCE):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()
