"""The scripts and lines for the shell do what they say."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.account import FRONT, GARAGE
from tests.support.mosquitto import Mosquitto
from tests.support.stage import staged

from .page import Shell, blocks

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

FOLDER = Path(__file__).parents[2] / "examples" / "shell"
LINES = [line.strip() for line in blocks("sh", (FOLDER / "README.md").read_text())]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Shell]:
    """Run a bridge."""
    async with staged(tmp_path_factory.mktemp("stage"), mosquitto) as stage:
        await stage.up()
        prepared = Shell(stage=stage, directory=tmp_path_factory.mktemp("shell"))
        prepared.prepare()
        yield prepared


async def script(shell: Shell, name: str, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run a script as it stands, with the base topic of the stage in its environment."""
    given = {"BASE": shell.stage.ear.base, **environment}
    return await shell.run("env", *(f"{key}={value}" for key, value in given.items()), str(FOLDER / name), *arguments)


async def test_lines(shell: Shell) -> None:
    """Every line of the page shows what it says."""
    watch, state, devices, command = LINES
    code, out, _ = await shell.run("timeout", "5", "bash", "-c", f"exec {shell.here(watch)}")
    assert (code, f"{shell.stage.ear.base}/front_door/lock LOCKED\n" in out) == (124, True)
    assert await shell.run("bash", "-c", shell.here(state)) == (0, "LOCKED\n", "")
    code, out, _ = await shell.run("bash", "-c", shell.here(devices))
    assert (code, len(out.splitlines()), "front_door\tlock\tFront Door\n" in out) == (0, 7, True)
    assert await shell.run("bash", "-c", shell.here(command)) == (0, "confirmed\n", "")


async def test_lock_and_wait(shell: Shell) -> None:
    """The script ends with 0 for a command that was confirmed, which was sent once and cannot be repeated."""
    before, since = len(shell.stage.account.commands()), shell.stage.ear.now
    assert await script(shell, "lock-and-wait", "front_door", "UNLOCK") == (0, "UNLOCK confirmed\n", "")
    assert await script(shell, "lock-and-wait", "front_door") == (0, "LOCK confirmed\n", "")
    assert shell.stage.account.commands()[before:] == [(FRONT, "unlock"), (FRONT, "lock")]
    orders = [json.loads(text) for text in shell.stage.ear.payloads("front_door/lock/set", since)]
    assert all(order.keys() == {"value", "transaction", "sent_at"} for order in orders)


async def test_lock_and_wait_fails(shell: Shell, tmp_path: Path) -> None:
    """The script ends with a code of its own for a bad outcome, no answer, no broker and wrong use."""
    await shell.stage.account.by_hand(GARAGE, online=False)
    code, out, err = await script(shell, "lock-and-wait", "garage")
    assert (code, out.startswith("LOCK rejected"), err) == (1, True, "")
    await shell.stage.account.by_hand(GARAGE, online=True)
    code, out, err = await script(shell, "lock-and-wait", "nowhere", BASE="nobody", WAIT="1")
    assert (code, out, "no answer" in err) == (2, "", True)
    assert (await script(shell, "lock-and-wait", "front_door", "OPEN"))[0] == 64
    (tmp_path / "mosquitto_rr").write_text("-h 127.0.0.1\n-p 1\n")
    assert (await script(shell, "lock-and-wait", "front_door", XDG_CONFIG_HOME=str(tmp_path)))[0] == 3


async def test_wait_for_state(shell: Shell) -> None:
    """The script ends with 0 as soon as the value is there, with 1 if it does not come, and with 64 if used wrongly."""
    assert await script(shell, "wait-for-state", "front_door", "lock", "LOCKED") == (0, "", "")
    assert await script(shell, "wait-for-state", "front_door", "lock", "JAMMED", "1") == (1, "", "")
    assert (await script(shell, "wait-for-state", "front_door"))[0] == 64
