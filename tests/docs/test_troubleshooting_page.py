"""docs/troubleshooting.md: what it says of `check` and of the bundle."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

from tests.support.installation import found, write
from tests.support.mosquitto import Mosquitto
from tests.support.process import run
from uhome2mqtt.doctor import Blame, Verdict
from uhome2mqtt.settings import inspect

PAGE = (Path(__file__).parent.parent.parent / "docs" / "troubleshooting.md").read_text()


def table(head: str) -> list[str]:
    """Give the first cells of a table, by its head's first cell."""
    lines = PAGE.partition(f"| {head} |")[2].partition("\n\n")[0].splitlines()[2:]
    return [line.split("|")[1].strip() for line in lines]


async def test_lines(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """The page has every line of `check`, in its order."""
    findings = await found(tmp_path, mqtt={"url": mosquitto.url, "base_topic": f"page-{tmp_path.name}"})
    named = [name for cell in table("line") for name in re.findall(r"`(\w+)`", cell)]
    assert named == [finding.what for finding in findings]


def test_words() -> None:
    """The page has every verdict and everything that can be to blame."""
    text = " ".join(PAGE.split())
    for word in (*Verdict, *Blame):
        assert f"`{word}`" in text


def test_example_of_a_problem(tmp_path: Path) -> None:
    """The problem that the page shows is one that the program finds."""
    [problem] = inspect(write(tmp_path, polling={"interval": 1}), {}).problems
    assert problem.startswith("polling.interval: got '1', but it is out of range")


async def test_bundle(tmp_path: Path) -> None:
    """The page has every file of the bundle."""
    file = write(tmp_path)
    code, out, _ = await run("diagnostics", "-c", str(file), cwd=tmp_path)
    assert code == 0
    with zipfile.ZipFile(tmp_path / out.strip()) as archive:
        names = set(archive.namelist())
        assert json.loads(archive.read("settings.json"))["problems"] == []
    assert names == {name for cell in table("file") for name in re.findall(r"`([\w.]+)`", cell)}
